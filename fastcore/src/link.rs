//! The binary frames between the core and a route (design 06, 09.4).
//!
//! One ZeroMQ message is one frame: `CG`, a version byte, a type byte, then little-endian fields. An order inside a
//! frame is the FIX message itself. Decoders are total: any bytes give a frame or a [`LinkError`], and a decoded
//! frame has been walked to its end, so its iterators cannot fail.

mod read;
mod rows;
mod writer;

use read::Reader;
pub use rows::{
    KeyIter, Keys, KeysBuf, Row, RowIter, RowRef, Rows, decode_row, encode_row, encode_rows, rows_frame,
};
pub use writer::OrdersWriter;

/// A frame larger than this is refused: 64 orders of 64 KiB, far beyond one leader event.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Sessions that one route may name in HELLO.
pub const SESSIONS_MAX: usize = 64;

const MAGIC: [u8; 3] = [b'C', b'G', 1];
const HELLO: u8 = 1;
const GREET: u8 = 2;
pub(crate) const ORDERS: u8 = 3;
pub(crate) const ROWS: u8 = 4;
const ACK: u8 = 5;
const PROBE: u8 = 6;
const CORE_BEAT: u8 = 7;
const ROUTE_BEAT: u8 = 8;
const WHO: u8 = 9;

/// Why bytes are not a frame, or why a value does not fit into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// The frame is longer than [`FRAME_BYTES_MAX`].
    TooLong,
    /// The first three bytes are not `CG` and version 1.
    NotOurs,
    /// The type byte (of a frame or of a row) is none that we know.
    UnknownType(u8),
    /// The bytes end inside a field.
    Short,
    /// Bytes follow the last field.
    Trailing,
    /// A name or an id is not UTF-8.
    NotText,
    /// A length or a count is above its limit.
    Limit(&'static str),
}

impl core::fmt::Display for LinkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong => write!(f, "link frame: longer than {FRAME_BYTES_MAX} bytes"),
            Self::NotOurs => f.write_str("link frame: does not begin with CG and version 1"),
            Self::UnknownType(kind) => write!(f, "link frame: unknown type {kind}"),
            Self::Short => f.write_str("link frame: ends inside a field"),
            Self::Trailing => f.write_str("link frame: bytes after the last field"),
            Self::NotText => f.write_str("link frame: a name is not UTF-8"),
            Self::Limit(what) => write!(f, "link frame: {what} is above its limit"),
        }
    }
}

impl core::error::Error for LinkError {}

/// What an order frame asks the route to put on the wire; the byte is in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendKind {
    /// NewOrderSingle(D).
    New,
    /// OrderCancelRequest(F) or replace (G).
    Cancel,
    /// OrderStatusRequest(H) and its mass form (AF).
    Status,
    /// Any other application message, such as RequestForPositions(AN).
    Other,
}

impl SendKind {
    /// The byte in the frame.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::New => b'N',
            Self::Cancel => b'F',
            Self::Status => b'H',
            Self::Other => b'Q',
        }
    }

    /// The kind of a byte; unknown bytes are [`SendKind::Other`] only when they are `Q`.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'N' => Some(Self::New),
            b'F' => Some(Self::Cancel),
            b'H' => Some(Self::Status),
            b'Q' => Some(Self::Other),
            _ => None,
        }
    }
}

/// HELLO: a route names itself on every new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Route name.
    pub route: &'a str,
    /// Raised at each start of the route process.
    pub incarnation: u64,
    /// Identity of the route's file: another value means that the file was replaced.
    pub log_id: u64,
    /// The oldest row that the route still has, or will write: those before it were acknowledged, and are deleted.
    pub first_row: u64,
    /// Highest core journal number the route ever saw (09.7).
    pub highest_journal_no: u64,
    sessions: &'a [u8],
    count: u16,
}

impl<'a> Hello<'a> {
    /// Sessions that are logged on now.
    #[must_use]
    pub fn sessions(&self) -> Names<'a> {
        Names { reader: Reader::new(self.sessions), left: self.count }
    }
}

/// Iterator over names of a walked frame.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        self.reader.name().ok()
    }
}

/// GREET: the core answers HELLO, or tells all routes that something about it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greet {
    /// Core epoch, raised at each start of the core.
    pub epoch: u64,
    /// The incarnation that is greeted.
    pub incarnation: u64,
    /// Rows up to this one are in the core's journal.
    pub acked_row: u64,
    /// Kill level (03): 0 none, 1 `no_opens`, 2 `close_only`, 3 `halt`.
    pub kill: u8,
}

/// ORDERS: what one event asks one route to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders<'a> {
    /// Core epoch that decided.
    pub epoch: u64,
    /// Route incarnation that the orders are meant for.
    pub incarnation: u64,
    /// Journal row that caused them.
    pub journal_no: u64,
    count: u16,
    body: &'a [u8],
}

impl<'a> Orders<'a> {
    /// Number of orders.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }
    /// True when the frame has no order.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// The orders in decision order.
    #[must_use]
    pub fn iter(&self) -> OrderIter<'a> {
        OrderIter { reader: Reader::new(self.body), left: self.count }
    }
}

impl<'a> IntoIterator for &Orders<'a> {
    type Item = OrderRef<'a>;
    type IntoIter = OrderIter<'a>;
    fn into_iter(self) -> OrderIter<'a> {
        self.iter()
    }
}

/// One message to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRef<'a> {
    /// ClOrdID(11), or the query id of a query.
    pub cl_ord_id: &'a str,
    /// Try number of this id.
    pub try_no: u16,
    /// New order, cancel, query.
    pub kind: SendKind,
    /// Not to be sent at or after this time; 0 = no deadline (closes).
    pub deadline_ns: i64,
    /// FIX session that carries it.
    pub session: &'a str,
    /// The FIX message.
    pub fix: &'a [u8],
}

/// Iterator over the orders of a walked frame.
#[derive(Debug, Clone)]
pub struct OrderIter<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for OrderIter<'a> {
    type Item = OrderRef<'a>;
    fn next(&mut self) -> Option<OrderRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        read_order(&mut self.reader).ok()
    }
}

/// Any frame of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Route → core, first on each link.
    Hello(Hello<'a>),
    /// Core → route.
    Greet(Greet),
    /// Core → route.
    Orders(Orders<'a>),
    /// Route → core.
    Rows(Rows<'a>),
    /// Core → route: rows up to this one are journaled.
    Ack {
        /// Highest journaled row.
        row_no: u64,
    },
    /// Core → route: did this leave? The route answers with a row.
    Probe {
        /// The order asked about.
        cl_ord_id: &'a str,
        /// Its try.
        try_no: u16,
    },
    /// Core → route heartbeat.
    CoreBeat {
        /// Core epoch.
        epoch: u64,
        /// Highest journal number.
        journal_no: u64,
    },
    /// Route → core heartbeat.
    RouteBeat {
        /// Route incarnation.
        incarnation: u64,
        /// Number that the next row will get.
        next_row: u64,
        /// Rows that are not acknowledged yet.
        queued: u64,
    },
    /// Core → route: nobody is linked under your name, say HELLO. A route that was silent for too long is taken for lost,
    /// and cannot know it: its socket is the same.
    Who,
}

fn read_order<'a>(r: &mut Reader<'a>) -> Result<OrderRef<'a>, LinkError> {
    let cl_ord_id = r.name()?;
    let try_no = r.u16()?;
    let byte = r.u8()?;
    let kind = SendKind::from_byte(byte).ok_or(LinkError::UnknownType(byte))?;
    Ok(OrderRef { cl_ord_id, try_no, kind, deadline_ns: r.i64()?, session: r.name()?, fix: r.long()? })
}

/// Reads one frame.
///
/// # Errors
/// [`LinkError`] when the bytes are not exactly one frame.
pub fn decode(frame: &[u8]) -> Result<Frame<'_>, LinkError> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(LinkError::TooLong);
    }
    let body = frame.strip_prefix(&MAGIC).ok_or(LinkError::NotOurs)?;
    let mut r = Reader::new(body);
    let decoded = match r.u8()? {
        HELLO => read_hello(&mut r)?,
        GREET => {
            Frame::Greet(Greet { epoch: r.u64()?, incarnation: r.u64()?, acked_row: r.u64()?, kill: r.u8()? })
        }
        ORDERS => read_orders(&mut r)?,
        ROWS => Frame::Rows(Rows::read(&mut r)?),
        ACK => Frame::Ack { row_no: r.u64()? },
        PROBE => Frame::Probe { cl_ord_id: r.name()?, try_no: r.u16()? },
        CORE_BEAT => Frame::CoreBeat { epoch: r.u64()?, journal_no: r.u64()? },
        ROUTE_BEAT => Frame::RouteBeat { incarnation: r.u64()?, next_row: r.u64()?, queued: r.u64()? },
        WHO => Frame::Who,
        kind => return Err(LinkError::UnknownType(kind)),
    };
    r.end()?;
    Ok(decoded)
}

fn read_hello<'a>(r: &mut Reader<'a>) -> Result<Frame<'a>, LinkError> {
    let (route, incarnation, log_id) = (r.name()?, r.u64()?, r.u64()?);
    let (first_row, highest_journal_no, count) = (r.u64()?, r.u64()?, r.u16()?);
    if usize::from(count) > SESSIONS_MAX {
        return Err(LinkError::Limit("number of sessions"));
    }
    let sessions = r.rest();
    for _ in 0..count {
        r.name()?;
    }
    Ok(Frame::Hello(Hello { route, incarnation, log_id, first_row, highest_journal_no, sessions, count }))
}

fn read_orders<'a>(r: &mut Reader<'a>) -> Result<Frame<'a>, LinkError> {
    let (epoch, incarnation, journal_no, count) = (r.u64()?, r.u64()?, r.u64()?, r.u16()?);
    let body = r.rest();
    for _ in 0..count {
        read_order(r)?;
    }
    Ok(Frame::Orders(Orders { epoch, incarnation, journal_no, count, body }))
}

pub(crate) fn head(out: &mut Vec<u8>, kind: u8) {
    out.extend_from_slice(&MAGIC);
    out.push(kind);
}

/// Appends a name behind its length byte.
///
/// # Errors
/// [`LinkError::Limit`] when it is longer than 255 bytes; nothing is written then.
pub(crate) fn put_name(out: &mut Vec<u8>, name: &[u8]) -> Result<(), LinkError> {
    let len = u8::try_from(name.len()).map_err(|_| LinkError::Limit("length of a name"))?;
    out.push(len);
    out.extend_from_slice(name);
    Ok(())
}

/// HELLO as bytes.
///
/// # Errors
/// [`LinkError::Limit`] for a name above 255 bytes or more than [`SESSIONS_MAX`] sessions.
pub fn encode_hello<S: AsRef<str>>(
    route: &str,
    incarnation: u64,
    log_id: u64,
    first_row: u64,
    highest_journal_no: u64,
    sessions: &[S],
) -> Result<Vec<u8>, LinkError> {
    let count = u16::try_from(sessions.len()).map_err(|_| LinkError::Limit("number of sessions"))?;
    if sessions.len() > SESSIONS_MAX {
        return Err(LinkError::Limit("number of sessions"));
    }
    let mut out = Vec::with_capacity(64);
    head(&mut out, HELLO);
    put_name(&mut out, route.as_bytes())?;
    for number in [incarnation, log_id, first_row, highest_journal_no] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&count.to_le_bytes());
    for session in sessions {
        put_name(&mut out, session.as_ref().as_bytes())?;
    }
    Ok(out)
}

fn numbers(kind: u8, values: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    head(&mut out, kind);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out
}

/// GREET as bytes.
#[must_use]
pub fn encode_greet(greet: &Greet) -> Vec<u8> {
    let mut out = numbers(GREET, &[greet.epoch, greet.incarnation, greet.acked_row]);
    out.push(greet.kill);
    out
}

/// ACK as bytes.
#[must_use]
pub fn encode_ack(row_no: u64) -> Vec<u8> {
    numbers(ACK, &[row_no])
}

/// PROBE as bytes.
///
/// # Errors
/// [`LinkError::Limit`] for an id above 255 bytes.
pub fn encode_probe(cl_ord_id: impl AsRef<[u8]>, try_no: u16) -> Result<Vec<u8>, LinkError> {
    let mut out = numbers(PROBE, &[]);
    put_name(&mut out, cl_ord_id.as_ref())?;
    out.extend_from_slice(&try_no.to_le_bytes());
    Ok(out)
}

/// The core's heartbeat as bytes.
#[must_use]
pub fn encode_beat(epoch: u64, journal_no: u64) -> Vec<u8> {
    numbers(CORE_BEAT, &[epoch, journal_no])
}

/// The core's question to a route that it does not know, as bytes.
#[must_use]
pub fn encode_who() -> Vec<u8> {
    numbers(WHO, &[])
}

/// The route's heartbeat as bytes.
#[must_use]
pub fn encode_route_beat(incarnation: u64, next_row: u64, queued: u64) -> Vec<u8> {
    numbers(ROUTE_BEAT, &[incarnation, next_row, queued])
}
