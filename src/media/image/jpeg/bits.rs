//! Bits of an entropy-coded segment (ITU-T T.81 F.2.2.5), stuffing taken out on the way.

/// Reads bits from the front of a segment.
///
/// At a marker or the end of the data it goes on with zeros, which [`Bits::is_past_end`] tells:
/// so the hot path has no error to look at, and whoever reads asks once for every unit.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next octet to load.
    at: usize,
    /// The bits at hand, from the top; what is below `count` may be the beginning of the next
    /// octet and is loaded once more, the same.
    word: u64,
    count: u32,
    /// Octets of zeros loaded so far.
    made_up: u32,
    /// Whether there was a code that no table has.
    broken: bool,
}

impl<'a> Bits<'a> {
    /// Reads `data` from `at` on.
    pub(super) const fn new(data: &'a [u8], at: usize) -> Self {
        Self {
            data,
            at,
            word: 0,
            count: 0,
            made_up: 0,
            broken: false,
        }
    }

    /// Loads so that at least 56 bits are at hand.
    #[inline(always)]
    #[allow(clippy::indexing_slicing, reason = "six bits index a table of 64")]
    pub(super) fn refill(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let next = self
            .data
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<8>());
        if let Some(next) = next {
            let next = u64::from_be_bytes(*next);
            // No octet of the eight is FF: none of the complement is zero.
            if (!next).wrapping_sub(ONES) & next & HIGH == 0 {
                self.word |= next >> (self.count & 63);
                self.at = self
                    .at
                    .wrapping_add(usize::from(OCTETS_FREE[self.count as usize & 63]));
                self.count |= 56;
                return;
            }
        }
        self.refill_slowly();
    }

    #[cold]
    #[inline(never)]
    fn refill_slowly(&mut self) {
        while self.count < 56 {
            let octet = match self.data.get(self.at) {
                Some(&0xFF) => match self.data.get(self.at.saturating_add(1)) {
                    Some(0) => {
                        self.at = self.at.saturating_add(2);
                        0xFF
                    }
                    // An octet of filling, which may precede a marker.
                    Some(0xFF) => {
                        self.at = self.at.saturating_add(1);
                        continue;
                    }
                    _ => {
                        self.made_up = self.made_up.saturating_add(1);
                        0
                    }
                },
                Some(&octet) => {
                    self.at = self.at.saturating_add(1);
                    octet
                }
                None => {
                    self.made_up = self.made_up.saturating_add(1);
                    0
                }
            };
            self.word |= u64::from(octet) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next bits, from the top.
    #[inline(always)]
    pub(super) const fn peek(&self) -> u64 {
        self.word
    }

    /// Passes over `count` bits, at most as many as are at hand.
    #[inline(always)]
    pub(super) const fn skip(&mut self, count: u32) {
        self.word <<= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// Says that a code was met that no table has.
    #[cold]
    pub(super) fn fail(&mut self) {
        self.broken = true;
    }

    /// Whether what was read is no longer what the data say.
    #[inline(always)]
    pub(super) const fn is_bad(&self) -> bool {
        self.broken || self.made_up != 0 && self.is_past_end()
    }

    /// Whether more was read than there is.
    const fn is_past_end(&self) -> bool {
        self.made_up.saturating_mul(8) > self.count
    }

    /// Whether the data ended, and not just the scan, before what was read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.data.len() && self.is_past_end()
    }

    /// About where in the data the next bit is.
    pub(super) fn offset(&self) -> usize {
        let ahead = (self.count / 8).saturating_sub(self.made_up);
        self.at
            .saturating_sub(usize::try_from(ahead).unwrap_or(0))
            .min(self.data.len())
    }

    /// Goes on behind the next restart marker, and gives its number.
    pub(super) fn next_restart(&mut self) -> Option<u8> {
        // What is at hand was loaded before the marker, which nothing is loaded beyond.
        let mut at = self.at;
        loop {
            let rest = self.data.get(at..)?;
            let found = rest.iter().position(|&octet| octet == 0xFF)?;
            match rest.get(found.saturating_add(1))? {
                code @ 0xD0..=0xD7 => {
                    *self = Self::new(self.data, at.saturating_add(found).saturating_add(2));
                    return Some(code & 7);
                }
                0x00 => at = at.saturating_add(found).saturating_add(2),
                0xFF => at = at.saturating_add(found).saturating_add(1),
                // Another marker ends the scan.
                _ => return None,
            }
        }
    }
}

/// Whole octets that fit above so many bits at hand.
#[allow(
    clippy::indexing_slicing,
    reason = "counts up to the length, and is computed by the compiler"
)]
const OCTETS_FREE: [u8; 64] = {
    let mut free = [0; 64];
    let mut count = 0_u8;
    while count < 64 {
        free[count as usize] = (63 - count) >> 3;
        count += 1;
    }
    free
};

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(data: &[u8], count: usize) -> (Vec<u8>, bool) {
        let mut bits = Bits::new(data, 0);
        let mut read = Vec::new();
        for _ in 0..count {
            bits.refill();
            read.push(u8::try_from(bits.peek() >> 56).unwrap());
            bits.skip(8);
        }
        (read, bits.is_bad())
    }

    #[test]
    fn stuffing_goes_and_filling_too() {
        let data = [1, 0xFF, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xFF, 0xFF, 0xD9];
        let (read, bad) = octets(&data, 11);
        assert_eq!(read, [1, 0xFF, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(!bad);
        let (read, bad) = octets(&data, 12);
        assert_eq!(read[11], 0);
        assert!(bad);
    }

    #[test]
    fn odd_steps_see_every_bit_once() {
        let data: Vec<u8> = (0..200_u8).map(|i| i.wrapping_mul(37)).collect();
        let stuffed: Vec<u8> = data
            .iter()
            .flat_map(|&octet| {
                if octet == 0xFF {
                    vec![0xFF, 0]
                } else {
                    vec![octet]
                }
            })
            .collect();
        let mut bits = Bits::new(&stuffed, 0);
        let mut read = Vec::new();
        for i in 0..data.len() * 8 {
            if i % 7 == 0 {
                bits.refill();
            }
            read.push(bits.peek() >> 63 == 1);
            bits.skip(1);
        }
        assert!(!bits.is_bad());
        for (i, bit) in read.iter().enumerate() {
            assert_eq!(*bit, data[i / 8] >> (7 - i % 8) & 1 == 1, "bit {i}");
        }
    }

    #[test]
    fn restarts_are_found_and_other_markers_end() {
        let data = [9, 9, 0xFF, 0, 0xFF, 0xD3, 0x80, 0xFF, 0xD9, 0xFF, 0xD4];
        let mut bits = Bits::new(&data, 0);
        bits.refill();
        assert_eq!(bits.next_restart(), Some(3));
        assert_eq!(bits.offset(), 6);
        bits.refill();
        assert_eq!(bits.peek() >> 63, 1);
        assert_eq!(bits.next_restart(), None);
    }
}
