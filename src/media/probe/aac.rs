//! AAC: the configuration of a stream, and ADTS (ISO/IEC 14496-3 sections 1.6.2 and 1.A.2).

use super::bytes::{Bits, Broken, Reader, Steps, bit_rate, milliseconds, wide};
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind};

/// What an `AudioSpecificConfig` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AudioConfig {
    object_type: u32,
    sbr: bool,
    ps: bool,
    /// Samples per second that come out, spectral band replication included.
    pub(super) sample_rate: Option<u32>,
    /// Channels that come out, parametric stereo included.
    pub(super) channels: Option<u16>,
}

impl AudioConfig {
    /// Reads a configuration, both explicit ways of announcing SBR and PS included.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(data);
        let mut object_type = object_type(&mut bits)?;
        let mut sample_rate = sampling_rate(&mut bits)?;
        let channel_code = bits.msb(4)?;
        let (mut sbr, mut ps) = (false, false);
        if matches!(object_type, 5 | 29) {
            sbr = true;
            ps = object_type == 29;
            sample_rate = sampling_rate(&mut bits)?;
            object_type = self::object_type(&mut bits)?;
        } else if matches!(object_type, 1..=4)
            && channel_code != 0
            && let Some((extended, has_ps)) = trailing_extension(&mut bits)
        {
            sbr = true;
            ps = has_ps;
            sample_rate = extended.or(sample_rate);
        }
        let channels = match channel_code {
            0 => None,
            1 if ps => Some(2),
            7 => Some(8),
            other => u16::try_from(other).ok(),
        };
        Some(Self {
            object_type,
            sbr,
            ps,
            sample_rate,
            channels,
        })
    }

    /// The codec this makes.
    pub(super) const fn codec(self) -> Codec {
        match (self.object_type, self.sbr, self.ps) {
            (2, _, true) => Codec::HeAacV2,
            (2, true, false) => Codec::HeAac,
            (2, false, false) => Codec::AacLc,
            (32 | 33, ..) => Codec::Mp2,
            (34, ..) => Codec::Mp3,
            _ => Codec::Aac,
        }
    }
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.msb(5)? {
        31 => bits.msb(6)?.checked_add(32),
        other => Some(other),
    }
}

/// A sampling frequency, by index or in full; `Some(None)` for a reserved index.
fn sampling_rate(bits: &mut Bits<'_>) -> Option<Option<u32>> {
    match bits.msb(4)? {
        15 => bits.msb(24).map(Some),
        index => Some(rate_of(index)),
    }
}

fn rate_of(index: u32) -> Option<u32> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    RATES.get(usize::try_from(index).ok()?).copied()
}

/// The backward compatible extension behind a configuration: the rate with SBR, and whether PS
/// is used. `None` where there is no SBR.
fn trailing_extension(bits: &mut Bits<'_>) -> Option<(Option<u32>, bool)> {
    bits.msb(1)?;
    if bits.msb(1)? == 1 {
        bits.msb(14)?;
    }
    bits.msb(1)?;
    if bits.msb(11)? != 0x2B7 || object_type(bits)? != 5 || bits.msb(1)? != 1 {
        return None;
    }
    let rate = sampling_rate(bits)?;
    let ps = bits.msb(11) == Some(0x548) && bits.msb(1) == Some(1);
    Some((rate, ps))
}

/// One frame header of an ADTS stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Adts {
    codec: Codec,
    sample_rate: u32,
    channels: u16,
    length: usize,
    blocks: u64,
}

impl Adts {
    fn read(data: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(data.get(..7)?);
        if bits.msb(12)? != 0xFFF {
            return None;
        }
        bits.msb(1)?;
        if bits.msb(2)? != 0 {
            return None;
        }
        let bare = bits.msb(1)? == 1;
        let codec = match bits.msb(2)? {
            1 => Codec::AacLc,
            _ => Codec::Aac,
        };
        let sample_rate = rate_of(bits.msb(4)?)?;
        bits.msb(1)?;
        let channels = match bits.msb(3)? {
            7 => 8,
            other => u16::try_from(other).ok()?,
        };
        bits.msb(4)?;
        let length = usize::try_from(bits.msb(13)?).ok()?;
        bits.msb(11)?;
        let blocks = u64::from(bits.msb(2)?).saturating_add(1);
        let head = if bare { 7 } else { 9 };
        (length > head).then_some(Self {
            codec,
            sample_rate,
            channels,
            length,
            blocks,
        })
    }
}

/// Whether an ADTS stream starts here: two frames in a row, or one that ends with the data.
pub(super) fn sniff(data: &[u8]) -> bool {
    Adts::read(data).is_some_and(|first| match data.get(first.length..) {
        Some([]) => true,
        Some(rest) => {
            Adts::read(rest).is_some_and(|second| second.sample_rate == first.sample_rate)
        }
        None => false,
    })
}

/// Walks the frames. Where steps run out, the rest is taken to be like what was walked.
pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let first = Adts::read(data).ok_or(Broken::new(0, "no ADTS frame header"))?;
    let mut reader = Reader::new(data);
    let mut blocks = 0_u64;
    while let Some(frame) = Adts::read(reader.rest()) {
        if !steps.take() {
            break;
        }
        reader.take_up_to(frame.length);
        blocks = blocks.saturating_add(frame.blocks);
    }
    let walked = wide(reader.offset());
    if Adts::read(reader.rest()).is_some() {
        let whole = u128::from(blocks).saturating_mul(u128::from(wide(data.len())));
        blocks = whole
            .checked_div(walked.into())
            .and_then(|blocks| u64::try_from(blocks).ok())
            .unwrap_or(blocks);
    }
    let mut info = MediaInfo::new(Format::Adts, MediaKind::Audio);
    info.codec = Some(first.codec);
    info.duration_ms = milliseconds(blocks.saturating_mul(1024), first.sample_rate.into());
    info.tracks = Some(1);
    info.audio = Some(AudioTrack {
        codec: first.codec,
        sample_rate: Some(first.sample_rate),
        channels: (first.channels > 0).then_some(first.channels),
        bit_rate: info
            .duration_ms
            .and_then(|duration| bit_rate(wide(data.len()), duration)),
    });
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::*;

    #[test]
    fn configurations_tell_the_family() {
        let lc = AudioConfig::read(&[0x12, 0x10]).unwrap();
        assert_eq!(lc.codec(), Codec::AacLc);
        assert_eq!((lc.sample_rate, lc.channels), (Some(44_100), Some(2)));
        // Object type 5, core 22.05 kHz, extension 44.1 kHz, then type 2.
        let explicit = AudioConfig::read(&[0x2B, 0x92, 0x08, 0x00]).unwrap();
        assert_eq!(explicit.codec(), Codec::HeAac);
        assert_eq!(explicit.sample_rate, Some(44_100));
        // Object type 29, mono core: stereo comes out.
        let ps = AudioConfig::read(&[0xEB, 0x8A, 0x08, 0x00]).unwrap();
        assert_eq!((ps.codec(), ps.channels), (Codec::HeAacV2, Some(2)));
        // Low complexity with the extension behind it.
        let trailing = AudioConfig::read(&[0x13, 0x90, 0x56, 0xE5, 0xA0]).unwrap();
        assert_eq!(trailing.codec(), Codec::HeAac);
        assert_eq!(trailing.sample_rate, Some(44_100));
        assert_eq!(AudioConfig::read(&[0x12]), None);
    }

    /// A frame of 16 octets: low complexity, 16 kHz, mono.
    fn frame() -> Vec<u8> {
        let mut frame = vec![0xFF, 0xF1, 0x60, 0x40, 0x02, 0x1F, 0xFC];
        frame.resize(16, 0);
        frame
    }

    #[test]
    fn frames_are_counted() {
        let info = known(&frame().repeat(125));
        assert_eq!(
            (info.format, info.codec),
            (Format::Adts, Some(Codec::AacLc))
        );
        assert_eq!(info.duration_ms, Some(8_000));
        let audio = info.audio.unwrap();
        assert_eq!(
            (audio.sample_rate, audio.channels, audio.bit_rate),
            (Some(16_000), Some(1), Some(2_000))
        );
    }

    #[test]
    fn past_the_steps_the_rest_is_estimated() {
        let limits = crate::Limits {
            probe_steps: 10,
            ..crate::Limits::default()
        };
        let info = super::super::probe(&frame().repeat(125), &limits).unwrap();
        assert_eq!(info.duration_ms, Some(8_000));
    }
}
