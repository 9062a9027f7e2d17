//! The writer: appends one framed message to a buffer.

use core::fmt;

use super::{MESSAGE_MAX_BYTES, SOH, checksum};
use crate::decimal::Dec;

/// A value that may not stand in a FIX field.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum BadValue {
    /// FIX has no empty values.
    Empty {
        /// The field.
        tag: u32,
    },
    /// A separator inside a value would forge fields.
    Separator {
        /// The field.
        tag: u32,
    },
    /// The message would be longer than `MESSAGE_MAX_BYTES`.
    TooLong,
    /// A quantity that has no number in the venue's unit.
    Overflow,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { tag } => write!(f, "tag {tag}: the value is empty"),
            Self::Separator { tag } => write!(f, "tag {tag}: the value holds a separator"),
            Self::Overflow => write!(f, "the quantity does not fit the venue's unit"),
            Self::TooLong => write!(f, "the message is longer than {MESSAGE_MAX_BYTES} bytes"),
        }
    }
}

impl core::error::Error for BadValue {}

/// Appends one message to a buffer. Dropped before `finish`, it leaves the buffer as it found it.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    body_start: usize,
    finished: bool,
}

/// Three digits of BodyLength are reserved: nearly every order has under 1000 bytes, so nothing has to move.
const LENGTH_DIGITS: usize = 3;

impl<'a> Writer<'a> {
    /// Starts a message: BeginString(8), room for BodyLength(9), MsgType(35).
    ///
    /// # Errors
    /// `BadValue` when one of the two is empty or holds a separator.
    pub fn begin(out: &'a mut Vec<u8>, begin_string: &[u8], msg_type: &[u8]) -> Result<Self, BadValue> {
        let start = out.len();
        let mut writer = Self { out, start, body_start: start, finished: false };
        writer.text(8, begin_string)?;
        writer.text(9, b"000")?;
        writer.body_start = writer.out.len();
        writer.text(35, msg_type)?;
        Ok(writer)
    }

    /// Adds a field.
    ///
    /// # Errors
    /// `BadValue` for an empty value or one with a separator; nothing is written then.
    pub fn text(&mut self, tag: u32, value: &[u8]) -> Result<(), BadValue> {
        if value.is_empty() {
            return Err(BadValue::Empty { tag });
        }
        if value.contains(&SOH) {
            return Err(BadValue::Separator { tag });
        }
        self.tag(tag);
        self.out.extend_from_slice(value);
        self.out.push(SOH);
        Ok(())
    }

    /// Adds a field whose value `write` appends. For values that are never empty and hold no separator.
    pub(crate) fn with(&mut self, tag: u32, write: impl FnOnce(&mut Vec<u8>)) {
        self.tag(tag);
        write(self.out);
        self.out.push(SOH);
    }

    /// Adds a decimal in its shortest exact form.
    ///
    /// # Errors
    /// None today: a decimal is never empty. The signature is that of the other fields.
    pub fn dec(&mut self, tag: u32, value: Dec) -> Result<(), BadValue> {
        self.tag(tag);
        value.write(self.out);
        self.out.push(SOH);
        Ok(())
    }

    /// Adds a whole number.
    ///
    /// # Errors
    /// None today, as for `dec`.
    pub fn int(&mut self, tag: u32, value: i64) -> Result<(), BadValue> {
        self.tag(tag);
        if value < 0 {
            self.out.push(b'-');
        }
        write_unsigned(value.unsigned_abs(), self.out);
        self.out.push(SOH);
        Ok(())
    }

    /// Adds one character, such as Side(54).
    ///
    /// # Errors
    /// `BadValue` when it is a separator.
    pub fn char(&mut self, tag: u32, value: u8) -> Result<(), BadValue> {
        self.text(tag, &[value])
    }

    /// Adds a UTCTimestamp with milliseconds.
    ///
    /// # Errors
    /// None today, as for `dec`.
    pub fn utc(&mut self, tag: u32, ns: i64) -> Result<(), BadValue> {
        self.tag(tag);
        crate::time::write_utc(ns, self.out);
        self.out.push(SOH);
        Ok(())
    }

    #[inline]
    fn tag(&mut self, tag: u32) {
        // Two digits are the common case, and one append is much cheaper than three.
        if let (10..=99, Ok(small)) = (tag, u8::try_from(tag)) {
            let tens = b'0'.wrapping_add(small / 10);
            self.out.extend_from_slice(&[tens, b'0'.wrapping_add(small % 10), b'=']);
        } else {
            write_unsigned(u64::from(tag), self.out);
            self.out.push(b'=');
        }
    }

    /// Fills in BodyLength and appends CheckSum.
    ///
    /// # Errors
    /// `BadValue::TooLong`; the buffer is then as it was before `begin`.
    pub fn finish(mut self) -> Result<(), BadValue> {
        let body = self.out.len().saturating_sub(self.body_start);
        if self.out.len().saturating_sub(self.start) > MESSAGE_MAX_BYTES.saturating_sub(16) {
            return Err(BadValue::TooLong);
        }
        let mut digits = [b'0'; 20];
        let text = decimal_digits(u64::try_from(body).unwrap_or(u64::MAX), &mut digits);
        let reserved_end = self.body_start.saturating_sub(1);
        let reserved = reserved_end.saturating_sub(LENGTH_DIGITS)..reserved_end;
        if text.len() > LENGTH_DIGITS {
            self.out.splice(reserved, text.iter().copied());
        } else if let Some(place) = self.out.get_mut(reserved) {
            // The buffer was filled with zeros, so shorter lengths are padded with them: FIX allows that.
            place.copy_from_slice(digits.get(digits.len().saturating_sub(LENGTH_DIGITS)..).unwrap_or(b"000"));
        }
        let sum = u32::from(checksum(self.out.get(self.start..).unwrap_or(&[])));
        self.out.extend_from_slice(b"10=");
        for part in [sum / 100, sum / 10 % 10, sum % 10] {
            self.out.push(b'0'.wrapping_add(u8::try_from(part).unwrap_or(0)));
        }
        self.out.push(SOH);
        self.finished = true;
        Ok(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    out.extend_from_slice(decimal_digits(value, &mut digits));
}

/// The digits of a number, at the end of `buffer`.
fn decimal_digits(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut start = buffer.len();
    for slot in buffer.iter_mut().rev() {
        *slot = b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or(0));
        value /= 10;
        start = start.saturating_sub(1);
        if value == 0 {
            break;
        }
    }
    buffer.get(start..).unwrap_or(&[])
}
