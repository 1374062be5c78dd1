//! AMR and AMR-WB files (RFC 4867 section 5).

use super::bytes::{Broken, Reader, Steps, bit_rate, wide};
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind};

const NARROW: &[u8] = b"#!AMR\n";
const WIDE: &[u8] = b"#!AMR-WB\n";
const NARROW_CHANNELS: &[u8] = b"#!AMR_MC1.0\n";
const WIDE_CHANNELS: &[u8] = b"#!AMR-WB_MC1.0\n";

/// Octets of a frame by its type, the first octet included (RFC 4867 section 5.3).
const NARROW_FRAMES: [usize; 16] = [13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1];
const WIDE_FRAMES: [usize; 16] = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1];

pub(super) fn sniff(data: &[u8]) -> bool {
    [NARROW, WIDE, NARROW_CHANNELS, WIDE_CHANNELS]
        .iter()
        .any(|magic| data.starts_with(magic))
}

/// Walks the frames, 20 ms each. Where steps run out, the rest is taken to be like what was
/// walked. A frame of a reserved type or one that is cut ends the walk.
pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut reader = Reader::new(data);
    let wide_band = data.starts_with(b"#!AMR-WB");
    let several = data.starts_with(NARROW_CHANNELS) || data.starts_with(WIDE_CHANNELS);
    reader.skip(match (wide_band, several) {
        (false, false) => NARROW.len(),
        (true, false) => WIDE.len(),
        (false, true) => NARROW_CHANNELS.len(),
        (true, true) => WIDE_CHANNELS.len(),
    })?;
    let channels = if several {
        u16::try_from(reader.be32()? & 15).unwrap_or(1).max(1)
    } else {
        1
    };
    let (format, codec, sizes, sample_rate) = if wide_band {
        (Format::AmrWb, Codec::AmrWb, WIDE_FRAMES, 16_000)
    } else {
        (Format::Amr, Codec::AmrNb, NARROW_FRAMES, 8_000)
    };
    let start = reader.offset();
    let mut frames = 0_u64;
    let mut estimated = false;
    while let Some(first) = reader.rest().first() {
        let size = sizes
            .get(usize::from(first >> 3 & 15))
            .copied()
            .unwrap_or(0);
        if size == 0 {
            break;
        }
        if !steps.take() {
            estimated = true;
            break;
        }
        if reader.skip(size).is_err() {
            break;
        }
        frames = frames.saturating_add(1);
    }
    let walked = wide(reader.offset().saturating_sub(start));
    let mut octets = walked;
    if estimated {
        octets = wide(data.len().saturating_sub(start));
        frames = u128::from(frames)
            .saturating_mul(octets.into())
            .checked_div(walked.into())
            .and_then(|frames| u64::try_from(frames).ok())
            .unwrap_or(frames);
    }
    let duration = (frames / u64::from(channels)).saturating_mul(20);
    let mut info = MediaInfo::new(format, MediaKind::Audio);
    info.codec = Some(codec);
    info.duration_ms = Some(duration);
    info.tracks = Some(1);
    info.audio = Some(AudioTrack {
        codec,
        sample_rate: Some(sample_rate),
        channels: Some(channels),
        bit_rate: bit_rate(octets, duration),
    });
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::*;

    fn frames(kind: u8, size: usize, count: usize) -> Vec<u8> {
        let mut frame = vec![0; size];
        frame[0] = kind << 3 | 4;
        frame.repeat(count)
    }

    #[test]
    fn narrow_band_with_silence() {
        let data = [
            NARROW,
            &frames(7, 32, 40),
            &frames(8, 6, 5),
            &frames(15, 1, 5),
        ]
        .concat();
        let info = known(&data);
        assert_eq!((info.format, info.duration_ms), (Format::Amr, Some(1_000)));
        let only = known(&[NARROW, &frames(7, 32, 50)].concat());
        assert_eq!(only.audio.unwrap().bit_rate, Some(12_800));
    }

    #[test]
    fn wide_band_and_its_sizes() {
        let info = known(&[WIDE, &frames(8, 61, 50)].concat());
        assert_eq!(
            (info.format, info.codec),
            (Format::AmrWb, Some(Codec::AmrWb))
        );
        assert_eq!(info.duration_ms, Some(1_000));
        assert_eq!(info.audio.unwrap().sample_rate, Some(16_000));
    }

    #[test]
    fn reserved_types_and_cut_frames_end_the_walk() {
        let whole = [NARROW, &frames(0, 13, 3), &frames(12, 9, 3)].concat();
        assert_eq!(known(&whole).duration_ms, Some(60));
        let cut = [NARROW, &frames(0, 13, 3)].concat();
        assert_eq!(known(&cut[..cut.len() - 1]).duration_ms, Some(40));
        assert_eq!(known(NARROW).duration_ms, Some(0));
    }

    #[test]
    fn several_channels_share_the_time() {
        let data = [NARROW_CHANNELS, &[0, 0, 0, 2], &frames(7, 32, 100)].concat();
        let info = known(&data);
        assert_eq!(info.duration_ms, Some(1_000));
        assert_eq!(info.audio.unwrap().channels, Some(2));
    }

    #[test]
    fn past_the_steps_the_rest_is_estimated() {
        let limits = crate::Limits {
            probe_steps: 10,
            ..crate::Limits::default()
        };
        let data = [NARROW, &frames(7, 32, 500)].concat();
        let info = super::super::probe(&data, &limits).unwrap();
        assert_eq!(info.duration_ms, Some(10_000));
    }
}
