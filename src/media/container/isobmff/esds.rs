//! The elementary stream descriptor (ISO/IEC 14496-1 section 7.2.6).

use bytes::Bytes;

use super::super::error::ContainerError;
use super::super::reader::Reader;

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC_INFO: u8 = 5;
const SL_CONFIG: u8 = 6;

/// Object type indications (the MP4 registration authority's list).
pub(super) mod object_type {
    pub(in super::super) const MPEG4_VISUAL: u8 = 0x20;
    pub(in super::super) const AAC: u8 = 0x40;
    pub(in super::super) const MP3_LOW_RATE: u8 = 0x69;
    pub(in super::super) const MP3: u8 = 0x6B;
    pub(in super::super) const EVRC: u8 = 0xA0;
    pub(in super::super) const SMV: u8 = 0xA1;
    pub(in super::super) const QCELP: u8 = 0xE1;
}

/// What an `esds` box says of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamDescriptor {
    pub(super) object_type: u8,
    pub(super) config: Bytes,
}

impl StreamDescriptor {
    /// Reads the body of an `esds` box after its version and flags.
    pub(super) fn read(mut reader: Reader<'_>) -> Result<Self, ContainerError> {
        let mut stream = expect(&mut reader, ES_DESCRIPTOR)?;
        stream.skip(2)?;
        let flags = stream.u8()?;
        if flags & 0x80 != 0 {
            stream.skip(2)?;
        }
        if flags & 0x40 != 0 {
            let length = usize::from(stream.u8()?);
            stream.skip(length)?;
        }
        if flags & 0x20 != 0 {
            stream.skip(2)?;
        }
        let mut decoder = expect(&mut stream, DECODER_CONFIG)?;
        let object_type = decoder.u8()?;
        decoder.skip(12)?;
        let config = if decoder.is_empty() {
            Bytes::new()
        } else {
            expect(&mut decoder, DECODER_SPECIFIC_INFO)?.rest_bytes()
        };
        Ok(Self {
            object_type,
            config,
        })
    }
}

/// The body of the descriptor that `reader` stands at.
fn expect<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<Reader<'a>, ContainerError> {
    if reader.u8()? != tag {
        return Err(reader.malformed("another descriptor in esds"));
    }
    let mut length = 0_usize;
    for _ in 0..4 {
        let octet = reader.u8()?;
        length = (length << 7) | usize::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            break;
        }
    }
    Ok(reader.split_up_to(length))
}

/// The rates that a written descriptor states.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StreamRates {
    pub(super) buffer: u32,
    pub(super) maximum: u32,
    pub(super) average: u32,
}

/// The body of an `esds` box after its version and flags. `None` where the configuration is longer
/// than a descriptor can be.
pub(super) fn write(
    object_type: u8,
    video: bool,
    config: &[u8],
    rates: StreamRates,
) -> Option<Vec<u8>> {
    let specific = match config {
        [] => Vec::new(),
        _ => descriptor(DECODER_SPECIFIC_INFO, config)?,
    };
    // Stream type, no up-stream, and a reserved bit that is set.
    let stream_type = if video { 0x11 } else { 0x15 };
    let mut decoder = vec![object_type, stream_type];
    decoder.extend(rates.buffer.to_be_bytes().get(1..)?);
    decoder.extend(rates.maximum.to_be_bytes());
    decoder.extend(rates.average.to_be_bytes());
    decoder.extend(specific);
    let mut stream = vec![0, 0, 0];
    stream.extend(descriptor(DECODER_CONFIG, &decoder)?);
    stream.extend(descriptor(SL_CONFIG, &[2])?);
    descriptor(ES_DESCRIPTOR, &stream)
}

fn descriptor(tag: u8, body: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len()).ok().filter(|n| *n < 1 << 28)?;
    let mut out = vec![tag];
    let groups = (0..4_u32).rev().map(|group| length >> (7 * group));
    for (group, value) in (0..4_u32).rev().zip(groups) {
        let seven = u8::try_from(value & 0x7F).unwrap_or(0);
        match group {
            0 => out.push(seven),
            _ if value > 0 => out.push(seven | 0x80),
            _ => {}
        }
    }
    out.extend_from_slice(body);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_of_all_lengths_survive() {
        for length in [0, 2, 100, 127, 128, 20_000] {
            let config = vec![7; length];
            let written = write(0x40, false, &config, StreamRates::default()).unwrap();
            let whole = Bytes::from(written);
            let read = StreamDescriptor::read(Reader::new(&whole)).unwrap();
            assert_eq!(read.object_type, 0x40);
            assert_eq!(read.config, config);
        }
    }

    #[test]
    fn optional_fields_and_long_lengths_are_skipped() {
        let whole = Bytes::from_static(&[
            3, 0x80, 0x80, 0x80, 29, 0, 1, 0xE0, 0, 5, 2, b'h', b'i', 0, 9, 4, 17, 0x40, 0x15, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0x12, 0x10,
        ]);
        let read = StreamDescriptor::read(Reader::new(&whole)).unwrap();
        assert_eq!(read.config.as_ref(), [0x12, 0x10]);
        let cut = whole.slice(..10);
        assert!(StreamDescriptor::read(Reader::new(&cut)).is_err());
    }
}
