//! The headers of the picture and GOB layers (H.263 clauses 5.1 and 5.2).

use super::bits::BitWriter;

/// What the picture header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// TR, clause 5.1.2.
    pub(super) temporal_reference: u8,
    /// Source format, bits 6 to 8 of PTYPE.
    pub(super) source_format: u8,
    /// Whether this is an INTRA picture.
    pub(super) intra: bool,
    /// PQUANT.
    pub(super) quantiser: u8,
    /// Whether every group of blocks but the first gets a header.
    pub(super) gob_headers: bool,
}

impl Header {
    /// PSC, TR, PTYPE, PQUANT, CPM and PEI.
    pub(super) fn write(&self, to: &mut BitWriter) {
        to.put(0b10_0000, 22);
        to.put(u32::from(self.temporal_reference), 8);
        to.put(0b10_000, 5);
        to.put(u32::from(self.source_format), 3);
        to.put(u32::from(!self.intra), 1);
        to.put(0, 4);
        to.put(u32::from(self.quantiser), 5);
        to.put(0, 2);
    }

    /// GBSC, GN, GFID and GQUANT of the group of blocks `row` (clause 5.2).
    pub(super) fn write_gob(&self, row: usize, quantiser: u8, to: &mut BitWriter) {
        to.put(1, 17);
        to.put(u32::try_from(row).unwrap_or(0), 5);
        to.put(u32::from(!self.intra), 2);
        to.put(u32::from(quantiser), 5);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_header_is_laid_out_as_clause_5_1() {
        let header = Header {
            temporal_reference: 0xff,
            source_format: 2,
            intra: false,
            quantiser: 31,
            gob_headers: false,
        };
        let mut writer = BitWriter::default();
        header.write(&mut writer);
        assert_eq!(writer.bits(), 22 + 8 + 13 + 5 + 2);
        // 22 bits PSC, 8 TR, 10000 010 1 0000, 11111, 00.
        assert_eq!(writer.octets(), [0, 0, 0x83, 0xfe, 0x0a, 0x1f, 0x00]);
    }
}
