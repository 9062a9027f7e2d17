//! A route and a broker on paper: every order is filled whole, at the market that the recording shows; at once, or when the
//! market comes to the price that it waits for.

use super::prices::Trades;
use super::resting::{Fate, Resting, Terms};
use crate::error::{JournalError, Result};
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::fix::{self, BadValue, Field, Writer};
use fastcore::link::{self, KeysBuf, LinkError, OrderRef, Orders, Row, SendKind, encode_row, rows_frame};
use fastcore::order::{ClOrdId, Order};

/// Orders answered in one frame: far below what a frame may hold.
const ORDERS_MAX: usize = 1_000;
/// The route's file never changes.
const LOG_ID: u64 = 1;

/// (row number, time, row in its stored form).
type Stored = (u64, i64, Vec<u8>);

/// One route with its broker.
#[derive(Debug, Default)]
pub(crate) struct PaperRoute {
    last_row: u64,
    reports: u64,
    messages: u64,
    incarnation: u64,
    fields: Vec<Field>,
    /// In the order in which they came.
    resting: Vec<Resting>,
}

fn frame_error(error: LinkError) -> JournalError {
    JournalError::Internal(format!("what-if: a simulated route: {error}"))
}

fn report_error(error: BadValue) -> JournalError {
    JournalError::Internal(format!("what-if: a simulated report: {error}"))
}

/// The order of ours behind a ClOrdID(11).
pub(super) fn order_of<'a>(engine: &'a Engine, id: &[u8]) -> Option<(usize, &'a Order)> {
    let id = ClOrdId::from_text(id)?;
    let at = *engine.state().ids.get(&id.key())? as usize;
    engine.state().orders.get(at).filter(|o| o.cl_ord_id == id).map(|o| (at, o))
}

impl PaperRoute {
    /// HELLO of a process that was started anew, with its session logged on.
    pub(crate) fn hello(&mut self, name: &str, session: &str) -> Result<Vec<u8>> {
        self.incarnation = self.incarnation.saturating_add(1);
        let first_row = self.last_row.saturating_add(1);
        link::encode_hello(name, self.incarnation, LOG_ID, first_row, 0, &[session]).map_err(frame_error)
    }

    /// The answer to a greeting: every older row was told.
    pub(crate) fn greeted(&mut self, epoch: u64, at_ns: i64) -> Result<Vec<u8>> {
        let mut rows = Vec::new();
        self.row(&Row::Sync { incarnation: self.incarnation, epoch }, at_ns, &mut rows)?;
        self.frame(&rows)
    }

    /// Frames of rows that answer an ORDERS frame. Questions have no answer: nothing is in doubt here.
    pub(crate) fn answer(
        &mut self,
        engine: &Engine,
        trades: &Trades,
        orders: &Orders<'_>,
        at_ns: i64,
    ) -> Result<Vec<Vec<u8>>> {
        let asked = |x: &OrderRef<'_>| matches!(x.kind, SendKind::New | SendKind::Cancel);
        let all: Vec<OrderRef<'_>> = orders.iter().filter(asked).collect();
        let mut frames = Vec::new();
        for some in all.chunks(ORDERS_MAX) {
            let mut keys = KeysBuf::default();
            for x in some.iter().filter(|x| x.kind == SendKind::New) {
                keys.push(x.cl_ord_id, x.try_no).map_err(frame_error)?;
            }
            let mut rows = Vec::with_capacity(some.len().saturating_add(1));
            let out = Row::Out { journal_no: orders.journal_no, keys: keys.as_keys() };
            self.row(&out, at_ns, &mut rows)?;
            for x in some {
                let said = match x.kind {
                    SendKind::New => vec![self.placed(engine, trades, x)?],
                    _ => self.changed(engine, trades, x)?,
                };
                for raw in said {
                    self.heard(x.session, &raw, at_ns, &mut rows)?;
                }
            }
            frames.push(self.frame(&rows)?);
        }
        Ok(frames)
    }

    /// The broker's ExecutionReport(8) of a new order: filled, resting, or expired. It has what any profile reads a fill
    /// from.
    fn placed(&mut self, engine: &Engine, trades: &Trades, x: &OrderRef<'_>) -> Result<Vec<u8>> {
        let message = read(x.fix, &mut self.fields)?;
        // The order's own text: its broker counts in lots, or in units, as the profile says.
        let id = x.cl_ord_id.as_bytes();
        let qty = message.get(38).unwrap_or(b"0").to_vec();
        let begin = message.get(8).unwrap_or(b"FIX.4.4").to_vec();
        let order = Resting { begin, id: id.to_vec(), name: id.to_vec(), qty, terms: Terms::read(&message) };
        let fate = order.terms.arrives(market(engine, trades, id));
        let raw = self.report(engine, &order, fate)?;
        if fate == Fate::Rests {
            self.resting.push(order);
        }
        Ok(raw)
    }

    /// An order that rests is replaced or cancelled, as it was asked; one that does not rest any more was told before. A
    /// replaced one arrives anew.
    fn changed(&mut self, engine: &Engine, trades: &Trades, x: &OrderRef<'_>) -> Result<Vec<Vec<u8>>> {
        let message = read(x.fix, &mut self.fields)?;
        let (of, by) = (message.get(41).unwrap_or(b""), message.get(11).unwrap_or(b"").to_vec());
        let Some(at) = self.resting.iter().position(|r| r.name == of) else { return Ok(Vec::new()) };
        let replaces = message.get(35) == Some(b"G");
        let (qty, terms) = (message.get(38).map(<[u8]>::to_vec), Terms::read(&message));
        let mut order = self.resting.remove(at);
        let before = std::mem::replace(&mut order.name, by);
        if !replaces {
            return Ok(vec![report(&order, self.number(), &before, &Said::Canceled)?]);
        }
        (order.qty, order.terms) = (qty.unwrap_or(order.qty), terms);
        let mut said = vec![report(&order, self.number(), &before, &Said::Replaced)?];
        match terms.arrives(market(engine, trades, &order.id)) {
            Fate::Rests => self.resting.insert(at, order),
            fate => said.push(self.report(engine, &order, fate)?),
        }
        Ok(said)
    }

    /// Something may have moved the market: what rests and is reached fills. None: nothing.
    pub(crate) fn moved(&mut self, engine: &Engine, trades: &Trades, at_ns: i64) -> Result<Option<Vec<u8>>> {
        let mut rows = Vec::new();
        let mut at = 0;
        while let Some(order) = self.resting.get_mut(at) {
            let market = market(engine, trades, &order.id);
            let fate = match order.terms.triggered(market) {
                Some(terms) => {
                    order.terms = terms;
                    terms.arrives(market)
                }
                None => order.terms.waits(market),
            };
            if fate == Fate::Rests {
                at = at.saturating_add(1);
                continue;
            }
            let order = self.resting.remove(at);
            let raw = self.report(engine, &order, fate)?;
            let session = session(engine, &order.id).to_owned();
            self.heard(&session, &raw, at_ns, &mut rows)?;
        }
        if rows.is_empty() { Ok(None) } else { self.frame(&rows).map(Some) }
    }

    fn report(&mut self, engine: &Engine, order: &Resting, fate: Fate) -> Result<Vec<u8>> {
        let number = self.number();
        let position = order_of(engine, &order.id).and_then(|(_, o)| position(engine, o));
        let said = match fate {
            Fate::Fills(px) => Said::Filled { px, position },
            Fate::Rests => Said::New,
            Fate::Expires => Said::Expired,
        };
        report(order, number, b"", &said)
    }

    fn number(&mut self) -> u64 {
        self.reports = self.reports.saturating_add(1);
        self.reports
    }

    fn heard(&mut self, session: &str, raw: &[u8], at_ns: i64, rows: &mut Vec<Stored>) -> Result<()> {
        self.messages = self.messages.saturating_add(1);
        let row = Row::In { session, msg_seq_num: self.messages, raw };
        self.row(&row, at_ns, rows)
    }

    fn row(&mut self, row: &Row<'_>, at_ns: i64, rows: &mut Vec<Stored>) -> Result<()> {
        self.last_row = self.last_row.saturating_add(1);
        let mut bytes = Vec::with_capacity(192);
        encode_row(row, &mut bytes).map_err(frame_error)?;
        rows.push((self.last_row, at_ns, bytes));
        Ok(())
    }

    fn frame(&self, rows: &[Stored]) -> Result<Vec<u8>> {
        let stored = rows.iter().map(|(no, at_ns, bytes)| (*no, *at_ns, bytes.as_slice()));
        rows_frame(self.incarnation, stored).map_err(frame_error)
    }
}

/// Tag and name of the position that an order closes at a hedging venue, or opens: that one is called as its order is.
fn position<'a>(engine: &Engine, order: &'a Order) -> Option<(u32, &'a [u8])> {
    let ix = engine.index();
    let profile = ix.cfg.profiles.get(*ix.route_profiles.get(order.route as usize)? as usize)?;
    let id = order.position.as_deref().map_or(&order.cl_ord_id[..], |id| &id[..]);
    profile.hedges().then_some((profile.position_id_tag, id))
}

/// What the order would pay, or get, now.
fn market(engine: &Engine, trades: &Trades, id: &[u8]) -> Option<Dec> {
    let (_, order) = order_of(engine, id)?;
    trades.market(engine, engine.state().lines.get(order.line as usize)?, order.buy)
}

/// The FIX session of the order's route.
fn session<'a>(engine: &'a Engine, id: &[u8]) -> &'a str {
    let route = order_of(engine, id).and_then(|(_, o)| engine.index().cfg.routes.get(o.route as usize));
    route.map_or("", |r| r.session.as_str())
}

fn read<'a>(raw: &'a [u8], fields: &'a mut Vec<Field>) -> Result<fix::Message<'a>> {
    fix::parse(raw, fields)
        .map_err(|e| JournalError::Internal(format!("what-if: an order cannot be read: {e:?}")))
}

/// What the broker says of an order.
enum Said<'a> {
    New,
    Replaced,
    Canceled,
    Expired,
    /// Whole: the price, and the position by tag and name.
    Filled {
        px: Option<Dec>,
        position: Option<(u32, &'a [u8])>,
    },
}

fn report(order: &Resting, number: u64, before: &[u8], said: &Said<'_>) -> Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(160);
    write(&mut raw, order, number, before, said).map_err(report_error)?;
    Ok(raw)
}

fn write(
    raw: &mut Vec<u8>,
    order: &Resting,
    number: u64,
    before: &[u8],
    said: &Said<'_>,
) -> std::result::Result<(), BadValue> {
    let number = number.to_string();
    let qty = order.qty.as_slice();
    let (kind, status, done, open): (&[u8], &[u8], &[u8], &[u8]) = match said {
        Said::New => (b"0", b"0", b"0", qty),
        Said::Replaced => (b"5", b"5", b"0", qty),
        Said::Canceled => (b"4", b"4", b"0", b"0"),
        Said::Expired => (b"C", b"C", b"0", b"0"),
        Said::Filled { .. } => (b"F", b"2", qty, b"0"),
    };
    let mut w = Writer::begin(raw, &order.begin, b"8")?;
    for (tag, text) in [
        (34, number.as_bytes()),
        (37, order.id.as_slice()),
        (11, order.name.as_slice()),
        (17, number.as_bytes()),
        (150, kind),
        (39, status),
        (38, qty),
        (14, done),
        (151, open),
    ] {
        w.text(tag, text)?;
    }
    if !before.is_empty() {
        w.text(41, before)?;
    }
    if let Said::Filled { px, position } = said {
        w.text(32, qty)?;
        for tag in [31, 6] {
            px.map_or(Ok(()), |px| w.dec(tag, px))?;
        }
        position.map_or(Ok(()), |(tag, id)| w.text(tag, id))?;
    }
    w.finish()
}
