//! Between what a container says of a track of sound and what a codec is opened with.

use bytes::Bytes;

use crate::media::codec::AudioFormat;
use crate::media::container::{
    AdpcmConfig, AmrConfig, PcmEncoding, PcmFormat, TrackCodec, TrackInfo, TrackKind,
};
use crate::media::error::MediaError;
use crate::media::info::Codec;

use super::aac;

/// What a decoder is opened with for this track.
///
/// Two codecs have no configuration of their own to hand on. Samples that are not compressed get
/// three octets: encoding, bits, octet order, as [`pcm`] reads them. ADPCM gets its format tag,
/// octets and samples of a block, each of 16 bits with the low octet first, then what the
/// format chunk had behind them.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where the track is not sound, or its codec has no name.
pub(crate) fn of(info: &TrackInfo) -> Result<AudioFormat, MediaError> {
    let codec = info.codec.codec();
    if info.kind != TrackKind::Audio || codec == Codec::Unknown {
        return Err(MediaError::unsupported(name(&info.codec)));
    }
    let config = match &info.codec {
        TrackCodec::Pcm(format) => write_pcm(*format),
        TrackCodec::Adpcm(config) => write_adpcm(config),
        codec => codec.config(),
    };
    Ok(AudioFormat {
        codec,
        sample_rate: info.sample_rate.unwrap_or(info.timescale),
        channels: info.channels.unwrap_or(1).max(1),
        config,
    })
}

/// A codec by the name a report should have.
pub(super) fn name(codec: &TrackCodec) -> String {
    match codec {
        TrackCodec::Other(name) => format!("sound in {name}"),
        TrackCodec::Speex(_) => "sound in Speex".to_owned(),
        codec => format!("sound in {:?}", codec.codec()),
    }
}

/// The codec of a track that was encoded in these modes of AMR, or with the configuration of its
/// encoder.
pub(super) fn coded(codec: Codec, config: &Bytes, mode_set: u16) -> Option<TrackCodec> {
    let amr = AmrConfig {
        mode_set,
        ..AmrConfig::any(1)
    };
    Some(match codec {
        Codec::AmrNb => TrackCodec::AmrNb(amr),
        Codec::AmrWb => TrackCodec::AmrWb(amr),
        Codec::AacLc => TrackCodec::Aac(aac::config(config)?),
        Codec::Mp3 => TrackCodec::Mp3,
        Codec::Opus => TrackCodec::Opus(config.clone()),
        Codec::Pcm | Codec::Alaw | Codec::Ulaw => TrackCodec::Pcm(pcm(config)?),
        _ => return None,
    })
}

const ENCODINGS: [PcmEncoding; 5] = [
    PcmEncoding::Signed,
    PcmEncoding::Unsigned,
    PcmEncoding::Float,
    PcmEncoding::Alaw,
    PcmEncoding::Ulaw,
];

/// Samples of 16 bits as RIFF has them.
pub(super) const PCM16: PcmFormat = PcmFormat {
    encoding: PcmEncoding::Signed,
    bits: 16,
    big_endian: false,
};

/// The configuration of samples that are not compressed.
pub(super) fn write_pcm(format: PcmFormat) -> Bytes {
    let encoding = ENCODINGS
        .iter()
        .position(|known| *known == format.encoding)
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(0);
    Bytes::from(vec![encoding, format.bits, u8::from(format.big_endian)])
}

/// Reads what [`of`] says of samples that are not compressed.
pub(super) fn pcm(config: &[u8]) -> Option<PcmFormat> {
    let &[encoding, bits, order] = config.first_chunk::<3>()?;
    Some(PcmFormat {
        encoding: *ENCODINGS.get(usize::from(encoding))?,
        bits,
        big_endian: order == 1,
    })
}

fn write_adpcm(config: &AdpcmConfig) -> Bytes {
    let mut out = Vec::with_capacity(config.extra.len().saturating_add(6));
    for field in [config.tag, config.block_align, config.samples_per_block] {
        out.extend(field.to_le_bytes());
    }
    out.extend_from_slice(&config.extra);
    Bytes::from(out)
}

/// Reads what [`of`] says of ADPCM.
pub(super) fn adpcm(config: &Bytes) -> Option<AdpcmConfig> {
    let &[a, b, c, d, e, f] = config.first_chunk::<6>()?;
    Some(AdpcmConfig {
        tag: u16::from_le_bytes([a, b]),
        block_align: u16::from_le_bytes([c, d]),
        samples_per_block: u16::from_le_bytes([e, f]),
        extra: config.slice(6..),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_survive() {
        for encoding in ENCODINGS {
            let format = PcmFormat {
                encoding,
                bits: 24,
                big_endian: true,
            };
            assert_eq!(pcm(&write_pcm(format)), Some(format));
        }
        let config = AdpcmConfig {
            tag: 2,
            block_align: 256,
            samples_per_block: 500,
            extra: Bytes::from_static(&[1, 2, 3]),
        };
        assert_eq!(adpcm(&write_adpcm(&config)), Some(config));
        assert_eq!(adpcm(&Bytes::from_static(&[1, 2])), None);
    }

    #[test]
    fn what_has_no_decoder_is_named() {
        let info = TrackInfo::new(1, TrackCodec::Other("wave 0x0161".into()), 8_000);
        let error = of(&info).unwrap_err();
        assert_eq!(error.to_string(), "unsupported: sound in wave 0x0161");
    }
}
