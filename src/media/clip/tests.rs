//! Laws of sharing, over headers of every sort.

use proptest::prelude::*;

use super::share::{Way, divide, divide_or_cut, least};
use super::side::Sides;
use super::*;
use crate::dimensions::Dimensions;
use crate::media::info::{AudioTrack, Codec, MediaKind, VideoTrack};

fn clip(size: Dimensions, millihertz: u32, duration_ms: u64) -> MediaInfo {
    let mut info = MediaInfo::new(Format::Mp4, MediaKind::Video);
    let mut video = VideoTrack::new(Codec::H264);
    video.size = Some(size);
    video.millihertz = Some(millihertz);
    (video.profile, video.level) = (Some(100), Some(40));
    video.bit_rate = Some(3_000_000);
    let mut audio = AudioTrack::new(Codec::AacLc);
    audio.sample_rate = Some(48_000);
    audio.channels = Some(2);
    audio.bit_rate = Some(128_000);
    info.size = Some(size);
    info.duration_ms = Some(duration_ms);
    info.video = Some(video);
    info.audio = Some(audio);
    info
}

fn classic(may_cut: bool) -> ClipTarget {
    ClipTarget {
        video: Some(VideoTarget {
            codec: Codec::H263,
            max_level: 45,
            max_box: Dimensions::new(176, 144),
            max_millihertz: 15_000,
            max_bit_rate: None,
        }),
        audio: Some(AudioTarget {
            codec: Codec::AmrNb,
            max_sample_rate: 8_000,
            max_channels: 1,
            max_bit_rate: None,
        }),
        may_cut,
        ..ClipTarget::new(Format::ThreeGp)
    }
}

fn modern() -> ClipTarget {
    ClipTarget {
        video: Some(VideoTarget {
            codec: Codec::H264,
            max_level: 30,
            max_box: Dimensions::new(480, 800),
            max_millihertz: 30_000,
            max_bit_rate: None,
        }),
        audio: Some(AudioTarget {
            codec: Codec::AacLc,
            max_sample_rate: 48_000,
            max_channels: 2,
            max_bit_rate: Some(128_000),
        }),
        ..ClipTarget::new(Format::Mp4)
    }
}

fn phone_clip() -> MediaInfo {
    clip(Dimensions::new(1920, 1080), 30_000, 10_000)
}

#[test]
fn sound_is_followed_before_pictures_are_fine() {
    let (info, target) = (phone_clip(), classic(false));
    let sides = Sides::of_info(&info, &target);
    let modes: Vec<(u64, u32)> = [30_000, 60_000, 300_000]
        .into_iter()
        .map(|octets| {
            let shared = divide(&sides, &target, None, Some(octets)).expect("it fits");
            let (Some(Way::Code(video)), Some(Way::Code(audio))) = (shared.video, shared.audio)
            else {
                panic!("both are coded");
            };
            (audio.bit_rate, video.millihertz)
        })
        .collect();
    let [tight, middle, ample] = modes.as_slice() else {
        panic!("three sizes");
    };
    assert!(tight.0 >= 5_900, "speech stays clear: {}", tight.0);
    assert!(middle.0 >= tight.0 && ample.0 == 12_200, "{modes:?}");
    assert!(ample.1 >= tight.1);
}

#[test]
fn octets_that_pictures_cannot_use_raise_the_sound() {
    let (mut info, target) = (phone_clip(), classic(false));
    info.size = Some(Dimensions::new(128, 96));
    let sides = Sides::of_info(&info, &target);
    let shared = divide(&sides, &target, None, Some(400_000)).expect("it fits");
    let Some(Way::Code(audio)) = shared.audio else {
        panic!("the sound is coded");
    };
    assert_eq!(audio.bit_rate, 12_200);
    // Level 45 has 128 kbit/s: ten seconds of that are less than what there is.
    assert!(shared.bytes < 200_000, "{}", shared.bytes);
}

#[test]
fn what_is_already_right_is_copied() {
    let mut info = clip(Dimensions::new(176, 144), 15_000, 6_000);
    let target = classic(false);
    if let Some(video) = &mut info.video {
        *video = VideoTrack {
            codec: Codec::H263,
            profile: Some(0),
            level: Some(10),
            bit_rate: Some(60_000),
            ..video.clone()
        };
    }
    let sides = Sides::of_info(&info, &target);
    let shared = divide(&sides, &target, None, Some(80_000)).expect("it fits");
    assert_eq!(shared.video, Some(Way::Copy));
    assert!(matches!(shared.audio, Some(Way::Code(_))));
    let tight = divide(&sides, &target, None, Some(30_000)).expect("it fits");
    assert!(
        matches!(tight.video, Some(Way::Code(_))),
        "too large to copy"
    );
}

#[test]
fn a_clip_is_cut_only_where_it_may_be_and_must() {
    let info = phone_clip();
    let whole = least(&Sides::of_info(&info, &classic(true)), &classic(true), None);
    let whole = whole.expect("there is a least");
    for (octets, may_cut, fits, cut) in [
        (whole + whole / 50, true, true, false),
        (whole - whole / 5, true, true, true),
        (whole - whole / 5, false, false, false),
        (500, true, false, false),
    ] {
        let target = classic(may_cut);
        let sides = Sides::of_info(&info, &target);
        let shared = divide_or_cut(&sides, &target, Some(octets));
        assert_eq!(shared.is_ok(), fits, "{octets} {may_cut}");
        assert_eq!(shared.is_ok_and(|shared| shared.end_us.is_some()), cut);
    }
    let longest = ClipTarget {
        max_us: Some(4_000_000),
        ..classic(true)
    };
    let sides = Sides::of_info(&info, &longest);
    let shared = divide_or_cut(&sides, &longest, None).expect("a beginning");
    assert_eq!(shared.end_us, Some(4_000_000));
}

fn any_info() -> impl Strategy<Value = MediaInfo> {
    (
        (1_u32..4_000, 1_u32..4_000),
        1_u32..120_000,
        1_u64..400_000,
        1_u8..=8,
        (any::<bool>(), any::<bool>()),
        (8_000_u32..96_000, 1_u16..7),
    )
        .prop_map(|((width, height), rate, ms, orientation, tracks, sound)| {
            let mut info = clip(Dimensions::new(width, height), rate, ms);
            info.orientation = orientation;
            if !tracks.0 {
                info.video = None;
            }
            if !tracks.1 {
                info.audio = None;
            }
            if let Some(audio) = &mut info.audio {
                (audio.sample_rate, audio.channels) = (Some(sound.0), Some(sound.1));
            }
            info
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn points_rise_and_every_one_of_them_can_be_had(
        info in any_info(), old in any::<bool>(), may_cut in any::<bool>(),
    ) {
        let target = if old { classic(may_cut) } else { ClipTarget { may_cut, ..modern() } };
        let points = estimate(&info, &target);
        for pair in points.windows(2) {
            if let [less, more] = pair {
                prop_assert!(less.bytes < more.bytes && less.quality < more.quality);
            }
        }
        let sides = Sides::of_info(&info, &target);
        for point in &points {
            prop_assert!((0.0..=1.0).contains(&point.quality));
            let shared = divide_or_cut(&sides, &target, Some(point.bytes));
            prop_assert!(shared.is_ok(), "{:?}: {:?}", point, shared);
            prop_assert!(point.cut || shared.is_ok_and(|shared| shared.end_us.is_none()));
        }
    }

    #[test]
    fn a_division_keeps_its_octets(
        info in any_info(), old in any::<bool>(), octets in 100_u64..2_000_000,
    ) {
        let target = if old { classic(true) } else { modern() };
        let sides = Sides::of_info(&info, &target);
        if let Some(shared) = divide(&sides, &target, None, Some(octets)) {
            prop_assert!(shared.bytes <= octets, "{:?} of {}", shared, octets);
        }
    }
}
