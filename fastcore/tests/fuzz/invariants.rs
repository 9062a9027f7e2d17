//! What holds after every event, whatever it was.

use fastcore::decimal::Dec;
use fastcore::engine::{Engine, LineState, State};
use fastcore::fix::{self, Check};
use fastcore::ledger::fits;
use fastcore::link::{self, Frame, SendKind};
use fastcore::order;
use std::collections::BTreeSet;

/// Books: targets fit, what works is what live orders leave and is never negative, and what is counted is there.
///
/// Sums of a line end at 2^125 (4 x 10^19 units): once one would have gone beyond, `beyond` has the line, and its sums are
/// not compared any more.
pub fn books(engine: &Engine, beyond: &mut BTreeSet<usize>) {
    let st = engine.state();
    leaders(st);
    for (at, line) in st.lines.iter().enumerate() {
        if let Some(grid) = engine.index().grids.get(line.follower_instrument as usize) {
            assert!(fits(line.line.target, *grid), "target {} of {:?}", line.line.target, grid);
        }
        if working(st, line, beyond.contains(&at)) {
            beyond.insert(at);
        }
    }
}

/// Positions of hedging leaders, and what has no name, are the net; what holds nothing is not there. Near the end of a
/// number's range a sum may have stopped.
fn leaders(st: &State) {
    for leader in &st.leaders {
        for (instrument, tickets) in &leader.tickets {
            let Some(net) = leader.positions.get(instrument) else { continue };
            let units: Vec<i128> = tickets.held().values().map(|u| u.raw()).collect();
            assert!(units.iter().all(|u| *u != 0), "{tickets:?}");
            if units.iter().all(|u| u.abs() < 1 << 100) && net.raw().abs() < 1 << 100 {
                let sum = units.iter().sum::<i128>() + tickets.unnamed(*net).raw();
                assert_eq!(sum, net.raw(), "{tickets:?}");
            }
        }
    }
}

/// Whether a sum is at its end.
fn working(st: &State, l: &LineState, was_beyond: bool) -> bool {
    let live: Vec<&order::Order> = l.live.iter().map(|o| &st.orders[*o as usize]).collect();
    assert!(live.iter().all(|o| !o.state.is_done()), "an order that is done works");
    let sum = |buy: bool, closes: bool| {
        let mine = live.iter().filter(|o| o.buy == buy && (!closes || o.reduces));
        mine.map(|o| o.leaves().raw()).sum::<i128>()
    };
    let line = &l.line;
    let works = [line.working_buy, line.working_sell, line.closing_buy, line.closing_sell].map(Dec::raw);
    let sums = [sum(true, false), sum(false, false), sum(true, true), sum(false, true)];
    let beyond = was_beyond || sums.iter().any(|s| *s > 1 << 125);
    assert!(beyond || works == sums, "what works: {works:?} of {sums:?}");
    assert!(works.iter().all(|w| *w >= 0), "{works:?}");
    let unknown = live.iter().filter(|o| o.state == order::State::Unknown).count();
    assert_eq!(line.unknown as usize, unknown, "orders whose outcome is not known");
    let cancels = live.iter().filter(|o| o.cancel_id.is_some()).count();
    assert_eq!(line.cancels as usize, cancels, "cancels that are not answered");
    beyond
}

/// Every order that is not done is in the list of its line.
pub fn nothing_forgotten(st: &State) {
    let live: usize = st.lines.iter().map(|l| l.live.len()).sum();
    assert_eq!(live, st.orders.iter().filter(|o| !o.state.is_done()).count(), "live orders");
}

/// What leaves is a frame; a message in it is whole, and an order says what the frame says and asks for something.
pub fn leaves(frame: &[u8]) {
    match link::decode(frame) {
        Ok(Frame::Orders(orders)) => {
            for o in &orders {
                let mut fields = Vec::new();
                let message = fix::parse_checked(o.fix, &mut fields, Check::Framing);
                let message = message.unwrap_or_else(|e| panic!("{e}: {}", o.fix.escape_ascii()));
                if matches!(o.kind, SendKind::New | SendKind::Cancel) {
                    assert_eq!(message.get(11), Some(o.cl_ord_id.as_bytes()));
                    let qty = Dec::parse(message.get(38).unwrap_or_default()).unwrap();
                    assert!(qty.is_positive(), "{}", o.fix.escape_ascii());
                }
            }
        }
        Ok(Frame::Greet(_) | Frame::Ack { .. } | Frame::Probe { .. } | Frame::Who) => {}
        other => panic!("{other:?}"),
    }
}
