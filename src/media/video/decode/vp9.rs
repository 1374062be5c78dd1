//! VP9, all profiles.

use rusty_vp9::{BitReader, DecodedFrame, Error, Vp9Decoder, parse_uncompressed_header};

use super::convert::{Colours, cut, malformed, narrow, planes};
use super::door::Door;
use super::{Pictures, Start};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Chroma, Matrix, Packet, Planes, VideoFrame};

/// The decoder `rusty_vp9`.
pub(super) struct Vp9;

impl VideoDecoder for Vp9 {
    fn name(&self) -> &str {
        "rusty_vp9"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Vp9]
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let start: Box<Start> = Box::new(|track, limits| {
            Ok(Box::new(Stream {
                codec: Vp9Decoder::new(),
                limits: limits.clone(),
                colours: Colours::usual(track.size),
            }))
        });
        Door::open("rusty_vp9", track, limits, cancel, start)
    }
}

struct Stream {
    codec: Vp9Decoder,
    limits: Limits,
    colours: Colours,
}

/// The frames of a superframe (VP9 bitstream specification, Annex B), or the packet as it is.
fn frames(packet: &[u8]) -> Vec<&[u8]> {
    superframe(packet).unwrap_or_else(|| vec![packet])
}

fn superframe(packet: &[u8]) -> Option<Vec<&[u8]>> {
    let marker = *packet.last()?;
    if marker & 0xE0 != 0xC0 {
        return None;
    }
    let count = usize::from(marker & 7).checked_add(1)?;
    let width = usize::from((marker >> 3) & 3).checked_add(1)?;
    let index = count.checked_mul(width)?.checked_add(2)?;
    let (mut data, index) = packet.split_at_checked(packet.len().checked_sub(index)?)?;
    let sizes = index.strip_prefix(&[marker])?;
    let mut frames = Vec::with_capacity(count);
    for size in sizes.chunks_exact(width).take(count) {
        let size = size
            .iter()
            .rev()
            .fold(0_usize, |sum, octet| (sum << 8) | usize::from(*octet));
        let (frame, rest) = data.split_at_checked(size)?;
        frames.push(frame);
        data = rest;
    }
    Some(frames)
}

impl Stream {
    /// Holds what the headers of a packet's frames say against the limits.
    fn admit(&mut self, packet: &[u8]) -> Result<(), MediaError> {
        for frame in frames(packet) {
            // The sizes of reference frames were checked when those came.
            let Ok(header) = parse_uncompressed_header(&mut BitReader::new(frame), &[(0, 0); 8])
            else {
                continue;
            };
            let size = Dimensions::new(header.width, header.height);
            guard::check_size(size, &self.limits)?;
            if header.key_frame {
                // color_space of section 7.2.2; the full range is not reported by the codec.
                self.colours.matrix = match header.color_space {
                    1 | 3 => Matrix::Bt601,
                    2 => Matrix::Bt709,
                    5 => Matrix::Bt2020,
                    _ => Matrix::usual(size),
                };
            }
        }
        Ok(())
    }
}

impl Pictures for Stream {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        self.admit(&packet.data)?;
        let time = i64::try_from(packet.timestamp_us).ok();
        self.codec.push(&packet.data, time).map_err(refused)?;
        let mut outcome = Ok(());
        // A packet has eight frames at most, and each takes one call.
        for _ in 0..16 {
            match self.codec.next_frame() {
                Ok(frame) => out.push(VideoFrame {
                    planes: shown(frame, self.colours)?,
                    timestamp_us: packet.timestamp_us,
                }),
                Err(Error::Again) => {}
                Err(Error::Eof) => break,
                Err(error) => outcome = Err(refused(error)),
            }
        }
        outcome
    }
}

fn shown(frame: DecodedFrame, colours: Colours) -> Result<Planes, MediaError> {
    let chroma = match (frame.subsampling_x, frame.subsampling_y) {
        (1, 1) => Chroma::Half,
        (1, 0) => Chroma::HalfWidth,
        (0, 0) => Chroma::Full,
        _ => return Err(MediaError::unsupported("VP9 in 4:4:0")),
    };
    let depth = frame.bit_depth;
    let Ok(mut samples) = <[Vec<u8>; 3]>::try_from(frame.planes) else {
        return Err(malformed("a picture without three planes"));
    };
    if depth > 8 {
        for plane in &mut samples {
            let (pairs, _) = plane.as_chunks::<2>();
            let count = pairs.len();
            *plane = cut(pairs, count, (0, 0), (count, 1), |pair| {
                narrow(u16::from_le_bytes(pair), depth)
            });
        }
    }
    let size = Dimensions::new(frame.width, frame.height);
    planes(size, chroma, colours, samples)
}

fn refused(error: Error) -> MediaError {
    match error {
        Error::Unsupported(what) => MediaError::unsupported(format!("VP9: {what}")),
        Error::Unimplemented(what) => MediaError::unsupported(format!("VP9: {what}")),
        other => malformed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superframe_is_taken_apart_by_its_index() {
        let packet = [7, 7, 8, 0xC1, 2, 1, 0xC1];
        assert_eq!(frames(&packet), [&[7, 7][..], &[8][..]]);
        // An index that promises more than there is: the packet as it is.
        let broken = [7, 7, 8, 0xC1, 9, 1, 0xC1];
        assert_eq!(frames(&broken), [&broken[..]]);
        assert_eq!(frames(&[0x82, 1]), [&[0x82, 1][..]]);
    }
}
