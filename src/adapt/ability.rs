//! What a device plays: codecs with their levels, told from what it lists.
//!
//! That a device takes a container does not say which codecs it knows. `ThreeGPAccept` does where
//! a profile has it; elsewhere the screen tells the age of a phone, and the age its codecs.

use crate::dimensions::Dimensions;
use crate::media::audio::AudioTarget;
use crate::media::video::VideoTarget;
use crate::media::{AudioTrack, Codec, VideoTrack};
use crate::profile::Capabilities;
use crate::profile::accept::{essence, same_type};

/// Pixels of the smallest screen that came with H.264 and AAC in hardware: HVGA, 2008.
const SMARTPHONE: u64 = 320 * 480;

/// Pixels of screens whose phones play High profile up to level 4.
const HIGH_PROFILE: u64 = 720 * 1280;

/// Pixels of QVGA, 2007: below it H.264 was no better off than H.263.
const QVGA: u64 = 240 * 320;

const QCIF: Dimensions = Dimensions::new(176, 144);

/// What a device plays.
#[derive(Debug, Clone)]
pub(super) struct Ability<'a> {
    caps: &'a Capabilities,
    screen: Dimensions,
}

impl<'a> Ability<'a> {
    pub(super) fn of(caps: &'a Capabilities) -> Self {
        let screen = caps.screen.as_ref().map_or(QCIF, |screen| screen.value);
        Self { caps, screen }
    }

    fn pixels(&self) -> u64 {
        u64::from(self.screen.width) * u64::from(self.screen.height)
    }

    /// Whether it is a phone of the age of touch screens.
    pub(super) fn is_smartphone(&self) -> bool {
        self.pixels() >= SMARTPHONE
    }

    /// Whether it is a phone of a CDMA network of the time before. Their gateways let through 15
    /// frames and 256 kbit a second, and 15 seconds at that or 30 at half the frames.
    pub(super) fn is_cdma(&self) -> bool {
        let speaks = |media| self.listed(media);
        !self.is_smartphone() && (speaks("audio/qcelp") || speaks("audio/evrc"))
    }

    /// Whether this very type, or an alias, is in its list: wildcards do not count.
    fn listed(&self, media: &str) -> bool {
        let entries = self.caps.accept.iter().flat_map(|accept| &accept.value);
        entries.into_iter().any(|entry| same_type(entry, media))
    }

    /// What is said of codecs: `ThreeGPAccept`, and types of elementary streams among the rest.
    fn spoken(&self) -> impl Iterator<Item = &'a str> {
        let inside = self.caps.three_gp_accept.iter();
        let beside = self.caps.accept.iter();
        inside
            .chain(beside)
            .flat_map(|list| list.value.iter())
            .map(String::as_str)
    }

    fn speaks_of(&self, names: &[&str]) -> bool {
        self.spoken().any(|entry| {
            names
                .iter()
                .any(|name| essence(entry).eq_ignore_ascii_case(name))
        })
    }

    /// What moving pictures may be, the best first, where the device takes any.
    pub(super) fn pictures(&self) -> Vec<VideoTarget> {
        let long = |name| self.caps.accepts(name).is_some();
        let takes_3gp = long("video/3gpp") || long("video/3gpp2");
        let takes_mp4 = long("video/mp4");
        let mut found = Vec::new();
        if let Some(level) = self.h264().filter(|_| takes_mp4 || takes_3gp) {
            found.push(self.target(Codec::H264, level, self.screen));
        }
        if takes_3gp && (self.h263().is_some() || self.mpeg4().is_none()) {
            let level = self.h263().unwrap_or(10);
            // Every phone shows QCIF, on a smaller screen scaled down.
            let frame = if self.screen.holds(QCIF) {
                self.screen
            } else {
                QCIF
            };
            found.push(self.target(Codec::H263, level, frame));
        }
        if takes_mp4 || takes_3gp {
            let level = self.mpeg4().unwrap_or(8);
            let frame = if self.screen.holds(QCIF) {
                self.screen
            } else {
                QCIF
            };
            found.push(self.target(Codec::Mpeg4Visual, level, frame));
        }
        // On a small screen or below level 1.2 H.264 shows the same QCIF as H.263, which every
        // phone has had to play since Release 4 (3GPP TS 26.140).
        let small = found.first().is_some_and(|best| {
            let low = best.max_level < 12 || self.pixels() < QVGA;
            best.codec == Codec::H264 && low
        });
        if small && found.len() > 1 {
            found.rotate_left(1);
        }
        found
    }

    fn target(&self, codec: Codec, max_level: u16, max_box: Dimensions) -> VideoTarget {
        let (max_millihertz, max_bit_rate) = match codec {
            _ if self.is_cdma() => (15_000, Some(230_000)),
            Codec::H264 if self.is_smartphone() => (30_000, None),
            // Levels 30 and above have 30 frames; what plays them in a message is no older.
            Codec::H263 if max_level >= 30 && max_level != 45 => (30_000, None),
            Codec::H264 => (20_000, None),
            _ => (15_000, None),
        };
        VideoTarget {
            codec,
            max_level: if self.is_cdma() && codec == Codec::H263 {
                10
            } else {
                max_level
            },
            max_box,
            max_millihertz,
            max_bit_rate,
        }
    }

    /// The level of H.264 it knows; `None` where nothing says that it knows any.
    fn h264(&self) -> Option<u16> {
        const NAMES: [&str; 4] = ["video/h264", "video/x-h264", "video/h264-2000", "video/avc"];
        let said = self
            .spoken()
            .filter(|entry| NAMES.iter().any(|n| essence(entry).eq_ignore_ascii_case(n)))
            .filter_map(|entry| {
                param(entry, "profile-level-id")
                    .and_then(avc_level)
                    .or_else(|| param(entry, "level")?.parse().ok())
            })
            .filter(|level| (9..=52).contains(level))
            .max_by_key(|level| if *level == 9 { 105 } else { *level * 10 });
        let usual = if self.pixels() >= HIGH_PROFILE {
            31
        } else if self.is_smartphone() {
            30
        } else {
            12
        };
        let spoken = self.speaks_of(&NAMES);
        let by_age = self.is_smartphone() && self.caps.accepts("video/mp4").is_some();
        said.or_else(|| (spoken || by_age).then_some(usual))
    }

    /// The level of H.263 profile 0 that it says it knows.
    fn h263(&self) -> Option<u16> {
        const NAMES: [&str; 4] = [
            "video/h263",
            "video/x-h263",
            "video/h263-1998",
            "video/h263-2000",
        ];
        let rank = |level: u16| if level == 45 { 15 } else { level };
        self.spoken()
            .filter(|entry| NAMES.iter().any(|n| essence(entry).eq_ignore_ascii_case(n)))
            .filter(|entry| param(entry, "profile").is_none_or(|profile| profile == "0"))
            .map(|entry| param(entry, "level").and_then(|level| level.parse().ok()))
            .map(|level: Option<u16>| level.unwrap_or(45))
            // Levels above 30 ask for CIF at twice the frames: nothing for a message.
            .map(|level| if level == 45 { 45 } else { level.clamp(10, 30) })
            .max_by_key(|level| rank(*level))
    }

    /// The level of MPEG-4 Visual Simple profile that it says it knows.
    fn mpeg4(&self) -> Option<u16> {
        const NAMES: [&str; 2] = ["video/mp4v-es", "video/mpeg4-visual"];
        let place = |level: &u16| match level {
            8 => 0,
            9 => 1,
            level => *level + 1,
        };
        self.spoken()
            .filter(|entry| NAMES.iter().any(|n| essence(entry).eq_ignore_ascii_case(n)))
            .map(|entry| {
                let id = param(entry, "profile-level-id").or(param(entry, "profile_level_id"));
                match id {
                    // RFC 6416 counts in decimal; the level itself is what others write.
                    Some("0b" | "9") => 9,
                    Some(id) => id.parse().ok().filter(|l| (1..=9).contains(l)).unwrap_or(8),
                    None if self.is_smartphone() => 3,
                    None => 8,
                }
            })
            .max_by_key(place)
    }

    /// Whether it plays AAC-LC beside pictures.
    pub(super) fn knows_aac(&self) -> bool {
        const NAMES: [&str; 6] = [
            "audio/mp4a-latm",
            "audio/mp4a-es",
            "audio/aac",
            "audio/x-aac",
            "audio/mp4",
            "audio/mpeg4-generic",
        ];
        self.is_smartphone() || self.speaks_of(&NAMES) || self.listed("audio/mp4")
    }

    fn knows_wide_amr(&self) -> bool {
        self.listed("audio/amr-wb") || self.speaks_of(&["audio/amr-wb"])
    }

    /// The sound that goes with pictures in `codec`: AMR with the old codecs, as every recorder
    /// and player of 3GP does, and AAC with H.264 where the device knows it.
    pub(super) fn sound_beside(&self, codec: Codec) -> AudioTarget {
        if codec == Codec::H264 && self.knows_aac() && !self.is_cdma() {
            self.aac()
        } else {
            speech(Codec::AmrNb)
        }
    }

    /// AAC-LC as the device plays it.
    pub(super) fn aac(&self) -> AudioTarget {
        let max_bit_rate = if self.is_smartphone() {
            128_000
        } else {
            64_000
        };
        AudioTarget {
            codec: Codec::AacLc,
            max_sample_rate: 48_000,
            max_channels: 2,
            max_bit_rate: Some(max_bit_rate),
        }
    }

    /// Why pictures inside a container that the device takes are beyond it, if they are: what is
    /// allowed and what there is.
    pub(super) fn pictures_beyond(
        &self,
        track: &VideoTrack,
        turned: bool,
    ) -> Option<(String, String)> {
        if self.speaks_of_foreign(track.codec) {
            return None;
        }
        let targets: Vec<VideoTarget> = self
            .pictures()
            .into_iter()
            .map(|target| self.leniently(target))
            .collect();
        let mut track = track.clone();
        if track.codec == Codec::H264
            && self.pixels() >= HIGH_PROFILE
            && matches!(track.profile, Some(66 | 77 | 88 | 100))
        {
            track.profile = None;
        }
        if track.codec == Codec::Mpeg4Visual && self.is_smartphone() {
            track.profile = track.profile.filter(|profile| *profile != 15);
        }
        let turned = turned && !self.is_smartphone();
        let own = targets.iter().find(|target| target.codec == track.codec);
        let Some(own) = own else {
            let known: Vec<&str> = targets.iter().map(|t| t.codec.name()).collect();
            return Some((known.join(","), track.codec.name().to_owned()));
        };
        crate::media::clip::pictures_excess(&track, turned, own).map(|excess| {
            let of = |value: String| format!("{} {} {value}", track.codec.name(), excess.what);
            (of(excess.limit.clone()), of(excess.was.clone()))
        })
    }

    /// What a device plays of a codec where it was not we who chose it.
    fn leniently(&self, target: VideoTarget) -> VideoTarget {
        if !self.is_smartphone() {
            return target;
        }
        let max_level = match target.codec {
            Codec::H264 if self.pixels() >= HIGH_PROFILE => target.max_level.max(41),
            Codec::Mpeg4Visual => target.max_level.max(5),
            Codec::H263 => 70,
            _ => target.max_level,
        };
        VideoTarget {
            max_level,
            max_millihertz: 60_000,
            ..target
        }
    }

    /// Codecs that nobody expects of a phone and that it lists by name.
    fn speaks_of_foreign(&self, codec: Codec) -> bool {
        match codec {
            Codec::Hevc => self.speaks_of(&["video/hevc", "video/h265"]),
            Codec::Av1 => self.speaks_of(&["video/av1", "video/av01"]),
            Codec::Vp8 => self.speaks_of(&["video/vp8", "video/x-vnd.on2.vp8", "video/webm"]),
            Codec::Vp9 => self.speaks_of(&["video/vp9", "video/webm"]),
            _ => false,
        }
    }

    /// Why sound inside a container that the device takes is beyond it, if it is.
    pub(super) fn sound_beyond(&self, track: &AudioTrack) -> Option<(String, String)> {
        let known = match track.codec {
            Codec::AmrNb | Codec::Pcm => true,
            Codec::AmrWb => self.knows_wide_amr() || self.is_smartphone(),
            Codec::AacLc => self.knows_aac(),
            Codec::HeAac | Codec::HeAacV2 => self.is_smartphone(),
            Codec::Mp3 => self.listed("audio/mpeg"),
            Codec::Vorbis => self.caps.accepts("audio/ogg").is_some(),
            Codec::Opus => self.speaks_of(&["audio/opus"]),
            Codec::Qcelp => self.listed("audio/qcelp"),
            Codec::Evrc => self.listed("audio/evrc"),
            Codec::Flac => self.caps.accepts("audio/flac").is_some(),
            Codec::Wma => self.listed("audio/x-ms-wma"),
            Codec::Unknown => true,
            _ => false,
        };
        (!known).then(|| (self.sounds().to_owned(), track.codec.name().to_owned()))
    }

    /// The codecs of sound that it plays in a clip, for a reason.
    pub(super) fn sounds(&self) -> &'static str {
        if self.knows_aac() {
            "amr-nb,aac-lc"
        } else {
            "amr-nb"
        }
    }
}

/// Speech at its codec's own rate.
pub(super) const fn speech(codec: Codec) -> AudioTarget {
    let max_sample_rate = match codec {
        Codec::AmrWb => 16_000,
        _ => 8_000,
    };
    AudioTarget {
        codec,
        max_sample_rate,
        max_channels: 1,
        max_bit_rate: None,
    }
}

/// A parameter of a listed type, trimmed.
fn param<'e>(entry: &'e str, name: &str) -> Option<&'e str> {
    entry.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"'))
    })
}

/// The level in a `profile-level-id` (RFC 6184 section 8.1), 1b as 9.
fn avc_level(id: &str) -> Option<u16> {
    let id = u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 6)?;
    let [_, profile, constraints, level] = id.to_be_bytes();
    let b = level == 11 && constraints & 0x10 != 0 && matches!(profile, 66 | 77 | 88);
    Some(if b { 9 } else { level.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Resolution;

    fn first(id: &str) -> Option<(Codec, u16, String)> {
        let caps = Resolution::by_id(id).unwrap().capabilities;
        let targets = Ability::of(&caps).pictures();
        let best = targets.first()?;
        Some((best.codec, best.max_level, best.max_box.to_string()))
    }

    #[test]
    fn old_phones_get_h263_and_new_ones_h264() {
        for (id, codec, level) in [
            ("safe", Codec::H263, 45),
            ("flip-176x220", Codec::H263, 45),
            ("s60-2nd", Codec::H263, 45),
            ("s60-3rd", Codec::H263, 30),
            ("cdma-vzw", Codec::H263, 10),
            ("feature-phone", Codec::H263, 45),
            ("kaios", Codec::H264, 12),
            ("qvga-600k", Codec::H264, 12),
            ("android-wvga", Codec::H264, 30),
            ("android-generic", Codec::H264, 30),
            ("ios-generic", Codec::H264, 30),
            ("us-1mb", Codec::H264, 31),
        ] {
            let (best, best_level, _) = first(id).unwrap();
            assert_eq!((best, best_level), (codec, level), "{id}");
        }
        for id in ["s40-gen1", "cdma-first", "qwerty-no-video", "wap-no-mms"] {
            assert_eq!(first(id), None, "{id}");
        }
    }

    #[test]
    fn a_phone_that_lists_a_container_need_not_play_what_is_in_it() {
        let mut clip = VideoTrack::new(Codec::H264);
        clip.size = Some(Dimensions::new(1920, 1080));
        (clip.profile, clip.level) = (Some(100), Some(40));
        let beyond = |id: &str, track: &VideoTrack| {
            let caps = Resolution::by_id(id).unwrap().capabilities;
            Ability::of(&caps).pictures_beyond(track, false)
        };
        assert!(beyond("flip-176x220", &clip).is_some());
        assert!(beyond("android-wvga", &clip).is_some());
        assert_eq!(beyond("us-1mb", &clip), None);
        let hevc = VideoTrack::new(Codec::Hevc);
        assert!(beyond("us-1mb", &hevc).is_some());
    }

    #[test]
    fn levels_are_read_from_every_way_they_are_written() {
        assert_eq!(avc_level("42F00B"), Some(9));
        assert_eq!(avc_level("42E01E"), Some(30));
        assert_eq!(avc_level("42"), None);
        assert_eq!(
            param("video/H263-2000; profile=0; level = 30", "level"),
            Some("30")
        );
    }
}
