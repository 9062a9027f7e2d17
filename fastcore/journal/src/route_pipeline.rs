//! Guard and file of a route behind one lock: a row is durable before its message is handed out.

use crate::error::{JournalError, Result};
use crate::route_log::RouteLog;
use crate::store::Durability;
use crate::sync::{Gate, Syncer};
use fastcore::link::{self, Frame, Row};
use fastcore::route::{KillParts, RouteGuard};
use fastcore::rules::{Rule, kept};
use fastcore::sent::SentLog;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// A HELLO, or rows, that are not answered for so many of our heartbeats are sent again.
const UNANSWERED_BEATS: u8 = 5;
/// Rows in one frame (09.1).
const ROWS_MAX: usize = 256;

/// (session, FIX message) to send now.
pub type ToSend = (String, Vec<u8>);

struct Inner {
    log: RouteLog,
    guard: RouteGuard,
    /// Rows up to this one went out on this link.
    cursor: u64,
    /// A HELLO must go before anything else.
    hello_due: bool,
    /// Heartbeats since a HELLO that is not answered; none: it is.
    waits: Option<u8>,
    /// Rows up to this one were acknowledged, and for so many heartbeats not more, though more were sent.
    unacked: (u64, u8),
}

/// The durable half of a route process.
pub struct RoutePipeline {
    inner: Mutex<Inner>,
    gate: Gate,
    /// By session. A lock of its own, held for nothing else: [`RoutePipeline::sent`] is called inside the FIX
    /// engine, which holds a lock of its own then.
    sent: Mutex<BTreeMap<String, SentLog>>,
    route: String,
    identity: Vec<u8>,
}

impl RoutePipeline {
    /// Opens the file, raises the incarnation and remembers every try that it answered for.
    ///
    /// # Errors
    /// [`JournalError`] as [`RouteLog::open`]; a route name that cannot be an identity.
    pub fn open(
        path: &Path,
        route: &str,
        sessions: &[String],
        orphan_ms: u64,
        durability: Durability,
        now_ns: i64,
    ) -> Result<Self> {
        if route.is_empty() || route.len() > 200 || route.contains('/') {
            return Err(JournalError::Config(format!(
                "route name: 1..=200 bytes without '/', got {route:?}"
            )));
        }
        let log = RouteLog::open(path, durability, now_ns)?;
        let orphan_ns = i64::try_from(orphan_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let mut guard =
            RouteGuard::new(log.incarnation(), log.epoch(), log.highest_journal_no(), sessions, orphan_ns);
        log.teach(&mut guard)?;
        let identity = format!("{route}/{}", log.incarnation()).into_bytes();
        let gate = log.gate()?;
        let cursor = log.acked();
        let inner = Mutex::new(Inner { log, guard, cursor, hello_due: false, waits: None, unacked: (0, 0) });
        let sent = Mutex::new(sessions.iter().map(|s| (s.clone(), SentLog::default())).collect());
        Ok(Self { inner, gate, sent, route: route.to_owned(), identity })
    }

    /// `name/incarnation`: the identity of the route's socket.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// Syncs in another way; for tests.
    #[doc(hidden)]
    pub fn replace_sync(&mut self, sync: Syncer) {
        self.gate.replace(sync);
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>> {
        self.inner.lock().map_err(|_| JournalError::Internal("a panic left the route half done".into()))
    }

    /// The first frame of a link; unacknowledged rows follow it again.
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn hello(&self) -> Result<Vec<u8>> {
        self.lock()?.hello(&self.route)
    }

    /// Decides a frame of the core, makes its rows durable, and answers what to send now.
    ///
    /// # Errors
    /// [`JournalError`] when the rows could not be written: then nothing may be sent and the process must end, for
    /// the guard has already counted them. Bytes that are no frame are ignored.
    pub fn receive(&self, frame: &[u8], now_ns: i64) -> Result<Vec<ToSend>> {
        self.receive_some(frame, usize::MAX, now_ns).map(|(sends, _)| sends)
    }

    /// The same, with at most `most` messages; true: more of the frame is left, without a row, and the frame has to be
    /// given again.
    ///
    /// # Errors
    /// As [`RoutePipeline::receive`].
    pub fn receive_some(&self, frame: &[u8], most: usize, now_ns: i64) -> Result<(Vec<ToSend>, bool)> {
        let mut written = None;
        let mut inner = self.lock()?;
        match link::decode(frame) {
            Ok(Frame::Who) => inner.hello_due = true,
            Ok(Frame::Greet(greet)) if greet.incarnation == inner.guard.incarnation() => inner.waits = None,
            Ok(Frame::CoreBeat { epoch, .. }) if epoch > inner.guard.epoch() => inner.hello_due = true,
            _ => {}
        }
        let Ok(decided) = inner.guard.decide_some(frame, most, now_ns) else {
            return Ok((Vec::new(), false));
        };
        if !decided.rows.is_empty() {
            let rows = decided.rows.iter().map(|r| r.as_row());
            let rows: Vec<Row<'_>> =
                rows.filter(|r| kept(Rule::OutRow) || !matches!(r, Row::Out { .. })).collect();
            let journal_no = inner.guard.highest_journal_no();
            let from = Instant::now();
            let last = inner.log.append(&rows, journal_no, now_ns)?;
            self.gate.took(from);
            self.gate.wrote(last);
            written = Some(last);
        }
        if let Some(row_no) = decided.ack {
            inner.log.ack(row_no)?;
            inner.cursor = inner.cursor.max(inner.log.acked());
        }
        drop(inner);
        if let Some(last) = written {
            self.gate.wait(last)?;
        }
        let sends = decided.sends.into_iter().map(|(session, fix)| (session.to_owned(), fix.to_owned()));
        Ok((sends.collect(), decided.more))
    }

    /// A message of the broker: durable when this returns, so `fromApp` may return.
    ///
    /// # Errors
    /// [`JournalError`]; then the message is not recorded and may be tried again.
    pub fn record(&self, session: &str, msg_seq_num: u64, raw: &[u8], now_ns: i64) -> Result<u64> {
        let about = self.rejected_by(session, raw)?;
        let mut inner = self.lock()?;
        inner.guard.heard(session);
        let row = match &about {
            Some(cl_ord_id) => Row::Rejected { session, msg_seq_num, cl_ord_id, raw },
            None => Row::In { session, msg_seq_num, raw },
        };
        let written = self.append(&mut inner, &row, now_ns)?;
        drop(inner);
        self.durable(written)
    }

    /// Writes a row; [`RoutePipeline::durable`] waits for it without the lock, so that rows share a sync.
    fn append(&self, inner: &mut Inner, row: &Row<'_>, now_ns: i64) -> Result<u64> {
        let journal_no = inner.guard.highest_journal_no();
        let from = Instant::now();
        let row_no = inner.log.append(std::slice::from_ref(row), journal_no, now_ns)?;
        self.gate.took(from);
        self.gate.wrote(row_no);
        Ok(row_no)
    }

    fn durable(&self, row_no: u64) -> Result<u64> {
        self.gate.wait(row_no)?;
        Ok(row_no)
    }

    /// A message of ours on its way to the wire: a reject may name it by its number only (09.10).
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn sent(&self, session: &str, raw: &[u8]) -> Result<()> {
        if let Some(log) = self.sent_logs()?.get_mut(session) {
            log.sent(raw);
        }
        Ok(())
    }

    fn rejected_by(&self, session: &str, raw: &[u8]) -> Result<Option<String>> {
        let mut logs = self.sent_logs()?;
        Ok(logs.get_mut(session).and_then(|log| log.rejected_by(raw)).map(str::to_owned))
    }

    fn sent_logs(&self) -> Result<MutexGuard<'_, BTreeMap<String, SentLog>>> {
        self.sent
            .lock()
            .map_err(|_| JournalError::Internal("a panic left the sent messages half done".into()))
    }

    /// The MsgSeqNum(34) that a session must expect next (09.2): what has no row is asked for again.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn expected_seq_num(&self, session: &str) -> Result<Option<u64>> {
        self.lock()?.log.expected_seq_num(session)
    }

    /// Our own outgoing Reject(3) or BusinessMessageReject(j).
    ///
    /// # Errors
    /// As [`RoutePipeline::record`].
    pub fn refused(&self, session: &str, raw: &[u8], now_ns: i64) -> Result<u64> {
        let written = self.append(&mut *self.lock()?, &Row::Refused { session, raw }, now_ns)?;
        self.durable(written)
    }

    /// The broker filled a gap over numbers that we asked for.
    ///
    /// # Errors
    /// As [`RoutePipeline::record`].
    pub fn gap(&self, session: &str, from: u64, to: u64, now_ns: i64) -> Result<u64> {
        let written = self.append(&mut *self.lock()?, &Row::Gap { session, from, to }, now_ns)?;
        self.durable(written)
    }

    /// A session logged on or off.
    ///
    /// # Errors
    /// As [`RoutePipeline::record`].
    pub fn session(&self, session: &str, up: bool, now_ns: i64) -> Result<u64> {
        let mut inner = self.lock()?;
        if !up {
            // Off at once, on only when the row is written: an order must never precede its LOGON row.
            inner.guard.session(session, false);
        }
        let row = if up { Row::Logon { session } } else { Row::Logout { session } };
        let written = self.append(&mut inner, &row, now_ns)?;
        inner.guard.session(session, up);
        drop(inner);
        self.durable(written)
    }

    /// Frames for the core: HELLO when one is due, then rows that this link has not carried yet.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] naming a damaged row; a failed sync.
    pub fn pending(&self, max_bytes: usize) -> Result<Vec<Vec<u8>>> {
        // A row that the core has but a power loss takes from this file would give its number to another one.
        let last = self.lock()?.log.next_row().saturating_sub(1);
        self.gate.wait(last)?;
        let mut inner = self.lock()?;
        let mut frames = Vec::new();
        if inner.hello_due {
            frames.push(inner.hello(&self.route)?);
        }
        let mut bytes = 0_usize;
        while bytes < max_bytes && inner.cursor < last {
            let waiting = usize::try_from(last.saturating_sub(inner.cursor)).unwrap_or(ROWS_MAX);
            let limit = ROWS_MAX.min(waiting);
            let rows = inner.log.rows(inner.cursor, limit, max_bytes.saturating_sub(bytes))?;
            let Some(last) = rows.last().map(|r| r.0) else {
                let missing = inner.cursor.saturating_add(1);
                return Err(JournalError::Internal(format!("route file: row {missing} is missing")));
            };
            let parts = rows.iter().map(|(no, at, body)| (*no, *at, body.as_slice()));
            let frame = link::rows_frame(inner.guard.incarnation(), parts)
                .map_err(|e| JournalError::Internal(e.to_string()))?;
            bytes = bytes.saturating_add(frame.len());
            frames.push(frame);
            inner.cursor = last;
        }
        Ok(frames)
    }

    /// The link is new: HELLO goes first and unacknowledged rows go again.
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn relink(&self) -> Result<()> {
        self.lock()?.hello_due = true;
        Ok(())
    }

    /// The route's heartbeat.
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn beat(&self) -> Result<Vec<u8>> {
        let mut inner = self.lock()?;
        // HELLO or its answer may be lost on a link that lives; without the answer nothing is sent here.
        inner.waits = inner.waits.map(|beats| beats.saturating_add(1));
        if inner.waits.is_some_and(|beats| beats >= UNANSWERED_BEATS) {
            inner.hello_due = true;
        }
        inner.send_again();
        let next = inner.log.next_row();
        let queued = next.saturating_sub(1).saturating_sub(inner.log.acked());
        Ok(link::encode_route_beat(inner.guard.incarnation(), next, queued))
    }

    /// Forgets tries that were answered for before `before_ns` and whose rows the core has, some at a time. Answers how many.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`]; then nothing was forgotten.
    pub fn forget(&self, before_ns: i64) -> Result<usize> {
        let mut inner = self.lock()?;
        let forgotten = inner.log.forget(before_ns)?;
        for (cl_ord_id, try_no) in &forgotten {
            inner.guard.forget(cl_ord_id, *try_no);
        }
        Ok(forgotten.len())
    }

    /// What a watchdog looks at: rows that the core has not acknowledged, and the longest write or sync of a row since
    /// the last look, nanoseconds.
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn watched(&self) -> Result<(u64, u64)> {
        let inner = self.lock()?;
        let rows = inner.log.next_row().saturating_sub(1).saturating_sub(inner.log.acked());
        Ok((rows, self.gate.take_slowest_ns()))
    }

    /// Holds back new orders at the levels of this host's own kill switch: 1 and 2 opens, 3 all of them, 0 none.
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn kill_here(&self, level: u8, parts: KillParts) -> Result<()> {
        self.lock()?.guard.kill_here(level, parts);
        Ok(())
    }

    /// Stops all sending until the process is restarted.
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn halt(&self) -> Result<()> {
        self.lock()?.guard.halt();
        Ok(())
    }

    /// The state as JSON for people.
    ///
    /// # Errors
    /// [`JournalError::Internal`].
    pub fn status(&self) -> Result<String> {
        let inner = self.lock()?;
        let up: Vec<&str> = inner.guard.sessions_up().collect();
        Ok(json!({"route": self.route, "incarnation": inner.guard.incarnation(), "epoch": inner.guard.epoch(),
            "kill": inner.guard.kill(), "next_row": inner.log.next_row(), "acked": inner.log.acked(),
            "sent_row": inner.cursor, "remembered": inner.guard.remembered(), "journal_no": inner.guard.highest_journal_no(), "sessions_up": up})
        .to_string())
    }
}

impl Inner {
    /// Rows that were sent and are not acknowledged for a while may be lost on a link that lives: they go again, and the
    /// core passes over those that it has.
    fn send_again(&mut self) {
        let acked = self.log.acked();
        let beats = match self.unacked {
            (before, beats) if before == acked && self.cursor > acked => beats.saturating_add(1),
            _ => 0,
        };
        self.unacked = (acked, if beats >= UNANSWERED_BEATS { 0 } else { beats });
        if beats >= UNANSWERED_BEATS {
            self.cursor = acked;
        }
    }

    fn hello(&mut self, route: &str) -> Result<Vec<u8>> {
        let up: Vec<&str> = self.guard.sessions_up().collect();
        let (log, journal_no) = (&self.log, self.guard.highest_journal_no());
        let first_row = log.acked().saturating_add(1);
        let frame = link::encode_hello(route, log.incarnation(), log.log_id(), first_row, journal_no, &up)
            .map_err(|e| JournalError::Internal(e.to_string()))?;
        self.cursor = self.log.acked();
        self.hello_due = false;
        self.waits = Some(0);
        Ok(frame)
    }
}
