//! Rates, channels and bits for a track and a number of octets: computed, not searched.

use super::amr::{self, NARROW_RATES, WIDE_RATES};
use super::blend::{self, Step};
use super::mp3;
use super::{AudioSettings, AudioTarget};
use crate::media::container::TrackInfo;
use crate::media::info::Codec;

/// Bits per second that are of use, rising: the modes of AMR, the rates of MPEG-1 layer III, and
/// steps for codecs that take any number. Empty for a codec that no encoder writes.
#[must_use]
pub fn bit_rates(codec: Codec) -> &'static [u64] {
    match codec {
        Codec::AmrNb => &NARROW_RATES,
        Codec::AmrWb => &WIDE_RATES,
        Codec::AacLc => &[
            8_000, 12_000, 16_000, 20_000, 24_000, 32_000, 40_000, 48_000, 64_000, 80_000, 96_000,
            128_000, 160_000, 192_000,
        ],
        Codec::Mp3 => &MP3_RATES,
        Codec::Opus => &[
            6_000, 8_000, 12_000, 16_000, 20_000, 24_000, 32_000, 48_000, 64_000, 96_000, 128_000,
        ],
        Codec::Pcm => &[128_000, 256_000, 352_800, 705_600, 1_411_200],
        _ => &[],
    }
}

/// Bits per second of layer III at 32 kHz and more.
const MP3_RATES: [u64; 14] = [
    32_000, 40_000, 48_000, 56_000, 64_000, 80_000, 96_000, 112_000, 128_000, 160_000, 192_000,
    224_000, 256_000, 320_000,
];

/// Bits per second of layer III below 32 kHz.
const MP3_LOW_RATES: [u64; 14] = [
    8_000, 16_000, 24_000, 32_000, 40_000, 48_000, 56_000, 64_000, 80_000, 96_000, 112_000,
    128_000, 144_000, 160_000,
];

/// Bits per second of layer III at a sampling frequency.
pub(super) const fn mp3_rates(sample_rate: u32) -> &'static [u64] {
    if sample_rate >= 32_000 {
        &MP3_RATES
    } else {
        &MP3_LOW_RATES
    }
}

/// The settings for a track of `duration_us` within `max_bytes` of packets: the highest mode or
/// bit rate that fits, computed and not searched. `None` where even the lowest does not fit, or no
/// encoder writes the codec.
///
/// Fewer samples per second and fewer channels are chosen where the octets are too few for what
/// the source has: a codec that is starved sounds worse than a narrower band.
///
/// All frames of AMR and of layer III get one size, which containers with a table of sizes need
/// not write down for each.
#[must_use]
pub fn choose(
    source: &TrackInfo,
    target: &AudioTarget,
    duration_us: u64,
    max_bytes: Option<u64>,
) -> Option<AudioSettings> {
    pick(source, target, duration_us, max_bytes, false)
}

/// As [`choose`], for files that are frames and nothing else: those of AMR and of layer III may be
/// of two neighbouring modes or rates, so that they take just what there is.
#[must_use]
pub fn choose_mixed(
    source: &TrackInfo,
    target: &AudioTarget,
    duration_us: u64,
    max_bytes: Option<u64>,
) -> Option<AudioSettings> {
    pick(source, target, duration_us, max_bytes, true)
}

fn pick(
    source: &TrackInfo,
    target: &AudioTarget,
    duration_us: u64,
    max_bytes: Option<u64>,
    mixed: bool,
) -> Option<AudioSettings> {
    let channels = source
        .channels
        .unwrap_or(2)
        .min(target.max_channels)
        .clamp(1, 2);
    let channels = match target.codec {
        Codec::AmrNb | Codec::AmrWb => 1,
        _ => channels,
    };
    let rates = sample_rates(target.codec, source.sample_rate, target.max_sample_rate);
    let last = rates.last().copied()?;
    for rate in rates {
        for channels in (1..=channels).rev() {
            let settings = AudioSettings {
                codec: target.codec,
                sample_rate: rate,
                channels,
                bit_rate: 0,
                max_bytes,
                end_us: None,
            };
            let floor = if channels == 1 && rate == last {
                least(target.codec, rate)
            } else {
                decent(target.codec, rate, channels)
            };
            let most = target.max_bit_rate;
            if let Some(bit_rate) = bit_rate(&settings, most, duration_us, floor, mixed) {
                return Some(AudioSettings {
                    bit_rate,
                    ..settings
                });
            }
        }
    }
    None
}

/// Octets of all packets at most, of a track of `duration_us` coded with these settings, by what
/// the codec's frames allow. Encoders that spend bits unevenly may be a little over where the
/// sound is short; [`transcode`](super::transcode) then lowers the rate.
#[must_use]
pub fn packet_bytes(settings: &AudioSettings, duration_us: u64) -> u64 {
    let frames = frames(settings, duration_us);
    match settings.codec {
        Codec::AmrNb | Codec::AmrWb | Codec::Mp3 => {
            blend::octets(&steps(settings), frames, settings.bit_rate)
        }
        Codec::Pcm => frames
            .saturating_mul(2)
            .saturating_mul(u64::from(settings.channels)),
        Codec::Opus => frames.saturating_mul(settings.bit_rate / 400),
        _ => {
            let samples = frames.saturating_mul(u64::from(frame_samples(settings)));
            let bits = u128::from(samples) * u128::from(settings.bit_rate);
            u64::try_from(bits / u128::from(settings.sample_rate.max(1)) / 8).unwrap_or(u64::MAX)
        }
    }
}

/// Bits per second that sound good, for sound of this rate in this many channels.
pub(super) fn usual(codec: Codec, sample_rate: u32, channels: u16) -> u64 {
    let one: u64 = match (codec, sample_rate) {
        (Codec::AmrNb, _) => 12_200,
        (Codec::AmrWb, _) => 23_850,
        (Codec::Pcm, rate) => u64::from(rate).saturating_mul(16),
        (Codec::Opus, ..=8_000) => 16_000,
        (Codec::Opus, ..=16_000) => 24_000,
        (Codec::Opus, _) => 48_000,
        (Codec::Mp3, ..=16_000) => 32_000,
        (Codec::Mp3, ..=24_000) => 48_000,
        (Codec::Mp3, _) => 64_000,
        (_, ..=8_000) => 16_000,
        (_, ..=12_000) => 20_000,
        (_, ..=16_000) => 28_000,
        (_, ..=24_000) => 40_000,
        (_, ..=32_000) => 48_000,
        _ => 64_000,
    };
    one.saturating_mul(u64::from(channels))
}

/// Bits per second below which less of the band, or one channel, sounds better.
fn decent(codec: Codec, sample_rate: u32, channels: u16) -> u64 {
    match codec {
        Codec::AmrNb | Codec::AmrWb => least(codec, sample_rate),
        Codec::Pcm => usual(codec, sample_rate, channels),
        _ => usual(codec, sample_rate, channels) / 5 * 3,
    }
}

/// Bits per second below which the codec makes no sense of the sound.
fn least(codec: Codec, sample_rate: u32) -> u64 {
    match codec {
        Codec::AmrNb => 4_750,
        Codec::AmrWb => 6_600,
        Codec::Pcm => u64::from(sample_rate).saturating_mul(16),
        Codec::Opus => 6_000,
        Codec::Mp3 => mp3_rates(sample_rate).first().copied().unwrap_or(8_000),
        _ => 6_000,
    }
}

/// Samples per second that the codec has, the best for this source first; at least one.
fn sample_rates(codec: Codec, source: Option<u32>, most: u32) -> Vec<u32> {
    let known: &[u32] = match codec {
        Codec::AmrNb => return vec![8_000],
        Codec::AmrWb => return vec![16_000],
        Codec::Opus => &[48_000, 24_000, 16_000, 12_000, 8_000],
        // Layer III of 12 kHz and less is no standard's, and not every phone plays it.
        Codec::Mp3 => &[48_000, 44_100, 32_000, 24_000, 22_050, 16_000],
        _ => &[
            48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
        ],
    };
    // A source between two rates keeps its band by the higher one.
    let ceiling = source
        .and_then(|source| known.iter().rev().find(|rate| **rate >= source))
        .or(known.first())
        .copied()
        .unwrap_or(48_000);
    let rates: Vec<u32> = known
        .iter()
        .copied()
        .filter(|rate| *rate <= ceiling && *rate <= most)
        .collect();
    if rates.is_empty() {
        known.last().copied().into_iter().collect()
    } else {
        rates
    }
}

/// The bit rate that fits, `None` where it would be below `floor`.
fn bit_rate(
    settings: &AudioSettings,
    most: Option<u64>,
    duration_us: u64,
    floor: u64,
    mixed: bool,
) -> Option<u64> {
    let wanted = most.unwrap_or(u64::MAX).min(usual(
        settings.codec,
        settings.sample_rate,
        settings.channels,
    ));
    let frames = frames(settings, duration_us).max(1);
    let octets = settings.max_bytes.map(|bytes| bytes / frames);
    let rate = match settings.codec {
        Codec::AmrNb | Codec::AmrWb | Codec::Mp3 => {
            blend::highest(&steps(settings), frames, settings.max_bytes, wanted, mixed)?
        }
        Codec::Pcm => {
            let rate = usual(settings.codec, settings.sample_rate, settings.channels);
            let octet = u64::from(settings.channels).saturating_mul(2);
            if rate > wanted || octets.is_some_and(|octets| octets < octet) {
                return None;
            }
            rate
        }
        // Packets of 20 ms, all of one size.
        Codec::Opus => {
            let fitting = octets.map_or(u64::MAX, |octets| octets.saturating_mul(400));
            wanted.min(fitting) / 400 * 400
        }
        Codec::AacLc => {
            let fitting = settings.max_bytes.map_or(u64::MAX, |bytes| {
                let samples = frames.saturating_mul(u64::from(frame_samples(settings)));
                let bits = u128::from(bytes) * 8 * u128::from(settings.sample_rate);
                u64::try_from(bits / u128::from(samples.max(1))).unwrap_or(u64::MAX)
            });
            // The encoder keeps to its mean within some percent.
            wanted.min(fitting / 100 * 97)
        }
        _ => return None,
    };
    (rate >= floor).then_some(rate)
}

/// The modes of AMR or the rates of layer III, with the octets of a frame of each; none of other
/// codecs.
fn steps(settings: &AudioSettings) -> Vec<Step> {
    if let Some(band) = amr::band(settings.codec) {
        let octets = |mode| band.frame_bytes(mode).and_then(|n| u64::try_from(n).ok());
        let modes = (0_u8..).zip(amr::rates(band));
        return modes
            .map(|(mode, rate)| Step {
                rate: *rate,
                octets: octets(mode).unwrap_or(u64::MAX),
            })
            .collect();
    }
    if settings.codec != Codec::Mp3 {
        return Vec::new();
    }
    // Frames are not padded, so the octets are whole, and the rate a little below its name.
    let octets = |rate: u64| {
        let bits = u64::from(frame_samples(settings)).saturating_mul(rate);
        bits / u64::from(settings.sample_rate.max(1)) / 8
    };
    mp3_rates(settings.sample_rate)
        .iter()
        .map(|rate| Step {
            rate: *rate,
            octets: octets(*rate),
        })
        .collect()
}

/// Samples per channel of a packet.
const fn frame_samples(settings: &AudioSettings) -> u32 {
    match settings.codec {
        Codec::Pcm => 1,
        Codec::AacLc => 1_024,
        Codec::Mp3 if settings.sample_rate >= 32_000 => 1_152,
        Codec::Mp3 => 576,
        _ => settings.sample_rate / 50,
    }
}

/// Packets of a track, those of priming and of the last samples' delay included.
fn frames(settings: &AudioSettings, duration_us: u64) -> u64 {
    let samples = u128::from(duration_us) * u128::from(settings.sample_rate);
    let samples = u64::try_from(samples.div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let frame = u64::from(frame_samples(settings).max(1));
    let whole = samples.div_ceil(frame);
    match settings.codec {
        // One more, in which the last samples are completed.
        Codec::AacLc => whole.saturating_add(1),
        Codec::Opus => samples
            .saturating_add(u64::from(settings.sample_rate / 100))
            .div_ceil(frame),
        // One or two more, until the delay of encoder and decoder is over.
        Codec::Mp3 => whole.saturating_add(u64::from(mp3::PRIMING).div_ceil(frame)),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::container::{AmrConfig, TrackCodec};

    fn source(rate: u32, channels: u16) -> TrackInfo {
        let codec = TrackCodec::AmrNb(AmrConfig::any(1));
        TrackInfo::audio(1, codec, rate, rate, channels)
    }

    fn target(codec: Codec) -> AudioTarget {
        AudioTarget {
            codec,
            max_sample_rate: 48_000,
            max_channels: 2,
            max_bit_rate: None,
        }
    }

    #[test]
    fn amr_takes_the_highest_mode_that_fits() {
        let source = source(44_100, 2);
        let narrow = target(Codec::AmrNb);
        // 500 frames of 32, 21 and 13 octets.
        for (bytes, rate) in [
            (None, Some(12_200)),
            (Some(16_000), Some(12_200)),
            (Some(15_999), Some(10_200)),
            (Some(10_500), Some(7_950)),
            (Some(6_500), Some(4_750)),
            (Some(6_499), None),
        ] {
            let chosen = choose(&source, &narrow, 10_000_000, bytes);
            assert_eq!(chosen.as_ref().map(|s| s.bit_rate), rate, "{bytes:?}");
            if let Some(settings) = chosen {
                assert_eq!((settings.sample_rate, settings.channels), (8_000, 1));
                let needed = packet_bytes(&settings, 10_000_000);
                assert!(needed <= bytes.unwrap_or(u64::MAX));
            }
        }
        let capped = AudioTarget {
            max_bit_rate: Some(6_000),
            ..narrow
        };
        let settings = choose(&source, &capped, 1, None).unwrap();
        assert_eq!(settings.bit_rate, 5_900);
    }

    #[test]
    fn a_mixture_takes_what_there_is() {
        for (codec, rate) in [
            (Codec::AmrNb, 8_000),
            (Codec::AmrWb, 16_000),
            (Codec::Mp3, 24_000),
        ] {
            let (source, target) = (source(rate, 1), target(codec));
            let roomy = choose_mixed(&source, &target, 20_000_000, None).unwrap();
            assert_eq!(
                choose(&source, &target, 20_000_000, None),
                Some(roomy.clone())
            );
            for bytes in (30_000..60_000).step_by(777) {
                let chosen = choose_mixed(&source, &target, 20_000_000, Some(bytes)).unwrap();
                let taken = packet_bytes(&chosen, 20_000_000);
                assert!(taken <= bytes, "{codec:?} {bytes}: {taken}");
                let full = chosen.bit_rate == roomy.bit_rate;
                assert!(full || taken + 150 >= bytes, "{codec:?} {bytes}: {taken}");
            }
        }
    }

    #[test]
    fn fewer_octets_mean_fewer_channels_and_less_band() {
        let aac = target(Codec::AacLc);
        let source = source(44_100, 2);
        let chosen = |bytes| choose(&source, &aac, 30_000_000, bytes).unwrap();
        let rich = chosen(None);
        assert_eq!(
            (rich.sample_rate, rich.channels, rich.bit_rate),
            (44_100, 2, 128_000)
        );
        let mut last = rich;
        for bytes in (2..25).rev().map(|n| n * 20_000) {
            let next = chosen(Some(bytes));
            assert!(next.bit_rate <= last.bit_rate && next.channels <= last.channels);
            assert!(packet_bytes(&next, 30_000_000) <= bytes);
            last = next;
        }
        assert_eq!((last.sample_rate, last.channels), (8_000, 1));
        assert_eq!(choose(&source, &aac, 30_000_000, Some(1_000)), None);
    }

    #[test]
    fn a_source_is_never_widened() {
        for codec in [Codec::AacLc, Codec::Opus, Codec::Mp3, Codec::Pcm] {
            let settings = choose(&source(16_000, 1), &target(codec), 1_000_000, None).unwrap();
            assert_eq!((settings.sample_rate, settings.channels), (16_000, 1));
        }
        let odd = choose(&source(10_000, 1), &target(Codec::AacLc), 1_000_000, None).unwrap();
        assert_eq!(odd.sample_rate, 11_025);
        assert_eq!(choose(&odd_source(), &target(Codec::Evrc), 1, None), None);
    }

    fn odd_source() -> TrackInfo {
        source(8_000, 1)
    }
}
