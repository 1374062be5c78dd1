//! The blocks of a GIF89a file.

use super::delta::Area;
use crate::media::picture::Plays;

/// What becomes of a frame before the next one is drawn (GIF89a, section 23).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposal {
    /// It stays.
    Keep,
    /// Its area is cleared.
    Clear,
}

/// One frame as it is written.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub(super) area: Area,
    /// Hundredths of a second.
    pub(super) delay: u16,
    pub(super) disposal: Disposal,
    pub(super) hole: Option<u8>,
    /// The least bits of a code, 2..=8.
    pub(super) bits: u32,
    pub(super) codes: &'a [u8],
}

/// A file being written. The octets it takes are known before: see [`Self::overhead`].
#[derive(Debug)]
pub(super) struct Writer {
    octets: Vec<u8>,
    animated: bool,
}

impl Writer {
    /// Begins a file of `width` by `height` pixels with a palette for all frames.
    pub(super) fn new(
        (width, height): (u16, u16),
        colours: &[[u8; 3]],
        animated: bool,
        plays: Plays,
    ) -> Self {
        let bits = depth(colours.len());
        let mut octets = b"GIF89a".to_vec();
        octets.extend(width.to_le_bytes());
        octets.extend(height.to_le_bytes());
        let size = u8::try_from(bits - 1).unwrap_or(7);
        octets.extend([0x80 | size << 4 | size, 0, 0]);
        octets.extend(colours.iter().flatten());
        octets.resize(13 + (3 << bits), 0);
        // How often it is played again; 0 is for ever. Without the block it is played once.
        let again = match plays {
            Plays::Forever => Some(0),
            Plays::Times(0 | 1) => None,
            Plays::Times(times) => Some(times - 1),
        };
        if let (true, Some(again)) = (animated, again) {
            octets.extend(b"\x21\xFF\x0BNETSCAPE2.0\x03\x01");
            octets.extend(again.to_le_bytes());
            octets.push(0);
        }
        Self { octets, animated }
    }

    /// Appends a frame.
    pub(super) fn push(&mut self, image: &Image<'_>) {
        if self.animated || image.hole.is_some() {
            let disposal = match image.disposal {
                Disposal::Keep if self.animated => 1,
                Disposal::Keep => 0,
                Disposal::Clear => 2,
            };
            let flags = disposal << 2 | u8::from(image.hole.is_some());
            self.octets.extend([0x21, 0xF9, 4, flags]);
            self.octets.extend(image.delay.to_le_bytes());
            self.octets.extend([image.hole.unwrap_or(0), 0]);
        }
        self.octets.push(0x2C);
        let Area {
            left,
            top,
            width,
            height,
        } = image.area;
        for side in [left, top, width, height] {
            let side = u16::try_from(side).unwrap_or(u16::MAX);
            self.octets.extend(side.to_le_bytes());
        }
        self.octets.push(0);
        self.octets.push(u8::try_from(image.bits).unwrap_or(8));
        for block in image.codes.chunks(255) {
            self.octets.push(u8::try_from(block.len()).unwrap_or(0));
            self.octets.extend_from_slice(block);
        }
        self.octets.push(0);
    }

    /// Octets so far, the trailer included.
    pub(super) fn length(&self) -> u64 {
        u64::try_from(self.octets.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    /// Octets that a frame of `codes` octets takes.
    pub(super) const fn overhead(codes: u64) -> u64 {
        8 + 10 + 1 + codes + codes.div_ceil(255) + 1
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.octets.push(0x3B);
        self.octets
    }
}

/// Bits of an index into a palette of `colours`.
pub(super) fn depth(colours: usize) -> u32 {
    let last = colours.saturating_sub(1).min(255);
    (usize::BITS - last.leading_zeros()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_palette_has_as_many_bits_as_it_needs() {
        let bits: Vec<u32> = [0, 1, 2, 3, 4, 5, 128, 129, 256].map(depth).to_vec();
        assert_eq!(bits, [1, 1, 1, 2, 2, 3, 7, 8, 8]);
    }

    #[test]
    fn overhead_is_what_a_frame_takes() {
        for octets in [1_usize, 255, 256, 600] {
            let mut writer = Writer::new((4, 4), &[[0; 3]; 4], true, Plays::Forever);
            let before = writer.length();
            writer.push(&Image {
                area: Area::whole(4, 4),
                delay: 5,
                disposal: Disposal::Keep,
                hole: Some(3),
                bits: 2,
                codes: &vec![0; octets],
            });
            let codes = u64::try_from(octets).unwrap();
            assert_eq!(writer.length() - before, Writer::overhead(codes));
        }
    }
}
