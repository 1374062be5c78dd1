//! Sounds and clips on devices: every file of the corpus on phones of all ages, judged by ffmpeg.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use rayon::prelude::*;
use remold::Limits;
use remold::adapt::report::{ActionName, Verdict};
use remold::adapt::{Adapted, Context, Engine, Policy, adapt, weight};
use remold::media::{self, Cancel, MediaInfo, MediaKind, Registry, mime};
use remold::mms::{Body, ContentType, Headers, Message, Part};
use remold::profile::{Capabilities, Resolution, Source, Sourced, classes};
use serde_json::Value;

use crate::support::{corpus, files, tool};

/// A folder of its own for one test, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("remold-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a scratch folder");
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file of the corpus and what it is.
struct Medium {
    path: PathBuf,
    name: String,
    data: Bytes,
    info: MediaInfo,
}

fn media_corpus() -> Vec<Medium> {
    let Some(folder) = corpus("media") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in files(&folder) {
        let data = Bytes::from(std::fs::read(&path).unwrap());
        let Ok(info) = media::probe(&data, &Limits::default()) else {
            continue;
        };
        if !matches!(info.kind, MediaKind::Audio | MediaKind::Video) {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.push(Medium {
            path,
            name,
            data,
            info,
        });
    }
    assert!(found.len() >= 12, "the corpus has sounds and clips");
    found
}

pub(crate) fn device(id: &str) -> Capabilities {
    Resolution::by_id(id).expect("a class").capabilities
}

fn message(medium: &Medium) -> Message {
    let media = mime::media_type(&medium.info);
    let mut part = Part::new(
        ContentType::new(media).with("name", medium.name.clone()),
        medium.data.clone(),
    );
    part.content_location = Some(medium.name.clone());
    let mut text = Part::new(
        ContentType::new("text/plain").with("charset", "utf-8"),
        "Listen and look",
    );
    text.content_location = Some("text.txt".to_owned());
    Message {
        headers: Headers::new(),
        body: Body {
            content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
            parts: vec![text, part],
        },
    }
}

/// Every codec. The decoder of AV1 checks itself so thoroughly in a debug build that it takes
/// minutes for a second of film.
fn registry() -> Registry {
    let mut registry = Registry::builtin();
    assert!(registry.set_enabled("rav1d", !cfg!(debug_assertions)));
    registry
}

pub(crate) fn carry_out(message: &Message, caps: &Capabilities) -> Adapted {
    let (policy, registry, limits) = (Policy::default(), registry(), Limits::default());
    let cancel = Cancel::new();
    let engine = Engine {
        context: Context {
            caps,
            policy: &policy,
            registry: &registry,
            limits: &limits,
        },
        cancel: &cancel,
        now: &|| Duration::ZERO,
    };
    adapt(message, weight(message), engine).expect("nobody cancels")
}

/// What ffprobe says of a file.
struct Probed(Value);

impl Probed {
    fn of(path: &Path) -> Self {
        let output = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-of",
                "json",
                "-show_streams",
                "-show_format",
            ])
            .arg(path)
            .output()
            .unwrap();
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn stream(&self, kind: &str) -> Option<&Value> {
        let streams = self.0["streams"].as_array()?;
        streams.iter().find(|stream| stream["codec_type"] == kind)
    }

    fn text(&self, kind: &str, field: &str) -> Option<&str> {
        self.stream(kind)?[field].as_str()
    }

    fn seconds(&self, kind: &str) -> Option<f64> {
        let stream = self.stream(kind)?;
        let length = stream["duration"].as_str().map(str::to_owned);
        length
            .or_else(|| Some(self.0["format"]["duration"].as_str()?.to_owned()))?
            .parse()
            .ok()
    }

    /// When a stream starts.
    fn start(&self, kind: &str) -> Option<f64> {
        self.stream(kind)?["start_time"].as_str()?.parse().ok()
    }

    fn brand(&self) -> Option<&str> {
        self.0["format"]["tags"]["major_brand"].as_str()
    }

    fn frame_seconds(&self) -> f64 {
        let rate = self.text("video", "avg_frame_rate").unwrap_or("25/1");
        let (over, under) = rate.split_once('/').unwrap();
        under.parse::<f64>().unwrap() / over.parse::<f64>().unwrap().max(1.0)
    }
}

/// What ffmpeg complains of while it decodes the whole file.
fn complaints(path: &Path) -> String {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The length of a sound in seconds by decoding it: headers of MP3 and AMR only let one guess.
fn decoded_seconds(path: &Path) -> f64 {
    let output = Command::new("ffmpeg")
        .args(["-v", "quiet", "-i"])
        .arg(path)
        .args([
            "-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-",
        ])
        .output()
        .unwrap();
    output.stdout.len() as f64 / 16_000.0
}

/// What sox complains of while it reads a file of AMR.
fn complaints_of_sox(path: &Path) -> String {
    let sox = Command::new("sox").arg(path).args(["-n", "stat"]).output();
    let output = sox.unwrap();
    if output.status.success() {
        String::new()
    } else {
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// The width of a pixel by its height, as stored. Of H.263 it is 12 by 11 by the standard, and a
/// square on every phone.
fn pixel(probed: &Probed) -> f64 {
    if probed.text("video", "codec_name") == Some("h263") {
        return 1.0;
    }
    let told = probed.text("video", "sample_aspect_ratio").unwrap_or("1:1");
    let sides = told.split_once(':').map(|(over, under)| {
        let side = |text: &str| text.parse::<f64>().unwrap_or(0.0);
        side(over) / side(under)
    });
    sides.filter(|pixel| pixel.is_normal()).unwrap_or(1.0)
}

/// Whether a player turns the pictures by a quarter.
fn is_turned(probed: &Probed) -> bool {
    let sides = probed.stream("video").unwrap()["side_data_list"].as_array();
    let turn = sides.and_then(|sides| sides.iter().find_map(|side| side["rotation"].as_i64()));
    turn.is_some_and(|turn| turn.rem_euclid(180) == 90)
}

/// A frame of a file as a small grey picture, upright, of a screen of `width` by `height`, black
/// bars included. The shape of pixels is told, since ffmpeg's filters are set up before a stream of
/// MPEG-4 has said it.
fn grey(path: &Path, probed: &Probed, at: f64, width: u64, height: u64) -> Vec<f64> {
    let pixel = pixel(probed);
    let wide = if is_turned(probed) {
        format!("iw:ih*{pixel}")
    } else {
        format!("iw*{pixel}:ih")
    };
    let fit = format!(
        "scale={wide},setsar=1,scale={width}:{height}:force_original_aspect_ratio=decrease,\
         pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,scale=32:32,format=gray"
    );
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", &at.to_string(), "-i"])
        .arg(path)
        .args(["-frames:v", "1", "-vf", &fit, "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    output.stdout.iter().map(|&grey| f64::from(grey)).collect()
}

/// How alike two pictures are: the correlation of their pixels.
fn likeness(one: &[f64], other: &[f64]) -> f64 {
    assert!(!one.is_empty() && one.len() == other.len());
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (a, b) = (mean(one), mean(other));
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in one.iter().zip(other) {
        both += (x - a) * (y - b);
        left += (x - a).powi(2);
        right += (y - b).powi(2);
    }
    both / (left * right).sqrt().max(1e-9)
}

/// What phones of a class play in a clip: codecs of pictures, of sound, brands.
fn plays(
    id: &str,
) -> (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
) {
    match id {
        "android-generic" | "android-wvga" | "eu-flagship-2015" | "ios-generic" | "kaios"
        | "max-observed" | "qvga-600k" | "smartphone-1080p" | "smartphone-qhd" | "us-1mb"
        | "us-flagship-2014" | "wp10" => (&["h264"], &["aac"], &["mp42", "3gp6"]),
        _ => (&["h263"], &["amr_nb"], &["3gp4"]),
    }
}

/// Judges the medium that a device gets. Says in a sentence what is wrong.
fn judge(
    medium: &Medium,
    caps: &Capabilities,
    adapted: &Adapted,
    folder: &Path,
) -> Result<String, String> {
    let report = &adapted.report;
    let part = &report.parts[1];
    let Some(message) = &adapted.message else {
        return Err(format!("refused: {:?}", report.warnings));
    };
    let size = weight(message);
    let limit = caps.max_message_size.as_ref().unwrap().value;
    if size > limit {
        return Err(format!("{size} octets for {limit}"));
    }
    if report.verdict == Verdict::Unchanged || part.action == ActionName::Keep {
        return Ok("kept".to_owned());
    }
    if part.action == ActionName::Drop {
        return if part.reasons.is_empty() || report.notices.is_empty() {
            Err("gone without a word".to_owned())
        } else {
            Ok("gone".to_owned())
        };
    }
    let type_out = part.type_out.as_deref().unwrap_or_default();
    let out = message
        .body
        .parts
        .iter()
        .find(|part| part.content_type.is(type_out))
        .ok_or("the part is not there")?;
    let extension = mime::extension(&media::probe(&out.data, &Limits::default()).unwrap());
    let path = folder.join(format!("{}-{}.{extension}", medium.name, caps.id));
    std::fs::write(&path, &out.data).unwrap();
    let said = complaints(&path);
    // The decoder of ffmpeg does not know the silence of AMR, which a copied track may have.
    let of_source = said.contains("amrnb") && !complaints(&medium.path).is_empty();
    if !said.is_empty() && !of_source {
        return Err(format!("ffmpeg: {said}"));
    }
    if extension == "amr" && tool("sox").is_some() {
        let said = complaints_of_sox(&path);
        if !said.is_empty() {
            return Err(format!("sox: {said}"));
        }
    }
    if type_out.starts_with("image/") {
        return if report.notices.is_empty() {
            Err("a still picture without a word".to_owned())
        } else {
            Ok("still".to_owned())
        };
    }
    let cut = report.notices.iter().any(|text| text.contains("cut off"));
    let probed = Probed::of(&path);
    check_sound(&probed, type_out, caps)?;
    if probed.stream("video").is_some() {
        check_level(&probed, &out.data, caps)?;
    }
    check_shape(medium, caps, &path, cut)?;
    let kind = if out.content_type.essence().starts_with("video/") {
        "clip"
    } else {
        "sound"
    };
    Ok(if cut {
        format!("{kind}, cut")
    } else {
        kind.to_owned()
    })
}

/// Whether the sound is what its type says, as phones play it.
fn check_sound(probed: &Probed, media: &str, caps: &Capabilities) -> Result<(), String> {
    if caps.accepts(media).is_none() {
        return Err(format!("{media} for {}", caps.id));
    }
    let Some(codec) = probed.text("audio", "codec_name") else {
        return Ok(());
    };
    let number = |field: &str| {
        let value = &probed.stream("audio").unwrap()[field];
        let text = value.as_str().and_then(|text| text.parse().ok());
        text.or_else(|| value.as_u64()).unwrap_or(0)
    };
    let (rate, channels) = (number("sample_rate"), number("channels"));
    let (codecs, rates): (&[&str], _) = match media {
        "audio/amr" => (&["amr_nb"], 8_000..=8_000),
        "audio/amr-wb" => (&["amr_wb"], 16_000..=16_000),
        "audio/mpeg" | "audio/mp3" => (&["mp3"], 16_000..=48_000),
        "audio/ogg" => (&["opus", "vorbis"], 8_000..=48_000),
        "audio/wav" | "audio/x-wav" => (&["pcm_s16le"], 8_000..=48_000),
        _ => (&["aac", "amr_nb", "amr_wb"], 8_000..=48_000),
    };
    let fits = codecs.contains(&codec) && rates.contains(&rate) && (1..=2).contains(&channels);
    let plain = codec != "aac" || probed.text("audio", "profile") == Some("LC");
    let speech = !codec.starts_with("amr") || channels == 1;
    if fits && plain && speech {
        Ok(())
    } else {
        let profile = probed.text("audio", "profile");
        Err(format!(
            "{media} of {codec} {profile:?}, {rate} Hz, {channels} channels"
        ))
    }
}

/// The highest level of H.264 that phones of a class were said to have, or had for their screen.
fn level_of(id: &str) -> u64 {
    match id {
        "kaios" | "qvga-600k" => 12,
        "android-generic" | "android-wvga" | "ios-generic" | "smartphone-qhd" => 30,
        _ => 31,
    }
}

/// Whether the pictures keep to a profile and a level that the phones of a class have.
fn check_level(probed: &Probed, file: &[u8], caps: &Capabilities) -> Result<(), String> {
    let video = probed.stream("video").unwrap();
    let side = |name: &str| video[name].as_u64().unwrap().div_ceil(16);
    let blocks = (side("width") * side("height")) as f64;
    let per_second = blocks / probed.frame_seconds();
    let bits = probed
        .text("video", "bit_rate")
        .and_then(|rate| rate.parse().ok());
    let bits: f64 = bits.unwrap_or(0.0);
    let (level, most_blocks, most_per_second, most_bits) = match probed.text("video", "codec_name")
    {
        Some("h264") => {
            let profile = probed.text("video", "profile").unwrap_or_default();
            if profile != "Constrained Baseline" {
                return Err(format!("{profile} profile"));
            }
            let level = video["level"].as_u64().unwrap();
            if level > level_of(&caps.id) {
                return Err(format!("level {level} for {}", caps.id));
            }
            // ITU-T H.264 table A-1.
            let (most_blocks, most_per_second, most_bits) = match level {
                9 | 10 => (99.0, 1_485.0, 128e3),
                11 => (396.0, 3_000.0, 192e3),
                12 => (396.0, 6_000.0, 384e3),
                13 => (396.0, 11_880.0, 768e3),
                20 => (396.0, 11_880.0, 2e6),
                21 => (792.0, 19_800.0, 4e6),
                22 => (1_620.0, 20_250.0, 4e6),
                30 => (1_620.0, 40_500.0, 10e6),
                _ => (3_600.0, 108_000.0, 14e6),
            };
            (level, most_blocks, most_per_second, most_bits)
        }
        _ => {
            // The octet behind the box's name, four of its vendor and one of its version.
            let place = file.windows(4).position(|name| name == b"d263");
            let level = u64::from(file[place.ok_or("no d263")? + 9]);
            let profile = file[place.unwrap() + 10];
            if profile != 0 || !matches!(level, 10 | 20 | 30 | 45) {
                return Err(format!("H.263 profile {profile} level {level}"));
            }
            // ITU-T H.263 table X.2.
            let (most_blocks, most_per_second, most_bits) = match level {
                10 => (99.0, 1_485.0, 64e3),
                45 => (99.0, 1_485.0, 128e3),
                20 => (396.0, 5_940.0, 128e3),
                _ => (396.0, 11_880.0, 384e3),
            };
            (level, most_blocks, most_per_second, most_bits)
        }
    };
    // A hundredth, for clips so short that the first picture weighs, and rates that are rounded.
    if blocks > most_blocks || per_second > most_per_second * 1.01 || bits > most_bits * 1.01 {
        return Err(format!(
            "level {level} with {blocks} macroblocks, {per_second} in a second, {bits} bit/s"
        ));
    }
    Ok(())
}

fn check_shape(medium: &Medium, caps: &Capabilities, path: &Path, cut: bool) -> Result<(), String> {
    let (was, is) = (Probed::of(&medium.path), Probed::of(path));
    if is.stream("video").is_none() {
        let (was, is) = (decoded_seconds(&medium.path), decoded_seconds(path));
        // A codec's frame, and what ffmpeg leaves in of an encoder's priming.
        if !cut && (was - is).abs() > 0.05 {
            return Err(format!("{is} s of sound where there were {was}"));
        }
        return Ok(());
    }
    let (pictures, sounds, brands) = plays(&caps.id);
    let codec = is.text("video", "codec_name").unwrap_or_default();
    if !pictures.contains(&codec) {
        return Err(format!("{codec} for {}", caps.id));
    }
    let sound = is.text("audio", "codec_name");
    if sound.is_some_and(|sound| !sounds.contains(&sound)) {
        return Err(format!("{sound:?} for {}", caps.id));
    }
    if was.stream("audio").is_some() && sound.is_none() {
        return Err("the sound is lost".to_owned());
    }
    if is.brand().is_some_and(|brand| !brands.contains(&brand)) {
        return Err(format!("brand {:?}", is.brand()));
    }
    let side = |name: &str| is.stream("video").unwrap()[name].as_u64().unwrap();
    let (width, height) = (side("width"), side("height"));
    let screen = caps.screen.as_ref().unwrap().value;
    let held = screen.holds(remold::Dimensions::new(width as u32, height as u32));
    if !held && (width, height) != (176, 144) {
        return Err(format!("{width}x{height} for a screen of {screen}"));
    }
    if codec == "h263" && !matches!((width, height), (176, 144) | (128, 96) | (352, 288)) {
        return Err(format!("H.263 of {width}x{height}"));
    }
    if cut {
        return Ok(());
    }
    let (frame, old_frame) = (is.frame_seconds(), was.frame_seconds());
    let span = |probed: &Probed, kind: &str| probed.seconds(kind);
    if let (Some(old), Some(new)) = (span(&was, "video"), span(&is, "video"))
        && (old - new).abs() > frame.max(old_frame) + 0.001
    {
        return Err(format!("{new} s of pictures where there were {old}"));
    }
    if let (Some(v), Some(a), Some(ov), Some(oa)) = (
        span(&is, "video"),
        span(&is, "audio"),
        span(&was, "video"),
        span(&was, "audio"),
    ) && ((v - a) - (ov - oa)).abs() > 0.040
    {
        return Err(format!("ends {v} and {a} where they were {ov} and {oa}"));
    }
    let apart = |probed: &Probed| Some(probed.start("video")? - probed.start("audio")?);
    if let (Some(old), Some(new)) = (apart(&was), apart(&is))
        && (old - new).abs() > 0.040
    {
        return Err(format!("starts {new} s apart where it was {old}"));
    }
    // Both on a screen of the shape that the new pictures have, bars included.
    let across = (width as f64 * pixel(&is)).round() as u64;
    for at in [0.6, 1.4] {
        let old = grey(&medium.path, &was, at, across, height);
        let new = grey(path, &is, at, across, height);
        let likeness = likeness(&old, &new);
        if likeness < 0.85 {
            return Err(format!("at {at} s the picture is another: {likeness:.2}"));
        }
    }
    Ok(())
}

/// The classes whose phones play anything.
fn classes_with_media() -> Vec<&'static str> {
    classes::class_ids()
        .filter(|id| {
            let caps = device(id);
            caps.takes_audio() || caps.takes_video()
        })
        .collect()
}

/// Which device each file is tried on: a few that together are all, or every one where
/// `REMOLD_ALL_CLIPS` is set; to a part of a name, those files alone.
fn pairs(media: &[Medium]) -> Vec<(usize, &'static str)> {
    let ids = classes_with_media();
    if let Ok(part) = std::env::var("REMOLD_ALL_CLIPS") {
        let all = |at: usize| ids.iter().map(move |id| (at, *id));
        let named = |at: &usize| part == "1" || media[*at].name.contains(&part);
        return (0..media.len()).filter(named).flat_map(all).collect();
    }
    let mut pairs = Vec::new();
    for at in 0..media.len() {
        for step in 0..2 {
            pairs.push((at, ids[(at * 5 + step * 11) % ids.len()]));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

#[test]
fn every_clip_plays_on_phones_of_every_age() {
    let media = media_corpus();
    if media.is_empty() || tool("ffmpeg").is_none() || tool("ffprobe").is_none() {
        return;
    }
    let scratch = Scratch::new("clips");
    let outcomes: Vec<(String, Result<String, String>)> = pairs(&media)
        .into_par_iter()
        .map(|(at, id)| {
            let (medium, caps) = (&media[at], device(id));
            let adapted = carry_out(&message(medium), &caps);
            let outcome = judge(medium, &caps, &adapted, &scratch.0);
            println!("{} for {id}: {outcome:?}", medium.name);
            (format!("{} for {id}", medium.name), outcome)
        })
        .collect();
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (place, outcome) in &outcomes {
        match outcome {
            Ok(what) => *counted.entry(what).or_default() += 1,
            Err(problem) => wrong.push(format!("{place}: {problem}")),
        }
    }
    println!("{} pairs: {counted:?}", outcomes.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_limit_that_binds_is_filled_and_kept() {
    let media = media_corpus();
    if media.is_empty() {
        return;
    }
    let mut fills: Vec<f64> = Vec::new();
    for (name, limit) in [
        ("clip_vga_baseline_aac.mp4", 60_000),
        ("clip_vga_baseline_aac.mp4", 30_000),
        ("clip_qcif_h263_amr.3gp", 60_000),
        ("clip_rotated90_h264_aac.mp4", 25_000),
        ("clip_cif_mpeg4_aac.3gp", 45_000),
    ] {
        let medium = media.iter().find(|medium| medium.name == name).unwrap();
        let mut caps = device("safe");
        caps.max_message_size = Some(Sourced::new(limit, Source::Override));
        let adapted = carry_out(&message(medium), &caps);
        let size = weight(adapted.message.as_ref().unwrap());
        assert!(size <= limit, "{name}: {size} octets for {limit}");
        fills.push(size as f64 / limit as f64);
    }
    fills.sort_by(f64::total_cmp);
    println!("filled: {fills:.3?}");
    assert!(fills[fills.len() / 2] >= 0.93, "{fills:?}");
}

#[test]
fn what_does_not_fit_whole_is_cut_and_what_not_at_all_is_a_still_picture() {
    let media = media_corpus();
    let Some(medium) = media.iter().find(|m| m.name == "clip_vga_baseline_aac.mp4") else {
        return;
    };
    let mut kinds = Vec::new();
    for limit in [300_000, 9_000, 4_500] {
        let mut caps = device("safe");
        caps.max_message_size = Some(Sourced::new(limit, Source::Override));
        let adapted = carry_out(&message(medium), &caps);
        let report = adapted.report;
        let part = &report.parts[1];
        let length = part.media_out.as_ref().and_then(|media| media.duration_ms);
        kinds.push((
            part.type_out.clone().unwrap_or_default(),
            length.is_some_and(|ms| ms < 9_000),
            report.notices.join(" "),
        ));
    }
    let [whole, cut, still] = kinds.as_slice() else {
        panic!("three limits");
    };
    assert_eq!((whole.0.as_str(), whole.1), ("video/3gpp", false));
    assert!(whole.2.is_empty(), "{}", whole.2);
    assert_eq!((cut.0.as_str(), cut.1), ("video/3gpp", true));
    assert!(cut.2.contains("cut off"), "{}", cut.2);
    assert_eq!(still.0, "image/jpeg");
    assert!(still.2.contains("still picture"), "{}", still.2);
}

#[test]
fn threads_do_not_change_a_clip() {
    let media = media_corpus();
    let Some(medium) = media
        .iter()
        .find(|m| m.name == "clip_rotated90_h264_aac.mp4")
    else {
        return;
    };
    for id in ["flip-176x220", "android-generic"] {
        let caps = device(id);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| carry_out(&message(medium), &caps))
        };
        let (one, four) = (with(1), with(4));
        assert_eq!(one.message, four.message, "{id}");
        assert_eq!(one.report, four.report, "{id}");
    }
}

#[test]
fn the_command_converts_sounds_and_clips_and_says_what_it_cannot() {
    let Some(folder) = corpus("media") else {
        return;
    };
    let scratch = Scratch::new("convert");
    let run = |input: &str, output: &str, options: &[&str]| {
        let mut command = crate::support::remold();
        command.args(["media", "convert"]).arg(folder.join(input));
        command.arg("-o").arg(scratch.0.join(output)).args(options);
        let done = command.output().expect("remold runs");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code().expect("a code"), done.stdout, said)
    };
    let (code, json, said) = run("voice_aac.m4a", "voice.amr", &["--json"]);
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(report["codec"], "amr-nb");
    assert_eq!(report["type_out"], "audio/amr");
    let clip = "clip_qcif_h263_amr.3gp";
    let options = ["--max-size", "40000", "--fps", "8", "--json"];
    let (code, json, said) = run(clip, "clip.3gp", &options);
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (&report["codec"], &report["width"]),
        (&"h263".into(), &176.into())
    );
    assert!(report["bytes_out"].as_u64().unwrap() <= 40_000);
    assert!(report["fps"].as_f64().unwrap() <= 8.1, "{report}");
    let (code, _, said) = run(clip, "still.jpg", &[]);
    assert_eq!(code, 0, "{said}");
    for (input, output, options, wanted) in [
        (clip, "a.3gp", &["--video-codec", "h265"][..], 2),
        (clip, "a.amr", &["--fps", "5"], 2),
        (clip, "a.3gp", &["--disable", "no-such"], 2),
        (clip, "a.3gp", &["--max-size", "100"], 3),
        ("voice.amr", "a.jpg", &[], 3),
        ("clip_av1_aac.mp4", "a.3gp", &[], 3),
    ] {
        let (code, _, said) = run(input, output, options);
        assert_eq!(code, wanted, "{input} {options:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("remold: "), "{said}");
        assert!(!scratch.0.join(output).exists(), "nothing is left behind");
    }
}
