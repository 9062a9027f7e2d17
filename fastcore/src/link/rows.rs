//! Rows of a route's durable file, as they are stored and as they travel in ROWS frames.

use super::read::Reader;
use super::{FRAME_BYTES_MAX, LinkError, ROWS, head, put_name};

const OUT: u8 = 1;
const NOT_SENT: u8 = 2;
const IN: u8 = 3;
const REFUSED: u8 = 4;
const SYNC: u8 = 5;
const LOGON: u8 = 6;
const LOGOUT: u8 = 7;
const GAP: u8 = 8;
const REJECTED: u8 = 9;

/// One row of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// These tries of one ORDERS frame were handed to the FIX engine (written before the call).
    Out {
        /// Journal number of the frame.
        journal_no: u64,
        /// What left.
        keys: Keys<'a>,
    },
    /// This try did not leave and never will.
    NotSent {
        /// The order.
        cl_ord_id: &'a str,
        /// Its try.
        try_no: u16,
        /// `route::NotSent` as a byte.
        reason: u8,
    },
    /// A message of the broker.
    In {
        /// FIX session.
        session: &'a str,
        /// MsgSeqNum(34).
        msg_seq_num: u64,
        /// Bytes as received.
        raw: &'a [u8],
    },
    /// The broker's Reject(35=3) or BusinessMessageReject(35=j) of a message of ours, found by RefSeqNum(45).
    Rejected {
        /// FIX session.
        session: &'a str,
        /// MsgSeqNum(34) of the reject.
        msg_seq_num: u64,
        /// ClOrdID(11) of the message that was rejected.
        cl_ord_id: &'a str,
        /// Bytes as received.
        raw: &'a [u8],
    },
    /// Our own outgoing Reject(35=3) or BusinessMessageReject(35=j).
    Refused {
        /// FIX session.
        session: &'a str,
        /// Bytes as sent.
        raw: &'a [u8],
    },
    /// All older rows are before this greeting.
    Sync {
        /// Route incarnation.
        incarnation: u64,
        /// Core epoch that greeted.
        epoch: u64,
    },
    /// The session logged on.
    Logon {
        /// FIX session.
        session: &'a str,
    },
    /// The session ended.
    Logout {
        /// FIX session.
        session: &'a str,
    },
    /// The broker filled a gap over numbers that we asked for: the messages are gone.
    Gap {
        /// FIX session.
        session: &'a str,
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
    },
}

/// The (ClOrdID, try) pairs of an OUT row, walked already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    body: &'a [u8],
    count: u16,
}

impl<'a> Keys<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, LinkError> {
        let count = r.u16()?;
        let start = r.rest();
        for _ in 0..count {
            r.name()?;
            r.u16()?;
        }
        let len = start.len().saturating_sub(r.rest().len());
        Ok(Self { body: start.get(..len).ok_or(LinkError::Short)?, count })
    }

    /// The pairs in send order.
    #[must_use]
    pub fn iter(&self) -> KeyIter<'a> {
        KeyIter { reader: Reader::new(self.body), left: self.count }
    }
}

impl<'a> IntoIterator for &Keys<'a> {
    type Item = (&'a str, u16);
    type IntoIter = KeyIter<'a>;
    fn into_iter(self) -> KeyIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Keys`].
#[derive(Debug, Clone)]
pub struct KeyIter<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for KeyIter<'a> {
    type Item = (&'a str, u16);
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.reader.name().ok()?, self.reader.u16().ok()?))
    }
}

/// Owner of the bytes that [`Keys`] borrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysBuf {
    body: Vec<u8>,
    count: u16,
}

impl KeysBuf {
    /// Appends a pair.
    ///
    /// # Errors
    /// [`LinkError::Limit`] for an id above 255 bytes or more than 65535 pairs.
    pub fn push(&mut self, cl_ord_id: &str, try_no: u16) -> Result<(), LinkError> {
        let count = self.count.checked_add(1).ok_or(LinkError::Limit("number of orders"))?;
        put_name(&mut self.body, cl_ord_id.as_bytes())?;
        self.body.extend_from_slice(&try_no.to_le_bytes());
        self.count = count;
        Ok(())
    }

    /// The pairs, borrowed.
    #[must_use]
    pub fn as_keys(&self) -> Keys<'_> {
        Keys { body: &self.body, count: self.count }
    }

    /// True when no pair was pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A row with its number and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRef<'a> {
    /// Number in the route's file, from 1.
    pub row_no: u64,
    /// When the route wrote it, nanoseconds since 1970.
    pub at_ns: i64,
    /// What happened.
    pub row: Row<'a>,
}

/// ROWS: a group of rows in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows<'a> {
    /// Incarnation that sends (the rows may be older).
    pub incarnation: u64,
    count: u16,
    body: &'a [u8],
}

impl<'a> Rows<'a> {
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, LinkError> {
        let (incarnation, count) = (r.u64()?, r.u16()?);
        let body = r.rest();
        for _ in 0..count {
            read_framed(r)?;
        }
        Ok(Self { incarnation, count, body })
    }

    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// True when there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The rows in file order.
    #[must_use]
    pub fn iter(&self) -> RowIter<'a> {
        RowIter { reader: Reader::new(self.body), left: self.count }
    }
}

impl<'a> IntoIterator for &Rows<'a> {
    type Item = RowRef<'a>;
    type IntoIter = RowIter<'a>;
    fn into_iter(self) -> RowIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Rows`].
#[derive(Debug, Clone)]
pub struct RowIter<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for RowIter<'a> {
    type Item = RowRef<'a>;
    fn next(&mut self) -> Option<RowRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        read_framed(&mut self.reader).ok()
    }
}

fn read_framed<'a>(r: &mut Reader<'a>) -> Result<RowRef<'a>, LinkError> {
    Ok(RowRef { row_no: r.u64()?, at_ns: r.i64()?, row: decode_row(r.long()?)? })
}

/// Reads one stored row.
///
/// # Errors
/// [`LinkError`] when the bytes are not exactly one row.
pub fn decode_row(bytes: &[u8]) -> Result<Row<'_>, LinkError> {
    let mut r = Reader::new(bytes);
    let row = match r.u8()? {
        OUT => Row::Out { journal_no: r.u64()?, keys: Keys::read(&mut r)? },
        NOT_SENT => Row::NotSent { cl_ord_id: r.name()?, try_no: r.u16()?, reason: r.u8()? },
        IN => Row::In { session: r.name()?, msg_seq_num: r.u64()?, raw: r.long()? },
        REJECTED => {
            Row::Rejected { session: r.name()?, msg_seq_num: r.u64()?, cl_ord_id: r.name()?, raw: r.long()? }
        }
        REFUSED => Row::Refused { session: r.name()?, raw: r.long()? },
        SYNC => Row::Sync { incarnation: r.u64()?, epoch: r.u64()? },
        LOGON => Row::Logon { session: r.name()? },
        LOGOUT => Row::Logout { session: r.name()? },
        GAP => Row::Gap { session: r.name()?, from: r.u64()?, to: r.u64()? },
        kind => return Err(LinkError::UnknownType(kind)),
    };
    r.end()?;
    Ok(row)
}

fn put_long(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), LinkError> {
    let len = u32::try_from(bytes.len()).map_err(|_| LinkError::TooLong)?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends a row in its stored form.
///
/// # Errors
/// [`LinkError`] for a name above 255 bytes or raw bytes above 4 GiB; `out` may then hold part of the row.
pub fn encode_row(row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), LinkError> {
    match row {
        Row::Out { journal_no, keys } => {
            out.push(OUT);
            out.extend_from_slice(&journal_no.to_le_bytes());
            out.extend_from_slice(&keys.count.to_le_bytes());
            out.extend_from_slice(keys.body);
        }
        Row::NotSent { cl_ord_id, try_no, reason } => {
            out.push(NOT_SENT);
            put_name(out, cl_ord_id.as_bytes())?;
            out.extend_from_slice(&try_no.to_le_bytes());
            out.push(*reason);
        }
        Row::In { session, msg_seq_num, raw } => {
            out.push(IN);
            put_name(out, session.as_bytes())?;
            out.extend_from_slice(&msg_seq_num.to_le_bytes());
            put_long(out, raw)?;
        }
        Row::Rejected { session, msg_seq_num, cl_ord_id, raw } => {
            out.push(REJECTED);
            put_name(out, session.as_bytes())?;
            out.extend_from_slice(&msg_seq_num.to_le_bytes());
            put_name(out, cl_ord_id.as_bytes())?;
            put_long(out, raw)?;
        }
        Row::Refused { session, raw } => {
            out.push(REFUSED);
            put_name(out, session.as_bytes())?;
            put_long(out, raw)?;
        }
        Row::Sync { incarnation, epoch } => {
            out.push(SYNC);
            out.extend_from_slice(&incarnation.to_le_bytes());
            out.extend_from_slice(&epoch.to_le_bytes());
        }
        Row::Logon { session } => {
            out.push(LOGON);
            put_name(out, session.as_bytes())?;
        }
        Row::Logout { session } => {
            out.push(LOGOUT);
            put_name(out, session.as_bytes())?;
        }
        Row::Gap { session, from, to } => {
            out.push(GAP);
            put_name(out, session.as_bytes())?;
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&to.to_le_bytes());
        }
    }
    Ok(())
}

/// A ROWS frame of rows in memory.
///
/// # Errors
/// As [`encode_row`] and [`rows_frame`].
pub fn encode_rows(incarnation: u64, rows: &[RowRef<'_>]) -> Result<Vec<u8>, LinkError> {
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        let mut bytes = Vec::with_capacity(64);
        encode_row(&row.row, &mut bytes)?;
        stored.push((row.row_no, row.at_ns, bytes));
    }
    rows_frame(incarnation, stored.iter().map(|(no, at, bytes)| (*no, *at, bytes.as_slice())))
}

/// A ROWS frame of rows in their stored form: (row number, time, bytes).
///
/// # Errors
/// [`LinkError::Limit`] above 65535 rows, [`LinkError::TooLong`] above [`FRAME_BYTES_MAX`].
pub fn rows_frame<'r>(
    incarnation: u64,
    rows: impl ExactSizeIterator<Item = (u64, i64, &'r [u8])>,
) -> Result<Vec<u8>, LinkError> {
    let count = u16::try_from(rows.len()).map_err(|_| LinkError::Limit("number of rows"))?;
    let mut out = Vec::with_capacity(256);
    head(&mut out, ROWS);
    out.extend_from_slice(&incarnation.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    for (row_no, at_ns, bytes) in rows {
        out.extend_from_slice(&row_no.to_le_bytes());
        out.extend_from_slice(&at_ns.to_le_bytes());
        put_long(&mut out, bytes)?;
    }
    if out.len() > FRAME_BYTES_MAX { Err(LinkError::TooLong) } else { Ok(out) }
}
