//! Venues without ExecID(17) and with a clock of seconds: two changes of one order within a second are two (decision 0033).

use crate::play::{accepted, only, takes_all, time, work};
use crate::support::{SAME, Sent, World, fix};
use fastcore::event::EventKind;
use fastcore::profile::{FillKey, FillQty};

/// A report without an ExecID, its TransactTime(60) in whole seconds.
fn says(w: &mut World, exec: char, rest: &str) -> Vec<Sent> {
    let at = &time(w.now)[..17];
    let text = format!("35=8|34=1|37=o|150={exec}|39=0|55=EURUSD|54=1|14=0|151=0|59=1|60={at}|{rest}");
    w.apply(EventKind::Leader, "L", &fix(&text))
}

fn world() -> World {
    keyed(FillKey::OrderCumTime)
}

fn keyed(key: FillKey) -> World {
    World::with(SAME, r#","copy":"orders""#, |c| {
        takes_all(c);
        c.profiles[0].fill_key = key;
    })
}

/// Price, stop price or quantity alone tells them apart; the same words again are the same report. So it is where ExecID(17)
/// is there and says nothing, and where a venue that has one left it out.
#[test]
fn two_replaces_of_one_second_are_both_followed() {
    let first = ("1.3", "1.2", "10");
    for (key, exec) in [(FillKey::OrderCumTime, ""), (FillKey::OrderCumTime, "17=0|"), (FillKey::ExecId, "")]
    {
        let of = |at: (&str, &str, &str)| format!("{exec}40=4|44={}|99={}|38={}|", at.0, at.1, at.2);
        for (second, third) in [
            (("1.4", "1.2", "10"), ("1.5", "1.2", "10")),
            (("1.3", "1.21", "10"), ("1.3", "1.22", "10")),
            (("1.3", "1.2", "11"), ("1.3", "1.2", "12")),
        ] {
            let mut w = keyed(key);
            let new = says(&mut w, '0', &of(first));
            let mut order = only(&new, "new buy 10 4 1.3/1.2 1");
            work(&mut w, &order);
            for (px, stop, qty) in [second, third] {
                let sent = says(&mut w, '5', &of((px, stop, qty)));
                let change = only(&sent, &format!("replace buy {qty} 4 {px}/{stop} 1"));
                accepted(&mut w, &order, &change, "0");
                order = change;
            }
            assert!(says(&mut w, '5', &of(second)).is_empty(), "what was overtaken comes again");
        }
    }
}

/// Replaced again with nothing but another ClOrdID(11): the order's new name is heard.
#[test]
fn a_name_alone_makes_another_report() {
    let mut w = world();
    let order = only(&says(&mut w, '0', "40=2|44=1.3|38=10|11=a|"), "new buy 10 2 1.3/ 1");
    work(&mut w, &order);
    // Changes without a consequence are counted by kind; what is known already is not.
    let heard = |w: &World| w.engine.state().notes.values().sum::<u64>();
    let before = heard(&w);
    says(&mut w, '5', "40=2|44=1.3|38=10|11=b|41=a|");
    says(&mut w, '5', "40=2|44=1.3|38=10|11=c|41=b|");
    says(&mut w, '5', "40=2|44=1.3|38=10|11=c|41=b|");
    assert_eq!(heard(&w), before + 2);
}

/// A fill is the same one whatever is said of its order beside it: it is counted once, also where LastQty(32) is all that counts.
#[test]
fn a_fill_is_no_other_one_because_its_order_has_changed() {
    let mut w = World::with(SAME, "", |c| {
        (c.profiles[0].fill_key, c.profiles[0].fill_qty) = (FillKey::OrderCumTime, FillQty::LastQty);
    });
    let fill = |w: &mut World, order: &str| {
        let at = &time(w.now)[..17];
        let text = format!("35=8|34=1|37=o|150=F|39=1|55=EURUSD|54=1|32=5|31=1.1|14=5|151=0|60={at}|{order}");
        w.apply(EventKind::Leader, "L", &fix(&text))
    };
    only(&fill(&mut w, "38=10|44=1.3|"), "new buy 5 1 /");
    for order in ["38=12|44=1.3|", "38=10|44=1.4|", "38=10|44=1.3|99=1.2|", "38=10|44=1.3|11=a|"] {
        assert!(fill(&mut w, order).is_empty(), "{order}");
    }
}
