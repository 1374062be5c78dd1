//! EBML elements (RFC 8794).

use super::super::error::ContainerError;
use super::super::reader::{Reader, index};
use crate::limits::Limits;

/// Identifiers of the elements that are read (RFC 9559 section 5), length marker included.
pub(super) mod id {
    pub(in super::super) const EBML: u32 = 0x1A45_DFA3;
    pub(in super::super) const DOC_TYPE: u32 = 0x4282;
    pub(in super::super) const SEGMENT: u32 = 0x1853_8067;
    pub(in super::super) const INFO: u32 = 0x1549_A966;
    pub(in super::super) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(in super::super) const TRACKS: u32 = 0x1654_AE6B;
    pub(in super::super) const TRACK_ENTRY: u32 = 0xAE;
    pub(in super::super) const TRACK_NUMBER: u32 = 0xD7;
    pub(in super::super) const TRACK_TYPE: u32 = 0x83;
    pub(in super::super) const CODEC_ID: u32 = 0x86;
    pub(in super::super) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(in super::super) const CODEC_DELAY: u32 = 0x56AA;
    pub(in super::super) const DEFAULT_DURATION: u32 = 0x23_E383;
    pub(in super::super) const LANGUAGE: u32 = 0x22_B59C;
    pub(in super::super) const VIDEO: u32 = 0xE0;
    pub(in super::super) const PIXEL_WIDTH: u32 = 0xB0;
    pub(in super::super) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(in super::super) const AUDIO: u32 = 0xE1;
    pub(in super::super) const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub(in super::super) const OUTPUT_SAMPLING_FREQUENCY: u32 = 0x78B5;
    pub(in super::super) const CHANNELS: u32 = 0x9F;
    pub(in super::super) const BIT_DEPTH: u32 = 0x6264;
    pub(in super::super) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(in super::super) const CLUSTER: u32 = 0x1F43_B675;
    pub(in super::super) const TIMESTAMP: u32 = 0xE7;
    pub(in super::super) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(in super::super) const BLOCK_GROUP: u32 = 0xA0;
    pub(in super::super) const BLOCK: u32 = 0xA1;
    pub(in super::super) const BLOCK_DURATION: u32 = 0x9B;
    pub(in super::super) const REFERENCE_BLOCK: u32 = 0xFB;
}

/// An element: its identifier and as much of its body as is there.
#[derive(Debug, Clone)]
pub(super) struct Element<'a> {
    pub(super) id: u32,
    /// Octet of the input at which its header starts.
    pub(super) start: usize,
    pub(super) body: Reader<'a>,
    /// Whether it claims more octets than are there.
    pub(super) cut: bool,
}

impl Element<'_> {
    /// The body as an unsigned integer; what is longer than eight octets loses its head.
    pub(super) fn unsigned(&self) -> u64 {
        let octets = self.body.rest().iter();
        octets.fold(0, |value, octet| (value << 8) | u64::from(*octet))
    }

    /// The body as a floating-point number; 0 where it is none.
    pub(super) fn float(&self) -> f64 {
        let mut body = self.body.clone();
        match body.left() {
            4 => body
                .be32()
                .map_or(0.0, |bits| f64::from(f32::from_bits(bits))),
            8 => body.be64().map_or(0.0, f64::from_bits),
            _ => 0.0,
        }
    }

    /// The body as text, without the zeros that may fill it up.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8_lossy(self.body.rest());
        text.trim_end_matches('\0').chars().take(64).collect()
    }
}

/// The elements from a reader on. The walk ends at a header that is cut.
#[derive(Debug)]
pub(super) struct Elements<'a> {
    reader: Reader<'a>,
    left: usize,
    limit: usize,
    cut: Option<usize>,
}

impl<'a> Elements<'a> {
    pub(super) const fn new(reader: Reader<'a>, limits: &Limits) -> Self {
        Self {
            reader,
            left: limits.container_boxes,
            limit: limits.container_boxes,
            cut: None,
        }
    }

    /// The octet of the last element that claimed more than there is.
    pub(super) const fn cut(&self) -> Option<usize> {
        self.cut
    }

    /// Goes on with what is inside `element`, and then with what follows it.
    pub(super) fn enter(&mut self, element: &Element<'a>) {
        let whole = element.body.whole();
        self.reader = Reader::window(whole, element.body.offset(), whole.len());
    }

    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, ContainerError> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        self.left = self.left.checked_sub(1).ok_or(ContainerError::Limit {
            what: "container_boxes",
            limit: self.limit,
        })?;
        let start = self.reader.offset();
        let Some((id, length)) = header(&mut self.reader) else {
            self.cut = Some(start);
            return Ok(None);
        };
        let length = index(length.unwrap_or(u64::MAX));
        let cut = length > self.reader.left();
        if cut && !matches!(id, id::SEGMENT | id::CLUSTER) {
            self.cut = Some(start);
        }
        let body = self.reader.split_up_to(length);
        Ok(Some(Element {
            id,
            start,
            body,
            cut,
        }))
    }
}

/// An identifier and a size; a size of all ones is not known.
fn header(reader: &mut Reader<'_>) -> Option<(u32, Option<u64>)> {
    let (value, octets) = raw(reader, 4)?;
    let id = u32::try_from(value).ok()?;
    debug_assert!(octets <= 4, "raw() gives no more than asked for");
    Some((id, size(reader)?))
}

/// A variable-length integer without its marker; `None` inside for all ones.
pub(super) fn size(reader: &mut Reader<'_>) -> Option<Option<u64>> {
    let (value, octets) = raw(reader, 8)?;
    let bits = octets.checked_mul(7)?;
    let mask = 1_u64.checked_shl(bits)?.checked_sub(1)?;
    let value = value & mask;
    Some((value != mask).then_some(value))
}

/// A variable-length integer with its marker, and its length in octets.
pub(super) fn raw(reader: &mut Reader<'_>, most: u32) -> Option<(u64, u32)> {
    let first = reader.u8().ok()?;
    let octets = first.leading_zeros().checked_add(1)?;
    if octets > most {
        return None;
    }
    let mut value = u64::from(first);
    for _ in 1..octets {
        value = (value << 8) | u64::from(reader.u8().ok()?);
    }
    Some((value, octets))
}
