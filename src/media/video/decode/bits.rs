//! Bits of a raw byte sequence payload, as parameter sets and picture headers hold them.

/// Reads bits, most significant first; past the end there are none.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        let octet = *self.data.get(self.at / 8)?;
        let bit = (octet >> (7_usize.saturating_sub(self.at % 8))) & 1;
        self.at = self.at.saturating_add(1);
        Some(bit == 1)
    }

    /// The next `n` bits, at most 32.
    pub(super) fn take(&mut self, n: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..n.min(32) {
            value = (value << 1) | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// Passes over `n` bits.
    pub(super) fn skip(&mut self, n: usize) -> Option<()> {
        let at = self.at.checked_add(n)?;
        if at > self.data.len().checked_mul(8)? {
            return None;
        }
        self.at = at;
        Some(())
    }

    /// An unsigned Exp-Golomb code, `ue(v)`.
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0_u32;
        while !self.flag()? {
            zeros = zeros.saturating_add(1);
            if zeros > 31 {
                return None;
            }
        }
        let tail = self.take(zeros)?;
        (1_u32 << zeros).checked_sub(1)?.checked_add(tail)
    }

    /// A signed Exp-Golomb code, `se(v)`.
    pub(super) fn se(&mut self) -> Option<i32> {
        let code = self.ue()?;
        let half = i32::try_from(code.div_ceil(2)).ok()?;
        Some(if code % 2 == 1 {
            half
        } else {
            half.saturating_neg()
        })
    }
}

/// The payload without its emulation prevention octets (ITU-T H.264 clause 7.4.1).
pub(super) fn unescaped(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    let mut zeros = 0_u8;
    for &octet in payload {
        if zeros >= 2 && octet == 3 {
            zeros = 0;
            continue;
        }
        zeros = if octet == 0 {
            zeros.saturating_add(1)
        } else {
            0
        };
        out.push(octet);
    }
    out
}

/// NAL units with a length of `length` octets in front of each (ISO/IEC 14496-15 clause 5.3.2).
/// What is cut short at the end is given as far as it goes.
pub(super) fn nal_units(mut data: &[u8], length: u8) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (prefix, rest) = data.split_at_checked(usize::from(length))?;
        let size = prefix
            .iter()
            .fold(0_usize, |sum, octet| (sum << 8) | usize::from(*octet));
        let (unit, rest) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        data = rest;
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

/// NAL units or other units behind start codes 00 00 01, without those.
pub(in crate::media::video) fn start_code_units(data: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0_usize;
    while let Some(window) = data.get(at..at.saturating_add(3)) {
        if window == [0, 0, 1] {
            starts.push(at.saturating_add(3));
            at = at.saturating_add(3);
        } else {
            at = at.saturating_add(1);
        }
    }
    let ends = starts
        .iter()
        .skip(1)
        .map(|start| start.saturating_sub(3))
        .chain([data.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| data.get(*start..end))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_are_read_as_the_standard_counts() {
        // 1, 010, 011, 00100 are 0, 1, 2, 3; signed 0, 1, -1, 2.
        let data = [0b1010_0110, 0b0100_0000];
        let mut bits = Bits::new(&data);
        let read: Vec<_> = (0..4).map_while(|_| bits.ue()).collect();
        assert_eq!(read, [0, 1, 2, 3]);
        let mut bits = Bits::new(&data);
        let read: Vec<_> = (0..4).map_while(|_| bits.se()).collect();
        assert_eq!(read, [0, 1, -1, 2]);
        assert_eq!(Bits::new(&[0; 9]).ue(), None);
        assert_eq!(Bits::new(&[0]).skip(9), None);
    }

    #[test]
    fn units_are_found_in_both_framings() {
        let length: Vec<_> = nal_units(&[0, 2, 7, 8, 0, 9, 1], 2).collect();
        assert_eq!(length, [&[7, 8][..], &[1][..]]);
        let code = start_code_units(&[0, 0, 1, 7, 8, 0, 0, 1, 9]);
        assert_eq!(code, [&[7, 8][..], &[9][..]]);
        assert_eq!(unescaped(&[0, 0, 3, 1, 0, 3]), [0, 0, 1, 0, 3]);
    }
}
