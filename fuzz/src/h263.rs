//! Our H.263 encoder, and what a decoder by somebody else makes of its pictures.

use bytes::Bytes;
use remold::Limits;
use remold::media::codec::VideoFormat;
use remold::media::picture::{Packet, VideoFrame};
use remold::media::video::h263::{
    Config, EncodedFrame, Encoder, H263Error, Level, Size, Target, YuvFrame,
};
use remold::media::{Cancel, Codec, Registry, guard};

use crate::cut::Cut;

/// Frames that are encoded at most.
const FRAMES: usize = 6;

/// Whatever is shown, pictures keep the target and the octets of one picture, the same frames give
/// the same octets, and a decoder has as many pictures as there are, all but equal to what the
/// encoder believes it has.
pub fn h263_encode(data: &[u8]) {
    let mut cut = Cut(data);
    let config = config(&mut cut);
    let frames = frames(&mut cut, config.size);
    let Some((pictures, encoder)) = encode(&config, &frames) else {
        return;
    };
    assert_pictures(&config, &pictures, &encoder);
    let (again, _) = encode(&config, &frames).expect("encoded once already");
    assert_eq!(pictures, again, "not the same twice");
    assert_decodes(&config, &pictures, &encoder);
}

struct Planes {
    y: Vec<u8>,
    cb: Vec<u8>,
    cr: Vec<u8>,
    timestamp_us: u64,
}

fn config(cut: &mut Cut<'_>) -> Config {
    let (choice, key) = (cut.octet(), cut.octet());
    let levels = [Level::L10, Level::L20, Level::L30, Level::L45];
    let sizes = [Size::SubQcif, Size::SubQcif, Size::Qcif, Size::Cif];
    let amount = u64::from(cut.pair());
    let duration_us = u64::from(cut.pair()) * 1_000;
    let target = match choice >> 6 {
        0 => Target::Quantiser((amount % 33) as u8),
        1 => Target::Bytes {
            max: amount,
            duration_us,
        },
        _ => Target::BitRate {
            bits_per_second: amount * 16,
            duration_us: (choice & 0x40 != 0).then_some(duration_us),
        },
    };
    let level = levels[usize::from(choice >> 2 & 3)];
    let mut config = Config::new(sizes[usize::from(choice & 3)], level, target);
    config.frame_interval_us = u64::from(cut.pair()) * 10;
    config.keyframe_interval = u32::from(key & 0x0F);
    config.gob_headers = choice & 0x20 != 0;
    config
}

/// Each frame is the one before, moved by some samples, with a run of octets laid over it again
/// and again.
fn frames(cut: &mut Cut<'_>, size: Size) -> Vec<Planes> {
    let luma = size.dimensions();
    let area = (luma.width * luma.height) as usize;
    let mut shown = (vec![128; area], vec![128; area / 4], vec![128; area / 4]);
    let mut frames: Vec<Planes> = Vec::new();
    let mut timestamp_us = 0;
    while !cut.is_empty() && frames.len() < FRAMES {
        let (shift, start) = (usize::from(cut.octet()), usize::from(cut.pair()));
        let run = cut.field();
        shown.0.rotate_right(shift % area);
        for (plane, from) in [(&mut shown.0, 0), (&mut shown.1, 1), (&mut shown.2, 2)] {
            let rest = plane.len() - start % plane.len();
            let times = [1, usize::MAX][shift & 1];
            let laid = run.iter().skip(from).cycle();
            let laid = laid.take(run.len().saturating_sub(from).saturating_mul(times));
            let at = plane.len() - rest;
            plane[at..]
                .iter_mut()
                .zip(laid)
                .for_each(|(to, from)| *to = *from);
        }
        frames.push(Planes {
            y: shown.0.clone(),
            cb: shown.1.clone(),
            cr: shown.2.clone(),
            timestamp_us,
        });
        timestamp_us += 1 + u64::from(cut.pair()) * 4;
    }
    frames
}

/// The pictures, and the encoder that has made them; `None` where it refuses the settings or the
/// first picture does not fit.
fn encode(config: &Config, frames: &[Planes]) -> Option<(Vec<EncodedFrame>, Encoder)> {
    let mut encoder = match Encoder::new(config.clone()) {
        Ok(encoder) => encoder,
        Err(H263Error::Level { .. } | H263Error::Setting(_)) => return None,
        Err(error) => panic!("{config:?}: {error}"),
    };
    let mut pictures = Vec::new();
    for planes in frames {
        let frame = YuvFrame::packed(config.size, &planes.y, &planes.cb, &planes.cr);
        match encoder.encode(&frame, planes.timestamp_us) {
            Ok(picture) => pictures.extend(picture),
            Err(H263Error::Budget { .. }) if pictures.is_empty() => return None,
            Err(error) => panic!("{config:?}: {error}"),
        }
    }
    Some((pictures, encoder))
}

fn assert_pictures(config: &Config, pictures: &[EncodedFrame], encoder: &Encoder) {
    let bytes: u64 = pictures.iter().map(|p| p.data.len() as u64).sum();
    if let Target::Bytes { max, .. } = config.target {
        assert!(bytes <= max, "{bytes} octets, not {max}");
    }
    for picture in pictures {
        assert!(picture.data.starts_with(&[0, 0]), "no start code");
        assert!(picture.data.len() as u64 * 8 <= config.size.max_picture_bits());
    }
    assert!(pictures.first().is_none_or(|first| first.keyframe));
    let summary = encoder.summary();
    assert_eq!(
        (summary.pictures, summary.bytes),
        (pictures.len() as u64, bytes)
    );
}

fn assert_decodes(config: &Config, pictures: &[EncodedFrame], encoder: &Encoder) {
    guard::quiet_panics();
    let Some(decoder) = Registry::builtin().video_decoder(Codec::H263) else {
        return;
    };
    let track = VideoFormat {
        codec: Codec::H263,
        size: config.size.dimensions(),
        millihertz: None,
        config: Bytes::new(),
    };
    let mut stage = decoder
        .open(&track, &Limits::default(), &Cancel::new())
        .expect("H.263 of a size that it has");
    let mut shown: Vec<VideoFrame> = Vec::new();
    for picture in pictures {
        let packet = Packet {
            data: Bytes::copy_from_slice(&picture.data),
            timestamp_us: picture.timestamp_us,
            key: picture.keyframe,
            shown: true,
        };
        stage.push(packet).expect("a picture of ours");
        while let Some(frame) = stage.pull().expect("a picture of ours") {
            shown.push(frame);
        }
    }
    stage.finish().expect("pictures of ours");
    while let Some(frame) = stage.pull().expect("a picture of ours") {
        shown.push(frame);
    }

    let times = shown.iter().map(|frame| frame.timestamp_us);
    assert!(times.eq(pictures.iter().map(|picture| picture.timestamp_us)));
    let Some(last) = shown.last() else {
        return;
    };
    assert_eq!(last.planes.size, config.size.dimensions());
    // Decoders may differ from each other in the last bit of a sample, picture by picture.
    let believed = encoder.reconstruction().y;
    let width = last.planes.size.width as usize;
    let rows = believed
        .data
        .chunks(believed.stride)
        .map(|row| &row[..width.min(row.len())]);
    let off: u64 = rows
        .flatten()
        .zip(&last.planes.y)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    let mean = off / last.planes.y.len().max(1) as u64;
    assert!(mean < 2, "a decoder shows another picture, {mean} off");
}
