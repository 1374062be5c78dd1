//! Plugins that read and write sound, as any codec.

use std::collections::VecDeque;
use std::slice;

use bytes::Bytes;
use remold_plugin_abi::v0_1_0::exports::remold::codec::{audio_decode, audio_encode};
use remold_plugin_abi::v0_1_0::remold::codec::types;
use wasmtime::component::ResourceAny;

use super::about::{Capability, Value};
use super::job::Job;
use super::load::Plugin;
use super::registry_name;
use crate::limits::Limits;
use crate::media::codec::{
    AudioDecoder, AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage,
};
use crate::media::picture::Packet;
use crate::media::{Cancel, Codec, Format, MediaError, PcmBlock};

/// Samples per second that sound can have.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=192_000;
/// Channels that sound can have.
const CHANNELS: std::ops::RangeInclusive<u8> = 1..=8;

/// A plugin that reads sound.
pub(super) struct Reader {
    plugin: Plugin,
    name: String,
    codec: Codec,
    capability: Capability,
}

impl Reader {
    pub(super) fn new(plugin: Plugin, capability: Capability, codec: Codec) -> Self {
        Self {
            name: registry_name(plugin.name()),
            plugin,
            codec,
            capability,
        }
    }

    fn read(
        &self,
        track: &AudioFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Reading, MediaError> {
        let code = self.plugin.code();
        let mut job = self.plugin.start(cancel)?;
        let indices = code
            .audio_decode
            .as_ref()
            .ok_or_else(|| job.blame("reads no sound"))?;
        let guest = job.call(|store, instance| indices.load(store, instance))?;
        let options = self.plugin.options(&self.capability, &[]);
        let bounds = job.guest_limits(limits);
        let track = audio_decode::Track {
            codec_id: self.codec.name().to_owned(),
            format: guest_format(track.sample_rate, track.channels)?,
            config: track.config.to_vec(),
        };
        let decoder = job
            .call(|store, _| guest.decoder().call_open(store, &track, bounds, &options))?
            .map_err(|error| job.said(error, Format::Unknown, limits))?;
        Ok(Reading {
            plugin: self.plugin.clone(),
            limits: limits.clone(),
            guest,
            decoder,
            job,
            ready: VecDeque::new(),
        })
    }
}

impl AudioDecoder for Reader {
    fn name(&self) -> &str {
        &self.name
    }

    fn codecs(&self) -> &[Codec] {
        slice::from_ref(&self.codec)
    }

    fn available(&self) -> bool {
        self.plugin.available()
    }

    fn open(
        &self,
        track: &AudioFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        let read = self.read(track, limits, cancel);
        Ok(Box::new(self.plugin.judged(read)?))
    }
}

/// A track that a plugin is reading.
struct Reading {
    plugin: Plugin,
    limits: Limits,
    guest: audio_decode::Guest,
    decoder: ResourceAny,
    job: Job,
    ready: VecDeque<PcmBlock>,
}

impl Reading {
    fn take(&mut self, packet: &Packet) -> Result<(), MediaError> {
        let (guest, decoder) = (&self.guest, self.decoder);
        let given = guest_packet(packet);
        let samples = self
            .job
            .call(|store, _| guest.decoder().call_push(store, decoder, &given))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(samples, packet.timestamp_us)
    }

    fn end(&mut self) -> Result<(), MediaError> {
        let (guest, decoder) = (&self.guest, self.decoder);
        let samples = self
            .job
            .call(|store, _| guest.decoder().call_finish(store, decoder))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(samples, 0)
    }

    /// Holds samples against what a block has to be.
    fn give(&mut self, samples: Vec<i16>, timestamp_us: u64) -> Result<(), MediaError> {
        if samples.is_empty() {
            return Ok(());
        }
        self.job.took(samples.len().saturating_mul(2))?;
        let (guest, decoder) = (&self.guest, self.decoder);
        let format = self
            .job
            .call(|store, _| guest.decoder().call_format(store, decoder))?
            .filter(|format| RATES.contains(&format.rate) && CHANNELS.contains(&format.channels))
            .ok_or_else(|| self.job.blame("gave samples of no rate or channels"))?;
        if !samples.len().is_multiple_of(usize::from(format.channels)) {
            return Err(self.job.blame("gave half a sample"));
        }
        self.ready.push_back(PcmBlock {
            sample_rate: format.rate,
            channels: u16::from(format.channels),
            samples,
            timestamp_us,
        });
        Ok(())
    }
}

impl Stage<Packet, PcmBlock> for Reading {
    fn push(&mut self, input: Packet) -> Result<(), MediaError> {
        let taken = self.take(&input);
        self.plugin.judged(taken)
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        let ended = self.end();
        self.plugin.judged(ended)?;
        self.plugin.succeeded();
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<PcmBlock>, MediaError> {
        Ok(self.ready.pop_front())
    }
}

/// A plugin that writes sound.
pub(super) struct Writer {
    plugin: Plugin,
    name: String,
    codec: Codec,
    capability: Capability,
}

impl Writer {
    pub(super) fn new(plugin: Plugin, capability: Capability, codec: Codec) -> Self {
        Self {
            name: registry_name(plugin.name()),
            plugin,
            codec,
            capability,
        }
    }

    fn write(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Writing, MediaError> {
        let limits = Limits::default();
        let code = self.plugin.code();
        let mut job = self.plugin.start(cancel)?;
        let indices = code
            .audio_encode
            .as_ref()
            .ok_or_else(|| job.blame("writes no sound"))?;
        let guest = job.call(|store, instance| indices.load(store, instance))?;
        let format = guest_format(track.sample_rate, track.channels)?;
        let options = self.plugin.options(&self.capability, &asked(target));
        let bounds = job.guest_limits(&limits);
        let name = self.codec.name();
        let encoder = job
            .call(|store, _| {
                guest
                    .encoder()
                    .call_open(store, name, format, bounds, &options)
            })?
            .map_err(|error| job.said(error, Format::Unknown, &limits))?;
        let coded = job.call(|store, _| guest.encoder().call_coded(store, encoder))?;
        job.took(coded.config.len())?;
        if coded.packet_samples == 0 {
            return Err(job.blame("makes packets of no sample"));
        }
        Ok(Writing {
            plugin: self.plugin.clone(),
            coded: CodedFormat {
                config: coded.config.into(),
                priming: coded.priming,
                packet_samples: coded.packet_samples,
            },
            limits,
            guest,
            encoder,
            job,
            ready: VecDeque::new(),
        })
    }
}

impl AudioEncoder for Writer {
    fn name(&self) -> &str {
        &self.name
    }

    fn codec(&self) -> Codec {
        self.codec
    }

    fn available(&self) -> bool {
        self.plugin.available()
    }

    fn describe(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
    ) -> Result<CodedFormat, MediaError> {
        let written = self.write(track, target, &Cancel::new());
        Ok(self.plugin.judged(written)?.coded)
    }

    fn open(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError> {
        let written = self.write(track, target, cancel);
        Ok(Box::new(self.plugin.judged(written)?))
    }
}

/// A track that a plugin is writing.
struct Writing {
    plugin: Plugin,
    coded: CodedFormat,
    limits: Limits,
    guest: audio_encode::Guest,
    encoder: ResourceAny,
    job: Job,
    ready: VecDeque<Packet>,
}

impl Writing {
    fn take(&mut self, samples: &[i16]) -> Result<(), MediaError> {
        let (guest, encoder) = (&self.guest, self.encoder);
        let packets = self
            .job
            .call(|store, _| guest.encoder().call_push(store, encoder, samples))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(packets)
    }

    fn end(&mut self) -> Result<(), MediaError> {
        let (guest, encoder) = (&self.guest, self.encoder);
        let packets = self
            .job
            .call(|store, _| guest.encoder().call_finish(store, encoder))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(packets)
    }

    fn give(&mut self, packets: Vec<types::Packet>) -> Result<(), MediaError> {
        for packet in packets {
            self.job.took(packet.data.len())?;
            self.ready.push_back(Packet {
                data: Bytes::from(packet.data),
                timestamp_us: u64::try_from(packet.pts_us).unwrap_or(0),
                key: packet.keyframe,
                shown: true,
            });
        }
        Ok(())
    }
}

impl Stage<PcmBlock, Packet> for Writing {
    fn push(&mut self, input: PcmBlock) -> Result<(), MediaError> {
        let taken = self.take(&input.samples);
        self.plugin.judged(taken)
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        let ended = self.end();
        self.plugin.judged(ended)?;
        self.plugin.succeeded();
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        Ok(self.ready.pop_front())
    }
}

fn guest_format(rate: u32, channels: u16) -> Result<types::AudioFormat, MediaError> {
    let channels = u8::try_from(channels)
        .map_err(|_| MediaError::unsupported(format!("{channels} channels of sound")))?;
    Ok(types::AudioFormat { rate, channels })
}

pub(super) fn guest_packet(packet: &Packet) -> types::Packet {
    types::Packet {
        data: packet.data.to_vec(),
        pts_us: i64::try_from(packet.timestamp_us).unwrap_or(i64::MAX),
        keyframe: packet.key,
    }
}

pub(super) fn asked(target: &RateTarget) -> Vec<(&'static str, Value)> {
    let number = |value: u64| Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
    [
        ("bit-rate", target.bit_rate),
        ("max-bytes", target.max_bytes),
        ("duration-us", target.duration_us),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, number(value?))))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_is_asked_in_the_words_of_the_contract() {
        let target = RateTarget {
            bit_rate: Some(12_200),
            max_bytes: None,
            duration_us: Some(u64::MAX),
        };
        let asked = asked(&target);
        assert_eq!(
            asked,
            [
                ("bit-rate", Value::Int(12_200)),
                ("duration-us", Value::Int(i64::MAX))
            ]
        );
        assert!(guest_format(8_000, 256).is_err());
    }
}
