//! What the first packets of a stream say of its codec.

use bytes::Bytes;

use super::super::track::TrackCodec;

/// Ticks per second of Opus.
pub(super) const OPUS_RATE: u32 = 48_000;

/// The identification header of Opus (RFC 7845 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusHead {
    /// Channels that come out.
    pub channels: u8,
    /// Samples at 48 kHz to throw away at the start.
    pub pre_skip: u16,
    /// Samples per second of what was encoded, for information.
    pub input_rate: u32,
    /// Gain to apply, in 1/256 dB.
    pub gain: i16,
    /// Channel mapping family: 0 for one or two channels.
    pub family: u8,
}

impl OpusHead {
    /// Reads the header packet, or the private data of Matroska, which is the same.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let rest = packet.strip_prefix(b"OpusHead")?;
        let &[version, channels, p, s, a, b, c, d, g, h, family] = rest.first_chunk::<11>()?;
        (version < 16 && channels > 0).then_some(Self {
            channels,
            pre_skip: u16::from_le_bytes([p, s]),
            input_rate: u32::from_le_bytes([a, b, c, d]),
            gain: i16::from_le_bytes([g, h]),
            family,
        })
    }

    /// The header packet, for one or two channels.
    #[must_use]
    pub fn to_packet(self) -> Vec<u8> {
        let mut out = b"OpusHead\x01".to_vec();
        out.push(self.channels);
        out.extend(self.pre_skip.to_le_bytes());
        out.extend(self.input_rate.to_le_bytes());
        out.extend(self.gain.to_le_bytes());
        out.push(0);
        out
    }
}

/// Ticks at 48 kHz of an Opus packet (RFC 6716 section 3.1); 0 for a packet of no meaning.
#[must_use]
pub fn opus_packet_ticks(packet: &[u8]) -> u32 {
    let Some(contents) = packet.first() else {
        return 0;
    };
    let config = contents >> 3;
    let frame = match (config, config & 3) {
        (16.., size) => 120 << size,
        (12..16, size) => 480 << (size & 1),
        (_, 3) => 2880,
        (_, size) => 480 << size,
    };
    let frames = match contents & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |count| u32::from(count & 0x3F)),
    };
    // 120 ms at most.
    let ticks = frames.saturating_mul(frame);
    if ticks <= 5_760 { ticks } else { 0 }
}

/// A stream by its first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) codec: TrackCodec,
    /// Samples per second; also the ticks per second of granules.
    pub(super) rate: u32,
    pub(super) channels: u16,
    /// Packets in front of the first that is sound.
    pub(super) headers: usize,
    /// Ticks of every packet, where they are all alike.
    pub(super) packet_ticks: Option<u32>,
    /// Ticks to throw away at the start.
    pub(super) skip: u64,
}

/// Identifies a stream; a codec that is not known is known by name.
pub(super) fn identify(packet: &Bytes) -> Identity {
    let known = opus(packet)
        .or_else(|| vorbis(packet))
        .or_else(|| flac(packet))
        .or_else(|| speex(packet));
    known.unwrap_or_else(|| {
        let name: String = packet
            .iter()
            .filter(|octet| octet.is_ascii_alphanumeric())
            .take(8)
            .map(|octet| char::from(*octet))
            .collect();
        Identity {
            codec: TrackCodec::Other(name),
            rate: 1_000,
            channels: 0,
            headers: 1,
            packet_ticks: None,
            skip: 0,
        }
    })
}

fn opus(packet: &Bytes) -> Option<Identity> {
    let head = OpusHead::parse(packet)?;
    Some(Identity {
        codec: TrackCodec::Opus(packet.clone()),
        rate: OPUS_RATE,
        channels: u16::from(head.channels),
        headers: 2,
        packet_ticks: None,
        skip: u64::from(head.pre_skip),
    })
}

/// Vorbis I section 4.2.2.
fn vorbis(packet: &Bytes) -> Option<Identity> {
    let rest = packet.strip_prefix(b"\x01vorbis\0\0\0\0".as_slice())?;
    let &[channels, a, b, c, d] = rest.first_chunk::<5>()?;
    Some(Identity {
        codec: TrackCodec::Vorbis(Bytes::new()),
        rate: u32::from_le_bytes([a, b, c, d]).max(1),
        channels: u16::from(channels),
        headers: 3,
        packet_ticks: None,
        skip: 0,
    })
}

/// The FLAC to Ogg mapping: a magic, a version, the number of header packets, then the native
/// marker and STREAMINFO.
fn flac(packet: &Bytes) -> Option<Identity> {
    let rest = packet.strip_prefix(b"\x7FFLAC\x01".as_slice())?;
    let &[_, high, low] = rest.first_chunk::<3>()?;
    let blocks = rest.get(3..)?.strip_prefix(b"fLaC")?;
    // Behind the block header of 4 octets and 10 of sizes: 20 bits of rate, 3 of channels.
    let &[a, b, c] = blocks.get(14..)?.first_chunk::<3>()?;
    let fields = u32::from_be_bytes([0, a, b, c]);
    Some(Identity {
        codec: TrackCodec::Flac(packet.slice_ref(blocks)),
        rate: (fields >> 4).max(1),
        channels: u16::from((c >> 1) & 7).saturating_add(1),
        headers: usize::from(u16::from_be_bytes([high, low])).saturating_add(1),
        packet_ticks: None,
        skip: 0,
    })
}

/// The Speex header packet.
fn speex(packet: &Bytes) -> Option<Identity> {
    let rest = packet.strip_prefix(b"Speex   ".as_slice())?;
    // Behind 20 octets of version, fields of 32 bits.
    let field = |n: usize| {
        let at = n.checked_mul(4)?.checked_add(20)?;
        let octets = rest.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*octets))
    };
    let rate = field(2)?;
    let (channels, frame, per_packet) = (field(5)?, field(7)?, field(9)?);
    Some(Identity {
        codec: TrackCodec::Speex(packet.clone()),
        rate: rate.max(1),
        channels: u16::try_from(channels).ok()?,
        headers: usize::try_from(field(11)?.min(64)).ok()?.saturating_add(2),
        packet_ticks: frame.checked_mul(per_packet),
        skip: 0,
    })
}

/// Three header packets in one, as Matroska keeps them: how many more, the lengths of all but the
/// last in steps of 255, the packets.
pub(super) fn lace_vorbis(headers: &[Bytes]) -> Option<Bytes> {
    let (last, others) = headers.split_last()?;
    let mut out = vec![u8::try_from(others.len()).ok()?];
    for header in others {
        out.resize(out.len().checked_add(header.len() / 255)?, 255);
        out.push(u8::try_from(header.len() % 255).ok()?);
    }
    for header in others {
        out.extend_from_slice(header);
    }
    out.extend_from_slice(last);
    Some(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_packets_tell_their_length() {
        assert_eq!(opus_packet_ticks(&[0x00]), 480);
        assert_eq!(opus_packet_ticks(&[0x18]), 2_880);
        assert_eq!(opus_packet_ticks(&[0x68, 0]), 960);
        assert_eq!(opus_packet_ticks(&[0xF8]), 960);
        assert_eq!(opus_packet_ticks(&[0xFB, 6]), 5_760);
        assert_eq!(opus_packet_ticks(&[0xFB, 7]), 0);
        assert_eq!(opus_packet_ticks(&[]), 0);
    }

    #[test]
    fn the_opus_header_survives() {
        let head = OpusHead {
            channels: 2,
            pre_skip: 312,
            input_rate: 16_000,
            gain: -256,
            family: 0,
        };
        assert_eq!(OpusHead::parse(&head.to_packet()), Some(head));
        assert_eq!(OpusHead::parse(b"OpusHead\x01"), None);
    }

    #[test]
    fn vorbis_headers_are_laced() {
        let headers = [
            Bytes::from(vec![1; 30]),
            Bytes::from(vec![2; 255]),
            Bytes::from(vec![3; 5]),
        ];
        let laced = lace_vorbis(&headers).unwrap();
        assert_eq!(laced[..4], [2, 30, 255, 0]);
        assert_eq!(laced.len(), 4 + 30 + 255 + 5);
    }
}
