//! Packets that no other picture refers to, and that need not be decoded where they are not shown.

use super::bits::nal_units;
use crate::media::container::TrackCodec;

/// Tells by the headers of a packet whether pictures after it need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media::video) enum Disposable {
    /// NAL units of H.264 with lengths of so many octets.
    H264(u8),
    /// NAL units of HEVC with lengths of so many octets.
    Hevc(u8),
    /// MPEG-4 Visual.
    Mpeg4,
    /// A codec of which it is not told without decoding.
    Never,
}

impl Disposable {
    /// For the packets of a track.
    pub(in crate::media::video) fn of(codec: &TrackCodec) -> Self {
        match codec {
            TrackCodec::H264(config) => Self::H264(config.nal_length),
            TrackCodec::Hevc(config) => Self::Hevc(config.nal_length),
            TrackCodec::Mpeg4Visual(_) => Self::Mpeg4,
            _ => Self::Never,
        }
    }

    /// Whether no other picture refers to this one.
    pub(in crate::media::video) fn is(self, packet: &[u8]) -> bool {
        match self {
            Self::H264(length) => all_slices(packet, length, |unit| match unit {
                // nal_ref_idc of slices (ITU-T H.264 clause 7.4.1); parameter sets must not be lost.
                [header, ..] => match header & 0x1F {
                    1 => Some(header & 0x60 == 0),
                    2..=5 | 7 | 8 | 13..=15 | 19..=21 => Some(false),
                    _ => None,
                },
                [] => None,
            }),
            Self::Hevc(length) => all_slices(packet, length, |unit| match unit {
                // Pictures that no other of their sub-layer refers to, where there is only one
                // (ITU-T H.265 table 7-1).
                [first, second, ..] => match (first >> 1) & 0x3F {
                    0 | 6 | 8 => Some(second & 7 == 1),
                    1..=34 => Some(false),
                    _ => None,
                },
                _ => None,
            }),
            Self::Mpeg4 => {
                let vop = packet.strip_prefix(&[0, 0, 1, 0xB6]);
                // vop_coding_type of a B-VOP (ISO/IEC 14496-2 table 6-20), and no second one behind.
                vop.and_then(<[u8]>::first)
                    .is_some_and(|octet| octet >> 6 == 2)
                    && !packet
                        .get(4..)
                        .is_some_and(|rest| rest.windows(4).any(|four| four == [0, 0, 1, 0xB6]))
            }
            Self::Never => false,
        }
    }
}

/// Whether there is a slice and all are disposable; `judge` says nothing of other units.
fn all_slices(packet: &[u8], length: u8, judge: impl Fn(&[u8]) -> Option<bool>) -> bool {
    let mut some = false;
    for unit in nal_units(packet, length) {
        match judge(unit) {
            Some(true) => some = true,
            Some(false) => return false,
            None => {}
        }
    }
    some
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_nobody_refers_to_are_disposable() {
        let h264 = Disposable::H264(2);
        assert!(h264.is(&[0, 1, 0x06, 0, 2, 0x01, 9]));
        assert!(!h264.is(&[0, 2, 0x01, 9, 0, 2, 0x21, 9]));
        assert!(!h264.is(&[0, 1, 0x06]), "no slice at all");
        let hevc = Disposable::Hevc(1);
        assert!(hevc.is(&[3, 0x00, 0x01, 9]));
        assert!(
            !hevc.is(&[3, 0x00, 0x02, 9]),
            "a higher sub-layer may refer to it"
        );
        assert!(!hevc.is(&[3, 0x02, 0x01, 9]));
        assert!(Disposable::Mpeg4.is(&[0, 0, 1, 0xB6, 0x80]));
        assert!(!Disposable::Mpeg4.is(&[0, 0, 1, 0xB6, 0x40]));
        assert!(!Disposable::Never.is(&[0, 0, 1, 0xB6, 0x80]));
    }
}
