//! Sample entries: which codec a track holds (ISO/IEC 14496-12 section 8.5.2, 14496-14, 14496-15,
//! TS 26.244 section 6, C.S0050 section 8).

use super::super::bmff::{Boxes, IsoBox};
use super::super::bytes::{Reader, Steps};
use super::esds::{self, Stream};
use crate::dimensions::Dimensions;
use crate::media::{AudioTrack, Codec, VideoTrack};

/// Reads a visual sample entry.
pub(super) fn video(entry: IsoBox<'_>, steps: &Steps) -> VideoTrack {
    let codec = match &entry.kind {
        b"s263" | b"h263" | b"H263" => Codec::H263,
        b"mp4v" | b"XVID" | b"DIVX" | b"FMP4" => Codec::Mpeg4Visual,
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => Codec::H264,
        b"hvc1" | b"hev1" | b"hvc2" | b"dvh1" | b"dvhe" => Codec::Hevc,
        b"av01" => Codec::Av1,
        b"vp08" => Codec::Vp8,
        b"vp09" => Codec::Vp9,
        b"jpeg" | b"mjpa" | b"mjpb" | b"mjpg" => Codec::Mjpeg,
        b"png " => Codec::Png,
        b"mp1v" | b"mp2v" | b"mpeg" => Codec::MpegVideo,
        _ => Codec::Unknown,
    };
    let mut track = VideoTrack::new(codec);
    let mut reader = entry.reader();
    if reader.skip(24).is_err() {
        return track;
    }
    if let (Ok(width), Ok(height)) = (reader.be16(), reader.be16())
        && width > 0
        && height > 0
    {
        track.size = Some(Dimensions::new(width.into(), height.into()));
    }
    if reader.skip(50).is_ok() && !is_encrypted(entry.kind) {
        for part in Boxes::new(reader, steps) {
            configuration(&mut track, part);
        }
    }
    track
}

/// Whether an entry's samples are encrypted, by ISO/IEC 14496-12 section 8.12 or as a shop does.
const fn is_encrypted(kind: [u8; 4]) -> bool {
    matches!(&kind, b"encv" | b"enca" | b"drmi" | b"drms")
}

/// The name of a visual sample entry whose samples nobody here takes out: encrypted ones (`encv`,
/// `drmi`), those of Dolby Vision alone (`dvh1`), whose colours a decoder of HEVC gets wrong, and
/// whatever else is not among those that are read.
pub(super) fn unread_video(kind: [u8; 4], codec: Codec) -> Option<String> {
    let read = match &kind {
        b"s263" | b"h263" | b"H263" | b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"hvc1" | b"hev1"
        | b"av01" | b"vp08" | b"vp09" => true,
        b"mp4v" => codec == Codec::Mpeg4Visual,
        _ => false,
    };
    (!read).then(|| kind.escape_ascii().to_string())
}

/// The same of an audio sample entry.
pub(super) fn unread_audio(kind: [u8; 4], codec: Codec) -> Option<String> {
    let read = match &kind {
        b"mp4a" => matches!(
            codec,
            Codec::AacLc
                | Codec::HeAac
                | Codec::HeAacV2
                | Codec::Aac
                | Codec::Mp3
                | Codec::Qcelp
                | Codec::Evrc
                | Codec::Smv
        ),
        // Blocks of ADPCM are counted in samples, which the reader of samples does not follow.
        _ => !matches!(audio_codec(kind), Codec::Unknown | Codec::Adpcm),
    };
    (!read).then(|| kind.escape_ascii().to_string())
}

/// Takes in profile and level from a codec's own box.
fn configuration(track: &mut VideoTrack, part: IsoBox<'_>) {
    let octet = |at: usize| part.body.get(at).copied().map(u16::from);
    match &part.kind {
        b"avcC" => {
            track.profile = octet(1);
            let level_1b = octet(3) == Some(11)
                && octet(2).is_some_and(|constraints| constraints & 0x10 != 0)
                && matches!(octet(1), Some(66 | 77 | 88));
            track.level = if level_1b { Some(9) } else { octet(3) };
        }
        b"hvcC" => {
            track.profile = octet(1).map(|octet| octet & 0x1F);
            track.level = octet(12);
        }
        b"av1C" => {
            track.profile = octet(1).map(|octet| octet >> 5);
            track.level = octet(1).map(|octet| octet & 0x1F);
        }
        b"vpcC" => {
            track.profile = octet(4);
            track.level = octet(5);
        }
        b"d263" => {
            track.level = octet(5);
            track.profile = octet(6);
        }
        b"esds" => {
            let Some(stream) = esds::read(part) else {
                return;
            };
            track.codec = stream.video().unwrap_or(track.codec);
            if let Some(code) = stream.visual_profile_and_level() {
                track.profile = Some(u16::from(code >> 4));
                track.level = Some(u16::from(code & 15));
            }
        }
        _ => {}
    }
}

/// Reads an audio sample entry, QuickTime's versions 1 and 2 included.
pub(super) fn audio(entry: IsoBox<'_>, steps: &Steps) -> AudioTrack {
    let mut track = AudioTrack::new(audio_codec(entry.kind));
    let Some(children) = audio_header(&mut track, entry) else {
        return track;
    };
    if is_encrypted(entry.kind) {
        return track;
    }
    for part in Boxes::new(children, steps) {
        match &part.kind {
            b"esds" => elementary(&mut track, part),
            b"wave" => {
                for inner in Boxes::new(part.reader(), steps) {
                    if &inner.kind == b"esds" {
                        elementary(&mut track, inner);
                    }
                }
            }
            _ => {}
        }
    }
    match track.codec {
        // The entry may claim anything (stereo at 0 Hz is common); the codec allows one value.
        Codec::AmrNb => (track.sample_rate, track.channels) = (Some(8_000), Some(1)),
        Codec::AmrWb => (track.sample_rate, track.channels) = (Some(16_000), Some(1)),
        Codec::Qcelp | Codec::Evrc | Codec::Smv => {
            (track.sample_rate, track.channels) = (Some(8_000), Some(1));
        }
        // Writers put the template value of 2 here whatever the frames say.
        Codec::Mp3 => track.channels = None,
        _ => {}
    }
    track
}

fn audio_codec(kind: [u8; 4]) -> Codec {
    match &kind {
        b"samr" => Codec::AmrNb,
        b"sawb" => Codec::AmrWb,
        b"sawp" => Codec::AmrWbPlus,
        b"mp4a" => Codec::AacLc,
        b".mp3" | b"mp3 " | b"ms\0\x55" => Codec::Mp3,
        b"alac" => Codec::Alac,
        b"Opus" => Codec::Opus,
        b"fLaC" => Codec::Flac,
        b"ac-3" | b"ec-3" => Codec::Ac3,
        b"sqcp" | b"Qclp" => Codec::Qcelp,
        b"sevc" => Codec::Evrc,
        b"ssmv" => Codec::Smv,
        b"twos" | b"sowt" | b"raw " | b"NONE" | b"in24" | b"in32" | b"fl32" | b"fl64" | b"lpcm"
        | b"ipcm" | b"fpcm" => Codec::Pcm,
        b"ulaw" | b"ms\0\x07" => Codec::Ulaw,
        b"alaw" | b"ms\0\x06" => Codec::Alaw,
        b"ima4" | b"ms\0\x02" | b"ms\0\x11" => Codec::Adpcm,
        b"agsm" | b"ms\0\x31" => Codec::Gsm,
        _ => Codec::Unknown,
    }
}

/// Reads channels and rate; gives a reader of the boxes behind them.
fn audio_header<'a>(track: &mut AudioTrack, entry: IsoBox<'a>) -> Option<Reader<'a>> {
    let mut reader = entry.reader();
    reader.skip(8).ok()?;
    let version = reader.be16().ok()?;
    reader.skip(6).ok()?;
    let channels = reader.be16().ok()?;
    reader.skip(6).ok()?;
    let rate = reader.be32().ok()? >> 16;
    track.channels = (channels > 0).then_some(channels);
    track.sample_rate = (rate > 0).then_some(rate);
    match version {
        1 => reader.skip(16).ok()?,
        2 => {
            reader.skip(4).ok()?;
            let rate = f64::from_bits(reader.be64().ok()?);
            let channels = reader.be32().ok()?;
            track.sample_rate = whole(rate);
            track.channels = u16::try_from(channels).ok();
            reader.skip(20).ok()?;
        }
        _ => {}
    }
    Some(reader)
}

/// A sampling rate that is written as a floating-point number.
fn whole(rate: f64) -> Option<u32> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    (1.0..=4_000_000.0).contains(&rate).then_some(rate as u32)
}

fn elementary(track: &mut AudioTrack, part: IsoBox<'_>) {
    let Some(stream) = esds::read(part) else {
        return;
    };
    track.codec = stream.audio().unwrap_or(track.codec);
    track.bit_rate = (stream.bit_rate > 0).then_some(stream.bit_rate.into());
    if let Stream { aac: Some(aac), .. } = stream {
        track.codec = aac.codec();
        track.sample_rate = aac.sample_rate.or(track.sample_rate);
        track.channels = aac.channels.or(track.channels);
    }
}
