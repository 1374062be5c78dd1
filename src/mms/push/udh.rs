//! User data headers and the segments of a long push (3GPP TS 23.040 section 9.2.3.24).

use bytes::Bytes;

use crate::Limits;
use crate::mms::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::mms::multipart::over;
use crate::mms::wsp::Reader;

/// The port that MMS clients listen on for pushes (`wap-push`).
pub const MMS_PORT: u16 = 2948;
/// The port that pushes come from (`wap-wsp`).
pub const WAP_PORT: u16 = 9200;

const CONCATENATED_8: u8 = 0x00;
const PORTS_8: u8 = 0x04;
const PORTS_16: u8 = 0x05;
const CONCATENATED_16: u8 = 0x08;
/// User data of one short message with 8-bit coding, its header included.
const USER_DATA: usize = 140;

/// What stands in front of the payload of one short message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Udh {
    /// The application ports.
    pub ports: Option<Ports>,
    /// The place of this segment in a longer whole.
    pub concatenation: Option<Concatenation>,
}

/// Application ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Where the payload goes.
    pub destination: u16,
    /// Where it comes from.
    pub source: u16,
}

/// The place of a segment in the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concatenation {
    /// The same for all segments of one whole.
    pub reference: u16,
    /// Whether the reference takes two octets.
    pub wide: bool,
    /// How many segments there are, 1..=255.
    pub total: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

/// One short message's share of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The user data header with its length octet.
    pub udh: Vec<u8>,
    /// What follows it.
    pub payload: Bytes,
}

impl Udh {
    /// Reads the header in front of user data, and what follows it. Elements of other kinds are
    /// passed over; of a repeated element the last one counts.
    ///
    /// # Errors
    /// Where an element reaches past the header, or the header past the end.
    pub fn read(octets: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut reader = Reader::new(octets);
        let len = reader.octet("a user data header")?;
        let mut head = reader.split(usize::from(len), "a user data header")?;
        let mut udh = Self::default();
        while !head.is_empty() {
            let start = head.offset();
            let element = head.octet("an information element")?;
            let len = head.octet("an information element")?;
            let data = head.take(usize::from(len), "an information element")?;
            match (element, data) {
                (PORTS_8, [destination, source]) => {
                    udh.ports = Some(Ports {
                        destination: u16::from(*destination),
                        source: u16::from(*source),
                    });
                }
                (PORTS_16, [high, low, source_high, source_low]) => {
                    udh.ports = Some(Ports {
                        destination: u16::from_be_bytes([*high, *low]),
                        source: u16::from_be_bytes([*source_high, *source_low]),
                    });
                }
                (CONCATENATED_8, [reference, total, number]) => {
                    let reference = u16::from(*reference);
                    udh.place(reference, false, *total, *number, start)?;
                }
                (CONCATENATED_16, [high, low, total, number]) => {
                    let reference = u16::from_be_bytes([*high, *low]);
                    udh.place(reference, true, *total, *number, start)?;
                }
                (PORTS_8 | PORTS_16 | CONCATENATED_8 | CONCATENATED_16, _) => {
                    let kind = DecodeErrorKind::Malformed("an information element");
                    return Err(DecodeError::new(start, kind));
                }
                _ => {}
            }
        }
        Ok((udh, reader.rest()))
    }

    /// Whether the payload is for the port that MMS clients listen on.
    #[must_use]
    pub fn is_mms(&self) -> bool {
        self.ports
            .is_some_and(|ports| ports.destination == MMS_PORT)
    }

    /// The octets of the header with its length in front.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut octets = vec![0];
        if let Some(ports) = self.ports {
            octets.extend_from_slice(&[PORTS_16, 4]);
            octets.extend_from_slice(&ports.destination.to_be_bytes());
            octets.extend_from_slice(&ports.source.to_be_bytes());
        }
        if let Some(place) = self.concatenation {
            let [high, low] = place.reference.to_be_bytes();
            let Concatenation { total, number, .. } = place;
            if place.wide {
                octets.extend_from_slice(&[CONCATENATED_16, 4, high, low, total, number]);
            } else {
                octets.extend_from_slice(&[CONCATENATED_8, 3, low, total, number]);
            }
        }
        let len = u8::try_from(octets.len().saturating_sub(1)).unwrap_or(u8::MAX);
        if let Some(first) = octets.first_mut() {
            *first = len;
        }
        octets
    }

    fn place(
        &mut self,
        reference: u16,
        wide: bool,
        total: u8,
        number: u8,
        at: usize,
    ) -> Result<(), DecodeError> {
        // TS 23.040: an element with a number outside 1..=total is to be ignored; but without it
        // the payload would be taken for a whole.
        if number == 0 || number > total {
            let kind = DecodeErrorKind::Malformed("a segment number");
            return Err(DecodeError::new(at, kind));
        }
        self.concatenation = Some(Concatenation {
            reference,
            wide,
            total,
            number,
        });
        Ok(())
    }
}

/// Cuts a push into the user data of short messages: 133 octets where one is enough, else 128 a
/// segment with an 8-bit reference or 127 with a 16-bit one.
///
/// # Errors
/// [`EncodeError::TooLong`] beyond 255 segments.
pub fn segment(push: &Bytes, reference: u16, wide: bool) -> Result<Vec<Segment>, EncodeError> {
    let ports = Some(Ports {
        destination: MMS_PORT,
        source: WAP_PORT,
    });
    let single = Udh {
        ports,
        concatenation: None,
    };
    let udh = single.to_octets();
    if udh.len().saturating_add(push.len()) <= USER_DATA {
        let payload = push.clone();
        return Ok(vec![Segment { udh, payload }]);
    }
    let place = |total, number| Udh {
        ports,
        concatenation: Some(Concatenation {
            reference,
            wide,
            total,
            number,
        }),
    };
    let room = USER_DATA.saturating_sub(place(1, 1).to_octets().len());
    let total = push.len().div_ceil(room);
    let total = u8::try_from(total).map_err(|_| EncodeError::TooLong("the push"))?;
    Ok((1..=total)
        .map(|number| {
            let start = usize::from(number - 1).saturating_mul(room);
            let end = start.saturating_add(room).min(push.len());
            Segment {
                udh: place(total, number).to_octets(),
                payload: push.slice(start..end),
            }
        })
        .collect())
}

/// Puts segments together again. They may come in any order and more than once; of two with the
/// same number the first counts.
///
/// # Errors
/// [`DecodeErrorKind::MissingSegment`] where one is not there, and where the segments belong to
/// different wholes or are more than `limits` allow.
pub fn reassemble(segments: &[(Udh, Bytes)], limits: &Limits) -> Result<Bytes, DecodeError> {
    let error = |kind| Err(DecodeError::new(0, kind));
    let Some((first, payload)) = segments.first() else {
        return error(DecodeErrorKind::Empty);
    };
    let Some(whole) = first.concatenation else {
        return match segments {
            [_] => Ok(payload.clone()),
            _ => error(DecodeErrorKind::Malformed("a segment without a number")),
        };
    };
    let mut found: Vec<Option<&Bytes>> = vec![None; usize::from(whole.total)];
    for (udh, payload) in segments {
        let same = udh.concatenation.filter(|place| {
            (place.reference, place.wide, place.total) == (whole.reference, whole.wide, whole.total)
        });
        let Some(place) = same else {
            return error(DecodeErrorKind::Malformed("a segment of another push"));
        };
        let index = usize::from(place.number).wrapping_sub(1);
        if let Some(slot) = found.get_mut(index) {
            slot.get_or_insert(payload);
        }
    }
    let mut all = Vec::new();
    for (number, payload) in (1_u8..).zip(found) {
        let Some(payload) = payload else {
            let total = whole.total;
            return error(DecodeErrorKind::MissingSegment { number, total });
        };
        if all.len().saturating_add(payload.len()) > limits.message_bytes {
            return Err(over("octets", limits.message_bytes, all.len()));
        }
        all.extend_from_slice(payload);
    }
    Ok(all.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(len: usize) -> Bytes {
        (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    fn read(segments: &[Segment]) -> Vec<(Udh, Bytes)> {
        segments
            .iter()
            .map(|segment| {
                let user_data = [&segment.udh[..], &segment.payload].concat();
                assert!(user_data.len() <= USER_DATA);
                let (udh, payload) = Udh::read(&user_data).unwrap();
                assert!(udh.is_mms());
                (udh, Bytes::copy_from_slice(payload))
            })
            .collect()
    }

    #[test]
    fn headers_have_the_octets_of_the_specification() {
        let one = segment(&push(133), 1, false).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].udh, b"\x06\x05\x04\x0B\x84\x23\xF0");
        let two = segment(&push(134), 0xABCD, false).unwrap();
        assert_eq!(
            two[1].udh,
            b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\xCD\x02\x02"
        );
        assert_eq!((two[0].payload.len(), two[1].payload.len()), (128, 6));
        let wide = segment(&push(134), 0xABCD, true).unwrap();
        assert_eq!(
            wide[0].udh,
            b"\x0C\x05\x04\x0B\x84\x23\xF0\x08\x04\xAB\xCD\x02\x01"
        );
        assert_eq!(wide[0].payload.len(), 127);
    }

    #[test]
    fn segments_come_together_in_any_order_and_more_than_once() {
        for wide in [false, true] {
            for len in [0, 1, 133, 134, 256, 257, 1000] {
                let whole = push(len);
                let mut segments = read(&segment(&whole, 7, wide).unwrap());
                segments.reverse();
                segments.push(segments[0].clone());
                if len > 133 {
                    assert_eq!(reassemble(&segments, &Limits::default()), Ok(whole));
                }
            }
        }
        let single = read(&segment(&push(9), 7, false).unwrap());
        assert_eq!(reassemble(&single, &Limits::default()), Ok(push(9)));
    }

    #[test]
    fn segments_that_do_not_make_a_whole_are_refused() {
        let limits = Limits::default();
        let mut segments = read(&segment(&push(300), 7, false).unwrap());
        let last = segments.pop().unwrap();
        let missing = DecodeErrorKind::MissingSegment {
            number: 3,
            total: 3,
        };
        assert_eq!(reassemble(&segments, &limits).unwrap_err().kind, missing);
        segments.push(last);
        let mut mixed = segments.clone();
        mixed[1].0.concatenation.as_mut().unwrap().reference = 8;
        assert!(reassemble(&mixed, &limits).is_err());
        assert!(reassemble(&[], &limits).is_err());
        for (bytes, fits) in [(300, true), (299, false)] {
            let limits = Limits {
                message_bytes: bytes,
                ..Limits::default()
            };
            assert_eq!(reassemble(&segments, &limits).is_ok(), fits);
        }
    }

    #[test]
    fn a_push_has_at_most_255_segments() {
        assert_eq!(segment(&push(255 * 128), 1, false).unwrap().len(), 255);
        assert!(segment(&push(255 * 128 + 1), 1, false).is_err());
        assert_eq!(segment(&push(255 * 127), 1, true).unwrap().len(), 255);
        assert!(segment(&push(255 * 127 + 1), 1, true).is_err());
    }

    #[test]
    fn elements_come_in_any_order_and_broken_ones_are_refused() {
        let swapped = b"\x0D\x24\x00\x00\x03\x05\x02\x01\x05\x04\x0B\x84\x00\x00x";
        let (udh, payload) = Udh::read(swapped).unwrap();
        assert!(udh.is_mms());
        assert_eq!((udh.concatenation.unwrap().number, payload), (1, &b"x"[..]));
        for broken in [
            &b"\x06\x05\x04\x0B"[..],
            b"\x03\x05\x04\x0B",
            b"\x05\x05\x03\x0B\x84\x00",
            b"\x05\x00\x03\x01\x02\x00",
            b"\x05\x00\x03\x01\x02\x03",
            b"",
        ] {
            assert!(Udh::read(broken).is_err(), "{broken:X?}");
        }
    }
}
