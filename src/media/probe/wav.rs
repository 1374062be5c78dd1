//! RIFF sound: WAVE, and QCP (RFC 3625).

use super::bytes::{Broken, Reader, Steps, bit_rate, milliseconds, wide};
use super::riff::{Chunk, Chunks};
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind};

/// The codec of a WAVE format code (`WAVE_FORMAT_…`).
pub(super) const fn codec_of(code: u16) -> Codec {
    match code {
        1 | 3 => Codec::Pcm,
        2 | 0x11 => Codec::Adpcm,
        6 => Codec::Alaw,
        7 => Codec::Ulaw,
        0x31 => Codec::Gsm,
        0x50 => Codec::Mp2,
        0x55 => Codec::Mp3,
        0x57 => Codec::AmrNb,
        0x58 => Codec::AmrWb,
        0xFF | 0x1600 | 0x1602 => Codec::AacLc,
        0x160..=0x163 => Codec::Wma,
        0x2000 => Codec::Ac3,
        0xA109 => Codec::Speex,
        0xF1AC => Codec::Flac,
        _ => Codec::Unknown,
    }
}

/// A `WAVEFORMATEX` structure, as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaveFormat {
    pub(super) track: AudioTrackParts,
    octets_per_second: u32,
    bits: u16,
}

/// The parts of an [`AudioTrack`] that a `WAVEFORMATEX` tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct AudioTrackParts {
    codec: Codec,
    channels: u16,
    sample_rate: u32,
}

impl WaveFormat {
    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, Broken> {
        let mut code = reader.le16()?;
        let channels = reader.le16()?;
        let sample_rate = reader.le32()?;
        let octets_per_second = reader.le32()?;
        reader.skip(2)?;
        let bits = reader.le16().unwrap_or(0);
        if code == 0xFFFE && reader.skip(8).is_ok() {
            code = reader.le16()?;
        }
        Ok(Self {
            track: AudioTrackParts {
                codec: codec_of(code),
                channels,
                sample_rate,
            },
            octets_per_second,
            bits,
        })
    }

    /// The track this describes.
    pub(super) fn track(self) -> AudioTrack {
        let AudioTrackParts {
            codec,
            channels,
            sample_rate,
        } = self.track;
        AudioTrack {
            codec,
            sample_rate: (sample_rate > 0).then_some(sample_rate),
            channels: (channels > 0).then_some(channels),
            bit_rate: (self.octets_per_second > 0)
                .then(|| u64::from(self.octets_per_second).saturating_mul(8)),
        }
    }
}

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Wav, MediaKind::Audio);
    let mut reader = Reader::new(data);
    reader.skip(12)?;
    let mut format = None;
    let mut samples = None;
    let mut octets = None;
    for chunk in Chunks::riff(reader.clone(), steps) {
        match &chunk.kind {
            b"fmt " if format.is_none() => format = Some(WaveFormat::read(chunk.reader())?),
            b"fact" => samples = chunk.reader().le32().ok().filter(|samples| *samples > 0),
            b"data" => {
                octets = octets.or(Some(wide(chunk.body.len())));
            }
            b"LIST" | b"id3 " | b"bext" => info.metadata = true,
            _ => {}
        }
    }
    let format = format.ok_or(reader.broken("there is no fmt chunk"))?;
    let octets = octets.ok_or(reader.broken("there is no data chunk"))?;
    let track = format.track();
    let by_rate = milliseconds(octets, format.octets_per_second.into());
    let by_count =
        samples.and_then(|samples| milliseconds(samples.into(), format.track.sample_rate.into()));
    // For PCM the octets decide: a `fact` chunk of PCM is optional and often stale.
    info.duration_ms = if track.codec == Codec::Pcm {
        by_rate.or(by_count)
    } else {
        by_count.or(by_rate)
    };
    info.codec = Some(track.codec);
    info.bit_depth = u8::try_from(format.bits).ok().filter(|bits| *bits > 0);
    info.tracks = Some(1);
    info.audio = Some(track);
    Ok(info)
}

pub(super) fn read_qcp(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Qcp, MediaKind::Audio);
    let mut reader = Reader::new(data);
    reader.skip(12)?;
    let mut header = None;
    let mut packets = None;
    let mut octets = 0;
    for chunk in Chunks::riff(reader.clone(), steps) {
        match &chunk.kind {
            b"fmt " => header = Some(qcp_header(chunk)?),
            b"vrat" => {
                let mut rate = chunk.reader();
                packets = rate.skip(4).and_then(|()| rate.le32()).ok();
            }
            b"data" => octets = wide(chunk.body.len()),
            b"text" | b"labl" => info.metadata = true,
            _ => {}
        }
    }
    let (codec, mean, sample_rate) = header.ok_or(reader.broken("there is no fmt chunk"))?;
    let duration = match packets.filter(|packets| *packets > 0) {
        Some(packets) => Some(u64::from(packets).saturating_mul(20)),
        None => milliseconds(octets.saturating_mul(8), mean.into()),
    };
    info.codec = Some(codec);
    info.duration_ms = duration;
    info.tracks = Some(1);
    info.audio = Some(AudioTrack {
        codec,
        sample_rate: (sample_rate > 0).then_some(sample_rate.into()),
        channels: Some(1),
        bit_rate: duration
            .and_then(|duration| bit_rate(octets, duration))
            .or((mean > 0).then_some(mean.into())),
    });
    Ok(info)
}

/// Codec, mean bits per second and sampling rate of a QCP `fmt` chunk.
fn qcp_header(chunk: Chunk<'_>) -> Result<(Codec, u16, u16), Broken> {
    let mut reader = chunk.reader();
    reader.skip(2)?;
    // The first four octets of the codec's identifier tell them apart.
    let codec = match reader.array::<16>()? {
        [0x41 | 0x42, 0x6D, 0x7F, 0x5E, ..] => Codec::Qcelp,
        [0x8D, 0xD4, 0x89, 0xE6, ..] => Codec::Evrc,
        [0x75, 0x2B, 0x7C, 0x8D, ..] => Codec::Smv,
        _ => Codec::Unknown,
    };
    reader.skip(82)?;
    let mean = reader.le16()?;
    reader.skip(4)?;
    Ok((codec, mean, reader.le16()?))
}

#[cfg(test)]
mod tests {
    use super::super::riff::tests::{chunk, riff};
    use super::super::tests::{broken, known};
    use super::*;

    fn format(code: u16, channels: u16, rate: u32, octets: u32, bits: u16) -> Vec<u8> {
        let mut body = code.to_le_bytes().to_vec();
        body.extend(channels.to_le_bytes());
        body.extend(rate.to_le_bytes());
        body.extend(octets.to_le_bytes());
        body.extend([1, 0]);
        body.extend(bits.to_le_bytes());
        chunk(b"fmt ", &body)
    }

    #[test]
    fn pcm_lasts_as_long_as_its_octets() {
        let data = riff(
            b"WAVE",
            &[
                format(1, 2, 8_000, 32_000, 16),
                chunk(b"data", &[0; 16_000]),
            ],
        );
        let info = known(&data);
        assert_eq!((info.duration_ms, info.bit_depth), (Some(500), Some(16)));
        assert_eq!(
            info.audio,
            Some(AudioTrack {
                codec: Codec::Pcm,
                sample_rate: Some(8_000),
                channels: Some(2),
                bit_rate: Some(256_000),
            })
        );
    }

    #[test]
    fn codes_name_codecs_and_the_fact_chunk_counts() {
        for (code, codec) in [
            (6, Codec::Alaw),
            (7, Codec::Ulaw),
            (0x11, Codec::Adpcm),
            (0x31, Codec::Gsm),
            (0x55, Codec::Mp3),
            (0x9999, Codec::Unknown),
        ] {
            let data = riff(
                b"WAVE",
                &[
                    format(code, 1, 8_000, 4_055, 4),
                    chunk(b"fact", &4_000_u32.to_le_bytes()),
                    chunk(b"data", &[0; 9]),
                ],
            );
            let info = known(&data);
            assert_eq!((info.codec, info.duration_ms), (Some(codec), Some(500)));
        }
    }

    #[test]
    fn streamed_lengths_are_clipped_to_the_file() {
        let mut data = riff(b"WAVE", &[format(1, 1, 8_000, 8_000, 8)]);
        data.extend(b"data\xFF\xFF\xFF\xFF");
        data.extend([0; 800]);
        assert_eq!(known(&data).duration_ms, Some(100));
    }

    #[test]
    fn qcp_names_its_codec() {
        let mut body = vec![1, 0, 0x41, 0x6D, 0x7F, 0x5E];
        body.resize(100, 0);
        body.extend(13_000_u16.to_le_bytes());
        body.extend([35, 0, 160, 0]);
        body.extend(8_000_u16.to_le_bytes());
        body.resize(150, 0);
        let vrat = [1_u32.to_le_bytes(), 100_u32.to_le_bytes()].concat();
        let data = riff(
            b"QLCM",
            &[
                chunk(b"fmt ", &body),
                chunk(b"vrat", &vrat),
                chunk(b"data", &[0; 3_500]),
            ],
        );
        let info = known(&data);
        assert_eq!(
            (info.codec, info.duration_ms),
            (Some(Codec::Qcelp), Some(2_000))
        );
        let audio = info.audio.unwrap();
        assert_eq!(
            (audio.sample_rate, audio.bit_rate),
            (Some(8_000), Some(14_000))
        );
    }

    #[test]
    fn missing_chunks_are_named() {
        assert_eq!(broken(&riff(b"WAVE", &[])).what, "there is no fmt chunk");
        assert_eq!(broken(&riff(b"QLCM", &[])).what, "there is no fmt chunk");
    }
}
