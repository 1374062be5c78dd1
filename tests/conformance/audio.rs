//! Sound decoded, coded anew and written, judged by ffmpeg and sox.

use std::path::Path;

use remold::Limits;
use remold::media::audio::{
    AudioSettings, AudioTarget, Source, bit_rates, choose, packet_bytes, transcode,
};
use remold::media::container::isobmff::{Brand, NewTrack, write};
use remold::media::container::{
    CodedTrack, Movie, Track, TrackCodec, TrackKind, adts, amr, mp3, ogg, wav,
};
use remold::media::{Cancel, Codec, Registry};

use crate::container::{complaints, make, media, open, scratch};
use crate::support::{corpus, tool};

/// Sound as it comes out of a decoder.
#[derive(Debug)]
pub(crate) struct Heard {
    rate: u32,
    channels: u16,
    samples: Vec<i16>,
}

fn sound(movie: &Movie) -> &Track {
    movie.first(TrackKind::Audio).expect("there is sound")
}

/// What our decoder hears, cut where the track ends.
fn ours(track: &Track) -> Heard {
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    let mut source = Source::open(track, &registry, &limits, &cancel).expect("decoder opens");
    let mut heard = Heard {
        rate: 0,
        channels: 0,
        samples: Vec::new(),
    };
    while let Some(block) = source.next().expect("sound decodes") {
        if heard.rate > 0 {
            assert_eq!(
                (heard.rate, heard.channels),
                (block.sample_rate, block.channels)
            );
        }
        (heard.rate, heard.channels) = (block.sample_rate, block.channels);
        heard.samples.extend(block.samples);
    }
    assert_eq!(source.warnings(), [""; 0]);
    heard
}

/// What ffmpeg hears, as it is or at another rate.
fn theirs(path: &Path, arguments: &[&str]) -> Option<Vec<i16>> {
    let output = tool("ffmpeg")?
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-vn", "-f", "s16le", "-c:a", "pcm_s16le"])
        .args(arguments)
        .arg("-")
        .output()
        .expect("ffmpeg runs");
    assert!(
        output.stderr.is_empty(),
        "{}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Some(samples(&output.stdout))
}

fn samples(octets: &[u8]) -> Vec<i16> {
    let pairs = octets.chunks_exact(2);
    pairs
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

/// Signal to noise in decibels.
fn snr(reference: &[i16], other: &[i16]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (a, b) in reference.iter().zip(other) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        signal += a * a;
        noise += (a - b) * (a - b);
    }
    10.0 * (signal / f64::max(noise, 1e-9)).log10()
}

/// The shift of `other` against `reference`, in samples, at which they agree most.
fn shift(reference: &[i16], other: &[i16], most: i64) -> i64 {
    let score = |shift: i64| {
        let mut sum = 0_i64;
        for at in (most..most + 24_000).step_by(1) {
            let a = reference.get(at as usize).copied().unwrap_or(0);
            let b = other.get((at + shift) as usize).copied().unwrap_or(0);
            sum += i64::from(a) * i64::from(b);
        }
        sum
    };
    (-most..=most).max_by_key(|at| score(*at)).expect("some")
}

#[test]
fn every_decoder_hears_what_ffmpeg_hears() {
    let music = "media/music.flac";
    let quiet = ["-t", "4", "-af", "volume=0.7"];
    let surround = [
        "-t",
        "3",
        "-af",
        "pan=5.1|FL=FL|FR=FR|FC=0.3*FL|LFE=0.1*FR|BL=0.5*FR|BR=0.2*FL",
    ];
    for (name, shape, codec, least) in [
        ("s16.wav", &quiet[..], &["-c:a", "pcm_s16le"][..], 200.0),
        ("s24.wav", &quiet, &["-c:a", "pcm_s24le"], 85.0),
        ("s32.wav", &quiet, &["-c:a", "pcm_s32le"], 85.0),
        ("f32.wav", &quiet, &["-c:a", "pcm_f32le"], 85.0),
        ("f64.wav", &quiet, &["-c:a", "pcm_f64le"], 85.0),
        ("u8.wav", &quiet, &["-c:a", "pcm_u8"], 200.0),
        ("alaw.wav", &quiet, &["-c:a", "pcm_alaw"], 200.0),
        ("ulaw.wav", &quiet, &["-c:a", "pcm_mulaw"], 200.0),
        ("s16be.mov", &quiet, &["-c:a", "pcm_s16be"], 200.0),
        ("ima.wav", &quiet, &["-c:a", "adpcm_ima_wav"], 200.0),
        ("ms.wav", &quiet, &["-c:a", "adpcm_ms"], 200.0),
        (
            "ima1.wav",
            &quiet,
            &["-ac", "1", "-c:a", "adpcm_ima_wav"],
            200.0,
        ),
        ("ms1.wav", &quiet, &["-ac", "1", "-c:a", "adpcm_ms"], 200.0),
        ("flac.flac", &quiet, &["-c:a", "flac"], 200.0),
        ("flac.ogg", &quiet, &["-c:a", "flac"], 200.0),
        ("alac.m4a", &quiet, &["-c:a", "alac"], 200.0),
        (
            "mp3.mp3",
            &quiet,
            &["-c:a", "libmp3lame", "-b:a", "96k"],
            70.0,
        ),
        (
            "mp3low.mp3",
            &quiet,
            &["-c:a", "libmp3lame", "-ar", "16000", "-ac", "1"],
            70.0,
        ),
        ("vorbis.ogg", &quiet, &["-c:a", "libvorbis"], 70.0),
        ("vorbis.mkv", &quiet, &["-c:a", "libvorbis"], 70.0),
        (
            "opus.ogg",
            &quiet,
            &["-c:a", "libopus", "-b:a", "64k"],
            60.0,
        ),
        (
            "opusvoip.ogg",
            &quiet,
            &[
                "-c:a",
                "libopus",
                "-b:a",
                "16k",
                "-ac",
                "1",
                "-application",
                "voip",
            ],
            35.0,
        ),
        (
            "opus.webm",
            &quiet,
            &["-c:a", "libopus", "-b:a", "64k"],
            60.0,
        ),
        ("aac.m4a", &quiet, &["-c:a", "aac", "-b:a", "96k"], 70.0),
        ("aac.aac", &quiet, &["-c:a", "aac", "-b:a", "96k"], 70.0),
        (
            "aac16.3gp",
            &quiet,
            &["-c:a", "aac", "-ar", "16000", "-ac", "1"],
            70.0,
        ),
        ("six.m4a", &surround, &["-c:a", "aac"], 70.0),
        ("six.flac", &surround, &["-c:a", "flac"], 200.0),
        ("six.ogg", &surround, &["-c:a", "libvorbis"], 70.0),
        ("six.opus", &surround, &["-c:a", "libopus"], 45.0),
    ] {
        let name = format!("heard-{name}");
        let arguments = [shape, codec].concat();
        let Some(path) = make(&name, music, &arguments) else {
            continue;
        };
        let movie = open(&path);
        let heard = ours(sound(&movie));
        let Some(reference) = theirs(&path, &[]) else {
            return;
        };
        let found = snr(&reference, &heard.samples);
        println!(
            "{name}: {found:.1} dB, {} and {} samples",
            heard.samples.len(),
            reference.len()
        );
        assert!(found >= least, "{name}: {found} dB");
        let frames = |samples: usize| samples / usize::from(heard.channels);
        let off = frames(heard.samples.len()).abs_diff(frames(reference.len()));
        assert!(off <= 2_048, "{name}: {off} samples");
    }
}

#[test]
fn he_aac_comes_out_at_its_full_rate_and_in_both_channels() {
    let Some(path) = make("he.wav", "media/music.flac", &["-t", "3"]) else {
        return;
    };
    let Some(sound) = theirs(&path, &["-ar", "44100", "-ac", "2"]) else {
        return;
    };
    let plane = |at: usize| -> Vec<f32> {
        let samples = sound.iter().skip(at).step_by(2);
        samples.map(|x| f32::from(*x) / 40_000.0).collect()
    };
    let planes = [plane(0), plane(1)];
    for (name, options) in [
        ("he.aac", syom::EncodeOptions::low_rate()),
        ("he2.aac", syom::EncodeOptions::low_rate().with_he_v2(true)),
    ] {
        let coded = syom::encode_with(&planes, 44_100, &options).expect("encoded");
        let path = scratch(name, &coded);
        let heard = ours(sound_of(&open(&path)));
        assert_eq!((heard.rate, heard.channels), (44_100, 2), "{name}");
        let Some(reference) = theirs(&path, &[]) else {
            return;
        };
        let found = snr(&reference, &heard.samples);
        println!("{name}: {found:.1} dB");
        assert!(found > 20.0, "{name}: {found} dB");
    }
}

fn sound_of(movie: &Movie) -> &Track {
    sound(movie)
}

/// Settings without a limit of octets.
fn settings(codec: Codec, sample_rate: u32, channels: u16, bit_rate: u64) -> AudioSettings {
    AudioSettings {
        codec,
        sample_rate,
        channels,
        bit_rate,
        max_bytes: None,
        end_us: None,
    }
}

fn coded(track: &Track, settings: &AudioSettings) -> CodedTrack {
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    transcode(track, settings, &registry, &limits, &cancel).expect("coded")
}

/// The track in the files it goes into.
fn files(name: &str, track: &CodedTrack) -> Vec<std::path::PathBuf> {
    let whole = NewTrack {
        info: &track.info,
        samples: &track.samples,
    };
    let iso = |brand| write(brand, &[whole]).expect("written");
    let made = match &track.info.codec {
        TrackCodec::AmrNb(_) => vec![
            ("amr", amr::write(amr::Band::Narrow, &track.samples)),
            ("3gp", iso(Brand::ThreeGp4)),
        ],
        TrackCodec::AmrWb(_) => vec![
            ("awb", amr::write(amr::Band::Wide, &track.samples)),
            ("3gp", iso(Brand::ThreeGp5)),
        ],
        TrackCodec::Aac(config) => vec![
            ("m4a", iso(Brand::Mp42)),
            ("3gp", iso(Brand::ThreeGp6)),
            ("aac", adts::write(config, &track.samples).expect("written")),
        ],
        TrackCodec::Mp3 => vec![
            (
                "mp3",
                mp3::write(&track.info, &track.samples).expect("written"),
            ),
            ("mp4", iso(Brand::Mp42)),
        ],
        TrackCodec::Opus(head) => {
            let head = ogg::OpusHead::parse(head).expect("head is sound");
            let ticks = Some(track.info.duration);
            vec![(
                "ogg",
                ogg::write_opus(head, &track.samples, ticks).expect("written"),
            )]
        }
        _ => vec![(
            "wav",
            wav::write(&track.info, &track.samples).expect("written"),
        )],
    };
    made.into_iter()
        .map(|(extension, data)| scratch(&format!("{name}.{extension}"), &data))
        .collect()
}

#[test]
fn what_is_coded_decodes_elsewhere_in_time_and_in_length() {
    let Some(path) = make(
        "coded-source.wav",
        "media/music.flac",
        &["-t", "5", "-af", "volume=0.5"],
    ) else {
        return;
    };
    let movie = open(&path);
    let track = sound(&movie);
    let duration = 5.0;
    for (codec, rate, channels, bit_rate) in [
        (Codec::AmrNb, 8_000, 1, 12_200),
        (Codec::AmrNb, 8_000, 1, 4_750),
        (Codec::AmrWb, 16_000, 1, 23_850),
        (Codec::AmrWb, 16_000, 1, 6_600),
        (Codec::AacLc, 8_000, 1, 16_000),
        (Codec::AacLc, 16_000, 1, 28_000),
        (Codec::AacLc, 44_100, 2, 96_000),
        (Codec::AacLc, 48_000, 2, 128_000),
        (Codec::Mp3, 44_100, 2, 128_000),
        (Codec::Mp3, 22_050, 1, 48_000),
        (Codec::Mp3, 16_000, 1, 24_000),
        (Codec::Opus, 16_000, 1, 24_000),
        (Codec::Opus, 48_000, 2, 64_000),
        (Codec::Opus, 8_000, 1, 12_000),
        (Codec::Pcm, 8_000, 1, 128_000),
        (Codec::Pcm, 44_100, 2, 1_411_200),
    ] {
        let settings = settings(codec, rate, channels, bit_rate);
        let made = coded(track, &settings);
        assert_eq!(made.warnings, [""; 0]);
        let bound = packet_bytes(&settings, 5_000_000);
        let fill = 100 * made.bytes() / bound;
        let expected = format!("{rate}");
        let count = format!("{channels}");
        let Some(reference) = theirs(&path, &["-ar", &expected, "-ac", &count]) else {
            return;
        };
        for path in files(&format!("coded-{codec:?}-{rate}-{bit_rate}"), &made) {
            let name = path
                .file_name()
                .expect("name")
                .to_string_lossy()
                .into_owned();
            assert_eq!(complaints(&path).unwrap_or_default(), "", "{name}");
            let decoded = theirs(&path, &["-ar", &expected, "-ac", &count]).expect("decoded");
            let length = decoded.len() as f64 / f64::from(channels) / f64::from(rate);
            let mono = |samples: &[i16]| -> Vec<i16> {
                samples
                    .iter()
                    .step_by(usize::from(channels))
                    .copied()
                    .collect()
            };
            // ADTS has no way to say where the sound starts.
            let late = shift(&mono(&reference), &mono(&decoded), i64::from(rate / 12));
            let late_ms = late as f64 * 1_000.0 / f64::from(rate);
            println!("{name}: {length:.3} s, {late_ms:.2} ms late, {fill} % of the bound");
            let bare = name.ends_with("aac");
            let raw = bare || name.ends_with("mp3.mp4");
            assert!(
                (length - duration).abs() <= if raw { 0.3 } else { 0.021 },
                "{name}: {length}"
            );
            if !bare {
                assert!(late_ms.abs() < 8.0, "{name}: {late_ms} ms");
            }
        }
    }
}

#[test]
fn sox_hears_every_mode_of_amr() {
    let Some(path) = corpus("media/voice.mp3") else {
        return;
    };
    let movie = open(&path);
    for rate in bit_rates(Codec::AmrNb) {
        let made = coded(sound(&movie), &settings(Codec::AmrNb, 8_000, 1, *rate));
        let data = amr::write(amr::Band::Narrow, &made.samples);
        let path = scratch(&format!("sox-{rate}.amr"), &data);
        let Some(mut sox) = tool("sox") else { return };
        let raw = sox
            .arg(&path)
            .args(["-t", "s16", "-"])
            .output()
            .expect("sox runs");
        assert!(raw.status.success(), "{rate}");
        // The library behind sox is the reference of the standard: the same samples.
        let reference = samples(&raw.stdout);
        let heard = ours(sound(&open(&path))).samples;
        assert_eq!(reference.len(), heard.len(), "{rate}");
        assert!(reference == heard, "{rate}: other samples");
    }
}

#[test]
fn amr_is_coded_as_by_the_library_of_sox() {
    let Some(path) = make(
        "speech.wav",
        "media/voice.mp3",
        &["-ar", "8000", "-ac", "1"],
    ) else {
        return;
    };
    for (mode, rate) in bit_rates(Codec::AmrNb).iter().enumerate() {
        let Some(mut sox) = tool("sox") else { return };
        let out = scratch(&format!("by-sox-{rate}.amr"), &[]);
        let made = sox
            .arg(&path)
            .args(["-C", &mode.to_string(), "-t", "amr-nb"])
            .arg(&out)
            .status()
            .expect("sox runs");
        if !made.success() {
            println!("skipped: this sox does not code AMR");
            return;
        }
        let reference: Vec<_> = sound(&open(&out)).samples().map(|s| s.data).collect();
        let movie = open(&path);
        let registry = Registry::builtin();
        let encoder = registry.audio_encoder(Codec::AmrNb).expect("encoder");
        let format = remold::media::codec::AudioFormat {
            codec: Codec::AmrNb,
            sample_rate: 8_000,
            channels: 1,
            config: bytes::Bytes::new(),
        };
        let target = remold::media::codec::RateTarget {
            bit_rate: Some(*rate),
            ..Default::default()
        };
        let mut stage = encoder
            .open(&format, &target, &Cancel::new())
            .expect("opens");
        let heard = ours(sound(&movie));
        stage
            .push(remold::media::PcmBlock {
                sample_rate: 8_000,
                channels: 1,
                samples: heard.samples,
                timestamp_us: 0,
            })
            .expect("coded");
        stage.finish().expect("coded");
        let mut packets = Vec::new();
        while let Some(packet) = stage.pull().expect("coded") {
            packets.push(packet.data);
        }
        let same = reference
            .iter()
            .zip(&packets)
            .filter(|(a, b)| a == b)
            .count();
        println!(
            "mode {mode}: {same} of {} and {} frames",
            reference.len(),
            packets.len()
        );
        assert!(
            same + 1 >= reference.len(),
            "mode {mode}: {same} of {}",
            reference.len()
        );
    }
}

#[test]
fn no_target_is_passed_and_it_is_filled() {
    let mut fills = Vec::new();
    for path in media(&["amr", "mp3", "m4a", "ogg", "flac", "mp4", "3gp", "webm"]) {
        let movie = open(&path);
        let Some(track) = movie.first(TrackKind::Audio) else {
            continue;
        };
        let info = &track.info;
        let duration_us = info.duration * 1_000_000 / u64::from(info.timescale);
        for codec in [
            Codec::AmrNb,
            Codec::AmrWb,
            Codec::AacLc,
            Codec::Mp3,
            Codec::Opus,
        ] {
            let target = AudioTarget {
                codec,
                max_sample_rate: 48_000,
                max_channels: 2,
                max_bit_rate: None,
            };
            for per_second in [900, 1_500, 3_000, 6_000] {
                let most = per_second * duration_us / 1_000_000;
                let Some(settings) = choose(info, &target, duration_us, Some(most)) else {
                    continue;
                };
                let made = coded(track, &settings);
                assert!(made.bytes() <= most, "{} {codec:?}", path.display());
                assert!(
                    !made
                        .warnings
                        .iter()
                        .any(|warning| warning.contains("cut off")),
                    "{} {codec:?} {most}: {settings:?}",
                    path.display()
                );
                let roomy = choose(info, &target, duration_us, None).expect("fits");
                let fill = 100 * made.bytes() / most;
                if settings.bit_rate < roomy.bit_rate {
                    println!(
                        "{:?} {codec:?}: {fill} % of {most}",
                        path.file_name().expect("name")
                    );
                    fills.push((codec, fill));
                }
            }
        }
    }
    for codec in [
        Codec::AmrNb,
        Codec::AmrWb,
        Codec::AacLc,
        Codec::Mp3,
        Codec::Opus,
    ] {
        let mut of: Vec<u64> = fills.iter().filter(|f| f.0 == codec).map(|f| f.1).collect();
        of.sort_unstable();
        println!(
            "{codec:?}: median {:?} % of {} targets",
            of.get(of.len() / 2),
            of.len()
        );
    }
}
