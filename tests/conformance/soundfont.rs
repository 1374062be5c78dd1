//! Melodies made sound with a soundfont, judged by ffmpeg.

#[path = "../../src/media/audio/soundfont/sine.rs"]
mod sine;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{remold, tool};

/// A folder with a soundfont and one tune in three formats: a quarter note A at 120 a minute, a
/// pause as long, and the A above, each half a second.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("remold-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        let events: &[u8] = &[
            0, 0x90, 69, 100, 96, 69, 0, 96, 81, 100, 96, 81, 0, 0, 0xFF, 0x2F, 0,
        ];
        let length = [0, 0, 0, u8::try_from(events.len()).unwrap()];
        let head = b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk".as_slice();
        folder.put("tune.mid", &[head, &length, events].concat());
        folder.put("tune.rtttl", b"tune:d=4,o=4,b=120,s=C:a,p,a5");
        folder.put(
            "tune.imy",
            b"BEGIN:IMELODY\r\nVERSION:1.2\r\nFORMAT:CLASS1.0\r\nBEAT:120\r\nSTYLE:S1\r\n\
              VOLUME:V15\r\nMELODY:*3a2r2*4a2\r\nEND:IMELODY\r\n",
        );
        folder.put("sine.sf2", &sine::sine());
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn put(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.at(name), octets).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = remold();
        command.current_dir(&self.0).args(arguments);
        command.output().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file as ffmpeg hears it, at 8 kHz, and what it complains of.
fn heard(path: &Path) -> (Vec<f64>, String) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-ac", "1", "-ar", "8000", "-f", "s16le", "-"])
        .output()
        .unwrap();
    let pairs = output.stdout.chunks_exact(2);
    let samples = pairs.map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (samples.collect(), said)
}

fn level(sound: &[f64], from_ms: usize, to_ms: usize) -> f64 {
    let piece = &sound[from_ms * 8..to_ms * 8];
    (piece.iter().map(|sample| sample * sample).sum::<f64>() / piece.len() as f64).sqrt()
}

/// Periods in a second.
fn pitch(sound: &[f64], from_ms: usize, to_ms: usize) -> f64 {
    let piece = &sound[from_ms * 8..to_ms * 8];
    let rises = piece
        .windows(2)
        .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0);
    rises.count() as f64 * 1_000.0 / (to_ms - from_ms) as f64
}

#[test]
fn a_melody_becomes_sound_of_its_length_level_and_pitch() {
    if tool("ffmpeg").is_none() {
        return;
    }
    let folder = Folder::new("melody");
    for input in ["tune.mid", "tune.rtttl", "tune.imy"] {
        for extension in ["wav", "amr", "awb", "m4a", "mp3", "ogg", "3gp"] {
            let output = format!("{input}.{extension}");
            let done = folder.run(&[
                "media",
                "convert",
                input,
                "-o",
                &output,
                "--soundfont",
                "sine.sf2",
            ]);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(0), "{output}: {said}");
            let (sound, complaints) = heard(&folder.at(&output));
            assert_eq!(complaints, "", "{output}");
            // A second to fade is behind it; ffmpeg leaves an encoder's priming in some files.
            let length = sound.len() as f64 / 8_000.0;
            assert!((2.45..2.62).contains(&length), "{output}: {length} s");
            let (first, pause, last) = (
                level(&sound, 120, 440),
                level(&sound, 640, 960),
                level(&sound, 1_120, 1_440),
            );
            println!("{output}: {length} s, {first:.0} {pause:.0} {last:.0}");
            assert!(
                first > 1_000.0 && last > 1_000.0,
                "{output}: {first} {last}"
            );
            assert!(pause < first / 20.0, "{output}: {pause} of {first}");
            let (low, high) = (pitch(&sound, 120, 440), pitch(&sound, 1_120, 1_440));
            assert!((low - 441.0).abs() < 12.0, "{output}: {low} Hz");
            assert!((high - 882.0).abs() < 20.0, "{output}: {high} Hz");
        }
    }
}

#[test]
fn a_phone_without_melodies_gets_sound_and_one_with_them_the_melody() {
    let folder = Folder::new("melody-phones");
    let adapt = |output: &str, accept: &str, options: &[&str]| {
        let fixed = [
            "adapt", "tune.mid", "-o", output, "--accept", accept, "--report", "-", "--force",
        ];
        let done = folder.run(&[&fixed[..], options].concat());
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let report: Value = serde_json::from_str(&said).expect("a report");
        report["parts"][0].clone()
    };
    let font = ["--soundfont", "sine.sf2"];
    let part = adapt("out.amr", "audio/amr,text/plain", &font);
    assert_eq!(part["type_out"], "audio/amr", "{part}");
    assert_eq!(part["action"], "transcode");
    assert_eq!(part["reasons"][0]["rule"], "MmsCcppAccept", "{part}");
    let length = part["media_out"]["duration_ms"].as_u64().unwrap();
    assert!(length.abs_diff(2_500) <= 20, "{part}");
    let kept = adapt("out.mid", "audio/amr,audio/midi,text/plain", &font);
    assert!(
        matches!(kept["action"].as_str(), Some("keep" | "relabel")),
        "{kept}"
    );
    let original = std::fs::read(folder.at("tune.mid")).unwrap();
    assert_eq!(std::fs::read(folder.at("out.mid")).unwrap(), original);
    let gone = adapt("none.amr", "audio/amr,text/plain", &[]);
    assert_eq!(gone["action"], "drop", "{gone}");
}

#[test]
fn what_is_no_soundfont_and_what_lacks_one_is_refused_by_name() {
    let folder = Folder::new("melody-errors");
    for (options, code, named) in [
        (&[][..], 3, "--soundfont"),
        (&["--soundfont", "tune.mid"], 6, "soundfont"),
        (&["--soundfont", "no-such.sf2"], 1, "no-such.sf2"),
    ] {
        let fixed = ["media", "convert", "tune.mid", "-o", "out.amr"];
        let done = folder.run(&[&fixed[..], options].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(said.contains(named) && said.lines().count() == 1, "{said}");
        assert!(!folder.at("out.amr").exists());
    }
}
