//! Levels of the codecs of moving pictures, in the order of what they ask of a decoder.

use crate::media::container::TrackCodec;
use crate::media::info::Codec;

/// Where a level stands among those of its codec: the order of the numbers, but that H.263 level
/// 45 has the size of level 10 and the bit rate of level 20, level 1b of H.264 (numbered 9) stands
/// above level 1, and levels 0 and 0b of MPEG-4 Visual Simple (8 and 9) below level 1.
#[must_use]
pub(super) const fn rank(codec: Codec, level: u16) -> u16 {
    match (codec, level) {
        (Codec::H263, 45) => 31,
        (Codec::H264, 9) => 21,
        (Codec::Mpeg4Visual, 8) => 0,
        (Codec::Mpeg4Visual, 9) => 1,
        (_, level) => level.saturating_mul(2),
    }
}

/// Profile and level as [`VideoTrack`](crate::media::VideoTrack) numbers them, where the
/// container's configuration tells.
#[must_use]
pub(super) fn of_track(codec: &TrackCodec) -> (Option<u16>, Option<u16>) {
    match codec {
        TrackCodec::H263(config) => (Some(config.profile.into()), Some(config.level.into())),
        TrackCodec::H264(config) => {
            // Constraint set 3 at level 11 of Baseline and Main means 1b (H.264 Annex A.3.1).
            let b = config.level == 11
                && config.compatibility & 0x10 != 0
                && matches!(config.profile, 66 | 77 | 88);
            let level = if b { 9 } else { config.level };
            // What keeps constraint set 1 is Baseline, whatever profile it names.
            let constrained = config.compatibility & 0x40 != 0;
            let profile = if constrained { 66 } else { config.profile };
            (Some(profile.into()), Some(level.into()))
        }
        TrackCodec::Hevc(config) => (Some(config.profile.into()), Some(config.level.into())),
        TrackCodec::Mpeg4Visual(config) => {
            let indication = config
                .windows(5)
                .find_map(|code| match code {
                    [0, 0, 1, 0xB0, indication] => Some(*indication),
                    _ => None,
                })
                .map(u16::from);
            (indication.map(|i| i >> 4), indication.map(|i| i & 15))
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn levels_stand_in_the_order_of_what_they_ask() {
        let order = |codec, levels: &[u16]| {
            assert!(
                levels.is_sorted_by_key(|level| rank(codec, *level)),
                "{levels:?}"
            );
        };
        order(Codec::H263, &[10, 45, 20, 30, 40]);
        order(Codec::H264, &[10, 9, 11, 12, 13, 20, 30, 31]);
        order(Codec::Mpeg4Visual, &[8, 9, 1, 2, 3]);
    }

    #[test]
    fn the_configuration_of_mpeg_4_names_profile_and_level() {
        let config = Bytes::from_static(&[0, 0, 1, 0xB0, 0x08, 0, 0, 1, 0xB5]);
        let told = of_track(&TrackCodec::Mpeg4Visual(config));
        assert_eq!(told, (Some(0), Some(8)));
        let silent = TrackCodec::Mpeg4Visual(Bytes::from_static(&[0, 0, 1, 0xB5]));
        assert_eq!(of_track(&silent), (None, None));
    }
}
