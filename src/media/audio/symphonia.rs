//! MP3, Vorbis, FLAC and ALAC, by the decoders of the crate of this name.

use ::symphonia::core::codecs::audio::well_known::{
    CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_VORBIS,
};
use ::symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder as Inner, AudioDecoderOptions,
};
use ::symphonia::core::packet::PacketRef;
use ::symphonia::core::units::{Duration, Timestamp};
use bytes::Bytes;

use super::stage::{DecodePacket, Decoding, malformed, to_i16};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{AudioDecoder, AudioFormat, Stage};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Reads the four codecs.
pub(super) struct Decoder;

impl AudioDecoder for Decoder {
    fn name(&self) -> &str {
        "symphonia-decoder"
    }

    fn codecs(&self) -> &[Codec] {
        &[
            Codec::Mp3,
            Codec::Mp2,
            Codec::Vorbis,
            Codec::Flac,
            Codec::Alac,
        ]
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        // Its Vorbis of more channels is not what other decoders hear.
        if track.codec == Codec::Vorbis && track.channels > 2 {
            return Err(MediaError::unsupported(format!(
                "Vorbis of {} channels",
                track.channels
            )));
        }
        let mut parameters = AudioCodecParameters::new();
        let extra = match track.codec {
            Codec::Flac => {
                stream_info(&track.config).ok_or_else(|| malformed(Codec::Flac, "no STREAMINFO"))?
            }
            _ => track.config.clone(),
        };
        parameters
            .for_codec(match track.codec {
                Codec::Mp3 => CODEC_ID_MP3,
                Codec::Mp2 => CODEC_ID_MP2,
                Codec::Vorbis => CODEC_ID_VORBIS,
                Codec::Flac => CODEC_ID_FLAC,
                _ => CODEC_ID_ALAC,
            })
            .with_sample_rate(track.sample_rate);
        if !extra.is_empty() {
            parameters.with_extra_data(Box::from(extra.as_ref()));
        }
        // Vorbis' first packet is no sound, only what the second overlaps with.
        let options = AudioDecoderOptions::default().gapless(true);
        let decoder = ::symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &options)
            .map_err(|error| malformed(track.codec, error.to_string()))?;
        Ok(Box::new(Decoding::new(Packets {
            decoder,
            codec: track.codec,
            scratch: Vec::new(),
        })))
    }
}

/// The octets of STREAMINFO, which is the first metadata block, without the block's header.
fn stream_info(config: &Bytes) -> Option<Bytes> {
    let is_first = config.first()? & 0x7F == 0;
    (is_first && config.len() >= 38).then(|| config.slice(4..38))
}

struct Packets {
    decoder: Box<dyn Inner>,
    codec: Codec,
    scratch: Vec<f32>,
}

impl DecodePacket for Packets {
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError> {
        let data = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, &packet.data);
        let sound = self
            .decoder
            .decode_ref(&data)
            .map_err(|error| malformed(self.codec, error.to_string()))?;
        let spec = sound.spec();
        let (sample_rate, channels) = (spec.rate(), spec.channels().count());
        sound.copy_to_vec_interleaved(&mut self.scratch);
        Ok(PcmBlock {
            sample_rate,
            channels: u16::try_from(channels).unwrap_or(0),
            samples: self.scratch.iter().copied().map(to_i16).collect(),
            timestamp_us: packet.timestamp_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_lie_are_refused() {
        for codec in [Codec::Vorbis, Codec::Flac, Codec::Alac] {
            for config in [vec![], vec![0; 3], vec![0xFF; 60], vec![2; 300]] {
                let track = AudioFormat {
                    codec,
                    sample_rate: 44_100,
                    channels: 2,
                    config: config.into(),
                };
                let opened = Decoder.open(&track, &Limits::default(), &Cancel::new());
                assert!(opened.is_err(), "{codec:?}");
            }
        }
    }
}
