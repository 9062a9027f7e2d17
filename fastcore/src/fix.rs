//! FIX tag=value bytes: a reader that keeps offsets only, and a writer that appends to a buffer.
//!
//! Nothing here knows what a message means. Values are bytes; text need not be UTF-8. The reader never panics and
//! allocates nothing once its field buffer is warm.

use core::fmt;

mod write;

pub use write::{BadValue, Writer};

/// The field separator.
pub const SOH: u8 = 1;
/// Longest message read, bytes: QuickFIX's own default ceiling is lower, and a report beyond this is an attack or a bug.
pub const MESSAGE_MAX_BYTES: usize = 65_536;
/// Most fields in one message: real reports have under 150; a larger count only costs time.
pub const FIELDS_MAX: usize = 1_024;
/// Longest tag, digits; the standard's largest are five.
const TAG_MAX_DIGITS: usize = 9;

/// One field: its tag and where its value lies in the raw bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The tag number.
    pub tag: u32,
    start: u32,
    end: u32,
}

/// How much of the standard header and trailer must hold.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Tags must be readable; lengths and sums are not looked at. For bytes that a FIX engine has framed already.
    None,
    /// BeginString, BodyLength and CheckSum must be right and stand where FIX wants them.
    Framing,
}

/// Why bytes are not a FIX message.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Garbled {
    /// The bytes do not begin with BeginString(8).
    NoBeginString,
    /// No tag number followed by `=` at this offset.
    BadTag {
        /// Offset in bytes.
        at: usize,
    },
    /// The last field has no end.
    NoSoh,
    /// More than `MESSAGE_MAX_BYTES`.
    TooLong,
    /// More than `FIELDS_MAX`.
    TooManyFields,
    /// BodyLength(9) is missing, unreadable or wrong.
    BodyLength {
        /// What the message says.
        stated: usize,
        /// What was counted.
        actual: usize,
    },
    /// CheckSum(10) is missing, unreadable or wrong.
    CheckSum {
        /// What the message says.
        stated: u32,
        /// What was counted.
        actual: u32,
    },
    /// A data field is not as long as its length field says.
    DataLength {
        /// Offset of the data in bytes.
        at: usize,
    },
}

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBeginString => f.write_str("does not begin with BeginString(8)"),
            Self::BadTag { at } => write!(f, "no tag number at byte {at}"),
            Self::NoSoh => f.write_str("the last field has no end"),
            Self::TooLong => write!(f, "longer than {MESSAGE_MAX_BYTES} bytes"),
            Self::TooManyFields => write!(f, "more than {FIELDS_MAX} fields"),
            Self::BodyLength { stated, actual } => write!(f, "BodyLength(9) says {stated}, counted {actual}"),
            Self::CheckSum { stated, actual } => write!(f, "CheckSum(10) says {stated}, counted {actual}"),
            Self::DataLength { at } => write!(f, "data at byte {at} is not as long as its length field says"),
        }
    }
}

impl core::error::Error for Garbled {}

/// A message that has been taken apart; it borrows the bytes and the field buffer.
#[derive(Copy, Clone, Debug)]
pub struct Message<'a> {
    raw: &'a [u8],
    fields: &'a [Field],
}

impl<'a> Message<'a> {
    /// The bytes as received.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The value of the first field with this tag.
    #[must_use]
    pub fn get(&self, tag: u32) -> Option<&'a [u8]> {
        self.fields.iter().find(|f| f.tag == tag).map(|f| value_of(self.raw, *f))
    }

    /// Tags and values in wire order; repeating groups appear as they were sent.
    pub fn fields(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let raw = self.raw;
        self.fields.iter().map(move |f| (f.tag, value_of(raw, *f)))
    }

    /// How many fields there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Never true for a parsed message: it has BeginString at least.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// MsgType(35), empty when absent. Some venues send tags in numeric order, so it is not always third.
    #[must_use]
    pub fn msg_type(&self) -> &'a [u8] {
        self.get(35).unwrap_or(&[])
    }
}

fn value_of(raw: &[u8], field: Field) -> &[u8] {
    raw.get(field.start as usize..field.end as usize).unwrap_or(&[])
}

/// Takes one message apart without looking at lengths and sums.
///
/// # Errors
/// `Garbled` when the bytes are not `tag=value` fields beginning with BeginString(8).
pub fn parse<'a>(raw: &'a [u8], fields: &'a mut Vec<Field>) -> Result<Message<'a>, Garbled> {
    parse_checked(raw, fields, Check::None)
}

/// Takes one message apart; with `Check::Framing` header and trailer must be right too.
///
/// # Errors
/// `Garbled`, with the place or the two numbers that disagree.
pub fn parse_checked<'a>(
    raw: &'a [u8],
    fields: &'a mut Vec<Field>,
    check: Check,
) -> Result<Message<'a>, Garbled> {
    fields.clear();
    if raw.len() > MESSAGE_MAX_BYTES {
        return Err(Garbled::TooLong);
    }
    if !raw.starts_with(b"8=") {
        return Err(Garbled::NoBeginString);
    }
    let mut at = 0;
    while at < raw.len() {
        if fields.len() >= FIELDS_MAX {
            return Err(Garbled::TooManyFields);
        }
        let (tag, start) = read_tag(raw, at)?;
        let end = match data_end(raw, fields, tag, start) {
            Data::Ends(end) => end,
            Data::WrongLength if check == Check::Framing => return Err(Garbled::DataLength { at: start }),
            Data::WrongLength | Data::Ordinary => find_soh(raw, start).ok_or(Garbled::NoSoh)?,
        };
        fields.push(Field { tag, start: offset(start), end: offset(end) });
        at = end.saturating_add(1);
    }
    if check == Check::Framing {
        check_framing(raw, fields)?;
    }
    Ok(Message { raw, fields })
}

/// Offsets stay below `MESSAGE_MAX_BYTES`, far inside `u32`.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The tag at `at`, and where its value starts.
#[inline]
fn read_tag(raw: &[u8], at: usize) -> Result<(u32, usize), Garbled> {
    let bad = Garbled::BadTag { at };
    let mut tag = 0_u32;
    let text = raw.get(at..).ok_or(bad)?;
    for (digits, &byte) in text.iter().enumerate().take(TAG_MAX_DIGITS.wrapping_add(1)) {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 && digits < TAG_MAX_DIGITS {
            // At most nine digits: below 10⁹, so this cannot wrap.
            tag = tag.wrapping_mul(10).wrapping_add(u32::from(digit));
        } else if byte == b'=' && tag != 0 {
            return Ok((tag, at.saturating_add(digits).saturating_add(1)));
        } else {
            break;
        }
    }
    Err(bad)
}

#[inline]
fn find_soh(raw: &[u8], start: usize) -> Option<usize> {
    raw.get(start..)?.iter().position(|&b| b == SOH).map(|n| start.saturating_add(n))
}

/// What the length field before a data field says about it.
enum Data {
    Ordinary,
    Ends(usize),
    WrongLength,
}

/// A data field directly after its length field may hold any byte, SOH included (FIX 4.4 vol. 1, data type `data`).
#[inline]
fn data_end(raw: &[u8], before: &[Field], tag: u32, start: usize) -> Data {
    let Some(last) = before.last() else { return Data::Ordinary };
    if length_tag(tag) != Some(last.tag) {
        return Data::Ordinary;
    }
    let stated = small_number(value_of(raw, *last)).and_then(|n| usize::try_from(n).ok());
    match stated.and_then(|n| start.checked_add(n)) {
        Some(end) if raw.get(end) == Some(&SOH) => Data::Ends(end),
        _ => Data::WrongLength,
    }
}

/// The length field that belongs to a data field.
const fn length_tag(data_tag: u32) -> Option<u32> {
    match data_tag {
        89 => Some(93),
        // Length and data are neighbours in number nearly everywhere in the standard.
        91 | 96 | 213 | 349 | 351 | 353 | 355 | 357 | 359 | 361 | 363 | 365 | 446 | 619 | 622 | 1185
        | 1278 | 1281 | 1283 | 1398 | 1402 | 1404 | 1469 | 1525 | 1528 | 1579 | 1621 | 1665 | 1734 => {
            Some(data_tag.wrapping_sub(1))
        }
        _ => None,
    }
}

/// Up to nine digits, leading zeros allowed: FIX counters and lengths.
#[must_use]
pub fn small_number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > TAG_MAX_DIGITS || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |sum, d| sum.wrapping_mul(10).wrapping_add(u32::from(d.wrapping_sub(b'0')))))
}

/// Digits of any length that fit a `u64`, leading zeros allowed: sequence numbers.
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, d| sum.checked_mul(10)?.checked_add(u64::from(d.wrapping_sub(b'0'))))
}

/// BeginString first, BodyLength second and right, CheckSum last and right.
fn check_framing(raw: &[u8], fields: &[Field]) -> Result<(), Garbled> {
    let [_, length, .., sum] = fields else {
        return Err(Garbled::BodyLength { stated: 0, actual: raw.len() });
    };
    // "10=" stands before the sum's value; the body ends there.
    let body_end = (sum.start as usize).saturating_sub(3);
    let actual = body_end.saturating_sub((length.end as usize).saturating_add(1));
    let stated = small_number(value_of(raw, *length)).and_then(|n| usize::try_from(n).ok());
    if length.tag != 9 || stated != Some(actual) {
        return Err(Garbled::BodyLength { stated: stated.unwrap_or(0), actual });
    }
    let counted = u32::from(checksum(raw.get(..body_end).unwrap_or(&[])));
    let text = value_of(raw, *sum);
    let stated = small_number(text);
    if sum.tag != 10 || text.len() != 3 || stated != Some(counted) {
        return Err(Garbled::CheckSum { stated: stated.unwrap_or(0), actual: counted });
    }
    Ok(())
}

/// The sum of all bytes, modulo 256. Eight bits wide, so that the compiler adds many bytes at once.
pub(crate) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, b| sum.wrapping_add(*b))
}

/// Length of the first message in a stream, by its BodyLength(9); `None` when more bytes are needed.
///
/// # Errors
/// `Garbled` when the stream does not begin with a header; nothing after it can be framed either.
pub fn frame_len(stream: &[u8]) -> Result<Option<usize>, Garbled> {
    if !stream.starts_with(b"8=") {
        return if b"8=".starts_with(stream) { Ok(None) } else { Err(Garbled::NoBeginString) };
    }
    let Some(begin_end) = find_soh(stream, 0) else { return headless(stream) };
    let length_at = begin_end.saturating_add(1);
    let Some(length_end) = find_soh(stream, length_at) else { return headless(stream) };
    let text = stream.get(length_at..length_end).unwrap_or(&[]);
    let body = text.strip_prefix(b"9=").and_then(small_number).and_then(|n| usize::try_from(n).ok());
    // "10=nnn" and its separator are the last seven bytes.
    let total = body.and_then(|n| n.checked_add(length_end)).and_then(|n| n.checked_add(8));
    match total {
        None => Err(Garbled::BodyLength { stated: 0, actual: stream.len() }),
        Some(total) if total > MESSAGE_MAX_BYTES => Err(Garbled::TooLong),
        Some(total) => Ok((stream.len() >= total).then_some(total)),
    }
}

/// A header that has not ended yet is waited for, but not for ever.
fn headless(stream: &[u8]) -> Result<Option<usize>, Garbled> {
    if stream.len() > 64 { Err(Garbled::NoSoh) } else { Ok(None) }
}

#[cfg(test)]
mod tests;
