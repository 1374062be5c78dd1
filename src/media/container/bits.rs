//! A reader of bits, most significant first.

/// Reads bits of a slice; past its end there are none.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Bits that are left.
    pub(super) const fn left(&self) -> usize {
        self.data.len().saturating_mul(8).saturating_sub(self.at)
    }

    /// The next `n` bits, at most 32; `None` where so many are not left.
    pub(super) fn take(&mut self, n: usize) -> Option<u32> {
        if n > 32 || n > self.left() {
            return None;
        }
        let mut value = 0_u32;
        for _ in 0..n {
            let octet = *self.data.get(self.at / 8)?;
            let bit = (octet >> (7 - self.at % 8)) & 1;
            value = (value << 1) | u32::from(bit);
            self.at = self.at.saturating_add(1);
        }
        Some(value)
    }

    /// The next bit as a flag.
    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// Moves to the next whole octet.
    pub(super) const fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// Collects bits into octets, most significant first.
#[derive(Debug, Default)]
pub(super) struct BitSink {
    octets: Vec<u8>,
    used: u32,
}

impl BitSink {
    /// Appends the low `n` bits of `value`.
    pub(super) fn put(&mut self, value: u32, n: u32) {
        for shift in (0..n).rev() {
            if self.used.is_multiple_of(8) {
                self.octets.push(0);
            }
            if (value >> shift) & 1 == 1
                && let Some(last) = self.octets.last_mut()
            {
                *last |= 0x80 >> (self.used % 8);
            }
            self.used = self.used.wrapping_add(1);
        }
    }

    /// What was collected, the last octet filled with zeros.
    pub(super) fn finish(self) -> Vec<u8> {
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_as_they_went_in() {
        let mut sink = BitSink::default();
        sink.put(5, 3);
        sink.put(0x1FF, 9);
        sink.put(0, 2);
        let octets = sink.finish();
        assert_eq!(octets, [0b1011_1111, 0b1111_0000]);
        let mut bits = Bits::new(&octets);
        assert_eq!(bits.take(3), Some(5));
        assert_eq!(bits.take(9), Some(0x1FF));
        assert_eq!(bits.take(5), None);
        bits.align();
        assert_eq!(bits.left(), 0);
    }
}
