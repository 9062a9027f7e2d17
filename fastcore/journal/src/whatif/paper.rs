//! A route and a broker on paper: every order is filled whole and at once, at the market that the recording shows.

use super::prices::Trades;
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
    incarnation: u64,
    fields: Vec<Field>,
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

    /// Frames of rows that answer an ORDERS frame. Cancels and questions have no answer: nothing works here.
    pub(crate) fn fill(
        &mut self,
        engine: &Engine,
        trades: &Trades,
        orders: &Orders<'_>,
        at_ns: i64,
    ) -> Result<Vec<Vec<u8>>> {
        let new: Vec<OrderRef<'_>> = orders.iter().filter(|x| x.kind == SendKind::New).collect();
        let mut frames = Vec::new();
        for some in new.chunks(ORDERS_MAX) {
            let mut keys = KeysBuf::default();
            for x in some {
                keys.push(x.cl_ord_id, x.try_no).map_err(frame_error)?;
            }
            let mut rows = Vec::with_capacity(some.len().saturating_add(1));
            let out = Row::Out { journal_no: orders.journal_no, keys: keys.as_keys() };
            self.row(&out, at_ns, &mut rows)?;
            for x in some {
                let raw = self.report(engine, trades, x)?;
                let row = Row::In { session: x.session, msg_seq_num: self.reports, raw: &raw };
                self.row(&row, at_ns, &mut rows)?;
            }
            frames.push(self.frame(&rows)?);
        }
        Ok(frames)
    }

    /// The broker's ExecutionReport(8): filled, or expired where the market is beyond the order's limit. It has what any
    /// profile reads a fill from.
    fn report(&mut self, engine: &Engine, trades: &Trades, x: &OrderRef<'_>) -> Result<Vec<u8>> {
        self.reports = self.reports.saturating_add(1);
        let message = fix::parse(x.fix, &mut self.fields)
            .map_err(|e| JournalError::Internal(format!("what-if: an order cannot be read: {e:?}")))?;
        // The order's own text: its broker counts in lots, or in units, as the profile says.
        let (begin, qty) = (message.get(8).unwrap_or(b"FIX.4.4"), message.get(38).unwrap_or(b"0"));
        let found = order_of(engine, x.cl_ord_id.as_bytes()).map(|(_, o)| o);
        let line = found.and_then(|o| engine.state().lines.get(o.line as usize).map(|ls| (o, ls)));
        let px = line.and_then(|(o, ls)| trades.market(engine, ls, o.buy));
        let reached = line.is_none_or(|(o, _)| within(o, px));
        let name = found.and_then(|o| position(engine, o));
        let mut raw = Vec::with_capacity(160);
        let fill = Fill { qty, px: px.filter(|_| reached), position: name };
        write(&mut raw, begin, x.cl_ord_id.as_bytes(), self.reports, fill, reached).map_err(report_error)?;
        Ok(raw)
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

/// Whether the market reaches an order's limit; without a limit, or without a market, nothing is in the way.
fn within(order: &Order, px: Option<Dec>) -> bool {
    match (order.px, px) {
        (Some(limit), Some(px)) if order.buy => px <= limit,
        (Some(limit), Some(px)) => px >= limit,
        _ => true,
    }
}

/// What a fill says: the order's own quantity, the market, and the position by tag and name.
struct Fill<'a> {
    qty: &'a [u8],
    px: Option<Dec>,
    position: Option<(u32, &'a [u8])>,
}

fn write(
    raw: &mut Vec<u8>,
    begin: &[u8],
    id: &[u8],
    number: u64,
    Fill { qty, px, position }: Fill<'_>,
    filled: bool,
) -> std::result::Result<(), BadValue> {
    let number = number.to_string();
    let (kind, status, done, open): (&[u8], &[u8], &[u8], &[u8]) =
        if filled { (b"F", b"2", qty, b"0") } else { (b"C", b"C", b"0", b"0") };
    let mut w = Writer::begin(raw, begin, b"8")?;
    for (tag, text) in [
        (34, number.as_bytes()),
        (37, id),
        (11, id),
        (17, number.as_bytes()),
        (150, kind),
        (39, status),
        (38, qty),
        (14, done),
        (151, open),
    ] {
        w.text(tag, text)?;
    }
    if filled {
        w.text(32, qty)?;
        for tag in [31, 6] {
            px.map_or(Ok(()), |px| w.dec(tag, px))?;
        }
        position.map_or(Ok(()), |(tag, id)| w.text(tag, id))?;
    }
    w.finish()
}
