//! Writing ORDERS frames: the engine writes FIX bytes straight into them.

use super::{FRAME_BYTES_MAX, LinkError, ORDERS, SendKind, head, put_name};

/// Appends one ORDERS frame to a buffer; FIX bytes are written straight into it.
#[derive(Debug)]
pub struct OrdersWriter<'a> {
    out: &'a mut Vec<u8>,
    base: usize,
    count_at: usize,
    count: u16,
}

impl<'a> OrdersWriter<'a> {
    /// Begins a frame at the end of `out`; what is there already stays.
    pub fn begin(out: &'a mut Vec<u8>, epoch: u64, incarnation: u64, journal_no: u64) -> Self {
        let base = out.len();
        head(out, ORDERS);
        for number in [epoch, incarnation, journal_no] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let count_at = out.len();
        out.extend_from_slice(&0_u16.to_le_bytes());
        Self { out, base, count_at, count: 0 }
    }

    /// Appends one order; `fix` writes the message.
    ///
    /// # Errors
    /// [`LinkError`] when a limit is passed; the order is taken back and the frame stays good.
    pub fn order(
        &mut self,
        cl_ord_id: impl AsRef<[u8]>,
        try_no: u16,
        kind: SendKind,
        deadline_ns: i64,
        session: impl AsRef<[u8]>,
        fix: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), LinkError> {
        self.order_if(cl_ord_id, try_no, kind, deadline_ns, session, |out| {
            fix(out);
            true
        })
        .map(|_| ())
    }

    /// Like [`OrdersWriter::order`], but `fix` may answer false: then the order is taken back.
    ///
    /// # Errors
    /// As [`OrdersWriter::order`].
    pub fn order_if(
        &mut self,
        cl_ord_id: impl AsRef<[u8]>,
        try_no: u16,
        kind: SendKind,
        deadline_ns: i64,
        session: impl AsRef<[u8]>,
        fix: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<bool, LinkError> {
        let start = self.out.len();
        let count = self.count.checked_add(1).ok_or(LinkError::Limit("number of orders"))?;
        let written = self.write(cl_ord_id.as_ref(), try_no, kind, deadline_ns, session.as_ref(), fix);
        if written == Ok(true) {
            self.count = count;
        } else {
            self.out.truncate(start);
        }
        written
    }

    fn write(
        &mut self,
        cl_ord_id: &[u8],
        try_no: u16,
        kind: SendKind,
        deadline_ns: i64,
        session: &[u8],
        fix: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<bool, LinkError> {
        put_name(self.out, cl_ord_id)?;
        // One append of a fixed length costs what each of the three would.
        let mut numbers = [0; 11];
        numbers[..2].copy_from_slice(&try_no.to_le_bytes());
        numbers[2] = kind.byte();
        numbers[3..].copy_from_slice(&deadline_ns.to_le_bytes());
        self.out.extend_from_slice(&numbers);
        put_name(self.out, session)?;
        let len_at = self.out.len();
        self.out.extend_from_slice(&0_u32.to_le_bytes());
        let body_at = self.out.len();
        if !fix(self.out) {
            return Ok(false);
        }
        if self.out.len().saturating_sub(self.base) > FRAME_BYTES_MAX {
            return Err(LinkError::TooLong);
        }
        let len = u32::try_from(self.out.len().saturating_sub(body_at)).map_err(|_| LinkError::TooLong)?;
        if let Some(place) = self.out.get_mut(len_at..body_at) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        Ok(true)
    }

    /// Ends the frame and answers how many orders it holds; an empty frame is taken back.
    pub fn finish(self) -> usize {
        if self.count == 0 {
            self.out.truncate(self.base);
        } else if let Some(place) = self.out.get_mut(self.count_at..self.count_at.saturating_add(2)) {
            place.copy_from_slice(&self.count.to_le_bytes());
        }
        usize::from(self.count)
    }
}
