//! Account values: whose word is taken for what an account is worth, in which currency, and when it was true.

use super::leaders::leader_of;
use super::{Engine, Index};
use crate::action::Sink;
use crate::decimal::Dec;
use crate::report::Account;
use crate::sizing::Values;
use serde::{Deserialize, Serialize};

/// An account: a leader's or a follower's, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Of {
    /// A leader.
    Leader(u32),
    /// A follower.
    Follower(u32),
}

/// Balance, equity and free margin, as far as they came.
pub(super) type Given = (Option<Dec>, Option<Dec>, Option<Dec>);

/// A value of an account that was refused last, so that the same one is told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OddValue {
    currency: Vec<u8>,
    given: Given,
}

/// What of it is not older than what is known.
pub(super) fn newer(v: &Values, (balance, equity, free_margin): Given, at_ns: i64) -> Given {
    (
        balance.filter(|_| at_ns >= v.balance_ns),
        equity.filter(|_| at_ns >= v.equity_ns),
        free_margin.filter(|_| at_ns >= v.free_margin_ns),
    )
}

/// Takes what came and is not older than what is known; what was taken. A value that did not come keeps its age.
pub(super) fn set_values(v: &mut Values, given: Given, at_ns: i64) -> Given {
    let (balance, equity, free_margin) = newer(v, given, at_ns);
    if let Some(x) = balance {
        (v.balance, v.balance_ns) = (x, at_ns);
    }
    if let Some(x) = equity {
        (v.equity, v.equity_ns) = (x, at_ns);
    }
    if let Some(x) = free_margin {
        (v.free_margin, v.free_margin_ns) = (x, at_ns);
    }
    (balance, equity, free_margin)
}

impl Engine {
    /// A leader's broker says what his account is worth.
    pub(super) fn leader_account<S: Sink>(
        &mut self,
        ix: &Index,
        session: &str,
        a: &Account<'_>,
        sink: &mut S,
    ) {
        let Some(l) = leader_of(ix, session, a.account) else { return };
        if self.in_its_currency(ix, Of::Leader(l), a, sink) {
            let at_ns = self.as_of(a.as_of_ns);
            if let Some(state) = self.st.leaders.get_mut(l as usize) {
                set_values(&mut state.values, (a.balance, a.equity, a.free_margin), at_ns);
            }
        }
    }

    /// A follower's broker says what his account is worth.
    pub(super) fn follower_account<S: Sink>(
        &mut self,
        ix: &Index,
        route: u32,
        a: &Account<'_>,
        sink: &mut S,
    ) {
        let Some(f) = Self::follower_of(ix, route, a.account) else { return };
        if self.in_its_currency(ix, Of::Follower(f), a, sink) {
            let at_ns = self.as_of(a.as_of_ns);
            self.follower_values(ix, f, (a.balance, a.equity, a.free_margin), at_ns);
        }
    }

    /// What a follower's account is worth, by its broker's word or a person's: for sizing, and for its guards.
    pub(super) fn follower_values(&mut self, ix: &Index, follower: u32, given: Given, at_ns: i64) {
        let Some(v) = self.st.followers.get_mut(follower as usize) else { return };
        let (balance, equity, _) = set_values(v, given, at_ns);
        self.anchor(ix, follower, balance, equity);
    }

    /// When a word was true: by its own time, and never later than it came. A clock that goes ahead makes nothing younger
    /// than new, and would keep the true values of others out.
    pub(super) fn as_of(&self, own_ns: Option<i64>) -> i64 {
        own_ns.map_or(self.st.at_ns, |t| t.min(self.st.at_ns))
    }

    /// False, and told once for each value: it is in another currency than the account, so it says nothing about it.
    /// A message or a configuration that names no currency is taken at its word.
    fn in_its_currency<S: Sink>(&mut self, ix: &Index, of: Of, a: &Account<'_>, sink: &mut S) -> bool {
        let (name, configured) = match of {
            Of::Leader(l) => ix.cfg.leaders.get(l as usize).map(|x| (&x.name, x.currency.as_deref())),
            Of::Follower(f) => ix.cfg.followers.get(f as usize).map(|x| (&x.name, x.currency.as_deref())),
        }
        .unzip();
        let (Some(name), Some(Some(ours))) = (name, configured) else { return true };
        let theirs = a.currency.trim_ascii();
        if theirs.is_empty() || theirs.eq_ignore_ascii_case(ours.as_bytes()) {
            self.st.odd_values.remove(&of);
            return true;
        }
        let odd = OddValue { currency: theirs.to_vec(), given: (a.balance, a.equity, a.free_margin) };
        if self.st.odd_values.get(&of) != Some(&odd) {
            let theirs = String::from_utf8_lossy(theirs);
            let text = format!(
                "{name}: its broker tells a value in {theirs}, the account is configured in {ours}: not taken, the one of before stays"
            );
            self.alert("account_currency", text, sink);
            self.st.odd_values.insert(of, odd);
        }
        false
    }
}
