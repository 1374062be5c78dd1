//! `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1): read whole, written for AAC-LC.

use bytes::Bytes;

use super::bits::{BitSink, Bits};

/// Sampling frequencies by index (ISO/IEC 14496-3 table 1.18).
pub(super) const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

const AAC_LC: u8 = 2;
const SBR: u8 = 5;
const PS: u8 = 29;

/// What an AAC decoder must know beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    /// Audio object type of the core: 1 Main, 2 LC, 3 SSR, 4 LTP and so on.
    pub object_type: u8,
    /// Samples per second of the core.
    pub core_rate: u32,
    /// Samples per second that come out: twice the core's where SBR says so.
    pub sample_rate: u32,
    /// Channels that come out; 2 where parametric stereo makes them from one. 0 where neither the
    /// configuration nor a program config element tells.
    pub channels: u8,
    /// Whether spectral band replication is signalled. A stream may have it without saying so:
    /// a core of 24 kHz or less is suspect.
    pub sbr: bool,
    /// Whether parametric stereo is signalled.
    pub ps: bool,
    /// Samples of one frame of the core: 1024 or 960.
    pub frame_length: u16,
    /// The configuration as it was, or as it will be, written.
    pub specific: Bytes,
}

impl AacConfig {
    /// AAC-LC in frames of 1024 samples. `channels` is 1..=7 channel configurations as they are
    /// numbered: 1 mono, 2 stereo, 6 for 5.1.
    #[must_use]
    pub fn low_complexity(sample_rate: u32, channels: u8) -> Self {
        let mut sink = BitSink::default();
        sink.put(u32::from(AAC_LC), 5);
        match RATES.iter().position(|rate| *rate == sample_rate) {
            Some(index) => sink.put(u32::try_from(index).unwrap_or(15), 4),
            None => {
                sink.put(15, 4);
                sink.put(sample_rate, 24);
            }
        }
        sink.put(u32::from(channels), 4);
        sink.put(0, 3);
        Self {
            object_type: AAC_LC,
            core_rate: sample_rate,
            sample_rate,
            channels,
            sbr: false,
            ps: false,
            frame_length: 1024,
            specific: Bytes::from(sink.finish()),
        }
    }

    /// Reads a configuration; `None` where it is cut short or of no AAC object type.
    #[must_use]
    pub fn parse(specific: &Bytes) -> Option<Self> {
        let mut bits = Bits::new(specific);
        let mut object_type = read_object_type(&mut bits)?;
        let core_rate = read_rate(&mut bits)?;
        let configuration = bits.take(4)?;
        let (mut sbr, mut ps) = (false, false);
        let mut sample_rate = core_rate;
        if object_type == SBR || object_type == PS {
            sbr = true;
            ps = object_type == PS;
            sample_rate = read_rate(&mut bits)?;
            object_type = read_object_type(&mut bits)?;
        }
        if !matches!(object_type, 1..=4 | 6 | 17 | 19 | 20 | 23) {
            return None;
        }
        let (frame_length, counted) = read_general(&mut bits, object_type, configuration)?;
        if !sbr && let Some((rate, stereo)) = read_sync_extension(&mut bits) {
            sbr = true;
            sample_rate = rate;
            ps = stereo;
        }
        let coded = match configuration {
            0 => counted,
            7 => 8,
            11 => 7,
            12 | 14 => 8,
            n => u8::try_from(n).unwrap_or(0),
        };
        Some(Self {
            object_type,
            core_rate,
            sample_rate,
            channels: if ps && coded == 1 { 2 } else { coded },
            sbr,
            ps,
            frame_length,
            specific: specific.clone(),
        })
    }
}

fn read_object_type(bits: &mut Bits<'_>) -> Option<u8> {
    let short = bits.take(5)?;
    let whole = if short == 31 {
        bits.take(6)?.saturating_add(32)
    } else {
        short
    };
    u8::try_from(whole).ok()
}

fn read_rate(bits: &mut Bits<'_>) -> Option<u32> {
    let rate = match bits.take(4)? {
        15 => bits.take(24)?,
        index => *RATES.get(usize::try_from(index).ok()?)?,
    };
    (rate > 0).then_some(rate)
}

/// `GASpecificConfig` (section 4.4.1): the frame length and the channels of a program config
/// element.
fn read_general(bits: &mut Bits<'_>, object_type: u8, configuration: u32) -> Option<(u16, u8)> {
    let short_frames = bits.flag()?;
    if bits.flag()? {
        bits.take(14)?;
    }
    let extension = bits.flag()?;
    let channels = if configuration == 0 {
        read_program(bits)?
    } else {
        0
    };
    if object_type == 6 || object_type == 20 {
        bits.take(3)?;
    }
    if extension {
        if matches!(object_type, 17 | 19 | 20 | 23) {
            bits.take(3)?;
        }
        bits.take(1)?;
    }
    let length = match (object_type, short_frames) {
        (23, true) => 480,
        (23, false) => 512,
        (_, true) => 960,
        (_, false) => 1024,
    };
    Some((length, channels))
}

/// `program_config_element` (section 4.4.1.1): how many channels its elements make.
fn read_program(bits: &mut Bits<'_>) -> Option<u8> {
    bits.take(4 + 2 + 4)?;
    let front = bits.take(4)?;
    let side = bits.take(4)?;
    let back = bits.take(4)?;
    let low = bits.take(2)?;
    let data = bits.take(3)?;
    let coupling = bits.take(4)?;
    if bits.flag()? {
        bits.take(4)?;
    }
    if bits.flag()? {
        bits.take(4)?;
    }
    if bits.flag()? {
        bits.take(3)?;
    }
    let mut channels = low;
    for _ in 0..front.saturating_add(side).saturating_add(back) {
        channels = channels.saturating_add(if bits.flag()? { 2 } else { 1 });
        bits.take(4)?;
    }
    for _ in 0..low.saturating_add(data) {
        bits.take(4)?;
    }
    for _ in 0..coupling {
        bits.take(5)?;
    }
    bits.align();
    let comment = bits.take(8)?;
    for _ in 0..comment {
        bits.take(8)?;
    }
    u8::try_from(channels).ok()
}

/// The extension that decoders without SBR do not see (section 1.6.6.1): the rate that comes out
/// and whether there is parametric stereo.
fn read_sync_extension(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    if bits.take(11)? != 0x2B7 || bits.take(5)? != u32::from(SBR) || !bits.flag()? {
        return None;
    }
    let rate = read_rate(bits)?;
    let stereo = bits.take(11) == Some(0x548) && bits.flag() == Some(true);
    Some((rate, stereo))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(octets: &[u8]) -> Option<AacConfig> {
        AacConfig::parse(&Bytes::copy_from_slice(octets))
    }

    #[test]
    fn what_is_written_is_read() {
        for (rate, channels) in [(8_000, 1), (16_000, 2), (44_100, 2), (12_345, 6)] {
            let config = AacConfig::low_complexity(rate, channels);
            assert_eq!(AacConfig::parse(&config.specific), Some(config));
        }
        assert_eq!(
            AacConfig::low_complexity(44_100, 2).specific.as_ref(),
            [0x12, 0x10]
        );
    }

    #[test]
    fn sbr_and_ps_are_found_in_both_ways_of_signalling() {
        let hierarchical = parse(&[0xEB, 0x8A, 0x08, 0x00]).unwrap();
        assert!(hierarchical.sbr && hierarchical.ps);
        assert_eq!(
            (hierarchical.core_rate, hierarchical.sample_rate),
            (22_050, 44_100)
        );
        assert_eq!((hierarchical.object_type, hierarchical.channels), (2, 2));
        let compatible = parse(&[0x13, 0x88, 0x56, 0xE5, 0xA5, 0x48, 0x80]).unwrap();
        assert!(compatible.sbr && compatible.ps);
        assert_eq!(
            (
                compatible.core_rate,
                compatible.sample_rate,
                compatible.channels
            ),
            (22_050, 44_100, 2)
        );
        assert!(!parse(&[0x12, 0x10]).unwrap().sbr);
    }

    #[test]
    fn channels_are_counted_in_a_program_config_element() {
        let mut sink = BitSink::default();
        for (value, n) in [
            (2, 5),
            (4, 4),
            (0, 4),
            (0, 3),
            (0, 10),
            (2, 4),
            (0, 4),
            (1, 4),
            (1, 2),
            (0, 3),
            (0, 4),
            (0, 3),
            (0, 1),
            (0, 4),
            (1, 1),
            (1, 4),
            (1, 1),
            (2, 4),
            (0, 4),
        ] {
            sink.put(value, n);
        }
        let mut octets = sink.finish();
        octets.push(0);
        assert_eq!(parse(&octets).unwrap().channels, 6);
    }

    #[test]
    fn what_is_no_aac_or_cut_is_refused() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[0x12]), None);
        assert_eq!(parse(&[0xF8, 0x40, 0, 0]), None, "layer III in MPEG-4");
        assert_eq!(parse(&[0x16, 0x90]), None, "reserved rate");
    }
}
