//! What a leader's position was entered at: the average that `stop_multiplier` measures stops from (decision 0031).

use crate::action::Sink;
use crate::decimal::{Dec, Round};
use crate::engine::busts::change;
use crate::engine::leaders::Execution;
use crate::engine::{Engine, Index};
use crate::ledger::{abs, split};
use crate::worth::{Pays, harmonic};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Executions that are remembered of one position: without an older one nobody can say what is left.
const TRADES_MAX: usize = 256;

/// The leader's position, signed units, and its average price; none where a part of it has none.
type Place = (Dec, Option<Dec>);

/// One execution of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trade {
    /// What a bust names it by; 0: nothing does.
    execution: u128,
    /// Signed units.
    delta: Dec,
    px: Option<Dec>,
}

/// What a leader's position was entered at, and how that came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    from: Place,
    trades: VecDeque<Trade>,
    to: Place,
}

/// What is added counts by its price, of an inverse contract by 1 / price; what is taken off leaves the average; across zero
/// it begins anew.
fn led(pays: Pays, (position, average): Place, trade: &Trade) -> Option<Place> {
    let (reduce, increase) = split(position, trade.delta);
    let (held, after) = (abs(position).checked_sub(reduce)?, position.checked_add(trade.delta)?);
    let px = match (held.is_zero(), increase.is_positive()) {
        (true, false) => None,
        (false, false) => average,
        (true, true) => trade.px,
        (false, true) if pays == Pays::Inverse => {
            average.zip(trade.px).and_then(|(old, new)| harmonic((held, old), (increase, new)))
        }
        (false, true) => average.zip(trade.px).and_then(|(old, new)| {
            let all = held.checked_add(increase)?;
            let sum = old.mul_div(held, all, Round::HalfEven)?;
            sum.checked_add(new.mul_div(increase, all, Round::HalfEven)?)
        }),
    };
    Some((after, px))
}

impl Entry {
    /// Average price; none where it is not known.
    pub(super) const fn px(&self) -> Option<Dec> {
        self.to.1
    }

    const fn at(place: Place) -> Self {
        Entry { from: place, trades: VecDeque::new(), to: place }
    }

    /// After an execution.
    fn traded(&mut self, pays: Pays, before: Dec, trade: Trade) {
        if self.to.0 != before {
            // Set by a person or a report: what came before explains it no more.
            *self = Entry::at((before, self.to.1));
        }
        self.trades.push_back(trade);
        match led(pays, self.to, &trade) {
            Some(to) if !to.0.is_zero() => self.to = to,
            _ => *self = Entry::default(),
        }
        if self.trades.len() > TRADES_MAX
            && let Some(first) = self.trades.pop_front()
        {
            match led(pays, self.from, &first) {
                Some(from) => self.from = from,
                None => *self = Entry::at(self.to),
            }
        }
    }

    /// Without an execution, or as it was corrected: `by` signed units, to another price where there is one. False: that is
    /// not known here, and the average is forgotten.
    fn amended(&mut self, pays: Pays, before: Dec, execution: u128, by: Dec, px: Option<Dec>) -> bool {
        let after = before.checked_add(by);
        if after.is_none_or(Dec::is_zero) {
            *self = Entry::default();
            return true;
        }
        let meant = |t: &Trade| execution != 0 && t.execution == execution;
        let known = self.trades.iter().any(meant);
        if by.is_zero() && !known && self.from.0.is_zero() {
            return true; // of before the last flat: nothing of it is held
        }
        let worked_out = (|| {
            let mut trades = self.trades.clone();
            for trade in trades.iter_mut().filter(|t| meant(t)) {
                trade.px = px.or(trade.px);
            }
            let of = trades.iter_mut().rev().filter(|t| meant(t)).map(|t| &mut t.delta);
            let to = (known && change(of, by))
                .then(|| trades.iter().try_fold(self.from, |place, t| led(pays, place, t)))??;
            (Some(to.0) == after).then_some((trades, to))
        })();
        match worked_out {
            Some((trades, to)) => {
                (self.trades, self.to) = (trades, to);
                true
            }
            None => {
                let known = self.to.1.is_some();
                *self = Entry::at((after.unwrap_or(before), None));
                !known
            }
        }
    }
}

impl Engine {
    /// The leader's average entry, where a subscription may measure stops by it. `known`: his position is.
    pub(in crate::engine) fn note_entry<S: Sink>(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        known: bool,
        sink: &mut S,
    ) {
        if ix.mirrored.get(x.leader as usize) != Some(&true) {
            return;
        }
        let px = x.report.last_px.filter(|px| px.is_positive());
        let pays = ix.pays(x.instrument);
        let entry = self.st.mirrors.entries.entry((x.leader, x.instrument)).or_default();
        if !known {
            *entry = Entry::default();
        } else if x.hold {
            // A bust says at what price what it takes back was: nothing is at that price any more.
            let px = px.filter(|_| x.report.kind == crate::report::Kind::Correct);
            if !entry.amended(pays, x.before, x.execution, x.delta, px) {
                self.told_entry(ix, x, sink);
            }
        } else {
            entry.traded(pays, x.before, Trade { execution: x.execution, delta: x.delta, px });
        }
    }

    /// A correction that changes no quantity: the stops that are measured by the price move.
    pub(in crate::engine) fn correct_entry<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        x: &Execution<'_>,
        sink: &mut S,
    ) {
        if ix.mirrored.get(x.leader as usize) != Some(&true) {
            return;
        }
        let leader = self.st.leaders.get(x.leader as usize);
        let Some(position) = leader.and_then(|l| l.positions.get(&x.instrument)).copied() else { return };
        let px = x.report.last_px.filter(|px| px.is_positive());
        let pays = ix.pays(x.instrument);
        let entry = self.st.mirrors.entries.entry((x.leader, x.instrument)).or_default();
        if !entry.amended(pays, position, x.execution, Dec::ZERO, px) {
            self.told_entry(ix, x, sink);
        }
        let lines = self.st.leaders.get(x.leader as usize).and_then(|l| l.lines.get(&x.instrument));
        let mirrored = lines.into_iter().flatten().filter(|at| !self.st.mirrors.of(**at).is_empty());
        for at in mirrored.copied().collect::<Vec<_>>() {
            self.work_line(ix, at, sink);
        }
    }

    /// Stops that were measured by what is forgotten go back to the leader's own, and somebody is to know.
    fn told_entry<S: Sink>(&mut self, ix: &Index, x: &Execution<'_>, sink: &mut S) {
        let subs = ix.subs_of.get(x.leader as usize).map_or(&[][..], Vec::as_slice);
        let mut subs = subs.iter().filter_map(|s| ix.cfg.subscriptions.get(*s as usize));
        if !subs.any(|cfg| cfg.stop_multiplier != Dec::ONE) {
            return;
        }
        let leader = ix.cfg.leaders.get(x.leader as usize).map_or("", |l| l.name.as_str());
        let instrument = ix.cfg.instruments.get(x.instrument as usize).map_or("", |i| i.name.as_str());
        let text = format!(
            "leader {leader:?}, {instrument}: his entry without that execution is not known: until he is flat, stops are \
             where his own are"
        );
        self.alert("bust", text, sink);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn d(t: &str) -> Dec {
        Dec::parse(t.as_bytes()).unwrap()
    }

    /// A position after trades `(name, signed units, price)`.
    fn after(trades: &[(u128, &str, Option<&str>)]) -> Entry {
        let mut entry = Entry::default();
        for (execution, delta, px) in trades {
            let before = entry.to.0;
            entry.traded(
                Pays::Linear,
                before,
                Trade { execution: *execution, delta: d(delta), px: px.map(d) },
            );
        }
        entry
    }

    /// Added at 100 and at 103, twice as much: 102. Taken off, it stays; across zero it begins anew.
    #[test]
    fn an_entry_is_the_average_of_what_was_added() {
        let both = [(1, "1", Some("100")), (2, "2", Some("103"))];
        let with = |more: (u128, &str, Option<&str>)| after(&[both[0], both[1], more]).px();
        assert_eq!(after(&both).px(), Some(d("102")));
        assert_eq!(with((3, "-2", Some("90"))), Some(d("102")));
        assert_eq!(with((3, "-3", Some("90"))), None);
        assert_eq!(with((3, "-4", Some("90"))), Some(d("90")));
        assert_eq!(with((3, "1", None)), None, "a part without a price has no average");
    }

    /// 100 dollars at 50,000 and 300 at 75,000 are 0.006 bitcoin, as 400 at 66,666.67 are.
    #[test]
    fn an_entry_of_an_inverse_contract_is_the_average_of_what_was_paid() {
        let mut e = Entry::default();
        for (execution, before, delta, px) in [(1, "0", "100", "50000"), (2, "100", "300", "75000")] {
            e.traded(Pays::Inverse, d(before), Trade { execution, delta: d(delta), px: Some(d(px)) });
        }
        assert_eq!(e.px(), Some(d("66666.666666666666666667")));
        assert!(e.amended(Pays::Inverse, d("400"), 2, d("-200"), Some(d("100000"))));
        assert_eq!(e.px(), Some(d("66666.666666666666666667")), "100 at 100,000 are 0.001");
    }

    /// Without a trade the average is that of the others; what is not remembered leaves none, and says so once.
    #[test]
    fn an_entry_is_worked_out_again_without_a_trade() {
        let mut e = after(&[(1, "10", Some("100")), (2, "10", Some("120")), (3, "-5", Some("110"))]);
        assert!(e.amended(Pays::Linear, d("15"), 2, d("-10"), None));
        assert_eq!(e.to, (d("5"), Some(d("100"))));
        assert!(e.amended(Pays::Linear, d("5"), 1, d("0"), Some(d("101"))));
        assert_eq!(e.px(), Some(d("101")));
        assert!(!e.amended(Pays::Linear, d("5"), 9, d("-1"), None));
        assert_eq!(e.to, (d("4"), None));
        assert!(e.amended(Pays::Linear, d("4"), 9, d("-1"), None), "told already");
    }

    /// A venue that repeats a name, and takes both back one after the other: neither is more than gone.
    #[test]
    fn fills_of_one_name_are_taken_back_one_after_the_other() {
        let mut e = after(&[(1, "10", Some("100")), (7, "4", Some("110")), (7, "4", Some("120"))]);
        assert!(e.amended(Pays::Linear, d("18"), 7, d("-4"), None));
        assert!(e.amended(Pays::Linear, d("14"), 7, d("-4"), None));
        assert_eq!(e.trades.iter().map(|t| t.delta).collect::<Vec<_>>(), [d("10"), d("0"), d("0")]);
        assert_eq!(e.to, (d("10"), Some(d("100"))));
    }

    /// The oldest are counted together, and cannot be taken back one by one any more.
    #[test]
    fn an_entry_remembers_only_so_much() {
        let many: Vec<_> = (1..=300).map(|n| (n, "1", Some("7"))).collect();
        let mut e = after(&many);
        assert_eq!((e.trades.len(), e.px()), (TRADES_MAX, Some(d("7"))));
        assert!(e.amended(Pays::Linear, d("300"), 300, d("-1"), None));
        assert_eq!(e.to, (d("299"), Some(d("7"))));
        assert!(!e.amended(Pays::Linear, d("299"), 1, d("-1"), None));
    }
}
