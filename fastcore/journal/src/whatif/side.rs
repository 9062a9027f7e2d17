//! One configuration over the recording: an engine, and a broker on paper behind each of its routes.

use super::facts::{Fact, fact, right_clock};
use super::paper::PaperRoute;
use super::tally::{Tally, Told};
use crate::core::Core;
use crate::error::{JournalError, Result};
use crate::log::JournalRow;
use crate::segment::{ConfigSum, Follower, start_payload};
use crate::store::Durability;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::link::{self, Frame};
use serde_json::Value;
use std::collections::BTreeMap;

/// Exchanges between core and brokers for one event, and timers that are due at once: more are a loop.
const ROUNDS_MAX: usize = 10_000;

/// What both sides play, in this order.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// The core started, with this configuration.
    Start {
        /// Its row.
        row: u64,
        /// When.
        at_ns: i64,
        /// Canonical text.
        config: String,
    },
    /// A recorded row.
    Row(&'a JournalRow),
    /// Account values that the broker of this follower told, as a command.
    Values(String, Vec<u8>, i64),
    /// A command of the comparison itself.
    Command(Vec<u8>, i64),
    /// Counting begins.
    Begin,
}

/// An engine that plays a recording, with orders that are filled on paper.
pub(crate) struct Side {
    follower: Follower<Engine>,
    /// The configuration that it keeps whatever the recording started with; none: it follows.
    keeps: Option<String>,
    routes: Vec<PaperRoute>,
    tally: Tally,
    told: Told<true>,
    epoch: u64,
    at_ns: i64,
    /// What was recorded about something that this configuration does not have: how often, by kind and name.
    unknown: BTreeMap<(&'static str, String), u64>,
}

impl Side {
    /// A side that starts with what the recording starts with; before the first row, with canonical text.
    pub(crate) fn following(config: &str) -> Result<Self> {
        let follower = Follower { core: Engine::fresh(config)?, config: ConfigSum::of(config), seq: 0 };
        Ok(Self {
            follower,
            keeps: None,
            routes: Vec::new(),
            tally: Tally::default(),
            told: Told::default(),
            epoch: 0,
            at_ns: 0,
            unknown: BTreeMap::new(),
        })
    }

    /// A side that has one configuration from the first row to the last.
    pub(crate) fn keeping(config: String) -> Result<Self> {
        let side = Self::following(&config)?;
        Ok(Self { keeps: Some(config), ..side })
    }

    /// Plays a part of the recording.
    pub(crate) fn play(&mut self, script: &[Step<'_>]) -> Result<()> {
        for step in script {
            match step {
                Step::Start { row, at_ns, config } => {
                    let own = self.keeps.as_ref().unwrap_or(config).clone();
                    self.start(own, *at_ns).map_err(|e| cannot_follow(*row, e))?;
                }
                Step::Row(row) => self.row(row)?,
                Step::Values(name, command, at_ns) => self.values(name, command, *at_ns)?,
                Step::Command(payload, at_ns) => self.happens(EventKind::Operator, "", payload, *at_ns)?,
                Step::Begin => {
                    self.tally.begin(&self.follower.core);
                    self.unknown.clear();
                }
            }
        }
        Ok(())
    }

    /// A core starts with a configuration; all routes are linked and logged on at once.
    fn start(&mut self, config: String, at_ns: i64) -> Result<()> {
        self.timers(at_ns)?;
        let digest = self.follower.core.digest();
        self.follower.adopt(&config)?;
        self.epoch = self.epoch.saturating_add(1);
        self.tally.trades.learn(&self.follower.core);
        let payload = start_payload(config, digest, Durability::Process, self.epoch);
        self.apply(EventKind::Start, "", payload.as_bytes(), at_ns)?;
        let routes: Vec<_> = self
            .follower
            .core
            .index()
            .cfg
            .routes
            .iter()
            .map(|r| (r.name.clone(), r.session.clone()))
            .collect();
        self.routes.resize_with(routes.len(), PaperRoute::default);
        for (at, (name, session)) in routes.iter().enumerate() {
            let Some(route) = self.routes.get_mut(at) else { continue };
            let hello = route.hello(name, session)?;
            self.apply(EventKind::Link, name, &hello, at_ns)?;
        }
        let core = &self.follower.core;
        if core.index().cfg.clock.is_some() && core.state().clock.is_none() {
            // A core without a rule for it measures no clock: without this, a rule would refuse all of such a recording.
            self.apply(EventKind::Operator, "", &right_clock(), at_ns)?;
        }
        Ok(())
    }

    /// Something that happened whatever was configured, and all that is due before it.
    fn happens(&mut self, kind: EventKind, session: &str, payload: &[u8], at_ns: i64) -> Result<()> {
        self.timers(at_ns)?;
        self.apply(kind, session, payload, at_ns)
    }

    /// A recorded row: played, left out, or counted as something that this configuration does not know.
    fn row(&mut self, row: &JournalRow) -> Result<()> {
        match fact(&self.follower.core.index().cfg, row) {
            Fact::Plays => self.happens(row.kind, &row.session, &row.payload, row.at_ns),
            Fact::Past => Ok(()),
            Fact::Unknown(what, name) => {
                self.misses(what, name);
                Ok(())
            }
        }
    }

    /// Account values that a follower's broker told, as a command that names the follower.
    fn values(&mut self, name: &str, command: &[u8], at_ns: i64) -> Result<()> {
        let cfg = &self.follower.core.index().cfg;
        if cfg.leaders.iter().any(|l| l.name == name) {
            self.misses("account values of a follower with the name of a leader:", name.to_owned());
        } else if cfg.followers.iter().any(|f| f.name == name) {
            return self.happens(EventKind::Operator, "", command, at_ns);
        } else {
            self.misses("account values of follower", name.to_owned());
        }
        Ok(())
    }

    pub(crate) fn report(&self) -> Value {
        self.tally.report(&self.follower.core)
    }

    pub(crate) fn unknown(&self) -> Value {
        let each = self.unknown.iter();
        each.map(|((what, name), n)| serde_json::json!({"what": what, "name": name, "count": n})).collect()
    }

    fn misses(&mut self, what: &'static str, name: String) {
        let count = self.unknown.entry((what, name)).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// What is due until then, each at its time.
    fn timers(&mut self, until_ns: i64) -> Result<()> {
        let mut at_once = 0;
        while let Some(due_ns) = self.follower.core.next_due_ns().filter(|due| *due <= until_ns) {
            at_once = if due_ns > self.at_ns { 0_usize } else { at_once.saturating_add(1) };
            if at_once > ROUNDS_MAX {
                return Err(JournalError::Internal(format!("what-if: timers without end at {due_ns} ns")));
            }
            self.apply(EventKind::Timer, "", b"", due_ns)?;
        }
        Ok(())
    }

    /// Applies one event, and the answers of the brokers until nobody has anything to say.
    fn apply(&mut self, kind: EventKind, session: &str, payload: &[u8], at_ns: i64) -> Result<()> {
        self.at_ns = self.at_ns.max(at_ns);
        self.event(kind, session, payload);
        for _ in 0..ROUNDS_MAX {
            let frames = std::mem::take(&mut self.told.frames);
            if frames.is_empty() && !self.market()? {
                return Ok(());
            }
            for (route, frame) in frames {
                let name = self.follower.core.route_name(route).to_owned();
                for rows in self.answers(route, &frame)? {
                    self.event(EventKind::Route, &name, &rows);
                }
            }
        }
        let text = format!("what-if: core and brokers talk without end at {} ns", self.at_ns);
        Err(JournalError::Internal(text))
    }

    fn event(&mut self, kind: EventKind, session: &str, payload: &[u8]) {
        self.follower.seq = self.follower.seq.saturating_add(1);
        let event = Event { seq: self.follower.seq, at_ns: self.at_ns, kind, session, payload };
        self.follower.core.apply(&event, &mut self.told);
        self.tally.take(&self.follower.core, &mut self.told);
    }

    /// Orders that rest fill where the market has come to them. False: none.
    fn market(&mut self) -> Result<bool> {
        let mut some = false;
        for at in 0..self.routes.len() {
            let Some(paper) = self.routes.get_mut(at) else { continue };
            let rows = paper.moved(&self.follower.core, &self.tally.trades, self.at_ns)?;
            if let (Some(rows), Ok(route)) = (rows, u32::try_from(at)) {
                let name = self.follower.core.route_name(route).to_owned();
                self.event(EventKind::Route, &name, &rows);
                some = true;
            }
        }
        Ok(some)
    }

    fn answers(&mut self, route: u32, frame: &[u8]) -> Result<Vec<Vec<u8>>> {
        let Some(paper) = self.routes.get_mut(route as usize) else { return Ok(Vec::new()) };
        match link::decode(frame) {
            Ok(Frame::Greet(greet)) => paper.greeted(greet.epoch, self.at_ns).map(|rows| vec![rows]),
            Ok(Frame::Orders(orders)) => {
                paper.answer(&self.follower.core, &self.tally.trades, &orders, self.at_ns)
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn cannot_follow(row: u64, error: JournalError) -> JournalError {
    let JournalError::Config(why) = error else { return error };
    JournalError::Config(format!(
        "row {row}: the recording began anew with another configuration, which its own side cannot follow: {why}. Compare \
         one part at a time: --to before this row, or --from behind it"
    ))
}
