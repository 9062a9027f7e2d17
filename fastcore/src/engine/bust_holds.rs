//! What waits for a person after a bust: since when, and for which execution.

use super::Engine;
use crate::report::{Kind, Report};
use serde::{Deserialize, Serialize};

/// Characters of a broker's id in what is told: a person reads it.
const ID_CHARS_MAX: usize = 64;

/// Opens wait since an execution was taken back or corrected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BustHold {
    /// When the first one came.
    pub at_ns: i64,
    /// Which execution of which order, and what became of it: of the first one.
    pub why: String,
    /// How many came since.
    pub more: u32,
}

impl BustHold {
    /// The first one, or one more.
    pub(super) fn again(known: Option<BustHold>, at_ns: i64, why: &str) -> BustHold {
        match known {
            Some(hold) => BustHold { more: hold.more.saturating_add(1), ..hold },
            None => BustHold { at_ns, why: why.to_owned(), more: 0 },
        }
    }

    /// All of it in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self.more {
            0 => self.why.clone(),
            n => format!("{}, and {n} more", self.why),
        }
    }
}

/// Which execution a report takes back or corrects, in words.
pub(super) fn why(report: &Report<'_>) -> String {
    let id = |bytes: &[u8]| -> String { String::from_utf8_lossy(bytes).chars().take(ID_CHARS_MAX).collect() };
    let of = if report.exec_ref_id.is_empty() { report.exec_id } else { report.exec_ref_id };
    let (execution, order) = (id(of), id(report.order_key));
    match report.kind {
        Kind::Bust => format!("execution {execution} of order {order} was busted"),
        Kind::Correct => format!("execution {execution} of order {order} was corrected"),
        Kind::Restated { .. } => format!("order {order} was restated, a corporate action"),
        // Its own trade comes behind.
        _ => format!("execution {execution} of order {order} was busted or corrected before it came"),
    }
}

impl Engine {
    /// Opens of one line wait: it was to follow and could not.
    pub(super) fn hold_line(&mut self, at: u32, why: &str) {
        let now = self.st.at_ns;
        let known = self.st.bust_lines.remove(&at);
        self.st.bust_lines.insert(at, BustHold::again(known, now, why));
    }

    /// A person has looked at all busts of a leader.
    pub(super) fn release_busts(&mut self, leader: u32) {
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return };
        state.bust_holds.clear();
        let lines: Vec<u32> = state.lines.values().flatten().copied().collect();
        for at in lines {
            self.st.bust_lines.remove(&at);
            if let Some(ls) = self.st.lines.get_mut(at as usize).filter(|ls| ls.line.bust_hold) {
                // What was asked for while opens waited is over, also where it was less than a lot and nothing refused it.
                (ls.line.bust_hold, ls.line.declined) = (false, true);
            }
        }
    }
}
