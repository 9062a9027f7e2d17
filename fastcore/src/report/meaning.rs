//! The meanings a message can have.

use core::fmt;

use crate::decimal::Dec;

/// Side(54).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// 1.
    Buy,
    /// 2, and 5 (sell short).
    Sell,
    /// Anything else is not copied.
    Other(u8),
    /// No such field.
    Missing,
}

/// Why a report was sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 150 = A.
    PendingNew,
    /// 150 = 0, and an acknowledgement printed as a fill of nothing.
    New,
    /// 150 = F, or 1 and 2 before FIX 4.3.
    Trade,
    /// 150 = 3.
    DoneForDay,
    /// 150 = 4.
    Canceled,
    /// 150 = 5.
    Replaced,
    /// 150 = 6.
    PendingCancel,
    /// 150 = E.
    PendingReplace,
    /// 150 = 8.
    Rejected,
    /// 150 = D.
    Restated {
        /// ExecRestatementReason(378).
        reason: Option<u32>,
    },
    /// 150 = C.
    Expired,
    /// 150 = G, or 20 = 2.
    Correct,
    /// 150 = H, or 20 = 1.
    Bust,
    /// 150 = I, or 20 = 3.
    Status,
    /// Anything else: 7, 9, B, J, K, L, … ; 0 when the venue gave neither ExecType nor OrdStatus.
    Note(u8),
}

impl Kind {
    /// What it is called where it is counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::PendingNew => "pending new",
            Kind::New => "new",
            Kind::Trade => "trade",
            Kind::DoneForDay => "done for day",
            Kind::Canceled => "canceled",
            Kind::Replaced => "replaced",
            Kind::PendingCancel => "pending cancel",
            Kind::PendingReplace => "pending replace",
            Kind::Rejected => "rejected",
            Kind::Restated { .. } => "restated",
            Kind::Expired => "expired",
            Kind::Correct => "trade correct",
            Kind::Bust => "trade cancel",
            Kind::Status => "status",
            Kind::Note(_) => "other report",
        }
    }
}

/// An ExecutionReport. Empty bytes mean that a field is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Why it was sent.
    pub kind: Kind,
    /// ExecType(150) as sent, 0 when absent: part of what makes two reports the same.
    pub exec_type: u8,
    /// OrdStatus(39), 0 when absent.
    pub ord_status: u8,
    /// OrderID(37); empty for placeholders such as NONE.
    pub order_id: &'a [u8],
    /// What identifies the order at this venue; the other id where that one is missing.
    pub order_key: &'a [u8],
    /// ClOrdID(11).
    pub cl_ord_id: &'a [u8],
    /// OrigClOrdID(41); empty for the placeholder 0.
    pub orig_cl_ord_id: &'a [u8],
    /// ExecID(17).
    pub exec_id: &'a [u8],
    /// ExecRefID(19).
    pub exec_ref_id: &'a [u8],
    /// The account, where the profile says.
    pub account: &'a [u8],
    /// The instrument, where the profile says.
    pub symbol: &'a [u8],
    /// Side(54).
    pub side: Side,
    /// OrderQty(38).
    pub order_qty: Option<Dec>,
    /// CumQty(14).
    pub cum_qty: Option<Dec>,
    /// LastQty(32).
    pub last_qty: Option<Dec>,
    /// LeavesQty(151). Not to be trusted: dead orders carry any value.
    pub leaves_qty: Option<Dec>,
    /// The fill's price by the profile's rule.
    pub last_px: Option<Dec>,
    /// AvgPx(6).
    pub avg_px: Option<Dec>,
    /// Price(44).
    pub px: Option<Dec>,
    /// StopPx(99).
    pub stop_px: Option<Dec>,
    /// The profile's clock, nanoseconds since 1970.
    pub transact_ns: Option<i64>,
    /// PossDupFlag(43) = Y. It never means "known": a gap-filling duplicate is new to us.
    pub poss_dup: bool,
    /// PossResend(97) = Y.
    pub poss_resend: bool,
    /// OrdRejReason(103), text at some venues.
    pub rej_reason: Option<&'a [u8]>,
    /// OrdStatusReqID(790), else MassStatusReqID(584).
    pub status_req_id: &'a [u8],
    /// The position's id, where the profile says.
    pub position_id: &'a [u8],
    /// Text(58).
    pub text: &'a [u8],
    /// TotNumReports(911) of a mass status.
    pub total_reports: Option<u32>,
    /// LastRptRequested(912) = Y.
    pub last_rpt_requested: bool,
}

impl Report<'_> {
    /// A trade that says no quantity, neither its own nor the order's: nothing can be counted.
    #[must_use]
    pub fn is_empty_trade(&self) -> bool {
        let some = |qty: Option<Dec>| qty.is_some_and(Dec::is_positive);
        self.kind == Kind::Trade && !some(self.last_qty) && !some(self.cum_qty)
    }

    /// No report: stands where a decision has another cause than an execution.
    #[must_use]
    pub const fn none() -> Self {
        Report {
            kind: Kind::Note(0),
            exec_type: 0,
            ord_status: 0,
            order_id: &[],
            order_key: &[],
            cl_ord_id: &[],
            orig_cl_ord_id: &[],
            exec_id: &[],
            exec_ref_id: &[],
            account: &[],
            symbol: &[],
            side: Side::Missing,
            order_qty: None,
            cum_qty: None,
            last_qty: None,
            leaves_qty: None,
            last_px: None,
            avg_px: None,
            px: None,
            stop_px: None,
            transact_ns: None,
            poss_dup: false,
            poss_resend: false,
            rej_reason: None,
            status_req_id: &[],
            position_id: &[],
            text: &[],
            total_reports: None,
            last_rpt_requested: false,
        }
    }
}

/// An OrderCancelReject(9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelReject<'a> {
    /// ClOrdID(11) of the cancel or replace.
    pub cl_ord_id: &'a [u8],
    /// OrigClOrdID(41).
    pub orig_cl_ord_id: &'a [u8],
    /// OrderID(37); empty for placeholders.
    pub order_id: &'a [u8],
    /// CxlRejReason(102).
    pub reason: &'a [u8],
    /// OrdStatus(39), 0 when absent. 8 here does not mean that the order is dead.
    pub ord_status: u8,
    /// CxlRejResponseTo(434): `1` cancel, `2` replace.
    pub response_to: u8,
    /// Text(58).
    pub text: &'a [u8],
}

/// A BusinessMessageReject(j) or a session Reject(3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject<'a> {
    /// RefSeqNum(45): our message's number.
    pub ref_seq_num: Option<u64>,
    /// BusinessRejectRefID(379): our ClOrdID or request id.
    pub ref_id: &'a [u8],
    /// RefMsgType(372).
    pub ref_msg_type: &'a [u8],
    /// RefTagID(371).
    pub ref_tag: Option<u32>,
    /// BusinessRejectReason(380) or SessionRejectReason(373).
    pub reason: &'a [u8],
    /// Text(58).
    pub text: &'a [u8],
}

/// A PositionReport(AP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    /// The instrument; empty in an answer "no positions".
    pub symbol: &'a [u8],
    /// The account, where the profile says.
    pub account: &'a [u8],
    /// LongQty(704).
    pub long: Option<Dec>,
    /// ShortQty(705).
    pub short: Option<Dec>,
    /// The position's id, where the profile says.
    pub position_id: &'a [u8],
    /// TotalNumPosReports(727).
    pub total_reports: Option<u32>,
    /// PosReqID(710).
    pub request_id: &'a [u8],
    /// PosReqResult(728): 0 found, 2 none.
    pub result: Option<u32>,
}

/// A CollateralReport(BA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    /// The account, where the profile says.
    pub account: &'a [u8],
    /// Cash without open profit.
    pub balance: Option<Dec>,
    /// Cash with open profit.
    pub equity: Option<Dec>,
    /// What is left to open positions with.
    pub free_margin: Option<Dec>,
    /// The currency of all of them.
    pub currency: &'a [u8],
    /// When they were true, nanoseconds since 1970, by the broker's clock.
    pub as_of_ns: Option<i64>,
}

/// A MarketDataSnapshotFullRefresh(W).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// The instrument.
    pub symbol: &'a [u8],
    /// The first bid.
    pub bid: Option<Dec>,
    /// The first offer.
    pub ask: Option<Dec>,
    /// When they were so, nanoseconds since 1970, by the broker's clock.
    pub as_of_ns: Option<i64>,
}

/// A SecurityStatus(f) or TradingSessionStatus(h).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trading<'a> {
    /// The instrument; empty when the whole session is meant.
    pub symbol: &'a [u8],
    /// TradingSessionID(336).
    pub session: &'a [u8],
    /// SecurityTradingStatus(326) or TradSesStatus(340).
    pub status: Option<u32>,
    /// Trading stopped (true), goes on (false), or neither follows from the status.
    pub halted: Option<bool>,
    /// Text(58).
    pub text: &'a [u8],
}

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // most messages are reports, and a box would allocate for each
pub enum Inbound<'a> {
    /// 35 = 8.
    Execution(Report<'a>),
    /// 35 = 9.
    CancelReject(CancelReject<'a>),
    /// 35 = j.
    BusinessReject(Reject<'a>),
    /// 35 = 3.
    SessionReject(Reject<'a>),
    /// 35 = AP.
    Position(Position<'a>),
    /// 35 = BA.
    Account(Account<'a>),
    /// 35 = W.
    Quote(Quote<'a>),
    /// 35 = f and h.
    Trading(Trading<'a>),
    /// 35 = B; at some venues the end of a recovery.
    News {
        /// Headline(148).
        headline: &'a [u8],
    },
    /// Understood, and nothing to do.
    Ignored {
        /// Why.
        why: &'static str,
    },
}

/// A message whose meaning needs a value that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The field.
    pub tag: u32,
    /// Its value, cut to 64 bytes.
    pub value: Vec<u8>,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Unreadable {
    pub(super) fn new(tag: u32, value: &[u8], why: &'static str) -> Self {
        Self { tag, value: value.get(..64).unwrap_or(value).to_vec(), why }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tag {} {}: \"{}\"", self.tag, self.why, self.value.escape_ascii())
    }
}

impl core::error::Error for Unreadable {}
