//! H.263, the baseline and the annexes that phones used.

use oxideav_h263::YuvFrame;
use oxideav_h263::picture::{DecodeOptions, SequenceState, decode_sequence_step};

use super::bits::Bits;
use super::convert::{Colours, dimensions, malformed, planes};
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

/// The decoder `oxideav-h263`.
pub(super) struct H263;

impl VideoDecoder for H263 {
    fn name(&self) -> &str {
        "oxideav-h263"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::H263]
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let start: Box<Start> = Box::new(|_, limits| {
            Ok(Box::new(Stream {
                limits: limits.clone(),
                reference: None,
                state: SequenceState::default(),
            }))
        });
        Door::open("oxideav-h263", track, limits, cancel, start)
    }
}

struct Stream {
    limits: Limits,
    reference: Option<YuvFrame>,
    state: SequenceState,
}

/// The size in a picture header (clauses 5.1.3 and 5.1.5); `None` where the picture has that of
/// the one before.
fn header_size(picture: &[u8]) -> Option<Dimensions> {
    let mut bits = Bits::new(picture);
    // PSC, TR, and five bits of PTYPE.
    bits.skip(22 + 8 + 5)?;
    let mut format = bits.take(3)?;
    if format == 7 {
        if bits.take(3)? != 1 {
            return None;
        }
        format = bits.take(3)?;
        if format == 6 {
            // The rest of OPPTYPE, MPPTYPE, CPM with PSBI, and the pixel aspect of CPFMT.
            bits.skip(15 + 9)?;
            if bits.flag()? {
                bits.skip(2)?;
            }
            bits.skip(4)?;
            let width = bits.take(9)?.saturating_add(1).saturating_mul(4);
            bits.skip(1)?;
            return Some(Dimensions::new(width, bits.take(9)?.saturating_mul(4)));
        }
    }
    match format {
        1 => Some(Dimensions::new(128, 96)),
        2 => Some(Dimensions::new(176, 144)),
        3 => Some(Dimensions::new(352, 288)),
        4 => Some(Dimensions::new(704, 576)),
        5 => Some(Dimensions::new(1408, 1152)),
        _ => None,
    }
}

impl Pictures for Stream {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        if let Some(size) = header_size(&packet.data) {
            guard::check_size(size, &self.limits)?;
        }
        let mut state = self.state;
        let options = DecodeOptions::default();
        let reference = self.reference.as_ref();
        let frames = decode_sequence_step(&packet.data, reference, options, &mut state)
            .map_err(malformed)?;
        self.state = state;
        // The last of a pair is the one that others refer to. The first is shown before it, at a
        // time of which the container says nothing, and is left out.
        let Some(frame) = frames.into_iter().next_back() else {
            return Ok(());
        };
        let size = dimensions(frame.luma_width, frame.luma_height)?;
        let colours = Colours {
            full_range: false,
            matrix: Matrix::Bt601,
        };
        let samples = [frame.y.clone(), frame.cb.clone(), frame.cr.clone()];
        self.reference = Some(frame);
        out.push(VideoFrame {
            planes: planes(size, Chroma::Half, colours, samples)?,
            timestamp_us: packet.timestamp_us,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_in_the_picture_header() {
        // PSC, TR 0, PTYPE with source format 2.
        let qcif = [0x00, 0x00, 0x80, 0x02, 0x08, 0x00];
        assert_eq!(header_size(&qcif), Some(Dimensions::new(176, 144)));
        assert_eq!(header_size(&qcif[..4]), None);
    }
}
