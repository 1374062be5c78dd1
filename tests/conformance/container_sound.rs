//! Sound files against ffprobe, ffmpeg and sox.

use std::path::Path;

use bytes::Bytes;
use remold::Limits;
use remold::media::container::isobmff::{Brand, NewTrack, write};
use remold::media::container::{self, Sample, TrackCodec, adts, amr, ogg, wav};

use crate::container::{
    Packet, compare, complaints, load, make, media, open, ours, packets, probe, remux, scratch,
};
use crate::support::{corpus, tool};

#[test]
fn ogg_packets_are_those_that_ffprobe_shows() {
    let music = "media/music.flac";
    if let Some(path) = corpus("media/voice_opus.ogg") {
        compare(&path, &open(&path));
    }
    for (name, arguments) in [
        ("vorbis.ogg", ["-t", "3", "-c:a", "libvorbis"].as_slice()),
        ("flac.ogg", &["-t", "3", "-c:a", "flac"]),
        (
            "speex.ogg",
            &["-t", "3", "-ac", "1", "-ar", "16000", "-c:a", "libspeex"],
        ),
        ("stereo.opus", &["-t", "3", "-c:a", "libopus"]),
    ] {
        let Some(path) = make(name, music, arguments) else {
            continue;
        };
        let Some(probed) = probe(&path) else { return };
        let movie = open(&path);
        assert_eq!(movie.warnings, [], "{name}");
        let track = &movie.tracks[0];
        let sizes = |packets: Vec<Packet>| packets.into_iter().map(|p| p.size).collect::<Vec<_>>();
        assert_eq!(sizes(ours(track)), sizes(packets(&probed, 0)), "{name}");
        let seconds = f64::from(u32::try_from(track.info.duration).expect("short"))
            / f64::from(track.info.timescale);
        assert!((seconds - 3.0).abs() < 0.1, "{name}: {seconds} s");
    }
}

#[test]
fn opus_written_to_ogg_decodes_to_the_same_sound() {
    let Some(path) = corpus("media/voice_opus.ogg") else {
        return;
    };
    let movie = open(&path);
    let track = &movie.tracks[0];
    let TrackCodec::Opus(head) = &track.info.codec else {
        panic!("not Opus");
    };
    let head = ogg::OpusHead::parse(head).expect("head is sound");
    let samples: Vec<Sample> = track.samples().collect();
    let written = ogg::write_opus(head, &samples, Some(track.info.duration)).expect("written");
    let out = scratch("rewritten.opus", &written);
    assert_eq!(complaints(&out).unwrap_or_default(), "");
    compare(&out, &open(&out));
    assert_eq!(digest(&path), digest(&out));
}

/// The digest of the sound that ffmpeg decodes.
fn digest(path: &Path) -> Option<Vec<u8>> {
    let output = tool("ffmpeg")?
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:a", "-f", "md5", "-"])
        .output()
        .expect("ffmpeg runs");
    Some(output.stdout)
}

#[test]
fn amr_files_round_trip_and_sox_reads_them() {
    for path in media(&["amr"]) {
        let movie = open(&path);
        assert_eq!(movie.warnings, [], "{}", path.display());
        compare(&path, &movie);
        let samples: Vec<Sample> = movie.tracks[0].samples().collect();
        let written = amr::write(amr::Band::Narrow, &samples);
        assert_eq!(written, load(&path), "{}", path.display());
        // Through 3GP and back.
        let file = remux(&movie, Brand::ThreeGp4);
        let back = container::read(&Bytes::from(file), &Limits::default()).expect("sound");
        let samples: Vec<Sample> = back.tracks[0].samples().collect();
        let out = scratch("back.amr", &amr::write(amr::Band::Narrow, &samples));
        let Some(mut sox) = tool("sox") else { return };
        let output = sox
            .arg(&out)
            .args(["-n", "stat"])
            .output()
            .expect("sox runs");
        let report = String::from_utf8_lossy(&output.stderr);
        let length = report
            .lines()
            .find_map(|line| line.strip_prefix("Length (seconds):"))
            .unwrap_or_else(|| panic!("sox says: {report}"));
        let length: f64 = length.trim().parse().expect("a number");
        let expected = 0.02 * f64::from(u32::try_from(samples.len()).expect("short"));
        assert!((length - expected).abs() < 0.021, "{length} of {expected}");
    }
}

#[test]
fn speech_in_groups_of_ten_still_plays() {
    for path in media(&["amr"]) {
        let movie = open(&path);
        let frames: Vec<Sample> = movie.tracks[0].samples().collect();
        let samples = amr::group(amr::Band::Narrow, &frames, 10);
        let info = amr::info(amr::Band::Narrow, container::AmrConfig::any(10));
        let track = NewTrack {
            info: &info,
            samples: &samples,
        };
        let written = write(Brand::ThreeGp4, &[track]).expect("written");
        let single = remux(&movie, Brand::ThreeGp4);
        assert!(written.len() < single.len() || frames.len() < 20);
        let out = scratch("grouped.3gp", &written);
        let back = open(&out);
        let octets = |samples: &mut dyn Iterator<Item = Sample>| -> Vec<u8> {
            samples.flat_map(|sample| sample.data.to_vec()).collect()
        };
        assert_eq!(
            octets(&mut back.tracks[0].samples()),
            octets(&mut frames.into_iter())
        );
    }
}

#[test]
fn adts_round_trips_and_ffmpeg_reads_it() {
    let Some(path) = corpus("media/voice_aac.m4a") else {
        return;
    };
    let movie = open(&path);
    let TrackCodec::Aac(config) = &movie.tracks[0].info.codec else {
        panic!("not AAC");
    };
    let samples: Vec<Sample> = movie.tracks[0].samples().collect();
    let out = scratch(
        "voice.aac",
        &adts::write(config, &samples).expect("written"),
    );
    assert_eq!(complaints(&out).unwrap_or_default(), "");
    let back = open(&out);
    assert_eq!(back.warnings, []);
    assert_eq!(
        back.tracks[0].info.codec.codec(),
        movie.tracks[0].info.codec.codec()
    );
    assert!(
        back.tracks[0]
            .samples()
            .map(|sample| sample.data)
            .eq(samples.into_iter().map(|sample| sample.data))
    );
    if let Some(theirs) = make("theirs.aac", "media/voice_aac.m4a", &["-c", "copy"]) {
        let theirs = open(&theirs);
        assert_eq!(theirs.tracks[0].len(), back.tracks[0].len());
    }
}

#[test]
fn wave_files_of_all_formats() {
    for (codec, rate) in [
        ("pcm_u8", "8000"),
        ("pcm_s16le", "44100"),
        ("pcm_s24le", "48000"),
        ("pcm_s32le", "8000"),
        ("pcm_f32le", "8000"),
        ("pcm_alaw", "8000"),
        ("pcm_mulaw", "8000"),
        ("adpcm_ima_wav", "22050"),
        ("adpcm_ms", "22050"),
    ] {
        let name = format!("{codec}.wav");
        let arguments = ["-t", "2", "-ar", rate, "-c:a", codec];
        let Some(path) = make(&name, "media/music.flac", &arguments) else {
            continue;
        };
        let Some(probed) = probe(&path) else { return };
        let movie = open(&path);
        assert_eq!(movie.warnings, [], "{name}");
        let track = &movie.tracks[0];
        let octets: usize = track.samples().map(|sample| sample.data.len()).sum();
        let expected: usize = packets(&probed, 0).iter().map(|packet| packet.size).sum();
        assert_eq!(octets, expected, "{name}");
        let seconds = f64::from(u32::try_from(track.info.duration).expect("short"))
            / f64::from(track.info.timescale);
        assert!((seconds - 2.0).abs() < 0.06, "{name}: {seconds} s");
        assert_eq!(track.info.channels, Some(2), "{name}");
        if codec == "pcm_s16le" {
            let sound: Vec<i16> = track
                .samples()
                .flat_map(|sample| sample.data.to_vec())
                .collect::<Vec<u8>>()
                .chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            let written = wav::write_pcm16(44_100, 2, &sound).expect("written");
            let out = scratch("rewritten.wav", &written);
            assert_eq!(digest(&out), digest(&path));
        }
    }
}
