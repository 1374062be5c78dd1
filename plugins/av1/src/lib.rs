//! Reads AV1 with rav1d, a translation of dav1d that is full of unsafe code, in the sandbox. Where it is
//! installed, AVIF is read too.
//!
//! Pictures come as 4:2:0 at eight bits: of deeper ones the low bits are rounded away, and colour that is
//! sampled more finely is averaged.

use re_rav1d::dav1d::{
    Decoder, Error as CodecError, Picture, PixelLayout, PlanarImageComponent, Settings,
};
use remold_plugin::{
    About, Codec, Error, Limits, Options, Packet, VideoDecoder, VideoPicture, VideoTrack,
    check_size,
};

/// A track being read.
struct Film {
    codec: Decoder,
    /// OBUs of the configuration that go in front of the first packet.
    pending: Vec<u8>,
    limits: Limits,
}

impl VideoDecoder for Film {
    fn about() -> About {
        About {
            name: "av1",
            version: env!("CARGO_PKG_VERSION"),
            license: "BSD-2-Clause AND (MIT OR Apache-2.0)",
            homepage: "https://github.com/memorysafety/rav1d",
            codec: Codec {
                id: "av1",
                ..Codec::default()
            },
        }
    }

    fn open(track: &VideoTrack, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        check_size(track.size.width, track.size.height, limits)?;
        let mut settings = Settings::new();
        // There is one thread.
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_frame_size_limit(u32::try_from(limits.max_pixels).unwrap_or(u32::MAX));
        Ok(Self {
            codec: Decoder::with_settings(&settings).map_err(malformed)?,
            // av1C: four octets, then configOBUs (AV1 in ISO base media, section 2.3.3).
            pending: track.config.get(4..).unwrap_or_default().to_vec(),
            limits: *limits,
        })
    }

    fn push(&mut self, unit: &Packet) -> Result<Vec<VideoPicture>, Error> {
        let mut data = std::mem::take(&mut self.pending);
        data.extend_from_slice(&unit.data);
        let mut sent = self.codec.send_data(data, None, Some(unit.pts_us), None);
        let mut pictures = Vec::new();
        // Each round takes a picture out, of which a packet has few.
        for _ in 0..64 {
            self.drain(&mut pictures)?;
            if sent != Err(CodecError::Again) {
                break;
            }
            sent = self.codec.send_pending_data();
        }
        sent.map_err(malformed)?;
        Ok(pictures)
    }

    fn finish(&mut self) -> Result<Vec<VideoPicture>, Error> {
        let mut pictures = Vec::new();
        self.drain(&mut pictures)?;
        Ok(pictures)
    }
}

remold_plugin::video_decoder!(Film);

impl Film {
    fn drain(&mut self, pictures: &mut Vec<VideoPicture>) -> Result<(), Error> {
        loop {
            match self.codec.get_picture() {
                Ok(picture) => {
                    let size = check_size(picture.width(), picture.height(), &self.limits)?;
                    pictures.push(VideoPicture {
                        size,
                        i420: i420(&picture),
                        pts_us: picture.timestamp().unwrap_or(0),
                    });
                }
                Err(CodecError::Again) => return Ok(()),
                Err(error) => return Err(malformed(error)),
            }
        }
    }
}

fn malformed(error: CodecError) -> Error {
    Error::Malformed(error.to_string())
}

fn i420(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let half = |side: usize| side.div_ceil(2);
    let mut i420 = Vec::with_capacity(width * height + 2 * half(width) * half(height));
    plane(
        picture,
        PlanarImageComponent::Y,
        (width, height),
        (1, 1),
        &mut i420,
    );
    let each = match picture.pixel_layout() {
        PixelLayout::I400 => {
            i420.resize(i420.capacity(), 0x80);
            return i420;
        }
        PixelLayout::I420 => (1, 1),
        PixelLayout::I422 => (1, 2),
        PixelLayout::I444 => (2, 2),
    };
    for component in [PlanarImageComponent::U, PlanarImageComponent::V] {
        plane(
            picture,
            component,
            (half(width), half(height)),
            each,
            &mut i420,
        );
    }
    i420
}

/// A plane of `size`, each sample the mean of `each` across and down, at eight bits.
fn plane(
    picture: &Picture,
    component: PlanarImageComponent,
    size: (usize, usize),
    each: (usize, usize),
    out: &mut Vec<u8>,
) {
    let octets = picture.plane(component);
    let stride = picture.stride(component) as usize;
    let depth = picture.bits_per_component().map_or(8, |bits| bits.0);
    // What lies behind the last sample at the right and at the bottom.
    let (whole, rows) = match component {
        PlanarImageComponent::Y => (picture.width() as usize, picture.height() as usize),
        _ => match picture.pixel_layout() {
            PixelLayout::I444 => (picture.width() as usize, picture.height() as usize),
            PixelLayout::I422 => (
                (picture.width() as usize).div_ceil(2),
                picture.height() as usize,
            ),
            _ => size,
        },
    };
    let sample = |x: usize, y: usize| {
        let (x, y) = (x.min(whole - 1), y.min(rows - 1));
        if depth == 8 {
            u32::from(octets[y * stride + x])
        } else {
            let at = y * stride + 2 * x;
            u32::from(u16::from_ne_bytes([octets[at], octets[at + 1]]))
        }
    };
    let shift = depth as u32 - 8;
    let count = (each.0 * each.1) as u32;
    for y in 0..size.1 {
        if depth == 8 && count == 1 {
            out.extend_from_slice(&octets[y * stride..][..size.0]);
            continue;
        }
        for x in 0..size.0 {
            let mut sum = 0;
            for down in 0..each.1 {
                for across in 0..each.0 {
                    sum += sample(x * each.0 + across, y * each.1 + down);
                }
            }
            let divisor = count << shift;
            out.push(((sum + divisor / 2) / divisor).min(255) as u8);
        }
    }
}
