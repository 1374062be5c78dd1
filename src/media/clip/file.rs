//! Writing the file, and what it costs beside the samples.

use bytes::Bytes;

use super::side::Side;
use crate::dimensions::Dimensions;
use crate::media::container::aac::AacConfig;
use crate::media::container::amr::{self, Band};
use crate::media::container::avc::AvcConfig;
use crate::media::container::isobmff::{self, Brand, NewTrack, SampleShape, TrackShape};
use crate::media::container::ogg::{self, OpusHead};
use crate::media::container::{
    AmrConfig, CodedTrack, H263Config, PcmEncoding, PcmFormat, Sample, TrackCodec, TrackInfo,
    WriteError, adts, mp3, wav,
};
use crate::media::error::MediaError;
use crate::media::info::{Codec, Format};

/// Samples as a WAV file of ours holds them.
pub(super) const PCM: PcmFormat = PcmFormat {
    encoding: PcmEncoding::Signed,
    bits: 16,
    big_endian: false,
};

/// What a decoder's configuration may take beyond what was assumed.
const CONFIG_SLACK: u64 = 24;

/// Pictures between two from which decoding can start, at the densest that is expected.
const KEY_EVERY: u64 = 15;

/// Whether a file of this format can be written at all.
pub(super) const fn is_iso(format: Format) -> bool {
    matches!(
        format,
        Format::ThreeGp | Format::ThreeG2 | Format::Mp4 | Format::M4a
    )
}

/// The brand of a file of `format` whose pictures are in `video`: the oldest release of 3GPP that
/// has the codec, since handsets refuse brands that are newer than they are (3GPP TS 26.244
/// section 5.4).
fn brand(format: Format, video: Option<Codec>) -> Brand {
    match (format, video) {
        (Format::ThreeG2, _) => Brand::ThreeG2a,
        (Format::ThreeGp, Some(Codec::H264)) => Brand::ThreeGp6,
        (Format::ThreeGp, Some(Codec::Mpeg4Visual)) => Brand::ThreeGp5,
        (Format::ThreeGp, _) => Brand::ThreeGp4,
        _ => Brand::Mp42,
    }
}

/// A track as the file will hold it, before it is made.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Its codec.
    pub(super) codec: Codec,
    /// Samples.
    pub(super) samples: u64,
    /// Samples per second of sound.
    pub(super) sample_rate: u32,
    /// Channels of sound.
    pub(super) channels: u16,
    /// Pixels of moving pictures.
    pub(super) size: Option<Dimensions>,
    /// Octets of all samples.
    pub(super) bytes: u64,
    /// Whether all samples have one size, as those of one mode of AMR do.
    pub(super) uniform: bool,
}

impl Shape {
    /// A track that is taken over.
    pub(super) fn of_copy(side: &Side) -> Self {
        Self {
            codec: side.info.codec.codec(),
            samples: side.copy.map_or(0, |copy| copy.samples),
            sample_rate: side.info.sample_rate.unwrap_or(8_000),
            channels: side.info.channels.unwrap_or(1),
            size: side.info.size,
            bytes: side.copy.map_or(0, |copy| copy.bytes),
            uniform: false,
        }
    }

    fn track(&self, format: Format) -> TrackInfo {
        let codec = match self.codec {
            Codec::AmrNb => TrackCodec::AmrNb(AmrConfig::any(1)),
            Codec::AmrWb => TrackCodec::AmrWb(AmrConfig::any(1)),
            Codec::AacLc => TrackCodec::Aac(AacConfig::low_complexity(self.sample_rate, 2)),
            Codec::Mp3 => TrackCodec::Mp3,
            Codec::H263 => TrackCodec::H263(H263Config {
                level: 10,
                profile: 0,
                bit_rate: None,
            }),
            Codec::Mpeg4Visual => TrackCodec::Mpeg4Visual(Bytes::from_static(&[0; 48])),
            Codec::Av1 => TrackCodec::Av1(Bytes::from_static(&[0; 16])),
            Codec::H264 => {
                let sps = Bytes::from_static(&[0x67, 66, 0xC0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                let pps = Bytes::from_static(&[0x68, 0, 0, 0, 0]);
                match AvcConfig::new(vec![sps], vec![pps]) {
                    Some(config) => TrackCodec::H264(config),
                    None => TrackCodec::Other("avc1".to_owned()),
                }
            }
            codec => TrackCodec::Other(codec.name().to_owned()),
        };
        debug_assert!(is_iso(format));
        match self.size {
            Some(size) => TrackInfo::video(1, codec, TICKS, size),
            None => TrackInfo::audio(1, codec, TICKS, self.sample_rate, self.channels),
        }
    }

    /// Samples as the tables will list them, over `duration_us`.
    fn shapes(&self, duration_us: u64) -> Vec<SampleShape> {
        let count = self.samples.min(MOST_SAMPLES);
        let span = i64::try_from(duration_us / 1000).unwrap_or(i64::MAX);
        let every = u32::try_from(
            u128::from(duration_us / 1000)
                .checked_div(u128::from(count))
                .unwrap_or(0),
        )
        .unwrap_or(u32::MAX);
        (0..count)
            .map(|number| {
                let at = i64::try_from(number)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(i64::from(every))
                    .min(span);
                SampleShape {
                    dts: at,
                    pts: at,
                    duration: every,
                    keyframe: self.size.is_none() || number % KEY_EVERY == 0,
                }
            })
            .collect()
    }
}

/// Ticks per second of shapes.
const TICKS: u32 = 1_000;

/// More samples than this no message holds; a header that promises them is not believed.
const MOST_SAMPLES: u64 = 100_000;

/// Octets of the file beside those of the samples.
pub(super) fn overhead(
    format: Format,
    video: Option<&Shape>,
    audio: Option<&Shape>,
    duration_us: u64,
) -> u64 {
    if is_iso(format) {
        let shapes: Vec<(TrackInfo, Vec<SampleShape>, bool)> = [video, audio]
            .into_iter()
            .flatten()
            .map(|shape| {
                let samples = shape.shapes(duration_us);
                (shape.track(format), samples, shape.uniform)
            })
            .collect();
        let tracks: Vec<TrackShape<'_>> = shapes
            .iter()
            .map(|(info, samples, uniform)| TrackShape {
                info,
                samples,
                uniform: *uniform,
            })
            .collect();
        let brand = brand(format, video.map(|shape| shape.codec));
        let exact = isobmff::overhead(brand, &tracks).unwrap_or(0);
        let slack = CONFIG_SLACK.saturating_mul(u64::try_from(tracks.len()).unwrap_or(2));
        return u64::try_from(exact)
            .unwrap_or(u64::MAX)
            .saturating_add(slack);
    }
    let Some(audio) = audio else { return 0 };
    match format {
        Format::Amr => 6,
        Format::AmrWb => 9,
        Format::Adts => audio.samples.saturating_mul(7),
        Format::Ogg => {
            // Two pages of headers, a page a second, and a length for each packet and each 255
            // octets of it.
            let pages = (duration_us / 1_000_000)
                .saturating_add(2)
                .saturating_mul(27);
            let lengths = audio.samples.saturating_add(audio.bytes / 255);
            pages.saturating_add(lengths).saturating_add(64)
        }
        Format::Wav => 44,
        // A frame that describes the others, as long as the first, which is no longer than the mean.
        Format::Mp3 => {
            let frames = audio.samples.saturating_sub(2).max(1);
            audio.bytes.div_ceil(frames)
        }
        _ => 0,
    }
}

/// Writes the file.
pub(super) fn write(
    format: Format,
    video: Option<&CodedTrack>,
    audio: Option<&CodedTrack>,
) -> Result<Vec<u8>, MediaError> {
    let refused = |error: WriteError| MediaError::unsupported(error.to_string());
    if is_iso(format) {
        let tracks: Vec<NewTrack<'_>> = [video, audio]
            .into_iter()
            .flatten()
            .map(|track| NewTrack {
                info: &track.info,
                samples: &track.samples,
            })
            .collect();
        let brand = brand(format, video.map(|track| track.info.codec.codec()));
        return isobmff::write(brand, &tracks).map_err(refused);
    }
    let Some(track) = audio else {
        return Err(MediaError::unsupported(format!(
            "moving pictures in {}",
            format.name()
        )));
    };
    let wrong = || {
        let codec = track.info.codec.codec().name();
        MediaError::unsupported(format!("{codec} in {}", format.name()))
    };
    match (format, &track.info.codec) {
        (Format::Amr, TrackCodec::AmrNb(_)) => Ok(amr::write(Band::Narrow, &track.samples)),
        (Format::AmrWb, TrackCodec::AmrWb(_)) => Ok(amr::write(Band::Wide, &track.samples)),
        (Format::Adts, TrackCodec::Aac(config)) => {
            adts::write(config, &track.samples).map_err(refused)
        }
        // A copy has been described by whoever made it, or not, and need not be larger.
        (Format::Mp3, TrackCodec::Mp3) if track.encodes == 0 => Ok(joined(&track.samples)),
        (Format::Mp3, TrackCodec::Mp3) => mp3::write(&track.info, &track.samples).map_err(refused),
        (Format::Ogg, TrackCodec::Opus(head)) => {
            let head = OpusHead::parse(head).ok_or_else(wrong)?;
            let ticks =
                u128::from(track.info.duration) * 48_000 / u128::from(track.info.timescale.max(1));
            let ticks = u64::try_from(ticks).ok().filter(|ticks| *ticks > 0);
            ogg::write_opus(head, &track.samples, ticks).map_err(refused)
        }
        (Format::Wav, TrackCodec::Pcm(format)) if *format == PCM => {
            let octets = joined(&track.samples);
            let pairs = octets.chunks_exact(2);
            let samples: Vec<i16> = pairs
                .filter_map(|pair| Some(i16::from_le_bytes(pair.try_into().ok()?)))
                .collect();
            let rate = track.info.sample_rate.unwrap_or(track.info.timescale);
            let channels = track.info.channels.unwrap_or(1);
            wav::write_pcm16(rate, channels, &samples).map_err(refused)
        }
        _ => Err(wrong()),
    }
}

fn joined(samples: &[Sample]) -> Vec<u8> {
    let parts: Vec<&[u8]> = samples.iter().map(|sample| sample.data.as_ref()).collect();
    parts.concat()
}

/// The samples of AMR with one frame in each: what every player reads. Tables do not grow by it as
/// long as the mode stays the same.
pub(super) fn single_frames(codec: &TrackCodec, samples: Vec<Sample>) -> Vec<Sample> {
    let band = match codec {
        TrackCodec::AmrNb(_) => Band::Narrow,
        TrackCodec::AmrWb(_) => Band::Wide,
        _ => return samples,
    };
    let mut single = Vec::with_capacity(samples.len());
    for sample in samples {
        let frames: Vec<amr::Frame> = amr::frames(band, &sample.data).collect();
        let count = u32::try_from(frames.len()).unwrap_or(1).max(1);
        let duration = sample.duration / count;
        let mut time = sample.dts;
        for frame in frames {
            single.push(Sample {
                dts: time,
                pts: time,
                duration,
                keyframe: true,
                data: frame.data,
            });
            time = time.saturating_add(i64::from(duration));
        }
    }
    single
}
