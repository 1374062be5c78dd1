//! Decoded media as plain data: pictures, planes and PCM.

use bytes::Bytes;

use super::error::MediaError;
use crate::dimensions::Dimensions;

/// How the octets of a [`Picture`] are laid out. All are sRGB, gamma-coded, 8 bits a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One octet a pixel: grey, 0 black, 255 white.
    Grey8,
    /// Three octets a pixel: red, green, blue.
    Rgb8,
    /// Four octets a pixel: red, green, blue, and alpha that is *not* multiplied in.
    Rgba8,
}

impl Layout {
    /// Octets of one pixel.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Grey8 => 1,
            Self::Rgb8 => 3,
            Self::Rgba8 => 4,
        }
    }
}

/// A picture in memory: rows from the top, pixels from the left, no padding anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    size: Dimensions,
    layout: Layout,
    data: Vec<u8>,
}

impl Picture {
    /// A picture of `data`.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] where a side is zero or `data` is not exactly
    /// width × height × channels octets.
    pub fn new(size: Dimensions, layout: Layout, data: Vec<u8>) -> Result<Self, MediaError> {
        if size.width == 0 || size.height == 0 || octets(size, layout) != Some(data.len()) {
            return Err(MediaError::unsupported(format!(
                "a {size} picture of {} octets",
                data.len()
            )));
        }
        Ok(Self { size, layout, data })
    }

    /// Width and height.
    #[must_use]
    pub const fn size(&self) -> Dimensions {
        self.size
    }

    /// The meaning of [`data`](Self::data).
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The pixels.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The pixels, to change in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The pixels, moved out.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The pixels, each as a slice of [`Layout::channels`] octets.
    pub fn pixels(&self) -> std::slice::ChunksExact<'_, u8> {
        self.data.chunks_exact(self.layout.channels())
    }

    /// The rows, from the top.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        let width = usize::try_from(self.size.width).unwrap_or(usize::MAX);
        self.data
            .chunks_exact(width.saturating_mul(self.layout.channels()).max(1))
    }
}

/// Octets of a picture, or `None` where they cannot be counted.
pub(crate) fn octets(size: Dimensions, layout: Layout) -> Option<usize> {
    usize::try_from(size.width)
        .ok()?
        .checked_mul(usize::try_from(size.height).ok()?)?
        .checked_mul(layout.channels())
}

/// One frame of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The whole canvas as it is shown, not only what changed.
    pub picture: Picture,
    /// How long it is shown, in milliseconds. 0 in a still picture.
    pub delay_ms: u32,
}

/// How often an animation is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plays {
    /// Again and again.
    Forever,
    /// So many times, at least once.
    Times(u16),
}

/// How a plane of colour is sampled against luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chroma {
    /// No planes of colour.
    None,
    /// Half the width and half the height, rounded up (4:2:0).
    Half,
    /// Half the width, rounded up, and the full height (4:2:2).
    HalfWidth,
    /// As luma (4:4:4).
    Full,
}

impl Chroma {
    /// Size of a plane of colour under a luma plane of `luma`; `None` where there is none.
    #[must_use]
    pub fn plane(self, luma: Dimensions) -> Option<Dimensions> {
        let half = |side: u32| side.div_ceil(2);
        match self {
            Self::None => None,
            Self::Half => Some(Dimensions::new(half(luma.width), half(luma.height))),
            Self::HalfWidth => Some(Dimensions::new(half(luma.width), luma.height)),
            Self::Full => Some(luma),
        }
    }
}

/// How luma and colour differences are made of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// ITU-R BT.601: video of the size of a phone or a television of old, and JPEG.
    #[default]
    Bt601,
    /// ITU-R BT.709: high definition.
    Bt709,
    /// ITU-R BT.2020 with luminance that is not constant.
    Bt2020,
}

impl Matrix {
    /// What players take for pictures of which the stream says nothing.
    #[must_use]
    pub const fn usual(size: Dimensions) -> Self {
        if size.width >= 1280 || size.height > 576 {
            Self::Bt709
        } else {
            Self::Bt601
        }
    }

    /// By `matrix_coefficients` of ITU-T H.273 table 4; the [`usual`](Self::usual) one where it is
    /// not specified.
    #[must_use]
    pub const fn signalled(code: u32, size: Dimensions) -> Self {
        match code {
            1 => Self::Bt709,
            4..=7 => Self::Bt601,
            9 | 10 => Self::Bt2020,
            _ => Self::usual(size),
        }
    }
}

/// A picture as separate planes of Y, Cb and Cr: 8 bits, no padding, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    /// Size of the luma plane.
    pub size: Dimensions,
    /// Sampling of the colour planes.
    pub chroma: Chroma,
    /// Whether 0..=255 is used (JPEG) rather than 16..=235 (video).
    pub full_range: bool,
    /// How luma and the differences are made of red, green and blue.
    pub matrix: Matrix,
    /// Luma, width × height octets.
    pub y: Vec<u8>,
    /// Blue difference; empty without colour.
    pub cb: Vec<u8>,
    /// Red difference; empty without colour.
    pub cr: Vec<u8>,
}

/// One frame of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// The picture.
    pub planes: Planes,
    /// When it is shown, in microseconds from the start of the track.
    pub timestamp_us: u64,
}

/// Sampled sound: signed 16-bit samples, channels interleaved, left first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcmBlock {
    /// Samples per second and channel.
    pub sample_rate: u32,
    /// Channels, at least 1.
    pub channels: u16,
    /// A whole number of samples for every channel.
    pub samples: Vec<i16>,
    /// When the first sample is heard, in microseconds from the start of the track.
    pub timestamp_us: u64,
}

/// Coded media between a container and a codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The coded octets, a slice of the container where it can be.
    pub data: Bytes,
    /// When its first frame is shown or heard, in microseconds from the start of the track.
    pub timestamp_us: u64,
    /// Whether decoding can start here.
    pub key: bool,
    /// Whether its frames are wanted. Of others a decoder may do only what later ones need, and
    /// keep them to itself.
    pub shown: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_exactly_its_octets() {
        let size = Dimensions::new(2, 3);
        assert!(Picture::new(size, Layout::Rgb8, vec![0; 18]).is_ok());
        assert!(Picture::new(size, Layout::Rgb8, vec![0; 17]).is_err());
        assert!(Picture::new(Dimensions::new(0, 3), Layout::Grey8, vec![]).is_err());
        let huge = Dimensions::new(u32::MAX, u32::MAX);
        assert!(Picture::new(huge, Layout::Rgba8, vec![]).is_err());
    }

    #[test]
    fn rows_and_pixels_divide_the_data() {
        let size = Dimensions::new(2, 3);
        let picture = Picture::new(size, Layout::Rgb8, (0..18).collect()).unwrap();
        assert_eq!(picture.rows().nth(1).unwrap(), [6, 7, 8, 9, 10, 11]);
        assert_eq!(picture.pixels().nth(5).unwrap(), [15, 16, 17]);
    }

    #[test]
    fn chroma_planes_round_up() {
        let luma = Dimensions::new(5, 3);
        assert_eq!(Chroma::Half.plane(luma), Some(Dimensions::new(3, 2)));
        assert_eq!(Chroma::HalfWidth.plane(luma), Some(Dimensions::new(3, 3)));
        assert_eq!(Chroma::None.plane(luma), None);
    }
}
