//! Journal, engine and outbox behind one lock: what is not journaled is not acted on.

use crate::core::Core;
use crate::error::{JournalError, Result};
use crate::log::{Journal, JournalRow, Snapshot, Stage, read_ahead};
use crate::outbox::Outbox;
use crate::rising::Rising;
use crate::segment::{ConfigSum, Follower, canonical, start_payload};
use crate::stages::Stages;
use crate::store::Durability;
use crate::sync::{Gate, Syncer};
use fastcore::action::Discard;
use fastcore::event::EventKind;
use fastcore::link::{self, Frame};
use fastcore::rules::{Rule, kept};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// Bytes of one event; a frame of route rows is the largest.
const PAYLOAD_BYTES_MAX: usize = link::FRAME_BYTES_MAX;
/// Bytes of START, which carries the whole configuration: 10,000 followers with their subscriptions make 8 MB.
const START_BYTES_MAX: usize = 128 * 1024 * 1024;

/// (identity of the route's socket, frame).
pub type Addressed = (Vec<u8>, Vec<u8>);

struct Inner<C> {
    journal: Journal,
    follower: Follower<C>,
    outbox: Outbox,
    stages: Stages,
    time: Rising,
    /// The longest commit since it was last asked for, nanoseconds.
    slowest_ns: i64,
}

/// What a watchdog of the core looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The longest write or sync of a row, or a snapshot, since the last look, nanoseconds.
    pub slowest_ns: u64,
    /// Frames in the outbox.
    pub frames: usize,
    /// Rows that each route has not had acknowledged, by its own last heartbeat.
    pub rows: Vec<(String, u64)>,
}

/// The only owner of the live engine.
pub struct Pipeline<C> {
    inner: Mutex<Inner<C>>,
    gate: Gate,
    epoch: u64,
}

impl<C: Core> Pipeline<C> {
    /// Locks the folder, replays the journal with its digests, raises the epoch and writes START.
    ///
    /// # Errors
    /// [`JournalError`]: locked folder, damaged file, a replay that decides otherwise, a refused configuration.
    pub fn open(path: &Path, config_json: &str, durability: Durability, now_ns: i64) -> Result<Self> {
        let text = canonical(config_json)?;
        // A configuration that the engine refuses must not leave a START row behind.
        let fresh = C::fresh(&text)?;
        let mut journal = Journal::open(path, durability)?;
        let mut follower = match recover(&journal)? {
            Some(follower) => {
                drop(fresh);
                follower
            }
            None => Follower { core: fresh, config: ConfigSum::of(&text), seq: 0 },
        };
        let digest = follower.core.digest();
        follower.adopt(&text)?;
        let epoch = journal.raise_epoch()?;
        let payload = start_payload(text, digest, durability, epoch);
        let time = Rising::behind(journal.last_at_ns());
        let (outbox, stages) = (Outbox::default(), Stages::default());
        let mut inner = Inner { journal, follower, outbox, stages, time, slowest_ns: 0 };
        inner.submit(EventKind::Start, "", payload.as_bytes(), now_ns, digest)?;
        drop(payload);
        let gate = inner.journal.gate()?;
        Ok(Self { inner: Mutex::new(inner), gate, epoch })
    }

    /// Syncs in another way; for tests.
    #[doc(hidden)]
    pub fn replace_sync(&mut self, sync: Syncer) {
        self.gate.replace(sync);
    }

    /// Raised at each start of the core.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner<C>>> {
        self.inner.lock().map_err(|_| JournalError::Internal("a panic left the pipeline half done".into()))
    }

    /// Journals one event, applies it and queues what it asks for. Answers its journal number once the row is durable.
    ///
    /// # Errors
    /// [`JournalError`]; then the event is neither journaled nor applied, and may be tried again. The exception is a
    /// failed sync ("power"): the row is in the file, nothing that follows from it leaves, and every later call fails.
    pub fn submit(&self, kind: &str, session: &str, payload: &[u8], now_ns: i64) -> Result<u64> {
        let kind = EventKind::parse(kind).filter(|k| *k != EventKind::Start);
        let kind =
            kind.ok_or_else(|| JournalError::Internal("submit: not an event kind of a shell".into()))?;
        let seq = self.event(&mut *self.lock()?, kind, session, payload, now_ns)?;
        self.gate.wait(seq)?;
        Ok(seq)
    }

    /// Writes one event. Its frames leave when it is durable, which [`Pipeline::drain`] sees to: events of the socket
    /// thread need not wait here, and a burst of them shares one sync.
    fn event(
        &self,
        inner: &mut Inner<C>,
        kind: EventKind,
        session: &str,
        payload: &[u8],
        now_ns: i64,
    ) -> Result<u64> {
        let seq = inner.event(kind, session, payload, now_ns)?;
        self.gate.wrote(seq);
        Ok(seq)
    }

    /// Takes a frame of a route: HELLO and ROWS become events, heartbeats answer 0.
    ///
    /// # Errors
    /// As [`Pipeline::submit`]. A frame that is none is dropped with answer 0: it must not stop the core.
    pub fn receive(&self, identity: &[u8], frame: &[u8], now_ns: i64) -> Result<u64> {
        let mut inner = self.lock()?;
        let Some((route, incarnation)) = inner.route_of(identity) else { return Ok(0) };
        let name = inner.follower.core.route_name(route).to_owned();
        match link::decode(frame) {
            Ok(Frame::Hello(hello)) if hello.route == name && hello.incarnation == incarnation => {
                if inner.current(route).is_some_and(|now| now > incarnation) {
                    return Ok(0);
                }
                let before = inner.outbox.linked(route).map(<[u8]>::to_owned);
                inner.outbox.link(route, Some(identity.to_owned()));
                let done = self.event(&mut inner, EventKind::Link, &name, frame, now_ns);
                if done.is_err() {
                    inner.outbox.link(route, before);
                }
                done
            }
            Ok(Frame::Rows(_)) if inner.outbox.linked(route) == Some(identity) => {
                self.event(&mut inner, EventKind::Route, &name, frame, now_ns)
            }
            Ok(Frame::Rows(_) | Frame::RouteBeat { .. }) if inner.outbox.linked(route) != Some(identity) => {
                // A route that outlived the core, or that was stopped until we took it for lost, does not know that it
                // must say HELLO.
                inner.outbox.seq = inner.journal.head();
                if kept(Rule::Who) {
                    inner.outbox.queue(identity, &link::encode_who());
                }
                Ok(0)
            }
            Ok(Frame::RouteBeat { queued, .. }) => {
                inner.outbox.told_rows(route, queued);
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// What a watchdog looks at.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn watched(&self) -> Result<Watched> {
        let mut inner = self.lock()?;
        let committed_ns = u64::try_from(std::mem::take(&mut inner.slowest_ns)).unwrap_or(0);
        let names = (0..).zip(&inner.outbox.rows);
        let rows = names.map(|(at, rows)| (inner.follower.core.route_name(at).to_owned(), *rows)).collect();
        Ok(Watched {
            slowest_ns: committed_ns.max(self.gate.take_slowest_ns()),
            frames: inner.outbox.len(),
            rows,
        })
    }

    /// Frames that may go now: those whose rows are durable. With "power" it syncs first when a frame waits for that.
    ///
    /// # Errors
    /// [`JournalError`] when the sync failed: then nothing leaves any more.
    pub fn drain(&self, max_frames: usize) -> Result<Vec<Addressed>> {
        let Some(committed) = self.lock()?.outbox.newest() else { return Ok(Vec::new()) };
        self.gate.wait(committed)?;
        Ok(self.lock()?.outbox.drain(committed, max_frames))
    }

    /// Alerts since the last call, for the log: (journal number, code, text). At most as many as are kept.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn take_alerts(&self) -> Result<Vec<(u64, &'static str, String)>> {
        Ok(self.lock()?.outbox.take_alerts())
    }

    /// Questions to leaders' brokers since the last call: session, message.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn take_questions(&self) -> Result<Vec<(String, Vec<u8>)>> {
        Ok(self.lock()?.outbox.take_questions())
    }

    /// The socket refused a frame: orders in it are told to the engine, other frames are asked for again by time.
    ///
    /// # Errors
    /// As [`Pipeline::submit`].
    pub fn undeliverable(&self, identity: &[u8], frame: &[u8], now_ns: i64) -> Result<u64> {
        let mut inner = self.lock()?;
        let Some((route, _)) = inner.route_of(identity) else { return Ok(0) };
        if !matches!(link::decode(frame), Ok(Frame::Orders(_))) {
            return Ok(0);
        }
        let name = inner.follower.core.route_name(route).to_owned();
        self.event(&mut inner, EventKind::Unsent, &name, frame, now_ns)
    }

    /// A heartbeat for every linked route.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn beat(&self, _now_ns: i64) -> Result<Vec<Addressed>> {
        let mut inner = self.lock()?;
        // A quiet journal must not keep the audit log waiting. What fails here, the next row carries or reports.
        inner.flush_stages().unwrap_or_default();
        // Only what is durable: a route that remembers more would take a power loss for a lost tail (09.7).
        let frame = link::encode_beat(self.epoch, self.gate.durable(inner.journal.head())?);
        Ok(inner.outbox.links.iter().flatten().map(|identity| (identity.clone(), frame.clone())).collect())
    }

    /// The link of a route is gone.
    ///
    /// # Errors
    /// As [`Pipeline::submit`].
    pub fn lost(&self, identity: &[u8], now_ns: i64) -> Result<u64> {
        let mut inner = self.lock()?;
        let Some((route, _)) = inner.route_of(identity) else { return Ok(0) };
        if inner.outbox.linked(route) != Some(identity) {
            return Ok(0);
        }
        let name = inner.follower.core.route_name(route).to_owned();
        let done = self.event(&mut inner, EventKind::Link, &name, b"", now_ns)?;
        inner.outbox.link(route, None);
        Ok(done)
    }

    /// When [`Pipeline::tick`] has something to do: by the clock that says `now_ns`, or in the journal's own time.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn next_due_ns(&self, now_ns: Option<i64>) -> Result<Option<i64>> {
        let mut inner = self.lock()?;
        let due_ns = inner.follower.core.next_due_ns();
        let Some(now_ns) = now_ns else { return Ok(due_ns) };
        inner.time.look(now_ns);
        Ok(due_ns.map(|due| inner.time.wall_of(due, now_ns)))
    }

    /// By how much the journal's time is ahead of the clock that says `now_ns`: it was put back by that.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn ahead_ns(&self, now_ns: i64) -> Result<i64> {
        Ok(self.lock()?.time.ahead_ns(now_ns))
    }

    /// Journals a timer event when one is due; 0 when none is.
    ///
    /// # Errors
    /// As [`Pipeline::submit`].
    pub fn tick(&self, now_ns: i64) -> Result<u64> {
        let mut inner = self.lock()?;
        inner.time.look(now_ns);
        let at_ns = inner.time.next_ns();
        if inner.follower.core.next_due_ns().is_none_or(|due| due > at_ns) {
            return Ok(0);
        }
        self.event(&mut inner, EventKind::Timer, "", b"", now_ns)
    }

    /// The MsgSeqNum(34) that a leader session must expect next (09.2).
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn expected_seq_num(&self, session: &str) -> Result<Option<u64>> {
        Ok(self.lock()?.follower.core.last_msg_seq_num(session).map(|n| n.saturating_add(1)))
    }

    /// The engine's status with a `pipeline` object beside it, as JSON.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn status(&self) -> Result<String> {
        let inner = self.lock()?;
        let mut status = inner.follower.core.status();
        let alerts: Vec<Value> = inner
            .outbox
            .alerts
            .iter()
            .map(|(seq, a)| json!({"journal": seq, "code": a.code, "text": a.text}))
            .collect();
        let links: Vec<_> =
            inner.outbox.links.iter().flatten().map(|i| String::from_utf8_lossy(i).into_owned()).collect();
        let rows: BTreeMap<_, _> =
            (0..).zip(&inner.outbox.rows).map(|(at, n)| (inner.follower.core.route_name(at), n)).collect();
        let own = json!({"epoch": self.epoch, "head": inner.journal.head(), "outbox": inner.outbox.len(),
            "dropped": inner.outbox.dropped, "links": links, "route_rows": rows, "alerts": alerts});
        if let Some(object) = status.as_object_mut() {
            object.insert("pipeline".into(), own);
            object.insert("latency_us".into(), inner.stages.latency_us());
            object.insert("latency_stages_us".into(), inner.stages.stages_us());
        } else {
            status = json!({"pipeline": own});
        }
        Ok(status.to_string())
    }

    /// The row behind which the newest snapshot was taken; 0: there is none.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn snapshot_seq(&self) -> Result<u64> {
        self.lock()?.journal.snapshot_seq()
    }

    /// Stores the state, so that the next start replays less.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn snapshot(&self, now_ns: i64) -> Result<()> {
        let mut inner = self.lock()?;
        let from = Instant::now();
        let core = &inner.follower.core;
        let snapshot = Snapshot { seq: inner.follower.seq, digest: core.digest(), state: core.snapshot() };
        let done = inner.journal.put_snapshot(now_ns, &snapshot);
        // Every row waits for it: a watchdog must see that.
        self.gate.took(from);
        done
    }

    /// Writes what is still in memory: the stages of the last rows.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn close(&self) -> Result<()> {
        self.lock()?.flush_stages()
    }
}

impl<C: Core> Inner<C> {
    fn event(&mut self, kind: EventKind, session: &str, payload: &[u8], now_ns: i64) -> Result<u64> {
        let digest = self.follower.core.digest();
        self.submit(kind, session, payload, now_ns, digest)
    }

    fn submit(
        &mut self,
        kind: EventKind,
        session: &str,
        payload: &[u8],
        now_ns: i64,
        prev_digest: u128,
    ) -> Result<u64> {
        let bytes_max = if kind == EventKind::Start { START_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
        if payload.len() > bytes_max {
            return Err(JournalError::Internal(format!("event of {} bytes is too long", payload.len())));
        }
        let clock = self.stages.begin(now_ns);
        let seq = self.journal.head().saturating_add(1);
        self.time.look(now_ns);
        let at_ns = self.time.next_ns();
        let row = JournalRow {
            seq,
            at_ns,
            kind,
            session: session.to_owned(),
            payload: payload.to_owned(),
            prev_digest,
        };
        self.journal.append(&row, self.stages.due())?;
        self.time.wrote(at_ns);
        self.stages.written();
        let journaled_ns = clock.now_ns();
        // The clock began at `now_ns`: what has passed since is the commit.
        self.slowest_ns = self.slowest_ns.max(journaled_ns.saturating_sub(now_ns));
        self.outbox.seq = seq;
        self.follower.apply(&row, &mut self.outbox);
        let decided_ns = clock.now_ns();
        self.stages.push(Stage {
            seq,
            received_ns: now_ns,
            journaled_ns,
            decided_ns,
            queued_ns: clock.now_ns(),
        });
        Ok(seq)
    }

    fn flush_stages(&mut self) -> Result<()> {
        if self.stages.has_waiting() {
            let rest: Vec<Stage> = self.stages.take_all();
            self.journal.flush_stages(&rest)?;
            self.stages.written();
        }
        Ok(())
    }

    /// `name/incarnation` of a socket identity, when the name is a route.
    fn route_of(&self, identity: &[u8]) -> Option<(u32, u64)> {
        let (name, incarnation) = split_identity(identity)?;
        Some((self.follower.core.route_index(name)?, incarnation))
    }

    fn current(&self, route: u32) -> Option<u64> {
        split_identity(self.outbox.linked(route)?).map(|(_, incarnation)| incarnation)
    }
}

fn split_identity(identity: &[u8]) -> Option<(&str, u64)> {
    let (name, incarnation) = std::str::from_utf8(identity).ok()?.rsplit_once('/')?;
    Some((name, incarnation.parse().ok()?))
}

/// The core as the journal left it; None for an empty journal.
fn recover<C: Core>(journal: &Journal) -> Result<Option<Follower<C>>> {
    let path = journal.path();
    let mut follower = match journal.snapshot(journal.head())? {
        Some(snapshot) => match journal.last_start(snapshot.seq)? {
            Some(start) => Follower::at(path, &start, &snapshot)?,
            None => return Err(JournalError::corrupt(path, 1, "a journal begins with a START row")),
        },
        None => match journal.rows(0, 1)?.first() {
            Some(first) => Follower::begin(path, first)?,
            None => return Ok(None),
        },
    };
    read_ahead(path, follower.seq, journal.head(), |row| follower.step(path, row, &mut Discard))?;
    Ok(Some(follower))
}
