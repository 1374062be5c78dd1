//! Clips that are not as phones make them: encrypted, in codecs nobody here knows, interlaced. What
//! comes of them is the next best thing, with the codec's name in the reasons and a notice.

use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use remold::Limits;
use remold::adapt::Adapted;
use remold::adapt::report::ActionName;
use remold::media::{self, mime};
use remold::mms::{Body, ContentType, Headers, Message, Part};

use crate::clip::{carry_out, device};
use crate::support::tool;

fn adapted(name: &str, data: impl Into<Bytes>, id: &str) -> Adapted {
    let data = data.into();
    let info = media::probe(&data, &Limits::default()).expect("a header");
    let kind = mime::media_type(&info);
    let mut part = Part::new(ContentType::new(kind).with("name", name), data);
    part.content_location = Some(name.to_owned());
    let message = Message {
        headers: Headers::new(),
        body: Body {
            content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
            parts: vec![part],
        },
    };
    carry_out(&message, &device(id))
}

/// What becomes of a part: `clip`, `silent clip`, `sound`, `still` or `gone`; and the reasons and
/// notices in one text.
fn outcome(adapted: &Adapted) -> (&'static str, String) {
    let report = &adapted.report;
    let part = &report.parts[0];
    let reasons = part.reasons.iter().map(|reason| reason.was.clone());
    let told: Vec<String> = reasons.chain(report.notices.clone()).collect();
    let media = part.media_out.as_ref();
    let kind = match part.action {
        ActionName::Drop => "gone",
        ActionName::Keep | ActionName::Relabel => "kept",
        _ => match media.map_or("", |media| media.kind) {
            "image" => "still",
            "audio" => "sound",
            "video" if media.is_some_and(|media| media.audio_codec.is_none()) => "silent clip",
            "video" => "clip",
            _ => "else",
        },
    };
    (kind, told.join(" | "))
}

/// A clip of H.263 and AMR with the names of its sample entries changed.
fn renamed(changes: &[(&[u8; 4], &[u8; 4])]) -> Vec<u8> {
    let mut file = crate::adapt::film(12, 7);
    for (from, to) in changes {
        let at = file.windows(4).position(|name| name == *from);
        let at = at.expect("the entry is there");
        file[at..at + 4].copy_from_slice(*to);
    }
    file
}

#[test]
fn tracks_that_nobody_takes_out_are_named_and_the_rest_is_made_of() {
    for (changes, id, wanted, names) in [
        (
            &[(b"s263", b"encv")][..],
            "android-generic",
            "sound",
            &["encv"][..],
        ),
        (&[(b"s263", b"mp4s")], "flip-176x220", "sound", &["mp4s"]),
        (&[(b"s263", b"zz9!")], "android-generic", "sound", &["zz9!"]),
        (&[(b"s263", b"rtp ")], "android-generic", "sound", &["rtp "]),
        (
            &[(b"samr", b"enca")],
            "flip-176x220",
            "silent clip",
            &["enca"],
        ),
        (
            &[(b"samr", b"qdm2")],
            "flip-176x220",
            "silent clip",
            &["qdm2"],
        ),
        (
            &[(b"s263", b"encv"), (b"samr", b"enca")],
            "android-generic",
            "gone",
            &["encv"],
        ),
    ] {
        let adapted = adapted("film.3gp", renamed(changes), id);
        let (kind, told) = outcome(&adapted);
        println!("{changes:?} for {id}: {kind}: {told}");
        assert_eq!(kind, wanted, "{changes:?} for {id}: {told}");
        assert!(names.iter().all(|name| told.contains(name)), "{told}");
        assert!(!adapted.report.notices.is_empty(), "{told}");
    }
}

/// A file that ffmpeg makes of two seconds of moving bars and a tone; `None` where it cannot.
fn made(name: &str, options: &[&str]) -> Option<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("remold-{}-odd", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path: PathBuf = folder.join(name);
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=176x144:rate=15:duration=2")
        .args(["-f", "lavfi", "-i", "sine=frequency=440:duration=2"])
        .args(options)
        .arg(&path)
        .output()
        .unwrap();
    if !output.status.success() {
        println!("skipped: this ffmpeg does not make {name}");
        return None;
    }
    let octets = std::fs::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    Some(octets)
}

#[test]
fn codecs_that_nobody_decodes_are_named_and_the_rest_is_made_of() {
    if tool("ffmpeg").is_none() {
        return;
    }
    let plain: &[&str] = &[
        "-c:v",
        "libx264",
        "-profile:v",
        "baseline",
        "-pix_fmt",
        "yuv420p",
    ];
    let aac: &[&str] = &["-c:a", "aac"];
    for (name, pictures, sound, wanted, named) in [
        ("mjpeg.mov", &["-c:v", "mjpeg"][..], aac, "sound", "mjpeg"),
        ("prores.mov", &["-c:v", "prores"], aac, "sound", "apc"),
        (
            "mpeg2.mp4",
            &["-c:v", "mpeg2video"],
            aac,
            "sound",
            "mpeg-video",
        ),
        (
            "wmv.mkv",
            &["-c:v", "wmv2"],
            aac,
            "sound",
            "V_MS/VFW/FOURCC",
        ),
        ("theora.mkv", &["-c:v", "libtheora"], aac, "sound", "theora"),
        ("ac3.mp4", plain, &["-c:a", "ac3"], "silent clip", "ac3"),
        ("eac3.mp4", plain, &["-c:a", "eac3"], "silent clip", "ac3"),
        (
            "wma.mkv",
            plain,
            &["-c:a", "wmav2"],
            "silent clip",
            "A_MS/ACM",
        ),
        (
            "both.mkv",
            &["-c:v", "wmv2"],
            &["-c:a", "wmav2"],
            "gone",
            "V_MS",
        ),
        ("sound.mp4", &["-vn"], &["-c:a", "ac3"], "gone", "ac3"),
        (
            "film.avi",
            &["-c:v", "mpeg4"],
            &["-c:a", "mp2"],
            "gone",
            "avi",
        ),
        (
            "ima4.mov",
            &["-vn"],
            &["-c:a", "adpcm_ima_qt"],
            "gone",
            "ima4",
        ),
        (
            "fields.mp4",
            &[
                "-c:v",
                "libx264",
                "-pix_fmt",
                "yuv420p",
                "-flags",
                "+ildct+ilme",
                "-x264-params",
                "interlaced=1",
            ],
            aac,
            "sound",
            "h264",
        ),
        (
            "colour422.mp4",
            &["-c:v", "libx264", "-pix_fmt", "yuv422p"],
            aac,
            "sound",
            "h264",
        ),
    ] {
        let Some(file) = made(name, &[pictures, sound, &["-shortest"]].concat()) else {
            continue;
        };
        for id in ["flip-176x220", "android-generic"] {
            let adapted = adapted(name, file.clone(), id);
            let (kind, told) = outcome(&adapted);
            println!("{name} for {id}: {kind}: {told}");
            // Whoever plays High profile plays pictures of fields.
            if (name, kind, id) == ("fields.mp4", "kept", "android-generic") {
                continue;
            }
            assert_eq!(kind, wanted, "{name} for {id}: {told}");
            assert!(told.contains(named), "{name} for {id}: {told}");
            assert!(!adapted.report.notices.is_empty(), "{name}: {told}");
        }
    }
}
