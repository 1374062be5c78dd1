//! VP8 (RFC 6386).

use oxideav_vp8::Vp8DecoderState;

use super::convert::{Colours, malformed, planes};
use super::door::Door;
use super::{Pictures, Start};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Chroma, Matrix, Packet, VideoFrame};

/// The decoder `oxideav-vp8`.
pub(super) struct Vp8;

impl VideoDecoder for Vp8 {
    fn name(&self) -> &str {
        "oxideav-vp8"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Vp8]
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let start: Box<Start> = Box::new(|_, limits| {
            Ok(Box::new(Stream {
                codec: Vp8DecoderState::new().with_max_pixels_per_frame(limits.pixels),
                limits: limits.clone(),
            }))
        });
        Door::open("oxideav-vp8", track, limits, cancel, start)
    }
}

struct Stream {
    codec: Vp8DecoderState,
    limits: Limits,
}

/// The size in the header of a key frame (section 9.1).
fn key_size(data: &[u8]) -> Option<Dimensions> {
    let &[tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = data.first_chunk::<10>()? else {
        return None;
    };
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    (tag & 1 == 0).then(|| Dimensions::new(side(w0, w1), side(h0, h1)))
}

impl Pictures for Stream {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        if let Some(size) = key_size(&packet.data) {
            guard::check_size(size, &self.limits)?;
        }
        let frame = self.codec.decode_frame(&packet.data).map_err(malformed)?;
        if self.codec.last_frame_shown() != Some(true) {
            return Ok(());
        }
        // The specification has one colour space, that of BT.601 in limited range.
        let colours = Colours {
            full_range: false,
            matrix: Matrix::Bt601,
        };
        let size = Dimensions::new(frame.width, frame.height);
        out.push(VideoFrame {
            planes: planes(size, Chroma::Half, colours, [frame.y, frame.u, frame.v])?,
            timestamp_us: packet.timestamp_us,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_a_key_frame() {
        let key = [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0xB0, 0x40, 0x90, 0x00];
        assert_eq!(key_size(&key), Some(Dimensions::new(176, 144)));
        let mut inter = key;
        inter[0] |= 1;
        assert_eq!(key_size(&inter), None);
        assert_eq!(key_size(&key[..9]), None);
    }
}
