//! Steps of mirrors as the engine told them, kept.

use fastcore::mirrored::{Between, Had, LeaderOrder, Limits, Mirrored, Moved, Prices, Size, Step, To, Why};
use fastcore::refusal::{Code, Refusal};

/// One step of a mirror.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Event that it was told in.
    pub seq: u64,
    /// ExecID(17) of the leader's newest report of the order.
    pub said: String,
    /// ExecID(17) of the leader's report in this event.
    pub cause: String,
    pub begun: u64,
    pub step: Step,
    pub why: Why,
    pub buy: bool,
    pub leader: LeaderOrder,
    pub between: Between,
    pub size: Option<Size>,
    pub prices: Option<Prices>,
    pub order: Option<Had>,
    pub to: Option<To>,
    pub limits: Option<Limits>,
    pub moved: Option<Moved>,
    pub refusals: Vec<Refusal>,
}

impl Told {
    pub fn of(m: &Mirrored<'_>) -> Told {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Told {
            seq: 0,
            said: text(&m.said.exec_id),
            cause: text(m.cause),
            begun: m.begun,
            step: m.step,
            why: m.why,
            buy: m.buy,
            leader: m.leader,
            between: m.between,
            size: m.size,
            prices: m.prices,
            order: m.order,
            to: m.to,
            limits: m.limits,
            moved: m.moved,
            refusals: m.refusals.to_vec(),
        }
    }

    /// Its step and its reason.
    pub fn word(&self) -> String {
        format!("{} {}", self.step.as_str(), self.why.as_str())
    }

    /// ClOrdID(11) of what left.
    pub fn sent(&self) -> Option<String> {
        self.to.map(|to| String::from_utf8_lossy(&to.cl_ord_id).into_owned())
    }

    /// ClOrdID(11) of the order that there was.
    pub fn had(&self) -> Option<String> {
        self.order.map(|had| String::from_utf8_lossy(&had.cl_ord_id).into_owned())
    }

    pub fn codes(&self) -> Vec<Code> {
        self.refusals.iter().map(|r| r.code).collect()
    }
}
