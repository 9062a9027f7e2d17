//! A hedging account reports each position by itself: one of them is not the leader's whole position.

use fastcore::action::{Alert, Sink};
use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};

const NOW: i64 = 1_700_000_000_000_000_000;

#[derive(Default)]
struct Alerts(Vec<String>);

impl Sink for Alerts {
    const WANTS_DECISIONS: bool = true;
    fn frame(&mut self, _route: u32, _frame: &[u8]) {}
    fn alert(&mut self, alert: &Alert) {
        self.0.push(alert.code.to_string());
    }
}

fn engine(model: &str) -> Engine {
    let text = format!(
        r#"{{"deployment":"t","profiles":[{{"name":"p","begin_string":"FIX.4.4","position_model":"{model}"}}],
        "instruments":[{{"name":"EURUSD","contract_size":"100000","lot_step":"0.01","min_lot":"0.01","tick":"0.00001","currency":"USD"}}],
        "leaders":[{{"name":"l","session":"L","profile":"p","symbols":{{"1":"EURUSD"}},"assume_flat":true}}],
        "routes":[{{"name":"r","session":"R","profile":"p"}}],
        "followers":[{{"name":"f","route":"r","account":"F","symbols":{{"EURUSD":"EURUSD"}}}}],
        "subscriptions":[{{"name":"s","follower":"f","leader":"l","sizing":{{"mode":"multiplier","k":"1"}},
          "max_ratio":"100","symbol_map":{{"EURUSD":{{"instrument":"EURUSD"}}}}}}]}}"#
    );
    Engine::new(Config::from_json(&text).unwrap()).unwrap()
}

fn play(engine: &mut Engine, messages: &[&str]) -> Vec<String> {
    let mut alerts = Alerts::default();
    for (seq, text) in (1_u64..).zip(messages) {
        let body = text.replace('|', "\u{1}");
        let head = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
        let sum = head.bytes().map(u32::from).sum::<u32>() % 256;
        let raw = format!("{head}10={sum:03}\u{1}");
        let at_ns = NOW + i64::try_from(seq).unwrap();
        let event = Event { seq, at_ns, kind: EventKind::Leader, session: "L", payload: raw.as_bytes() };
        engine.apply(&event, &mut alerts);
    }
    alerts.0
}

/// Two longs of 1,000, and a report of each (ctrader-live-pos-1, ctrader-live-pos-3), asked for once.
const TWO_POSITIONS: [&str; 4] = [
    "35=8|34=2|37=1|150=F|39=2|55=1|54=1|38=1000|32=1000|14=1000|151=0|6=1.07|721=47888826|60=20231114-22:13:20|",
    "35=8|34=3|37=2|150=F|39=2|55=1|54=1|38=1000|32=1000|14=1000|151=0|6=1.07|721=47888815|60=20231114-22:13:20|",
    "35=AP|34=4|55=1|710=q|721=47888826|727=2|728=0|730=1.07829|702=1|704=1000|705=0|",
    "35=AP|34=5|55=1|710=q|721=47888815|727=2|728=0|730=1.07829|702=1|704=1000|705=0|",
];

fn target(engine: &Engine) -> (Option<Dec>, Dec) {
    let line = engine.status().subscriptions.into_iter().next().unwrap();
    (line.leader_position, line.target)
}

/// 1,000 said twice is two positions of a leader who holds 2,000, and no reduce that we missed.
#[test]
fn two_equal_positions_of_a_hedging_account_are_no_reduce() {
    let mut engine = engine("hedging");
    let alerts = play(&mut engine, &TWO_POSITIONS);
    let held = Dec::from_int(2_000);
    assert_eq!(target(&engine), (Some(held), held));
    assert!(alerts.is_empty(), "{alerts:?}");
}

/// On a netting account the same two reports are one position, said twice.
#[test]
fn the_same_reports_of_a_netting_account_are_a_reduce() {
    let mut engine = engine("netting");
    let alerts = play(&mut engine, &TWO_POSITIONS);
    let held = Dec::from_int(1_000);
    assert_eq!(target(&engine), (Some(held), held));
    assert_eq!(alerts, ["leader_drift"]);
}
