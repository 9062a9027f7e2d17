//! What a guarded account is worth, and when nobody knows.

use crate::support::{SAME, World, d, one};
use crate::{
    CLOSE, DAY, FLOOR, copied, equity, guard, guarded, quote, refused, restarted, stops, tell, worth,
};
use fastcore::config::SymbolMap;
use fastcore::decimal::Dec;
use fastcore::event::EventKind;

/// 1,000 units bought at 1.1: longs are worth the bid, shorts the ask, and what was closed has been earned.
#[test]
fn equity_is_the_last_value_and_what_was_won_since() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    assert_eq!(equity(&w), Some(d("10000")));
    copied(&mut w, "o1", 1, "1000");
    assert_eq!(equity(&w), Some(d("10000")));
    quote(&mut w, "1.2", "1.3");
    assert_eq!(equity(&w), Some(d("10100")));
    // Closes 1,000 at 1.1, and sells 500, which cost 1.3 to buy back: one fill moves no quote.
    copied(&mut w, "o2", 2, "1500");
    assert_eq!(equity(&w), Some(d("9900")));
    // The broker's word replaces what was counted; a deposit is added to it.
    worth(&mut w, "9890");
    assert_eq!(equity(&w), Some(d("9890")));
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","deposit":"-90"}"#);
    assert_eq!(equity(&w), Some(d("9800")));
    quote(&mut w, "1.1", "1.2");
    assert_eq!(equity(&w), Some(d("9850")));
}

/// A balance has nothing of what is held in it; an equity has, and is not replaced by a balance.
#[test]
fn a_balance_is_without_what_is_held() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    copied(&mut w, "o1", 1, "1000");
    let balance = r#"{"cmd":"account","who":"ann","account":"f","balance":"5000"}"#;
    tell(&mut w, balance);
    quote(&mut w, "1.2", "1.3");
    assert_eq!(equity(&w), Some(d("10100")));
    let mut w = guarded(FLOOR);
    tell(&mut w, balance);
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.2", "1.3");
    assert_eq!(equity(&w), Some(d("5100")));
    tell(&mut w, balance);
    assert_eq!(equity(&w), Some(d("5100")));
}

/// Nobody knows what an account is worth before its broker, or a person, has said so, or with a price of long ago.
#[test]
fn without_a_value_or_a_price_nothing_is_opened() {
    let mut w = guarded(FLOOR);
    assert!(copied(&mut w, "o1", 1, "10").is_empty());
    assert_eq!(refused(&w, "stale_account"), 1);
    worth(&mut w, "10000");
    assert_eq!(copied(&mut w, "o2", 1, "10").len(), 1);
    w.now += 3_600_000_000_000;
    assert!(copied(&mut w, "o3", 1, "10").is_empty());
    assert_eq!((equity(&w), refused(&w, "stale_account")), (None, 2));
    // The close is not asked.
    one(&copied(&mut w, "o4", 2, "30"), false, "10");
    assert!(stops(&w).is_empty());
}

/// A bust takes back what its fill won or lost; the broker's CollateralReport says what the account is worth.
#[test]
fn busts_and_the_brokers_own_reports_are_counted() {
    let mut w = guarded(FLOOR);
    w.broker("35=BA|908=1|910=3|1=F|15=USD|900=5000|901=4000|60=20231114-22:13:20|");
    assert_eq!(equity(&w), Some(d("5000")));
    let sent = w.leader("o1", 1, "100", "100", "100");
    let id = &sent[0].id;
    w.out(&sent[0]);
    let report = |kind: &str, exec: &str, more: &str, cum: &str| {
        format!(
            "35=8|37=B|11={id}|17={exec}|150={kind}|39=1|55=EURUSD|54=1|38=100|31=1.1|14={cum}|151=0|{more}"
        )
    };
    w.broker(&report("F", "X1", "32=40|", "40"));
    quote(&mut w, "2.1", "2.1");
    assert_eq!(equity(&w), Some(d("5040")));
    w.broker(&report("H", "X2", "19=X1|32=40|", "0"));
    assert_eq!((equity(&w), w.filled()), (Some(d("5000")), Dec::ZERO));
}

/// A deposit is no gain, and a withdrawal no loss.
#[test]
fn money_paid_in_or_out_moves_the_base_as_well() {
    let mut w = guarded(DAY);
    worth(&mut w, "1000");
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","deposit":"-500"}"#);
    assert!(stops(&w).is_empty());
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.06", "1.06");
    assert!(stops(&w).is_empty());
    quote(&mut w, "1.05", "1.05");
    assert_eq!(stops(&w).len(), 1);
    assert_eq!(equity(&w), Some(d("450")));
}

/// A deposit told with a value that is too old is told once more by whoever reads that it was refused: neither is taken.
#[test]
fn a_deposit_goes_with_its_value_or_not_at_all() {
    let mut w = guarded(DAY);
    worth(&mut w, "1000");
    let mut before = Vec::new();
    fastcore::time::write_utc(w.now - 1_000_000_000, &mut before);
    let before = String::from_utf8(before).unwrap();
    let said = r#""cmd":"account","who":"ann","account":"f","equity":"500","deposit":"-500""#;
    tell(&mut w, &format!(r#"{{{said},"as_of":"{before}"}}"#));
    assert_eq!((equity(&w), stops(&w).len()), (Some(d("1000")), 0));
    assert!(w.alerts.last().unwrap().text.contains("nothing was taken"));
    tell(&mut w, &format!("{{{said}}}"));
    assert_eq!((equity(&w), stops(&w).len()), (Some(d("500")), 0), "once");
}

/// Guards that come while something is held do not know its cost: they wait for the next account value.
#[test]
fn guards_that_come_later_wait_for_an_account_value() {
    let mut w = World::new(SAME, "");
    copied(&mut w, "o1", 1, "1000");
    restarted(&mut w, |c| guard(c, FLOOR));
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","balance":"1000"}"#);
    assert_eq!(equity(&w), None);
    worth(&mut w, "1000");
    assert_eq!(equity(&w), Some(d("1000")), "what is held is in it");
    // For as long as a price would count; then nobody has said what it is worth for too long.
    w.now += 3_600_000_000_000;
    assert!(copied(&mut w, "o2", 1, "5").is_empty());
    assert_eq!(equity(&w), None);
    worth(&mut w, "1000");
    quote(&mut w, "1.2", "1.2");
    assert_eq!(equity(&w), Some(d("1000")), "it counts from its first price on");
    quote(&mut w, "1.3", "1.3");
    assert_eq!(equity(&w), Some(d("1100")));
}

/// 100,000 yen won at 100 yen a dollar are 1,000 dollars; without a rate nobody knows.
#[test]
fn profit_is_converted_to_the_accounts_currency() {
    let mut w = World::with(SAME, "", |c| {
        guard(c, FLOOR);
        c.instruments[0].currency = "JPY".to_owned();
        let mut pair = c.instruments[0].clone();
        (pair.name, pair.base) = ("USDJPY".to_owned(), Some("USD".to_owned()));
        c.instruments.push(pair);
    });
    worth(&mut w, "5000");
    copied(&mut w, "o1", 1, "1000");
    assert_eq!(equity(&w), Some(d("5000")), "nothing won needs no rate");
    quote(&mut w, "101.1", "101.1");
    assert_eq!(equity(&w), None);
    w.apply(EventKind::Quote, "", br#"{"instrument":"USDJPY","bid":"99","ask":"101"}"#);
    assert_eq!(equity(&w), Some(d("6000")));
}

/// The broker itself says that the account is below its floor: no price is needed to believe it.
#[test]
fn an_account_value_is_judged_without_a_price() {
    let mut w = guarded(CLOSE);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    w.now += 7_200_000_000_000;
    let told = r#"{"cmd":"account","who":"ann","account":"f","equity":"700"}"#;
    one(&tell(&mut w, told), false, "1000");
    assert_eq!(stops(&w), [("f".to_owned(), "close_only", "suspended_equity")]);
}

/// An equity that comes after hours without quotes has the move of those hours in it: the next quote brings no loss.
#[test]
fn a_move_that_is_in_an_account_value_is_not_counted_again() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.1", "1.1");
    w.now += 7_200_000_000_000;
    worth(&mut w, "9900");
    quote(&mut w, "1", "1");
    assert_eq!(equity(&w), Some(d("9900")));
    quote(&mut w, "0.99", "0.99");
    assert_eq!(equity(&w), Some(d("9890")));
}

/// An account that stands still behind an old price is judged by it: only opens need a fresh one.
#[test]
fn a_breach_is_found_behind_an_old_price() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.05", "1.05");
    w.now += 7_200_000_000_000;
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","deposit":"-60"}"#);
    assert_eq!((equity(&w), stops(&w).len()), (None, 1));
}

/// Where a broker sends balances only: one that comes while nothing is held says all.
#[test]
fn a_balance_of_a_flat_account_is_its_equity() {
    let balance = |w: &mut World, amount: &str| {
        let text = format!(r#"{{"cmd":"account","who":"ann","account":"f","balance":"{amount}"}}"#);
        tell(w, &text);
    };
    let mut w = World::new(SAME, "");
    copied(&mut w, "o1", 1, "1000");
    restarted(&mut w, |c| guard(c, FLOOR));
    balance(&mut w, "5000");
    assert_eq!(equity(&w), None, "nobody knows what is held cost");
    copied(&mut w, "o2", 2, "1000");
    balance(&mut w, "4990");
    assert_eq!(equity(&w), Some(d("4990")));
    worth(&mut w, "4980");
    balance(&mut w, "4970");
    assert_eq!(equity(&w), Some(d("4970")), "also after an equity was given once");
}

/// What is held waits for a price of now: a bust says one of then, which no account value can be measured by.
#[test]
fn a_bust_is_no_first_price() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    let sent = w.leader("o1", 1, "100", "100", "100");
    let id = &sent[0].id;
    w.out(&sent[0]);
    w.broker(&format!("35=8|37=B|11={id}|17=X1|150=F|39=1|55=EURUSD|54=1|38=100|32=80|31=1.1|14=80|151=20|"));
    worth(&mut w, "9990");
    w.broker(&format!(
        "35=8|37=B|11={id}|17=X2|19=X1|150=H|39=1|55=EURUSD|54=1|38=100|32=80|31=1.1|14=0|151=60|"
    ));
    assert_eq!(equity(&w), None);
    worth(&mut w, "9980");
    assert_eq!(equity(&w), Some(d("9980")));
}

/// What was taken back while it waited for a price was in the account value, at a price that nobody told: no price of now and no
/// fill says what that was, only the next equity does.
#[test]
fn what_was_taken_back_while_it_waited_is_unknown_until_the_next_equity() {
    for quoted in [true, false] {
        let mut w = guarded(FLOOR);
        worth(&mut w, "10000");
        let sent = w.leader("o1", 1, "100", "100", "100");
        let id = &sent[0].id;
        w.out(&sent[0]);
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X1|150=F|39=1|55=EURUSD|54=1|38=100|32=80|31=1.1|14=80|151=20|"
        ));
        worth(&mut w, "9990");
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X2|19=X1|150=G|39=1|55=EURUSD|54=1|38=100|32=60|31=1.1|14=60|151=40|"
        ));
        if quoted {
            w.now += 1_000_000_000;
            quote(&mut w, "1.2", "1.2");
        } else {
            w.broker(&format!(
                "35=8|37=B|11={id}|17=X3|150=F|39=1|55=EURUSD|54=1|38=100|32=20|31=1.2|14=80|151=20|"
            ));
        }
        assert_eq!(equity(&w), None, "20 of 80 are gone, and nobody knows what they were worth in 9,990");
        worth(&mut w, "9980");
        assert_eq!(equity(&w), Some(d("9980")));
    }
}

/// A bust of a fill whose price nobody said makes the profit unknown where it says none either; and the price of a bust is
/// no price of now.
#[test]
fn a_bust_is_no_price() {
    for (filled, px, found) in
        [("", "", None), ("", "31=1.1|", Some("10000")), ("31=1.1|", "", Some("10000"))]
    {
        let mut w = guarded(FLOOR);
        worth(&mut w, "10000");
        quote(&mut w, "1.1", "1.1");
        w.now += 3_601_000_000_000;
        let sent = w.leader("o1", 1, "100", "100", "100");
        let id = &sent[0].id;
        w.out(&sent[0]);
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X1|150=F|39=1|55=EURUSD|54=1|38=100|32=40|{filled}14=40|151=60|"
        ));
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X2|150=F|39=1|55=EURUSD|54=1|38=100|32=40|31=2.1|14=80|151=20|"
        ));
        assert_eq!(equity(&w), Some(d("10040")));
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X3|19=X1|150=H|39=1|55=EURUSD|54=1|38=100|32=40|{px}14=40|151=60|"
        ));
        // The fill at 2.1 is the newest price still: what is left is worth 2.1, and cost 1.6 on average.
        let want = found.map(|_| d("10000"));
        assert_eq!(equity(&w), want, "{filled:?} {px:?}");
    }
}

/// A leader's quote stands for the follower's instrument by the symbol map's factor, also where both have one name; a quote
/// of the follower's own instrument counts while it is the newer one.
#[test]
fn a_leaders_quote_has_the_factor_of_the_symbol_map() {
    for name in ["EURUSD", "EURX"] {
        let mut w = World::with(SAME, "", |c| {
            guard(c, FLOOR);
            let mut other = c.instruments[0].clone();
            other.name = "EURX".to_owned();
            c.instruments.push(other);
            c.followers[0].symbols = [("EURUSD".to_owned(), name.to_owned())].into_iter().collect();
            let (instrument, price_factor) = (name.to_owned(), d("100"));
            let to = SymbolMap { instrument, qty_factor: Dec::ONE, price_factor };
            c.subscriptions[0].symbol_map = [("EURUSD".to_owned(), to)].into_iter().collect();
        });
        worth(&mut w, "10000");
        copied(&mut w, "o1", 1, "1000");
        quote(&mut w, "0.012", "0.012");
        assert_eq!(equity(&w), Some(d("10100")), "{name}");
        w.apply(EventKind::Quote, "", br#"{"instrument":"EURX","bid":"1.3","ask":"1.3"}"#);
        let own = if name == "EURX" { "10200" } else { "10100" };
        assert_eq!(equity(&w), Some(d(own)), "{name}");
        quote(&mut w, "0.014", "0.014");
        assert_eq!(equity(&w), Some(d("10300")), "{name}");
    }
}

/// A flat account is worth what was said of it, however long ago any price was heard.
#[test]
fn a_flat_account_needs_no_price() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    copied(&mut w, "o1", 1, "1000");
    copied(&mut w, "o2", 2, "1000");
    worth(&mut w, "9995");
    w.now += 7_200_000_000_000;
    assert_eq!(copied(&mut w, "o3", 1, "10").len(), 1);
    assert_eq!(equity(&w), Some(d("9995")));
}

/// Money that is paid into an account without guards, or before anybody said what it is worth, moves nothing, and that is said.
#[test]
fn a_deposit_that_moves_nothing_is_said_to() {
    let deposit = r#"{"cmd":"account","who":"ann","account":"f","deposit":"100"}"#;
    for mut w in [World::new(SAME, ""), guarded(FLOOR)] {
        tell(&mut w, deposit);
        assert!(w.alerts.iter().any(|a| a.code == "bad_command" && a.text.contains("changes nothing")));
    }
}
