//! Worked cases at the scales that markets have: yen per dollar with contracts of 100,000, coins in hundred-millionths, prices
//! with eight decimals. From the leader's report to the text of the order, digit by digit, and back into the ledger.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, InstrumentConfig, OrderType};
use fastcore::decimal::{Dec, Round};
use fastcore::event::EventKind;
use fastcore::profile::QuantityUnit;
use support::{Sent, World, d, field, lots, tell};

/// An instrument: contract size, lot step, smallest lot, tick; currencies of the unit and of the price.
type Scale = [&'static str; 6];

const YEN: Scale = ["100000", "0.01", "0.01", "0.001", "USD", "JPY"];
const COIN: Scale = ["1", "0.00000001", "0.00001", "0.01", "BTC", "USD"];
/// A contract on ether's price in dollars that pays 0.000001 bitcoin for each dollar.
const QUANTO: Scale = ["0.000001", "1", "1", "0.05", "ETH", "XBT"];
/// A contract of 100 dollars that is settled in bitcoin: worth 100 / price.
const INVERSE: Scale = ["100", "1", "1", "0.5", "USD", "XBT"];
const DUST: Scale = ["1", "1", "1", "0.00000001", "SHIB", "USD"];

/// A claim: what the leader does, and the order that comes of it.
struct Case {
    claim: &'static str,
    scale: Scale,
    /// A unit is worth 1 / price.
    inverse: bool,
    sizing: &'static str,
    /// Of the follower: its currency and equity.
    account: (&'static str, &'static str),
    /// Largest slippage of a limit, basis points; none: at the market.
    slippage_bps: Option<&'static str>,
    /// The venue counts lots.
    in_lots: bool,
    /// Side, quantity and price of the leader's trade.
    trade: (bool, &'static str, &'static str),
    /// OrdType(40), OrderQty(38) and Price(44) of the order, as text.
    order: [&'static str; 3],
    /// The target, units, with everything behind the step.
    target: &'static str,
}

const HALF: &str = r#"{"mode":"multiplier","k":"0.5"}"#;
const THIRD: &str = r#"{"mode":"multiplier","k":"0.333333333333333333"}"#;
const PLAIN: Case = Case {
    claim: "",
    scale: YEN,
    inverse: false,
    sizing: HALF,
    account: ("USD", "20000"),
    slippage_bps: None,
    in_lots: false,
    trade: (true, "137000", "150.123"),
    order: ["1", "68000", ""],
    target: "68500",
};

const CASES: &[Case] = &[
    Case { claim: "half of 1.37 lots of yen are 0.68 lots, and half a step waits", ..PLAIN },
    Case {
        claim: "a venue that counts lots is asked for lots",
        in_lots: true,
        order: ["1", "0.68", ""],
        trade: (true, "1.37", "150.123"),
        ..PLAIN
    },
    Case {
        claim: "a buy limit goes no further than 10 bps above 150.123: 150.273123, on the tick below",
        slippage_bps: Some("10"),
        order: ["2", "68000", "150.273"],
        ..PLAIN
    },
    Case {
        claim: "a sell limit goes no further than 10 bps below 150.123: 149.972877, on the tick above",
        slippage_bps: Some("10"),
        trade: (false, "137000", "150.123"),
        order: ["2", "68000", "149.973"],
        target: "-68500",
        ..PLAIN
    },
    Case {
        claim: "half of 20,000 dollars are 10,000 units of dollars: a last digit lost on the way to yen and back is no lot",
        sizing: r#"{"mode":"percent_equity","percent":"50"}"#,
        order: ["1", "10000", ""],
        target: "9999.99999999999951",
        ..PLAIN
    },
    Case {
        claim: "a tenth of 100,000,000 yen are 66,612.04 units at 150.123, of which the ledger keeps 15 decimals",
        sizing: r#"{"mode":"percent_equity","percent":"10"}"#,
        account: ("JPY", "100000000"),
        order: ["1", "66000", ""],
        target: "66612.044789938916755",
        ..PLAIN
    },
    Case {
        claim: "seven hundredths of a lot are 7,000 units, whatever the leader bought",
        sizing: r#"{"mode":"fixed","lots":"0.07"}"#,
        order: ["1", "7000", ""],
        target: "7000",
        ..PLAIN
    },
    Case {
        claim: "a third of 0.12345678 coins is 0.04115226: what is off a step by less than a millionth of it is that step",
        scale: COIN,
        sizing: THIRD,
        trade: (true, "0.12345678", "64123.45"),
        order: ["1", "0.04115226", ""],
        target: "0.04115226",
        ..PLAIN
    },
    Case {
        claim: "a quarter of 10,000 dollars at 64,123.45 are 0.038987297 coins, of which eight decimals are bought",
        scale: COIN,
        sizing: r#"{"mode":"percent_equity","percent":"25"}"#,
        account: ("USD", "10000"),
        trade: (true, "0.5", "64123.45"),
        order: ["1", "0.03898729", ""],
        target: "0.038987297158839707",
        ..PLAIN
    },
    Case {
        claim: "a limit of a coin: 64,123.45 and 7 bps are 64,168.336415, on the tick below",
        scale: COIN,
        slippage_bps: Some("7"),
        trade: (true, "0.00002468", "64123.45"),
        order: ["2", "0.00001234", "64168.33"],
        target: "0.00001234",
        ..PLAIN
    },
    Case {
        claim: "one per cent of 2,345 dollars buys a million units at 0.00002345",
        scale: DUST,
        sizing: r#"{"mode":"percent_equity","percent":"1"}"#,
        account: ("USD", "2345"),
        slippage_bps: Some("100"),
        trade: (true, "7", "0.00002345"),
        order: ["2", "1000000", "0.00002368"],
        target: "1000000",
        ..PLAIN
    },
    Case {
        claim: "a tenth of 2 bitcoin, at 0.000001 bitcoin for each of 3,000.05 dollars, are 66 contracts",
        scale: QUANTO,
        sizing: r#"{"mode":"percent_equity","percent":"10"}"#,
        account: ("XBT", "2"),
        in_lots: true,
        trade: (true, "100", "3000.05"),
        order: ["1", "66", ""],
        target: "0.000066665555574074",
        ..PLAIN
    },
    Case {
        claim: "a tenth of 2 bitcoin, at 64,123.5 dollars each, are 12,824.7 dollars: 128 contracts of 100",
        scale: INVERSE,
        inverse: true,
        sizing: r#"{"mode":"percent_equity","percent":"10"}"#,
        account: ("XBT", "2"),
        in_lots: true,
        trade: (true, "50", "64123.5"),
        order: ["1", "128", ""],
        target: "12824.7",
        ..PLAIN
    },
    Case {
        claim: "a tenth of 100,000 dollars are 10,000 dollars of contracts at any price: not a digit is lost on the way",
        scale: INVERSE,
        inverse: true,
        sizing: r#"{"mode":"percent_equity","percent":"10"}"#,
        account: ("USD", "100000"),
        in_lots: true,
        trade: (false, "50", "64123.5"),
        order: ["1", "100", ""],
        target: "-10000",
        ..PLAIN
    },
    Case {
        claim: "the same contract value of a thing that costs the same is the same number of units",
        scale: DUST,
        sizing: r#"{"mode":"notional","k":"1"}"#,
        trade: (false, "123456789", "0.00002345"),
        order: ["1", "123456789", ""],
        target: "-123456789",
        ..PLAIN
    },
];

impl Case {
    /// Signed units that the whole order makes.
    fn held(&self) -> Dec {
        let contract = if self.in_lots { d(self.scale[0]) } else { Dec::ONE };
        let units = d(self.order[1]).mul(contract, Round::HalfEven).unwrap();
        if self.trade.0 { units } else { Dec::ZERO.checked_sub(units).unwrap() }
    }

    fn world(&self) -> World {
        let mut w = World::with(self.sizing, "", |c| self.build(c));
        let text = format!(r#"{{"cmd":"account","who":"ann","account":"f","equity":"{}"}}"#, self.account.1);
        tell(&mut w, &text);
        let px = self.trade.2;
        let quote = format!(r#"{{"instrument":"EURUSD","bid":"{px}","ask":"{px}"}}"#);
        w.apply(EventKind::Quote, "", quote.as_bytes());
        w
    }

    fn build(&self, c: &mut Config) {
        let [contract, step, min, tick, base, currency] = self.scale;
        c.instruments = vec![InstrumentConfig {
            contract_size: d(contract),
            lot_step: lots(step),
            min_lot: lots(min),
            tick: d(tick),
            base: Some(base.to_owned()),
            currency: currency.to_owned(),
            inverse: self.inverse,
            ..c.instruments[0].clone()
        }];
        c.followers[0].currency = Some(self.account.0.to_owned());
        if self.in_lots {
            c.profiles[0].quantity_unit = QuantityUnit::Lots;
        }
        if let Some(bps) = self.slippage_bps {
            (c.subscriptions[0].order_type, c.subscriptions[0].max_slippage_bps) = (OrderType::Limit, d(bps));
        }
    }
}

/// The leader's order trades, with so much of it filled now and in all.
fn trade(
    w: &mut World,
    order: &str,
    (buy, qty, px): (bool, &str, &str),
    (last, cum): (&str, &str),
) -> Vec<Sent> {
    w.exec += 1;
    let (e, side, mut time) = (w.exec, if buy { 1 } else { 2 }, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let raw = support::fix(&format!(
        "35=8|34={e}|37={order}|17=E{e}|150=F|39=1|55=EURUSD|54={side}|38={qty}|32={last}|31={px}|14={cum}|151=0|60={time}|"
    ));
    w.apply(EventKind::Leader, "L", &raw)
}

fn text_of(s: &Sent, tag: &str) -> String {
    field(s.text.replace('|', "\u{1}").as_bytes(), tag)
}

#[test]
fn every_case_ends_in_the_text_that_it_claims() {
    for case in CASES {
        let (mut w, (_, qty, _)) = (case.world(), case.trade);
        let sent = trade(&mut w, "o1", case.trade, (qty, qty));
        assert_eq!(sent.len(), 1, "{}: {:?}", case.claim, w.engine.status().refusals);
        let found = ["40", "38", "44"].map(|tag| text_of(&sent[0], tag));
        assert_eq!(found, case.order, "{}", case.claim);
        assert_eq!(sent[0].buy, case.trade.0, "{}", case.claim);
        assert_eq!(w.target(), d(case.target), "{}", case.claim);
        // What the broker says it filled is in the ledger digit by digit, in units.
        w.out(&sent[0]);
        w.fill(&sent[0], case.order[1], case.order[1]);
        assert_eq!(w.filled(), case.held(), "{}", case.claim);
    }
}

/// However an order of the leader's fills, the same is held in the end, and the last close leaves nothing.
#[test]
fn parts_of_every_case_come_to_the_same_and_go_to_nothing() {
    for case in CASES {
        let (mut w, (buy, qty, px)) = (case.world(), case.trade);
        let whole = d(qty);
        // A third, another, and the rest, to the last decimal that the leader's quantity has.
        let decimals = qty.split('.').nth(1).map_or(0, str::len);
        let third = whole.div(d("3"), fastcore::decimal::Round::Down).unwrap().to_string();
        let third = d(&cut(&third, decimals));
        let twice = third.checked_add(third).unwrap();
        let rest = whole.checked_sub(twice).unwrap();
        for (last, cum) in [(third, third), (third, twice), (rest, whole)] {
            let parts = (last.to_string(), cum.to_string());
            for s in trade(&mut w, "o1", case.trade, (&parts.0, &parts.1)) {
                w.out(&s);
                w.fill(&s, &s.qty, &s.qty);
            }
        }
        assert_eq!(w.filled(), case.held(), "{}", case.claim);
        let close = trade(&mut w, "o2", (!buy, qty, px), (qty, qty));
        assert_eq!(close.len(), 1, "{}", case.claim);
        let found = [text_of(&close[0], "40"), text_of(&close[0], "38")];
        assert_eq!(found, ["1", case.order[1]], "{}", case.claim);
        w.fill(&close[0], &close[0].qty, &close[0].qty);
        assert_eq!((w.filled(), w.target()), (d("0"), d("0")), "{}", case.claim);
    }
}

/// A decimal text without what is behind so many places.
fn cut(text: &str, decimals: usize) -> String {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if decimals == 0 { whole.to_owned() } else { format!("{whole}.{}", &rest[..decimals.min(rest.len())]) }
}

/// The whole line, as the broker reads it between the header and the trailer.
#[test]
fn the_order_of_a_coin_reads_as_its_broker_wants_it() {
    let case = CASES.iter().find(|c| c.order[2] == "64168.33").unwrap();
    let mut w = case.world();
    let sent = trade(&mut w, "o1", case.trade, (case.trade.1, case.trade.1));
    let text = &sent[0].text;
    assert!(text.contains("|38=0.00001234|40=2|44=64168.33|59=3|"), "{text}");
}
