//! What a route may send: the pure half of the route process (design 06, 09.8).
//!
//! Nothing leaves without an OUT row that names it, and a try that was answered NOT_SENT never leaves later. The
//! shell writes the rows durably before it hands a message to the FIX engine: a crash in between leaves an OUT
//! without a report, which the core resolves by asking, never by sending again.

use crate::fix::SOH;
use crate::link::{self, Frame, Greet, KeysBuf, LinkError, OrderRef, Orders, Row, SendKind};
use crate::rules::{Rule, kept};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Messages handed to one session since it last said anything. Beyond this the line is taken for dead: what is
/// stored but not on the wire would all leave at once after a reconnect.
pub const UNACKED_MAX: u32 = 4096;

/// Why a try did not leave; the byte is in the NOT_SENT row. Added to, never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NotSent {
    /// The session is not logged on.
    LoggedOff = 1,
    /// The frame was meant for another incarnation of this route.
    WrongIncarnation = 2,
    /// The frame comes from another core epoch than the one that greeted.
    WrongEpoch = 3,
    /// The kill level forbids it.
    Killed = 4,
    /// Its deadline has passed.
    Expired = 5,
    /// The route has heard no core heartbeat for `orphan_ms`.
    Orphan = 6,
    /// The core asked about a try that this route had not seen; it is barred now.
    Probed = 7,
    /// The route does not carry that session.
    UnknownSession = 8,
    /// The core's socket refused the frame (written by the core, never by a route).
    SocketRefused = 9,
    /// The route halted itself.
    Halted = 10,
    /// The session took [`UNACKED_MAX`] messages without a word.
    Backlog = 11,
}

impl NotSent {
    /// The byte in the row.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The reason of a byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.byte() == byte)
    }

    /// Every reason, in byte order.
    pub const ALL: [Self; 11] = [
        Self::LoggedOff,
        Self::WrongIncarnation,
        Self::WrongEpoch,
        Self::Killed,
        Self::Expired,
        Self::Orphan,
        Self::Probed,
        Self::UnknownSession,
        Self::SocketRefused,
        Self::Halted,
        Self::Backlog,
    ];

    /// Stable name for logs and the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOff => "logged_off",
            Self::WrongIncarnation => "wrong_incarnation",
            Self::WrongEpoch => "wrong_epoch",
            Self::Killed => "killed",
            Self::Expired => "expired",
            Self::Orphan => "orphan",
            Self::Probed => "probed",
            Self::UnknownSession => "unknown_session",
            Self::SocketRefused => "socket_refused",
            Self::Halted => "halted",
            Self::Backlog => "backlog",
        }
    }
}

/// What became of a (ClOrdID, try).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It has an OUT row.
    Out,
    /// It is barred, for this reason byte.
    NotSent(u8),
}

/// A row that the shell must make durable, in this order, before it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewRow {
    /// Tries that leave now (or left before, when a probe asked).
    Out {
        /// Journal number of the frame; 0 in the answer to a probe.
        journal_no: u64,
        /// What leaves.
        keys: KeysBuf,
    },
    /// A try that does not leave.
    NotSent {
        /// The order.
        cl_ord_id: String,
        /// Its try.
        try_no: u16,
        /// Why.
        reason: u8,
    },
    /// Answer to GREET.
    Sync {
        /// This incarnation.
        incarnation: u64,
        /// The core epoch that greeted.
        epoch: u64,
    },
}

impl NewRow {
    /// The row in the form that the link encodes.
    #[must_use]
    pub fn as_row(&self) -> Row<'_> {
        match self {
            Self::Out { journal_no, keys } => Row::Out { journal_no: *journal_no, keys: keys.as_keys() },
            Self::NotSent { cl_ord_id, try_no, reason } => {
                Row::NotSent { cl_ord_id, try_no: *try_no, reason: *reason }
            }
            Self::Sync { incarnation, epoch } => Row::Sync { incarnation: *incarnation, epoch: *epoch },
        }
    }
}

/// Answer of the guard to one frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided<'a> {
    /// Rows to write first.
    pub rows: Vec<NewRow>,
    /// (session, FIX message) to send after that, in order.
    pub sends: Vec<(&'a str, &'a [u8])>,
    /// Rows up to this one are in the core's journal and may be deleted.
    pub ack: Option<u64>,
    /// Orders of the frame are left, and nothing is decided about them: the same frame goes on where it stopped.
    pub more: bool,
}

#[derive(Debug, Clone)]
struct Line {
    name: String,
    logged_on: bool,
    unacked: u32,
}

/// Kill levels of parts: a field as it stands in an order, `1=F1` or `55=EURUSD`, and the level of what has it.
pub type KillParts = FxHashMap<Box<[u8]>, u8>;

/// The state of one route process.
#[derive(Debug, Clone)]
pub struct RouteGuard {
    incarnation: u64,
    epoch: u64,
    greeted: bool,
    kill: u8,
    own_kill: u8,
    own_parts: KillParts,
    halted: bool,
    orphan_ns: i64,
    last_core_beat_ns: Option<i64>,
    highest_journal_no: u64,
    lines: Vec<Line>,
    seen: FxHashMap<Box<str>, SmallVec<[(u16, Seen); 1]>>,
}

impl RouteGuard {
    /// A route that was just started: nothing is logged on and no core has greeted it.
    ///
    /// `epoch` is the highest core epoch that this route's file ever named: an older core is not obeyed.
    #[must_use]
    pub fn new(
        incarnation: u64,
        epoch: u64,
        highest_journal_no: u64,
        sessions: &[String],
        orphan_ns: i64,
    ) -> Self {
        let line = |name: &String| Line { name: name.clone(), logged_on: false, unacked: 0 };
        Self {
            incarnation,
            epoch,
            greeted: false,
            kill: 0,
            own_kill: 0,
            own_parts: KillParts::default(),
            halted: false,
            orphan_ns,
            last_core_beat_ns: None,
            highest_journal_no,
            lines: sessions.iter().map(line).collect(),
            seen: FxHashMap::default(),
        }
    }

    /// Loads one entry of the durable set at start.
    pub fn remember(&mut self, cl_ord_id: &str, try_no: u16, seen: Seen) {
        let tries = self.seen.entry(cl_ord_id.into()).or_default();
        // OUT is the fact of a send and is never overwritten by a later bar.
        match tries.iter_mut().find(|(no, _)| *no == try_no) {
            Some((_, known)) if *known != Seen::Out => *known = seen,
            Some(_) => {}
            None => tries.push((try_no, seen)),
        }
    }

    /// Nobody asks for this try any more.
    pub fn forget(&mut self, cl_ord_id: &str, try_no: u16) {
        let Some(tries) = self.seen.get_mut(cl_ord_id) else { return };
        tries.retain(|(no, _)| *no != try_no);
        if tries.is_empty() {
            self.seen.remove(cl_ord_id);
        }
    }

    /// How many orders it remembers.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.seen.len()
    }

    /// What became of a try, as far as this route knows.
    #[must_use]
    pub fn seen(&self, cl_ord_id: &str, try_no: u16) -> Option<Seen> {
        let of = |no: u16| no == try_no || !kept(Rule::TryNumbers);
        self.seen.get(cl_ord_id)?.iter().find(|(no, _)| of(*no)).map(|(_, seen)| *seen)
    }

    /// A session logged on or off. False when the route does not carry it.
    pub fn session(&mut self, name: &str, up: bool) -> bool {
        let Some(line) = self.lines.iter_mut().find(|line| line.name == name) else { return false };
        line.logged_on = up;
        line.unacked = 0;
        true
    }

    /// The broker said something on this session: the line is alive.
    pub fn heard(&mut self, name: &str) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.name == name) {
            line.unacked = 0;
        }
    }

    /// The levels of this route's own host: of everything, 0 for none, and of the orders that have certain fields. They
    /// take the place of those before. The highest one of these and of the core's holds.
    pub fn kill_here(&mut self, level: u8, parts: KillParts) {
        (self.own_kill, self.own_parts) = (level, parts);
    }

    /// The highest level that an order is under.
    fn kill_of(&self, order: &OrderRef<'_>) -> u8 {
        let all = self.kill.max(self.own_kill);
        if self.own_parts.is_empty() {
            return all;
        }
        let fields = order.fix.split(|byte| *byte == SOH);
        fields.filter_map(|field| self.own_parts.get(field)).fold(all, |kill, level| kill.max(*level))
    }

    /// Stops all sending until the process is restarted.
    pub fn halt(&mut self) {
        self.halted = true;
    }

    /// Raised at each start of the process.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Highest core epoch that greeted.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Kill level of the last GREET.
    #[must_use]
    pub const fn kill(&self) -> u8 {
        self.kill
    }

    /// Highest core journal number seen (09.7).
    #[must_use]
    pub const fn highest_journal_no(&self) -> u64 {
        self.highest_journal_no
    }

    /// Sessions that are logged on now.
    pub fn sessions_up(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|line| line.logged_on).map(|line| line.name.as_str())
    }

    /// True when no core heartbeat came for `orphan_ns`, or none ever.
    #[must_use]
    pub fn is_orphan(&self, now_ns: i64) -> bool {
        self.last_core_beat_ns.is_none_or(|last| now_ns.saturating_sub(last) >= self.orphan_ns)
    }

    /// Decides one frame of the core. Frames that only a route sends are ignored.
    ///
    /// # Errors
    /// [`LinkError`] when the bytes are not a frame; nothing changes then.
    pub fn decide<'a>(&mut self, frame: &'a [u8], now_ns: i64) -> Result<Decided<'a>, LinkError> {
        self.decide_some(frame, usize::MAX, now_ns)
    }

    /// The same, with at most `most` sends. What was sent before is passed over, so the frame may be given again.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn decide_some<'a>(
        &mut self,
        frame: &'a [u8],
        most: usize,
        now_ns: i64,
    ) -> Result<Decided<'a>, LinkError> {
        let mut decided = Decided::default();
        match link::decode(frame)? {
            Frame::Greet(greet) => self.on_greet(&greet, now_ns, &mut decided),
            Frame::Orders(orders) => self.on_orders(&orders, most, now_ns, &mut decided)?,
            Frame::Ack { row_no } => decided.ack = Some(row_no),
            Frame::Probe { cl_ord_id, try_no } => self.on_probe(cl_ord_id, try_no, &mut decided)?,
            Frame::CoreBeat { epoch, journal_no } => self.on_beat(epoch, journal_no, now_ns),
            // HELLO is the shell's: it has the file.
            Frame::Hello(_) | Frame::Rows(_) | Frame::RouteBeat { .. } | Frame::Who => {}
        }
        Ok(decided)
    }

    fn on_greet(&mut self, greet: &Greet, now_ns: i64, decided: &mut Decided<'_>) {
        // A greeting for an earlier incarnation, or from a core that was replaced, answers nobody who is here.
        if greet.incarnation != self.incarnation || greet.epoch < self.epoch {
            return;
        }
        self.epoch = greet.epoch;
        self.greeted = true;
        self.kill = greet.kill;
        self.last_core_beat_ns = Some(now_ns);
        decided.ack = Some(greet.acked_row);
        decided.rows.push(NewRow::Sync { incarnation: self.incarnation, epoch: self.epoch });
    }

    fn on_beat(&mut self, epoch: u64, journal_no: u64, now_ns: i64) {
        // The beat of another core must not keep this one's orders flowing.
        if self.greeted && epoch == self.epoch {
            self.last_core_beat_ns = Some(now_ns);
            self.highest_journal_no = self.highest_journal_no.max(journal_no);
        }
    }

    fn on_probe(&mut self, cl_ord_id: &str, try_no: u16, decided: &mut Decided<'_>) -> Result<(), LinkError> {
        match self.seen(cl_ord_id, try_no) {
            Some(Seen::Out) => {
                let mut keys = KeysBuf::default();
                keys.push(cl_ord_id, try_no)?;
                decided.rows.push(NewRow::Out { journal_no: 0, keys });
            }
            Some(Seen::NotSent(reason)) => decided.rows.push(not_sent(cl_ord_id, try_no, reason)),
            None => self.bar(cl_ord_id, try_no, NotSent::Probed, decided),
        }
        Ok(())
    }

    fn on_orders<'a>(
        &mut self,
        orders: &Orders<'a>,
        most: usize,
        now_ns: i64,
        decided: &mut Decided<'a>,
    ) -> Result<(), LinkError> {
        let frame_reason = self.refuse_frame(orders, now_ns);
        if frame_reason.is_none() {
            self.highest_journal_no = self.highest_journal_no.max(orders.journal_no);
        }
        let mut keys = KeysBuf::default();
        for order in orders {
            match self.seen(order.cl_ord_id, order.try_no) {
                // It left before: its OUT row says so. Another answer would be a lie, a second send the worst case.
                Some(Seen::Out) => continue,
                Some(Seen::NotSent(reason)) => {
                    decided.rows.push(not_sent(order.cl_ord_id, order.try_no, reason));
                    continue;
                }
                None => {}
            }
            if let Some(reason) = frame_reason.or_else(|| self.refuse_order(&order, now_ns)) {
                self.bar(order.cl_ord_id, order.try_no, reason, decided);
                continue;
            }
            if decided.sends.len() >= most {
                decided.more = true;
                break;
            }
            keys.push(order.cl_ord_id, order.try_no)?;
            self.remember(order.cl_ord_id, order.try_no, Seen::Out);
            self.count_sent(order.session);
            decided.sends.push((order.session, order.fix));
        }
        if !keys.is_empty() {
            decided.rows.insert(0, NewRow::Out { journal_no: orders.journal_no, keys });
        }
        Ok(())
    }

    /// The checks that hold for a whole frame.
    fn refuse_frame(&self, orders: &Orders<'_>, now_ns: i64) -> Option<NotSent> {
        if orders.incarnation != self.incarnation {
            Some(NotSent::WrongIncarnation)
        } else if !self.greeted || orders.epoch != self.epoch {
            Some(NotSent::WrongEpoch)
        } else if self.halted {
            Some(NotSent::Halted)
        } else if self.is_orphan(now_ns) {
            Some(NotSent::Orphan)
        } else {
            None
        }
    }

    /// The checks of one order.
    fn refuse_order(&self, order: &OrderRef<'_>, now_ns: i64) -> Option<NotSent> {
        let Some(line) = self.lines.iter().find(|line| line.name == order.session) else {
            return Some(NotSent::UnknownSession);
        };
        // Closes carry no deadline (09.10): levels 1 and 2 stop what has one, level 3 stops every new order.
        let (is_open, kill) = (order.deadline_ns != 0, self.kill_of(order));
        if !line.logged_on {
            Some(NotSent::LoggedOff)
        } else if order.kind == SendKind::New && (kill >= 3 || (kill >= 1 && is_open)) {
            Some(NotSent::Killed)
        } else if is_open && now_ns >= order.deadline_ns && kept(Rule::Deadline) {
            Some(NotSent::Expired)
        } else if line.unacked >= UNACKED_MAX {
            Some(NotSent::Backlog)
        } else {
            None
        }
    }

    fn count_sent(&mut self, session: &str) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.name == session) {
            line.unacked = line.unacked.saturating_add(1);
        }
    }

    fn bar(&mut self, cl_ord_id: &str, try_no: u16, reason: NotSent, decided: &mut Decided<'_>) {
        self.remember(cl_ord_id, try_no, Seen::NotSent(reason.byte()));
        decided.rows.push(not_sent(cl_ord_id, try_no, reason.byte()));
    }
}

fn not_sent(cl_ord_id: &str, try_no: u16, reason: u8) -> NewRow {
    NewRow::NotSent { cl_ord_id: cl_ord_id.to_owned(), try_no, reason }
}
