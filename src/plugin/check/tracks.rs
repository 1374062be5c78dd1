//! Trying out what reads and writes sound and moving pictures.

use bytes::Bytes;

use super::{CUTS, Check, FLIPS, Sample, cuts, flips};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::audio::format_of;
use crate::media::codec::{AudioFormat, RateTarget, Stage, VideoFormat};
use crate::media::container::{TrackKind, read};
use crate::media::picture::{Chroma, Matrix, Packet, PcmBlock, Planes, VideoFrame};
use crate::media::{Cancel, Codec, MediaError, Registry};
use crate::plugin::about::{Capability, Kind, Subject};
use crate::plugin::load::Plugin;

/// Packets of a sample that are looked at.
const PACKETS: usize = 60;
/// Frames that an encoder is given.
const FRAMES: u64 = 20;

/// Tries out one codec of tracks.
pub(super) fn check(
    check: &mut Check,
    plugin: &Plugin,
    capability: &Capability,
    samples: &[Sample],
) {
    let Subject::Codec(codec) = capability.subject else {
        return;
    };
    let mut registry = Registry::empty();
    plugin.register(&mut registry);
    match capability.kind {
        Kind::AudioDecoder | Kind::VideoDecoder => {
            if samples.is_empty() {
                let why = "no sample: name files with such a track with --sample".to_owned();
                check.note(format!("samples of {}", codec.name()), Err(why));
            }
            for sample in samples {
                reads(check, &registry, codec, sample);
            }
        }
        Kind::AudioEncoder => {
            let made = sound(&registry, codec);
            twice(check, codec, &made, || sound(&registry, codec));
        }
        _ => {
            let made = film(&registry, codec);
            twice(check, codec, &made, || film(&registry, codec));
        }
    }
}

fn twice(
    check: &mut Check,
    codec: Codec,
    first: &Result<Vec<Bytes>, MediaError>,
    again: impl Fn() -> Result<Vec<Bytes>, MediaError>,
) {
    let outcome = match (first, again()) {
        (Ok(first), Ok(again)) if first.is_empty() || *first != again => {
            Err("gives nothing, or another thing the second time".to_owned())
        }
        (Ok(first), Ok(_)) => {
            let octets = first.iter().map(Bytes::len).fold(0, usize::saturating_add);
            let packets = first.len();
            Ok(format!(
                "{packets} packets of {octets} octets, twice the same"
            ))
        }
        (Err(error), _) => Err(error.to_string()),
        (_, Err(error)) => Err(error.to_string()),
    };
    check.note(format!("writes {}", codec.name()), outcome);
}

fn reads(check: &mut Check, registry: &Registry, codec: Codec, sample: &Sample) {
    let name = &sample.name;
    let track = match Track::of(&sample.data, codec) {
        Ok(track) => track,
        Err(why) => return check.note(format!("{name}: its track"), Err(why)),
    };
    let whole = track.decode(registry, &track.packets);
    let told = match &whole {
        Ok(units) => Ok(format!(
            "{} packets, {} blocks or pictures",
            track.packets.len(),
            units.len()
        )),
        Err(error) => Err(error.to_string()),
    };
    check.note(format!("{name}: decodes"), told);
    if whole.is_err() {
        return;
    }
    let same = if track.decode(registry, &track.packets) == whole {
        Ok("the same samples".to_owned())
    } else {
        Err("a second run differs".to_owned())
    };
    check.note(format!("{name}: twice the same"), same);
    let damaged = |change: &dyn Fn(&Bytes, usize) -> Bytes, rounds: usize| {
        let (mut refused, mut decoded) = (0_u32, 0_u32);
        for round in 0..rounds {
            let mut packets = track.packets.clone();
            let count = packets.len().max(1);
            if let Some(packet) = packets.get_mut(round % count) {
                packet.data = change(&packet.data, round);
            }
            match track.decode(registry, &packets) {
                Ok(_) => decoded = decoded.saturating_add(1),
                Err(error) if error.blames_codec() => return Err(error.to_string()),
                Err(_) => refused = refused.saturating_add(1),
            }
        }
        Ok(format!("{refused} refused, {decoded} decoded"))
    };
    let cut = |data: &Bytes, at: usize| cuts(data).nth(at).unwrap_or_default();
    check.note(format!("{name}: cut at {CUTS} places"), damaged(&cut, CUTS));
    let turned = |data: &Bytes, at: usize| flips(data).nth(at).unwrap_or_default();
    check.note(
        format!("{name}: {FLIPS} bits turned"),
        damaged(&turned, FLIPS),
    );
}

/// The track of a sample that is for the plugin: its first packets.
pub(crate) struct Track {
    format: Format,
    pub(crate) packets: Vec<Packet>,
}

enum Format {
    Sound(AudioFormat),
    Film(VideoFormat),
}

impl Track {
    /// The first track of `file` in `codec`; else why there is none.
    pub(crate) fn of(file: &Bytes, codec: Codec) -> Result<Self, String> {
        let movie = read(file, &Limits::default()).map_err(|error| error.to_string())?;
        let mut tracks = movie.tracks.iter();
        let track = tracks
            .find(|track| track.info.codec.codec() == codec)
            .ok_or_else(|| format!("there is none in {}", codec.name()))?;
        let info = &track.info;
        let format = if info.kind == TrackKind::Audio {
            Format::Sound(format_of(info).map_err(|error| error.to_string())?)
        } else {
            Format::Film(VideoFormat {
                codec,
                size: info.size.unwrap_or(Dimensions::new(0, 0)),
                millihertz: None,
                config: info.codec.config(),
            })
        };
        let packets = track.samples().take(PACKETS).map(|sample| {
            let ticks = u64::try_from(sample.pts).unwrap_or(0);
            Packet {
                timestamp_us: ticks.saturating_mul(1_000_000) / u64::from(info.timescale.max(1)),
                key: sample.keyframe,
                shown: true,
                data: sample.data,
            }
        });
        Ok(Self {
            format,
            packets: packets.collect(),
        })
    }

    /// The octets of what comes out, one list for each block or picture.
    ///
    /// # Errors
    ///
    /// What the decoder says, or that the registry has none.
    pub(crate) fn decode(
        &self,
        registry: &Registry,
        packets: &[Packet],
    ) -> Result<Vec<Vec<u8>>, MediaError> {
        let (limits, cancel) = (Limits::default(), Cancel::new());
        let none = || MediaError::unsupported("the plugin failed too often");
        match &self.format {
            Format::Sound(format) => {
                let decoder = registry.audio_decoder(format.codec).ok_or_else(none)?;
                let blocks = run(decoder.open(format, &limits, &cancel)?, packets)?;
                let octets = |block: &PcmBlock| {
                    let samples = block.samples.iter();
                    samples.flat_map(|sample| sample.to_le_bytes()).collect()
                };
                Ok(blocks.iter().map(octets).collect())
            }
            Format::Film(format) => {
                let decoder = registry.video_decoder(format.codec).ok_or_else(none)?;
                let frames = run(decoder.open(format, &limits, &cancel)?, packets)?;
                Ok(frames
                    .into_iter()
                    .map(|frame| [frame.planes.y, frame.planes.cb, frame.planes.cr].concat())
                    .collect())
            }
        }
    }
}

fn run<In: Clone, Out>(
    mut stage: Box<dyn Stage<In, Out>>,
    given: &[In],
) -> Result<Vec<Out>, MediaError> {
    let mut out = Vec::new();
    for one in given {
        stage.push(one.clone())?;
        while let Some(some) = stage.pull()? {
            out.push(some);
        }
    }
    stage.finish()?;
    while let Some(some) = stage.pull()? {
        out.push(some);
    }
    Ok(out)
}

/// A second of a sawtooth, as 8 kHz in one channel, or as 44.1 kHz in two where that is refused.
///
/// # Errors
///
/// What the encoder says, or that the registry has none.
pub(crate) fn sound(registry: &Registry, codec: Codec) -> Result<Vec<Bytes>, MediaError> {
    let encoder = registry
        .audio_encoder(codec)
        .ok_or_else(|| MediaError::unsupported("the plugin failed too often"))?;
    let of = |sample_rate: u32, channels: u16| {
        let format = AudioFormat {
            codec,
            sample_rate,
            channels,
            config: Bytes::new(),
        };
        let stage = encoder.open(&format, &RateTarget::default(), &Cancel::new())?;
        let count = usize::try_from(sample_rate).unwrap_or(0);
        let saw = (0..100_i16).map(|at| at.saturating_mul(200)).cycle();
        let samples = saw.take(count.saturating_mul(usize::from(channels)));
        let block = PcmBlock {
            sample_rate,
            channels,
            samples: samples.collect(),
            timestamp_us: 0,
        };
        run(stage, &[block])
    };
    let packets = match of(8_000, 1) {
        Err(MediaError::Unsupported { .. }) => of(44_100, 2)?,
        other => other?,
    };
    Ok(packets.into_iter().map(|packet| packet.data).collect())
}

/// Frames of 176x144 in which a gradient moves.
///
/// # Errors
///
/// As [`sound`].
pub(crate) fn film(registry: &Registry, codec: Codec) -> Result<Vec<Bytes>, MediaError> {
    let encoder = registry
        .video_encoder(codec)
        .ok_or_else(|| MediaError::unsupported("the plugin failed too often"))?;
    let size = Dimensions::new(176, 144);
    let format = VideoFormat {
        codec,
        size,
        millihertz: Some(15_000),
        config: Bytes::new(),
    };
    let target = RateTarget {
        bit_rate: Some(128_000),
        ..RateTarget::default()
    };
    let stage = encoder.open(&format, &target, &Cancel::new())?;
    let frames: Vec<VideoFrame> = (0..FRAMES).map(|at| frame(size, at)).collect();
    let packets = run(stage, &frames)?;
    Ok(packets.into_iter().map(|packet| packet.data).collect())
}

fn frame(size: Dimensions, at: u64) -> VideoFrame {
    let level = |value: u64| u8::try_from(value % 220).unwrap_or(0).saturating_add(16);
    let rows =
        (0..u64::from(size.height)).flat_map(|y| (0..u64::from(size.width)).map(move |x| (x, y)));
    let y = rows.map(|(x, y)| level(x.saturating_add(y).saturating_add(at.saturating_mul(3))));
    let chroma = Chroma::Half.plane(size).unwrap_or(size);
    let grey = usize::try_from(chroma.width.saturating_mul(chroma.height)).unwrap_or(0);
    VideoFrame {
        planes: Planes {
            size,
            chroma: Chroma::Half,
            full_range: false,
            matrix: Matrix::Bt601,
            y: y.collect(),
            cb: vec![0x80; grey],
            cr: vec![0x80; grey],
        },
        timestamp_us: at.saturating_mul(66_667),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_and_moves() {
        let size = Dimensions::new(176, 144);
        let (first, second) = (frame(size, 0), frame(size, 1));
        assert_eq!(first.planes.y.len(), 176 * 144);
        assert_eq!(first.planes.cb.len(), 88 * 72);
        assert_ne!(first.planes.y, second.planes.y);
    }

    #[test]
    fn a_sample_without_such_a_track_says_so() {
        let sound = Bytes::from_static(b"#!AMR\n\x3C");
        assert!(Track::of(&sound, Codec::H264).is_err());
    }

    #[test]
    fn nothing_is_the_same_as_a_failure() {
        let mut found = Check::default();
        twice(&mut found, Codec::AmrNb, &Ok(Vec::new()), || Ok(Vec::new()));
        let some = vec![Bytes::from_static(b"a")];
        twice(&mut found, Codec::AmrNb, &Ok(some.clone()), || {
            Ok(some.clone())
        });
        let passed: Vec<bool> = found.findings.iter().map(|f| f.passed).collect();
        assert_eq!(passed, [false, true]);
    }
}
