//! Bits into octets, most significant bit first (H.263 clause 5).

/// A growing bit string.
#[derive(Debug, Clone, Default)]
pub(super) struct BitWriter {
    octets: Vec<u8>,
    /// The last `pending` bits, right-aligned; always fewer than 32.
    window: u64,
    pending: u32,
}

impl BitWriter {
    /// Forgets all bits and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.window = 0;
        self.pending = 0;
    }

    /// Appends the `length` low bits of `code`, of which the higher ones must be zero;
    /// `length` is 0..=32.
    pub(super) fn put(&mut self, code: u32, length: u32) {
        self.window = (self.window << length) | u64::from(code);
        self.pending += length;
        if self.pending >= 32 {
            self.pending -= 32;
            let [_, _, _, _, high @ ..] = (self.window >> self.pending).to_be_bytes();
            self.octets.extend_from_slice(&high);
        }
    }

    /// Bits written so far.
    pub(super) fn bits(&self) -> u64 {
        let octets = u64::try_from(self.octets.len()).unwrap_or(u64::MAX / 16);
        octets * 8 + u64::from(self.pending)
    }

    /// Zero bits up to the next octet: ESTUF, PSTUF and GSTUF (clauses 5.1.24, 5.1.26, 5.2.1).
    pub(super) fn align(&mut self) {
        self.put(0, self.pending.wrapping_neg() % 8);
    }

    /// The octets, the last one filled up with zero bits.
    pub(super) fn octets(&mut self) -> &[u8] {
        self.align();
        while self.pending > 0 {
            self.pending -= 8;
            let [.., low] = (self.window >> self.pending).to_be_bytes();
            self.octets.push(low);
        }
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_in_order() {
        let mut writer = BitWriter::default();
        writer.put(1, 17);
        writer.put(0, 5);
        writer.put(0xffff_ffff, 32);
        writer.put(0, 0);
        assert_eq!(writer.bits(), 54);
        writer.put(0b10, 2);
        assert_eq!(writer.octets(), [0, 0, 0x83, 0xff, 0xff, 0xff, 0xfe]);
        writer.clear();
        writer.put(1, 1);
        assert_eq!(writer.octets(), [0x80]);
        writer.put(0xab, 8);
        assert_eq!(writer.octets(), [0x80, 0xab]);
    }
}
