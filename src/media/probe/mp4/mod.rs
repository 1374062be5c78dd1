//! ISO base media: MP4, 3GP, 3G2, QuickTime, M4A and the HEIF family (ISO/IEC 14496-12,
//! 3GPP TS 26.244, 3GPP2 C.S0050).

mod entry;
mod esds;
mod fragment;
mod track;

use super::bmff::{Boxes, IsoBox};
use super::bytes::{Broken, Reader, Steps, bit_rate, milliseconds};
use super::heif;
use crate::media::{Codec, Format, MediaInfo, MediaKind};
use fragment::Fragments;
use track::{Media, Track};

/// The format that the first box promises, if it is one that begins such a file. Files older than
/// the `ftyp` box are QuickTime.
pub(super) fn sniff(data: &[u8]) -> Option<Format> {
    match data.get(4..8)? {
        b"ftyp" => Some(format_of(data.get(8..)?)),
        b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" => {
            // The size must make sense: these words may stand in a text.
            let plausible = match data.first_chunk::<4>()? {
                [0, 0, 0, size] => matches!(size, 0 | 1 | 8..),
                [first, ..] => *first < 0x20,
            };
            plausible.then_some(Format::Mov)
        }
        _ => None,
    }
}

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Mov, MediaKind::Video);
    let mut movie = Movie::default();
    let mut meta = None;
    for part in Boxes::new(Reader::new(data), steps) {
        match &part.kind {
            b"ftyp" if info.brand.is_none() => {
                info.format = format_of(part.body);
                info.brand = part.body.first_chunk().copied();
            }
            b"moov" if movie.offset.is_none() => movie.read(&mut info, part, steps),
            b"moof" => movie.fragments.read(part, steps),
            b"meta" => meta = meta.or(Some(part)),
            b"uuid" => info.metadata = true,
            _ => {}
        }
        if info.format == Format::Dcf {
            info.kind = MediaKind::Other;
            return Ok(info);
        }
    }
    if matches!(info.format, Format::Heic | Format::Avif) {
        info.kind = MediaKind::Image;
        return picture(info, &movie, meta, steps);
    }
    let offset = movie
        .offset
        .ok_or(Broken::new(data.len(), "there is no moov box"))?;
    movie.describe(&mut info, offset)?;
    Ok(info)
}

/// The format that the body of an `ftyp` box names: major brand, version, compatible brands.
fn format_of(ftyp: &[u8]) -> Format {
    let major = ftyp.first_chunk::<4>().copied().unwrap_or_default();
    match &major {
        b"qt  " => Format::Mov,
        b"M4A " | b"M4B " | b"M4P " => Format::M4a,
        b"avif" | b"avis" => Format::Avif,
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            Format::Heic
        }
        b"mif1" | b"msf1" | b"mif2" | b"miaf" => {
            let compatible = ftyp.get(8..).unwrap_or_default();
            let is_av1 = |brand: &[u8]| brand == b"avif" || brand == b"avis";
            if compatible.chunks_exact(4).take(MOST_BRANDS).any(is_av1) {
                Format::Avif
            } else {
                Format::Heic
            }
        }
        b"odcf" => Format::Dcf,
        b"KDDI" => Format::ThreeG2,
        [b'3', b'g', b'2', _] => Format::ThreeG2,
        [
            b'3',
            b'g',
            b'p' | b'r' | b's' | b'e' | b'g' | b'm' | b'h' | b't',
            _,
        ] => Format::ThreeGp,
        _ => Format::Mp4,
    }
}

/// Compatible brands that are looked at.
const MOST_BRANDS: usize = 32;

/// A picture: from the `meta` box, or, in a sequence without one, from its first track.
fn picture(
    mut info: MediaInfo,
    movie: &Movie,
    meta: Option<IsoBox<'_>>,
    steps: &Steps,
) -> Result<MediaInfo, Broken> {
    info.codec = Some(if info.format == Format::Avif {
        Codec::Av1
    } else {
        Codec::Hevc
    });
    let sequence = movie.tracks.iter().find(|track| track.video.is_some());
    if let Some(track) = sequence
        && matches!(
            info.brand.as_ref(),
            Some(b"avis" | b"msf1" | b"hevc" | b"hevx" | b"hevm" | b"hevs")
        )
    {
        info.frames = Some(track.samples.max(1));
        info.duration_ms = milliseconds(track.duration, track.timescale);
        info.size = track.video.as_ref().and_then(|video| video.size);
        info.orientation = track.matrix.orientation();
    }
    match meta {
        Some(meta) => heif::read_meta(&mut info, meta, steps)?,
        None if info.size.is_none() => {
            return Err(Broken::new(0, "there is no meta box"));
        }
        None => {}
    }
    Ok(info)
}

/// What the `moov` box and the fragments say.
#[derive(Default)]
struct Movie {
    offset: Option<usize>,
    timescale: u64,
    duration: u64,
    /// Duration of all fragments, in the movie's time scale, where it is declared.
    fragments_duration: u64,
    tracks: Vec<Track>,
    fragments: Fragments,
}

impl Movie {
    fn read(&mut self, info: &mut MediaInfo, moov: IsoBox<'_>, steps: &Steps) {
        self.offset = Some(moov.offset);
        for part in Boxes::new(moov.reader(), steps) {
            match &part.kind {
                b"mvhd" => {
                    if let Some((timescale, duration)) = header_times(part) {
                        (self.timescale, self.duration) = (timescale, duration);
                    }
                }
                b"trak" => self.tracks.push(Track::read(part, steps)),
                b"mvex" => {
                    for inner in Boxes::new(part.reader(), steps) {
                        match &inner.kind {
                            b"mehd" => {
                                self.fragments_duration = extends_duration(inner).unwrap_or(0);
                            }
                            b"trex" => self.fragments.defaults(inner),
                            _ => {}
                        }
                    }
                }
                b"udta" => {
                    for inner in Boxes::new(part.reader(), steps) {
                        info.metadata = true;
                        info.gps |= matches!(&inner.kind, b"\xA9xyz" | b"loci");
                    }
                }
                b"meta" => info.metadata = true,
                _ => {}
            }
        }
    }

    /// Turns the tracks into the information asked for.
    fn describe(mut self, info: &mut MediaInfo, offset: usize) -> Result<(), Broken> {
        if self.tracks.is_empty() {
            return Err(Broken::new(offset, "the moov box has no track"));
        }
        for track in &mut self.tracks {
            if let Some(total) = self.fragments.total(track.id) {
                track.duration = track.duration.max(total.duration);
                track.samples = track.samples.saturating_add(total.samples);
                track.octets = track.octets.saturating_add(total.octets);
            }
        }
        let longest = self
            .tracks
            .iter()
            .filter_map(|track| milliseconds(track.duration, track.timescale))
            .max();
        let declared = milliseconds(self.duration.max(self.fragments_duration), self.timescale)
            .filter(|duration| *duration > 0);
        info.duration_ms = declared.or(longest);
        info.tracks = u16::try_from(self.tracks.len()).ok();
        let first = |media: Media| self.tracks.iter().find(|track| track.media == media);
        let video = first(Media::Video);
        let audio = first(Media::Audio);
        if let Some(track) = video {
            let mut video = track.video.clone();
            let duration = milliseconds(track.duration, track.timescale).unwrap_or(0);
            if let Some(video) = &mut video {
                video.bit_rate = bit_rate(track.octets, duration);
                video.millihertz = track.millihertz();
            }
            info.size = video.as_ref().and_then(|video| video.size);
            info.codec = video.as_ref().map(|video| video.codec);
            info.frames = Some(track.samples);
            info.orientation = track.matrix.orientation();
            info.unread_video.clone_from(&track.unread);
            info.video = video;
        }
        if let Some(track) = audio {
            let mut audio = track.audio.clone();
            let duration = milliseconds(track.duration, track.timescale).unwrap_or(0);
            if let Some(audio) = &mut audio {
                audio.bit_rate = bit_rate(track.octets, duration).or(audio.bit_rate);
            }
            info.codec = info.codec.or(audio.as_ref().map(|audio| audio.codec));
            info.unread_audio.clone_from(&track.unread);
            info.audio = audio;
        }
        info.kind = match (&info.video, &info.audio) {
            (Some(_), _) => MediaKind::Video,
            (None, Some(_)) => MediaKind::Audio,
            (None, None) => MediaKind::Other,
        };
        Ok(())
    }
}

/// Time scale and duration of an `mvhd` or `mdhd` box; a duration of all ones is unknown, here 0.
fn header_times(part: IsoBox<'_>) -> Option<(u64, u64)> {
    let (version, _, mut reader) = part.full()?;
    let (timescale, duration) = if version == 1 {
        reader.skip(16).ok()?;
        (reader.be32().ok()?, reader.be64().ok()?)
    } else {
        reader.skip(8).ok()?;
        let timescale = reader.be32().ok()?;
        match reader.be32().ok()? {
            u32::MAX => (timescale, 0),
            duration => (timescale, duration.into()),
        }
    };
    Some((
        timescale.into(),
        if duration == u64::MAX { 0 } else { duration },
    ))
}

fn extends_duration(mehd: IsoBox<'_>) -> Option<u64> {
    let (version, _, mut reader) = mehd.full()?;
    if version == 1 {
        reader.be64().ok()
    } else {
        reader.be32().ok().map(u64::from)
    }
}

#[cfg(test)]
mod tests;
