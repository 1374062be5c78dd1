//! Pages (RFC 3533 section 6).

use bytes::Bytes;

use super::super::reader::{Reader, index};

pub(super) const CAPTURE: &[u8; 4] = b"OggS";
pub(super) const CONTINUED: u8 = 1;
pub(super) const FIRST: u8 = 2;
pub(super) const LAST: u8 = 4;

/// A page: its header, and where its body lies.
#[derive(Debug, Clone)]
pub(super) struct Page<'a> {
    pub(super) flags: u8,
    /// The codec's clock at the end of the last packet that ends here; -1 where none does.
    pub(super) granule: i64,
    pub(super) serial: u32,
    /// The lengths that packets are made of.
    pub(super) lacing: &'a [u8],
    pub(super) body: usize,
    pub(super) end: usize,
}

impl<'a> Page<'a> {
    /// The page at `start`; `None` where there is none, it is cut, or its checksum is wrong.
    pub(super) fn read(data: &'a Bytes, start: usize) -> Option<Self> {
        let mut reader = Reader::window(data, start, data.len());
        if &reader.array::<4>().ok()? != CAPTURE || reader.u8().ok()? != 0 {
            return None;
        }
        let flags = reader.u8().ok()?;
        let granule = i64::from_le_bytes(reader.array().ok()?);
        let serial = reader.le32().ok()?;
        reader.skip(4).ok()?;
        let checksum = reader.le32().ok()?;
        let segments = usize::from(reader.u8().ok()?);
        let lacing = reader.take(segments).ok()?;
        let body = reader.offset();
        let length: usize = lacing.iter().map(|octet| usize::from(*octet)).sum();
        reader.skip(length).ok()?;
        let end = reader.offset();
        let mut crc = crc(0, data.get(start..start.checked_add(22)?)?);
        crc = self::crc(crc, &[0; 4]);
        crc = self::crc(crc, data.get(start.checked_add(26)?..end)?);
        (crc == checksum).then_some(Self {
            flags,
            granule,
            serial,
            lacing,
            body,
            end,
        })
    }
}

/// The checksum of pages: polynomial 0x04C11DB7, most significant bit first, from 0, not inverted.
pub(super) fn crc(start: u32, octets: &[u8]) -> u32 {
    octets.iter().fold(start, |crc, octet| {
        let [high, ..] = crc.to_be_bytes();
        let entry = TABLE.get(index(u32::from(high ^ octet)));
        (crc << 8) ^ entry.copied().unwrap_or(0)
    })
}

static TABLE: [u32; 256] = table();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler; 0..256 fits both ways"
)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let mut crc = (octet as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = crc >> 31;
            crc <<= 1;
            if carry == 1 {
                crc ^= 0x04C1_1DB7;
            }
            bit += 1;
        }
        table[octet] = crc;
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // CRC-32/MPEG-2 is this one but for its start value; from 0 the check string gives this.
        assert_eq!(crc(0, b"123456789"), 0x89A1_897F);
    }
}
