//! Every pairing of a leader's account with a follower's, as the table of `docs/explanation/copying.md` has it.

use crate::support::{SAME, Sent, World, d};
use crate::{copied, hedging_leader, holds, tell, trade};
use fastcore::config::Config;
use fastcore::profile::{OrderType, PositionModel, Tif};

/// Side, quantity and named position of what was sent.
fn told(sent: &[Sent]) -> Vec<(bool, &str, String)> {
    let named = |s: &Sent| {
        s.text.split('|').find_map(|f| f.strip_prefix("721=").map(str::to_owned)).unwrap_or_default()
    };
    sent.iter().map(|s| (s.buy, s.qty.as_str(), named(s))).collect()
}

/// The follower's broker fills it as this position.
fn fill_as(w: &mut World, s: &Sent, position: &str) {
    w.out(s);
    w.exec += 1;
    let (e, id, side, qty) = (w.exec, &s.id, if s.buy { 1 } else { 2 }, &s.qty);
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=X{e}|150=F|39=2|55=EURUSD|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0|721={position}|"
    ));
}

fn hedging_follower(c: &mut Config) {
    c.profiles[0].position_model = PositionModel::Hedging;
}

/// Long 10, short 10, half of the short closed, the long closed: what each follower holds after each of them.
const NETS: [&str; 4] = ["10", "0", "5", "-5"];

fn play(w: &mut World) -> Vec<String> {
    let mut held = Vec::new();
    for (side, qty, position) in [(1, "10", "A"), (2, "10", "B"), (1, "5", "B"), (2, "10", "A")] {
        let mut sent = trade(w, side, qty, position);
        let mut n = 0;
        while !sent.is_empty() {
            // Of a flip at a hedging venue the open comes when its close has filled.
            let s = sent.remove(0);
            n += 1;
            let closes = s.text.split('|').find_map(|f| f.strip_prefix("721=").map(str::to_owned));
            w.out(&s);
            w.exec += 1;
            let (e, id, side) = (w.exec, &s.id, if s.buy { 1 } else { 2 });
            let (q, of) = (&s.qty, closes.unwrap_or_else(|| format!("T{e}")));
            sent.extend(w.broker(&format!(
                "35=8|37=B{id}|11={id}|17=X{e}|150=F|39=2|55=EURUSD|54={side}|38={q}|32={q}|31=1.1|14={q}|151=0|721={of}|"
            )));
            assert!(n < 5, "{sent:?}");
        }
        held.push(w.filled().to_string());
    }
    held
}

/// Net of the leader, whatever both accounts are: each of the four pairings holds the same after every trade.
#[test]
fn every_pairing_copies_the_net() {
    for (leader, follower) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut w = World::with(SAME, "", |c| {
            if leader {
                hedging_leader(c);
            }
            if follower {
                hedging_follower(c);
            }
        });
        assert_eq!(play(&mut w), NETS, "{leader} {follower}");
        assert!(w.alerts.is_empty(), "{leader} {follower}: {:?}", w.alerts);
        let pairs: Vec<_> = w.engine.status().subscriptions[0].positions.iter().map(|p| p.units).collect();
        assert_eq!(pairs, if follower { vec![d("-5")] } else { vec![] }, "a follower never holds a pair");
    }
}

/// Both sides hedge: the second leg of the leader's pair closes the follower's position by its own name.
#[test]
fn a_pair_of_the_leaders_closes_at_a_hedging_follower() {
    let mut w = World::with(SAME, "", |c| {
        hedging_leader(c);
        hedging_follower(c);
    });
    let open = trade(&mut w, 1, "10", "A");
    assert_eq!(told(&open), [(true, "10", String::new())]);
    fill_as(&mut w, &open[0], "T1");
    let close = trade(&mut w, 2, "4", "B");
    assert_eq!(told(&close), [(false, "4", "T1".to_owned())]);
    fill_as(&mut w, &close[0], "T1");
    let line = w.engine.status().subscriptions.remove(0);
    assert_eq!((line.filled, line.positions.len(), line.unnamed), (d("6"), 1, d("0")));
    holds(&w, "6", &[("A", "10"), ("B", "-4")], "0");
}

/// Working orders are mirrored by the net as well: his stop of A closes no more than the follower holds, and what it turns
/// his net by is opened when it is traded.
#[test]
fn working_orders_of_a_hedging_leader_are_mirrored_by_his_net() {
    let mut w = World::with(SAME, r#","copy":"orders""#, |c| {
        c.profiles[0].order_types = vec![OrderType::Market, OrderType::Limit, OrderType::Stop];
        c.profiles[0].tifs = vec![Tif::Day, Tif::Gtc, Tif::Ioc];
        hedging_leader(c);
    });
    copied(&mut w, 1, "10", "A");
    copied(&mut w, 2, "4", "B");
    assert_eq!(w.filled(), d("6"));
    let stop = "37=sl|150=0|39=0|54=2|38=10|14=0|151=10|40=3|99=1|59=1|721=A";
    let sent = tell(&mut w, &format!("17=n1|{stop}"));
    assert_eq!(told(&sent), [(false, "6", String::new())], "{sent:?}");
    w.out(&sent[0]);
    w.acknowledge(&sent[0]);
    w.fill(&sent[0], "6", "6");
    let sent = tell(&mut w, "17=n2|37=sl|150=F|39=2|54=2|38=10|32=10|31=1|14=10|151=0|40=3|99=1|59=1|721=A");
    holds(&w, "-4", &[("B", "-4")], "0");
    assert_eq!(told(&sent), [(false, "4", String::new())], "{sent:?}");
}
