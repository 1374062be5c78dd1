//! A cursor over untrusted octets that never leaves its window and hands out slices.

use bytes::Bytes;

use super::error::ContainerError;

/// A cursor over a window of the input; offsets are always those of the whole input.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    whole: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(whole: &'a Bytes) -> Self {
        Self {
            whole,
            at: 0,
            end: whole.len(),
        }
    }

    /// The window `start..end` of `whole`, clipped to what is there.
    pub(super) fn window(whole: &'a Bytes, start: usize, end: usize) -> Self {
        let end = end.min(whole.len());
        Self {
            whole,
            at: start.min(end),
            end,
        }
    }

    pub(super) const fn whole(&self) -> &'a Bytes {
        self.whole
    }

    /// Octets from the start of the input to the cursor.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    /// Octets left in the window.
    pub(super) const fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// The octets left, without moving.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.whole.get(self.at..self.end).unwrap_or_default()
    }

    pub(super) const fn malformed(&self, what: &'static str) -> ContainerError {
        ContainerError::malformed(self.at, what)
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], ContainerError> {
        match self.rest().get(..n) {
            Some(taken) => {
                self.at = self.at.saturating_add(n);
                Ok(taken)
            }
            None => Err(self.malformed("cut short")),
        }
    }

    pub(super) fn skip(&mut self, n: usize) -> Result<(), ContainerError> {
        self.take(n).map(|_| ())
    }

    /// A window of the next `n` octets, or of as many as there are; the cursor moves past it.
    pub(super) fn split_up_to(&mut self, n: usize) -> Self {
        let end = self.at.saturating_add(n).min(self.end);
        let window = Self::window(self.whole, self.at, end);
        self.at = end;
        window
    }

    /// The next `n` octets as a slice that shares the input's memory.
    pub(super) fn bytes(&mut self, n: usize) -> Result<Bytes, ContainerError> {
        let start = self.at;
        self.skip(n)?;
        Ok(share(self.whole, start, n).unwrap_or_default())
    }

    /// All octets left as a slice that shares the input's memory.
    pub(super) fn rest_bytes(&mut self) -> Bytes {
        let (start, n) = (self.at, self.left());
        self.at = self.end;
        share(self.whole, start, n).unwrap_or_default()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ContainerError> {
        let mut array = [0; N];
        for (to, from) in array.iter_mut().zip(self.take(N)?) {
            *to = *from;
        }
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ContainerError> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(super) fn be16(&mut self) -> Result<u16, ContainerError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn be24(&mut self) -> Result<u32, ContainerError> {
        self.array()
            .map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(super) fn be32(&mut self) -> Result<u32, ContainerError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn be64(&mut self) -> Result<u64, ContainerError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn le16(&mut self) -> Result<u16, ContainerError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn le32(&mut self) -> Result<u32, ContainerError> {
        self.array().map(u32::from_le_bytes)
    }
}

/// `n` octets of `whole` from `start` on, sharing its memory; `None` where they are not all there.
pub(super) fn share(whole: &Bytes, start: usize, n: usize) -> Option<Bytes> {
    let end = start.checked_add(n)?;
    (end <= whole.len()).then(|| whole.slice(start..end))
}

/// A size or an index as this machine counts; what does not fit is more than any input has.
pub(super) fn index(value: impl TryInto<usize>) -> usize {
    value.try_into().unwrap_or(usize::MAX)
}

/// A count of octets as a 32-bit field, saturated.
pub(super) fn saturated(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_whole_input() {
        let data = Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7]);
        let mut reader = Reader::window(&data, 2, 100);
        assert_eq!(reader.be16(), Ok(0x0203));
        let mut inner = reader.split_up_to(2);
        assert_eq!(inner.offset(), 4);
        assert_eq!(inner.bytes(2), Ok(Bytes::from_static(&[4, 5])));
        assert_eq!(inner.u8(), Err(ContainerError::malformed(6, "cut short")));
        assert_eq!(reader.le16(), Ok(0x0706));
        assert!(reader.is_empty());
    }

    #[test]
    fn sharing_needs_all_octets() {
        let data = Bytes::from_static(b"abc");
        assert_eq!(share(&data, 1, 2), Some(Bytes::from_static(b"bc")));
        assert_eq!(share(&data, 1, 3), None);
        assert_eq!(share(&data, usize::MAX, 2), None);
    }
}
