//! What an event led to, for the reader of a counterexample.

use crate::setup::{SYMBOLS, Setup};
use fastcore::action::{Alert, Sink};
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::link;

#[derive(Default)]
pub struct Out {
    pub frames: Vec<(usize, Vec<u8>)>,
    pub alerts: Vec<Alert>,
}

impl Sink for Out {
    const WANTS_DECISIONS: bool = true;
    fn frame(&mut self, route: u32, frame: &[u8]) {
        self.frames.push((route as usize, frame.to_vec()));
    }
    fn alert(&mut self, alert: &Alert) {
        self.alerts.push(alert.clone());
    }
}

impl Out {
    /// Alerts, messages, and every line that is not what it was.
    pub fn tell(&self, story: &mut Vec<String>, engine: &Engine, setup: &Setup) {
        let mut lines = Vec::new();
        for alert in &self.alerts {
            lines.push(format!("    alert {}: {}", alert.code, alert.text));
        }
        for (route, frame) in &self.frames {
            if let Ok(link::Frame::Orders(orders)) = link::decode(frame) {
                for o in orders.iter() {
                    let text = String::from_utf8_lossy(o.fix).replace('\u{1}', "|");
                    lines.push(format!("    → r{route} try {} {text}", o.try_no));
                }
            }
        }
        story.append(&mut lines);
        for l in &engine.state().lines {
            let (line, target) = (&l.line, Dec::from_raw(l.line.target * i128::from(setup.step)));
            let both = (line.working_buy, line.working_sell, line.closing_buy, line.closing_sell);
            let name = format!("      s{} {}: ", l.sub, SYMBOLS[l.instrument as usize]);
            let text = format!(
                "{name}T {target}, filled {}, buys, sells, closing both {both:?}, unknown {}, cancels {}",
                line.filled, line.unknown, line.cancels
            );
            if story.iter().rev().find(|t| t.starts_with(&name)).is_none_or(|t| *t != text) {
                story.push(text);
            }
        }
    }
}
