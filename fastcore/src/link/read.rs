//! A bounded reader over link bytes: each call takes a field or says why not, and never panics.

use super::LinkError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], LinkError> {
        let (field, rest) = self.rest.split_at_checked(len).ok_or(LinkError::Short)?;
        self.rest = rest;
        Ok(field)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], LinkError> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or(LinkError::Short)?;
        self.rest = rest;
        Ok(*field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, LinkError> {
        self.chunk::<1>().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, LinkError> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, LinkError> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, LinkError> {
        self.chunk().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, LinkError> {
        self.chunk().map(i64::from_le_bytes)
    }

    /// Text behind one length byte.
    pub(crate) fn name(&mut self) -> Result<&'a str, LinkError> {
        let len = self.u8()?;
        core::str::from_utf8(self.take(usize::from(len))?).map_err(|_| LinkError::NotText)
    }

    /// Bytes behind four length bytes.
    pub(crate) fn long(&mut self) -> Result<&'a [u8], LinkError> {
        let len = usize::try_from(self.u32()?).map_err(|_| LinkError::TooLong)?;
        self.take(len)
    }

    pub(crate) const fn end(&self) -> Result<(), LinkError> {
        if self.rest.is_empty() { Ok(()) } else { Err(LinkError::Trailing) }
    }
}
