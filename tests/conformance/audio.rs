//! Sound decoded, coded anew and written, judged by ffmpeg and sox.

use std::path::Path;

use remold::Limits;
use remold::media::audio::{
    AudioSettings, AudioTarget, Source, bit_rates, choose, choose_mixed, packet_bytes, transcode,
};
use remold::media::codec::{AudioFormat, RateTarget};
use remold::media::container::isobmff::{Brand, NewTrack, write};
use remold::media::container::{
    CodedTrack, Movie, Track, TrackCodec, TrackKind, adts, amr, mp3, ogg, wav,
};
use remold::media::{Cancel, Codec, PcmBlock, Registry};

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
    while let Some(block) = source.next_block().expect("sound decodes") {
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
    // ffmpeg's own decoder of Opus is not exact; the reference library is at hand, too.
    let extension = path.extension().and_then(|extension| extension.to_str());
    let decoder: &[&str] = match extension {
        Some("opus" | "webm") => &["-c:a", "libopus"],
        _ => &[],
    };
    let output = tool("ffmpeg")?
        .args(["-v", "error"])
        .args(decoder)
        .arg("-i")
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
        for at in (most..most + 20_000).step_by(3) {
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
        ("s16.wav", &quiet[..], &["-c:a", "pcm_s16le"][..], 150.0),
        ("s24.wav", &quiet, &["-c:a", "pcm_s24le"], 85.0),
        ("s32.wav", &quiet, &["-c:a", "pcm_s32le"], 85.0),
        ("f32.wav", &quiet, &["-c:a", "pcm_f32le"], 75.0),
        ("f64.wav", &quiet, &["-c:a", "pcm_f64le"], 75.0),
        ("u8.wav", &quiet, &["-c:a", "pcm_u8"], 150.0),
        ("alaw.wav", &quiet, &["-c:a", "pcm_alaw"], 150.0),
        ("ulaw.wav", &quiet, &["-c:a", "pcm_mulaw"], 150.0),
        ("s16be.mov", &quiet, &["-c:a", "pcm_s16be"], 150.0),
        ("ima.wav", &quiet, &["-c:a", "adpcm_ima_wav"], 150.0),
        ("ms.wav", &quiet, &["-c:a", "adpcm_ms"], 150.0),
        (
            "ima1.wav",
            &quiet,
            &["-ac", "1", "-c:a", "adpcm_ima_wav"],
            150.0,
        ),
        ("ms1.wav", &quiet, &["-ac", "1", "-c:a", "adpcm_ms"], 150.0),
        (
            "flac.flac",
            &quiet,
            &["-c:a", "flac", "-sample_fmt", "s16"],
            150.0,
        ),
        (
            "flac.ogg",
            &quiet,
            &["-c:a", "flac", "-sample_fmt", "s16"],
            150.0,
        ),
        (
            "alac.m4a",
            &quiet,
            &["-c:a", "alac", "-sample_fmt", "s16p"],
            150.0,
        ),
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
            "opus.opus",
            &quiet,
            &["-c:a", "libopus", "-b:a", "64k"],
            60.0,
        ),
        (
            "voip.opus",
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
        (
            "six.flac",
            &surround,
            &["-c:a", "flac", "-sample_fmt", "s16"],
            150.0,
        ),
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
        // Which of two ways an encoder of IMA's ADPCM rounds is known from its second block on.
        let known = if name.starts_with("heard-ima") {
            5_000
        } else {
            0
        };
        let found = snr(&reference[known..], &heard.samples[known..]);
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
                "opus",
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
        "media/voice.mp3",
        &["-t", "3", "-ar", "44100", "-ac", "2", "-af", "volume=0.5"],
    ) else {
        return;
    };
    let movie = open(&path);
    let track = sound(&movie);
    let duration = 3.0;
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
        let bound = packet_bytes(&settings, 3_000_000);
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
            let bare = name.ends_with("aac");
            // ADTS has no way to say where the sound starts.
            let late = if bare {
                0
            } else {
                shift(&mono(&reference), &mono(&decoded), i64::from(rate / 40))
            };
            let late_ms = late as f64 * 1_000.0 / f64::from(rate);
            println!("{name}: {length:.3} s, {late_ms:.2} ms late, {fill} % of the bound");
            // ffmpeg drops what lies before the start, and not what lies behind the end.
            let frame = if codec == Codec::AacLc {
                1_024.5 / f64::from(rate)
            } else {
                0.021
            };
            let raw = bare || name.ends_with("mp4");
            assert!(
                (length - duration).abs() <= if raw { 0.3 } else { frame },
                "{name}: {length}"
            );
            if !bare {
                assert!(late_ms.abs() < 12.0, "{name}: {late_ms} ms");
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

/// The libraries that the standards' codecs are checked against, as one program: the way, the
/// mode, samples or frames in, frames or samples out.
const JUDGE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
void *Encoder_Interface_init(int); void *Decoder_Interface_init(void);
int Encoder_Interface_Encode(void *, int, const short *, unsigned char *, int);
void Decoder_Interface_Decode(void *, const unsigned char *, short *, int);
void *E_IF_init(void); void *D_IF_init(void);
int E_IF_encode(void *, int, const short *, unsigned char *, int);
void D_IF_decode(void *, const unsigned char *, short *, int);
static const int nb[16] = {12,13,15,17,19,20,26,31,5,0,0,0,0,0,0,0};
static const int wb[16] = {17,23,32,36,40,46,50,58,60,5,0,0,0,0,0,0};
int main(int c, char **v) {
    short pcm[320]; unsigned char frame[128];
    int wide = v[1][0] == 'w', mode = c > 2 ? atoi(v[2]) : 0, n = wide ? 320 : 160, k;
    if (v[1][1] == 'e') {
        void *e = wide ? E_IF_init() : Encoder_Interface_init(0);
        while (fread(pcm, 2, n, stdin) == n) {
            k = wide ? E_IF_encode(e, mode, pcm, frame, 0) : Encoder_Interface_Encode(e, mode, pcm, frame, 0);
            fwrite(frame, 1, k, stdout);
        }
    } else {
        void *d = wide ? D_IF_init() : Decoder_Interface_init();
        while (fread(frame, 1, 1, stdin) == 1) {
            k = (wide ? wb : nb)[frame[0] >> 3 & 15];
            if (fread(frame + 1, 1, k, stdin) != k) break;
            if (wide) D_IF_decode(d, frame, pcm, 0); else Decoder_Interface_Decode(d, frame, pcm, 0);
            fwrite(pcm, 2, n, stdout);
        }
    }
    return 0;
}
"#;

/// The judge, where there is a compiler and the libraries are installed to build with.
fn judge() -> Option<std::path::PathBuf> {
    let source = scratch("amr-judge.c", JUDGE.as_bytes());
    let program = source.with_extension("");
    let built = tool("cc")?
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .args(["-lopencore-amrnb", "-lopencore-amrwb", "-lvo-amrwbenc"])
        .output()
        .expect("cc runs");
    if built.status.success() {
        return Some(program);
    }
    println!("skipped: opencore-amr and vo-amrwbenc are not installed to build with");
    None
}

fn judged(program: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let name = format!("judge-{}", arguments.join("-"));
    let file = std::fs::File::open(scratch(&name, input)).expect("input is readable");
    let output = std::process::Command::new(program)
        .args(arguments)
        .stdin(file)
        .output()
        .expect("the judge runs");
    assert!(output.status.success());
    output.stdout
}

/// What our encoder makes of samples.
fn frames(codec: Codec, rate: u32, bit_rate: u64, samples: Vec<i16>) -> Vec<u8> {
    let encoder = Registry::builtin().audio_encoder(codec).expect("encoder");
    let format = AudioFormat {
        codec,
        sample_rate: rate,
        channels: 1,
        config: bytes::Bytes::new(),
    };
    let target = RateTarget {
        bit_rate: Some(bit_rate),
        ..RateTarget::default()
    };
    let mut stage = encoder
        .open(&format, &target, &Cancel::new())
        .expect("opens");
    stage
        .push(PcmBlock {
            sample_rate: rate,
            channels: 1,
            samples,
            timestamp_us: 0,
        })
        .expect("coded");
    let mut out = Vec::new();
    while let Some(packet) = stage.pull().expect("coded") {
        out.extend_from_slice(&packet.data);
    }
    out
}

/// Digests of what the reference code of 3GPP TS 26.173 makes, modes 0 to 8, of a second of a
/// signal; each of the first eight octets of a SHA-256 of the file.
const WIDE_REFERENCE: [&str; 9] = [
    "d1a6b26b2baab8d3",
    "dba26da75a686347",
    "c3f8c729165c35e0",
    "204b3e94abd07c94",
    "8f5fa8c39c42f8fd",
    "11b85dac0f63624e",
    "d137bfd73bbea9ef",
    "f7668dd810e8c70c",
    "331ff12143122c79",
];

#[test]
fn amr_wb_is_that_of_the_reference_code_in_every_mode() {
    use sha2::Digest;

    // Three tones under an envelope of 3 Hz.
    let tone = |hertz: f64, second: f64| (2.0 * std::f64::consts::PI * hertz * second).sin();
    let signal: Vec<i16> = (0..16_000)
        .map(|at| {
            let second = f64::from(at) / 16_000.0;
            let tones = 0.6 * tone(310.0, second) + 0.3 * tone(1150.0, second);
            let tones = tones + 0.1 * tone(2700.0, second);
            ((0.5 + 0.5 * tone(3.0, second)) * tones * 12_000.0) as i16
        })
        .collect();
    for (bit_rate, expected) in bit_rates(Codec::AmrWb).iter().zip(WIDE_REFERENCE) {
        let coded = frames(Codec::AmrWb, 16_000, *bit_rate, signal.clone());
        let digest = sha2::Sha256::new()
            .chain_update(b"#!AMR-WB\n")
            .chain_update(&coded)
            .finalize();
        let digest: String = digest.iter().take(8).map(|x| format!("{x:02x}")).collect();
        assert_eq!(digest, expected, "{bit_rate}");
    }
}

#[test]
fn amr_is_that_of_the_reference_libraries_to_the_bit() {
    let Some(judge) = judge() else { return };
    for source in ["media/voice.mp3", "media/music.flac"] {
        for (codec, rate, letter, magic) in [
            (Codec::AmrNb, 8_000, 'n', b"#!AMR\n".as_slice()),
            (Codec::AmrWb, 16_000, 'w', b"#!AMR-WB\n"),
        ] {
            let hertz = format!("{rate}");
            let shape = ["-ar", &hertz, "-ac", "1"];
            let Some(path) = make(&format!("judged-{rate}.wav"), source, &shape) else {
                return;
            };
            let speech = ours(sound(&open(&path))).samples;
            let octets: Vec<u8> = speech.iter().flat_map(|x| x.to_le_bytes()).collect();
            for (mode, bit_rate) in bit_rates(codec).iter().enumerate() {
                let way = format!("{letter}e");
                let reference = judged(&judge, &[&way, &mode.to_string()], &octets);
                let coded = frames(codec, rate, *bit_rate, speech.clone());
                let same = reference
                    .iter()
                    .zip(&coded)
                    .take_while(|(a, b)| a == b)
                    .count();
                println!(
                    "{source} {codec:?} mode {mode}: {same} of {} octets",
                    reference.len()
                );
                // vo-amrwbenc wraps sums where TS 26.173 saturates, and so departs from it in any
                // mode, as docs/measurements.md tells; with this voice in the first and the last.
                let exact = source.contains("voice") && (1..8).contains(&mode);
                if codec == Codec::AmrNb || exact {
                    assert!(same == reference.len().min(coded.len()), "mode {mode}");
                }
                let way = format!("{letter}d");
                let reference = samples(&judged(&judge, &[&way], &coded));
                let file = scratch(
                    &format!("judged-{mode}-{letter}.amr"),
                    &[magic, coded.as_slice()].concat(),
                );
                let heard = ours(sound(&open(&file))).samples;
                // AMR-WB has 14 bits of sound, and the library leaves out the two others.
                let mask = if letter == 'w' { !3 } else { !0 };
                let heard: Vec<i16> = heard.iter().map(|x| x & mask).collect();
                assert_eq!(reference.len(), heard.len());
                assert!(
                    reference == heard,
                    "{codec:?} mode {mode} decodes otherwise"
                );
            }
        }
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
                let Some(settings) = choose_mixed(info, &target, duration_us, Some(most)) else {
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
        assert!(of.get(of.len() / 2).is_none_or(|median| *median >= 93));
    }
}
