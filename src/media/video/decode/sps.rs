//! The sequence parameter set of H.264: what has to be known before the codec allocates.

use super::bits::{Bits, unescaped};
use crate::dimensions::Dimensions;
use crate::media::picture::Matrix;

/// What a sequence parameter set says (ITU-T H.264 clauses 7.3.2.1.1 and E.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sps {
    /// Whole macroblocks, before cropping.
    pub(super) coded: Dimensions,
    /// Luma samples cut off at the left and at the top.
    pub(super) offset: (u32, u32),
    /// Whether fields or macroblocks of fields may occur.
    pub(super) interlaced: bool,
    /// Whether it is 4:2:0 at eight bits.
    pub(super) plain: bool,
    /// Pictures that may precede one in decoding order and follow it on the screen.
    pub(super) reorder: usize,
    /// `video_full_range_flag`.
    pub(super) full_range: bool,
    /// From `matrix_coefficients`, else by the size.
    pub(super) matrix: Matrix,
}

/// Reads a NAL unit of type 7. `None` where it breaks off or contradicts itself.
pub(super) fn parse(unit: &[u8]) -> Option<Sps> {
    let (header, payload) = unit.split_first()?;
    if header & 0x1F != 7 {
        return None;
    }
    let payload = unescaped(payload);
    let mut bits = Bits::new(&payload);
    let profile = bits.take(8)?;
    let constraints = bits.take(8)?;
    let level = bits.take(8)?;
    bits.ue()?;
    let mut plain = true;
    if HIGH.contains(&profile) {
        plain = high(&mut bits)?;
    }
    bits.ue()?;
    let order_type = bits.ue()?;
    picture_order(&mut bits, order_type)?;
    bits.ue()?;
    bits.flag()?;
    let columns = bits.ue()?.checked_add(1)?;
    let map_rows = bits.ue()?.checked_add(1)?;
    let frames_only = bits.flag()?;
    let mut field_macroblocks = false;
    if !frames_only {
        field_macroblocks = bits.flag()?;
    }
    let rows = map_rows.checked_mul(if frames_only { 1 } else { 2 })?;
    bits.flag()?;
    let mut offset = (0, 0);
    if bits.flag()? {
        let [left, _, top, _] = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
        let vertical = if frames_only { 2 } else { 4 };
        offset = (left.checked_mul(2)?, top.checked_mul(vertical)?);
    }
    let coded = Dimensions::new(columns.checked_mul(16)?, rows.checked_mul(16)?);
    let mut sps = Sps {
        coded,
        offset,
        interlaced: field_macroblocks,
        plain,
        reorder: depth(profile, constraints, level, columns, rows),
        full_range: false,
        matrix: Matrix::usual(coded),
    };
    if matches!(profile, 66) || order_type == 2 {
        sps.reorder = 0;
    }
    if bits.flag()? {
        // What breaks off in here still leaves a set that can be used.
        let _ = usability(&mut bits, &mut sps);
    }
    Some(sps)
}

/// Profiles whose sets begin with the chroma format.
const HIGH: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Whether it is 4:2:0 at eight bits; passes over the scaling matrices.
fn high(bits: &mut Bits<'_>) -> Option<bool> {
    let chroma = bits.ue()?;
    if chroma == 3 {
        bits.flag()?;
    }
    let luma_depth = bits.ue()?;
    let chroma_depth = bits.ue()?;
    bits.flag()?;
    if bits.flag()? {
        let lists = if chroma == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma == 1 && luma_depth == 0 && chroma_depth == 0)
}

fn scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = last
                .checked_add(bits.se()?)?
                .checked_add(256)?
                .rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn picture_order(bits: &mut Bits<'_>, order_type: u32) -> Option<()> {
    match order_type {
        0 => bits.ue().map(|_| ()),
        1 => {
            bits.flag()?;
            bits.se()?;
            bits.se()?;
            let count = bits.ue()?;
            if count > 255 {
                return None;
            }
            for _ in 0..count {
                bits.se()?;
            }
            Some(())
        }
        2 => Some(()),
        _ => None,
    }
}

/// MaxDpbFrames (clause A.3.1 and table A-1).
fn depth(profile: u32, constraints: u32, level: u32, columns: u32, rows: u32) -> usize {
    let level_1b = level == 11 && constraints & 0x10 != 0 && profile < 100;
    let macroblocks = match level {
        _ if level_1b => 396,
        0..=10 => 396,
        11 => 900,
        12 | 13 | 20 => 2376,
        21 => 4752,
        22 | 30 => 8100,
        31 => 18_000,
        32 => 20_480,
        40 | 41 => 32_768,
        42 => 34_816,
        50 => 110_400,
        _ => 184_320,
    };
    let frame = columns.saturating_mul(rows).max(1);
    usize::try_from((macroblocks / frame).clamp(1, 16)).unwrap_or(16)
}

fn usability(bits: &mut Bits<'_>, sps: &mut Sps) -> Option<()> {
    if bits.flag()? && bits.take(8)? == 255 {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.flag()?;
    }
    if bits.flag()? {
        bits.skip(3)?;
        sps.full_range = bits.flag()?;
        if bits.flag()? {
            bits.skip(16)?;
            sps.matrix = Matrix::signalled(bits.take(8)?, sps.coded);
        }
    }
    if bits.flag()? {
        bits.ue()?;
        bits.ue()?;
    }
    if bits.flag()? {
        bits.skip(65)?;
    }
    let nal = bits.flag()?;
    if nal {
        hypothetical_decoder(bits)?;
    }
    let vcl = bits.flag()?;
    if vcl {
        hypothetical_decoder(bits)?;
    }
    if nal || vcl {
        bits.flag()?;
    }
    bits.flag()?;
    if bits.flag()? {
        bits.flag()?;
        for _ in 0..4 {
            bits.ue()?;
        }
        let reorder = usize::try_from(bits.ue()?).ok()?;
        sps.reorder = reorder.min(16);
    }
    Some(())
}

fn hypothetical_decoder(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue()?;
    if count > 31 {
        return None;
    }
    bits.skip(8)?;
    for _ in 0..=count {
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    bits.skip(20)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The set of a 1920x1080 High stream as x264 writes it: level 4.0, two B pictures deep.
    const X264: [u8; 24] = [
        0x67, 0x64, 0x00, 0x28, 0xAC, 0xD9, 0x40, 0x78, 0x02, 0x27, 0xE5, 0xC0, 0x44, 0x00, 0x00,
        0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xC8, 0x3C,
    ];

    #[test]
    fn a_set_tells_size_and_depth() {
        let mut unit = X264.to_vec();
        unit.extend([0x60, 0xC6, 0x58]);
        let sps = parse(&unit).unwrap();
        assert_eq!(sps.coded, Dimensions::new(1920, 1088));
        assert_eq!(sps.offset, (0, 0));
        assert!(sps.plain && !sps.interlaced && !sps.full_range);
        assert_eq!(sps.reorder, 2);
    }

    #[test]
    fn a_set_that_breaks_off_is_none() {
        for cut in 0..9 {
            assert_eq!(parse(&X264[..cut]), None, "{cut}");
        }
        assert_eq!(parse(&[0x68, 1, 2, 3]), None);
    }

    #[test]
    fn the_depth_is_that_of_the_level() {
        assert_eq!(depth(100, 0, 40, 120, 68), 4);
        assert_eq!(depth(66, 0x10, 11, 11, 9), 4);
        assert_eq!(depth(100, 0, 51, 11, 9), 16);
    }
}
