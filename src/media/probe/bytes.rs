//! Bounded reading of untrusted octets: cursors, integers, and the allowance of steps.

use std::cell::Cell;

use crate::dimensions::Dimensions;

/// What is wrong with a header, and at which octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) offset: usize,
    pub(super) what: &'static str,
}

impl Broken {
    pub(super) const fn new(offset: usize, what: &'static str) -> Self {
        Self { offset, what }
    }
}

/// What is left of `Limits::probe_steps`. Shared by all walks over one medium, so that nesting
/// them cannot multiply it.
#[derive(Debug)]
pub(super) struct Steps(Cell<usize>);

impl Steps {
    pub(super) const fn new(allowed: usize) -> Self {
        Self(Cell::new(allowed))
    }

    /// Takes one step; `false` when none is left.
    pub(super) fn take(&self) -> bool {
        match self.0.get().checked_sub(1) {
            Some(left) => {
                self.0.set(left);
                true
            }
            None => false,
        }
    }
}

/// A cursor over a window of the input that knows where the window lies in the whole.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self::based(data, 0)
    }

    /// A cursor over `data`, which starts `base` octets into the input.
    pub(super) const fn based(data: &'a [u8], base: usize) -> Self {
        Self { data, at: 0, base }
    }

    /// Octets from the start of the input to the cursor.
    pub(super) const fn offset(&self) -> usize {
        self.base.saturating_add(self.at)
    }

    /// Octets after the cursor.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    pub(super) fn broken(&self, what: &'static str) -> Broken {
        Broken::new(self.offset(), what)
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Broken> {
        match self.rest().get(..n) {
            Some(taken) => {
                self.at = self.at.saturating_add(n);
                Ok(taken)
            }
            None => Err(self.broken("the header is cut short")),
        }
    }

    /// The next `n` octets, or as many as there are.
    pub(super) fn take_up_to(&mut self, n: usize) -> &'a [u8] {
        let rest = self.rest();
        let taken = rest.get(..n).unwrap_or(rest);
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    pub(super) fn skip(&mut self, n: usize) -> Result<(), Broken> {
        self.take(n).map(|_| ())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut array = [0; N];
        for (to, from) in array.iter_mut().zip(self.take(N)?) {
            *to = *from;
        }
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Broken> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(super) fn be16(&mut self) -> Result<u16, Broken> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn be24(&mut self) -> Result<u32, Broken> {
        self.array()
            .map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(super) fn be32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn be64(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn le16(&mut self) -> Result<u16, Broken> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn le24(&mut self) -> Result<u32, Broken> {
        self.array()
            .map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    pub(super) fn le32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn le64(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_le_bytes)
    }

    /// A WSP uintvar: seven bits an octet, at most five octets (WAP-230-WSP section 8.1.2).
    pub(super) fn uintvar(&mut self) -> Result<u32, Broken> {
        let start = self.offset();
        let mut value = 0_u32;
        for _ in 0..5 {
            let octet = self.u8()?;
            value = value
                .checked_mul(128)
                .ok_or(Broken::new(start, "a uintvar does not fit in 32 bits"))?
                | u32::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::new(start, "a uintvar has more than five octets"))
    }
}

/// A reader of single bits, most significant first. Past the end it reads nothing.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `n` bits (at most 32), the first as the most significant.
    pub(super) fn msb(&mut self, n: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..n.min(32) {
            let octet = *self.data.get(self.at / 8)?;
            let shift = 7_usize.saturating_sub(self.at % 8);
            value = value.wrapping_shl(1) | u32::from((octet >> shift) & 1);
            self.at = self.at.saturating_add(1);
        }
        Some(value)
    }

    /// The next `n` bits (at most 32) of an LSB-first stream, the first as the least significant.
    pub(super) fn lsb(&mut self, n: u32) -> Option<u32> {
        let mut value = 0_u32;
        for bit in 0..n.min(32) {
            let octet = *self.data.get(self.at / 8)?;
            value |= u32::from((octet >> (self.at % 8)) & 1) << bit;
            self.at = self.at.saturating_add(1);
        }
        Some(value)
    }
}

/// A size of the input as an index: what does not fit in memory lies past every end.
pub(super) fn index(size: impl TryInto<usize>) -> usize {
    size.try_into().unwrap_or(usize::MAX)
}

/// A count of octets as a 64-bit number.
pub(super) fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// Milliseconds that `units` take at `rate` units per second, to the nearest.
pub(super) fn milliseconds(units: u64, rate: u64) -> Option<u64> {
    let rate = u128::from(rate);
    let scaled = u128::from(units).checked_mul(1000)?.checked_add(rate / 2)?;
    u64::try_from(scaled.checked_div(rate)?).ok()
}

/// Mean bits per second of `octets` that last `duration_ms`.
pub(super) fn bit_rate(octets: u64, duration_ms: u64) -> Option<u64> {
    let bits = u128::from(octets).checked_mul(8000)?;
    u64::try_from(bits.checked_div(u128::from(duration_ms))?).ok()
}

/// A width and a height, neither of them zero.
pub(super) fn dimensions(width: u32, height: u32, offset: usize) -> Result<Dimensions, Broken> {
    if width == 0 || height == 0 {
        return Err(Broken::new(offset, "width or height is zero"));
    }
    Ok(Dimensions::new(width, height))
}

/// Where `needle` first occurs in `hay`.
pub(super) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len().max(1))
        .position(|window| window == needle)
}

/// Where `needle` last occurs in `hay`.
pub(super) fn find_last(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len().max(1))
        .rposition(|window| window == needle)
}

/// The first `n` octets of `data`, or all of it.
pub(super) fn head(data: &[u8], n: usize) -> &[u8] {
    data.get(..n).unwrap_or(data)
}

/// The last `n` octets of `data`, or all of it.
pub(super) fn tail(data: &[u8], n: usize) -> &[u8] {
    data.get(data.len().saturating_sub(n)..).unwrap_or(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_read_says_where_it_stopped() {
        let mut reader = Reader::based(&[1, 2, 3], 100);
        assert_eq!(reader.be16(), Ok(0x0102));
        assert_eq!(
            reader.le32(),
            Err(Broken::new(102, "the header is cut short"))
        );
        assert_eq!(reader.take_up_to(9), [3]);
        assert!(reader.rest().is_empty());
    }

    #[test]
    fn uintvars_stop_at_32_bits() {
        assert_eq!(Reader::new(&[0x87, 0xA5, 0x00]).uintvar(), Ok(0x1D280));
        assert_eq!(
            Reader::new(&[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]).uintvar(),
            Ok(u32::MAX)
        );
        assert!(Reader::new(&[0xFF; 5]).uintvar().is_err());
        assert!(Reader::new(&[0x80; 9]).uintvar().is_err());
    }

    #[test]
    fn bits_come_in_both_orders() {
        let mut msb = Bits::new(&[0b1010_0000, 0xFF]);
        assert_eq!((msb.msb(3), msb.msb(13)), (Some(0b101), Some(0xFF)));
        assert_eq!(msb.msb(1), None);
        let mut lsb = Bits::new(&[0b0000_0101, 0x01]);
        assert_eq!((lsb.lsb(3), lsb.lsb(6)), (Some(0b101), Some(0b10_0000)));
    }

    #[test]
    fn rates_survive_the_extremes() {
        assert_eq!(milliseconds(u64::MAX, 1), None);
        assert_eq!(milliseconds(1, 0), None);
        assert_eq!(milliseconds(44_100, 44_100), Some(1000));
        assert_eq!(bit_rate(1_000, 1_000), Some(8_000));
        assert_eq!(bit_rate(1, 0), None);
    }

    #[test]
    fn steps_run_out() {
        let steps = Steps::new(2);
        assert!(steps.take() && steps.take() && !steps.take() && !steps.take());
    }
}
