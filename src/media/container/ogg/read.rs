//! Pages into packets, packets into tracks.

use bytes::Bytes;

use super::super::error::{ContainerError, Warning};
use super::super::movie::{Movie, Source, Span, Track};
use super::super::reader::{saturated, share};
use super::super::track::{FourCc, TrackCodec, TrackInfo};
use super::codec::{Identity, identify, lace_vorbis, opus_packet_ticks};
use super::page::{CAPTURE, CONTINUED, LAST, Page};
use crate::limits::Limits;

/// Damaged pages after which a file is given up: to find that one is damaged takes a checksum over
/// all that it claims to be.
const DAMAGED: usize = 256;

/// Whether the data starts with a page.
pub(in super::super) fn recognises(data: &Bytes) -> bool {
    data.starts_with(CAPTURE)
}

/// Reads an Ogg file: a track for each logical stream.
///
/// Pages whose checksum is wrong are passed over with a warning, up to 256 of them. A packet that spans pages is put
/// together in memory of its own; all others are slices of the input. Times are exact for Opus and
/// Speex; packets of Vorbis and FLAC share out the time of their page.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where there is no page, [`ContainerError::Limit`] for more
/// streams or packets than allowed.
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut warnings: Vec<Warning> = Vec::new();
    let mut packets = limits.container_samples;
    let mut damaged = 0_usize;
    let mut at = 0;
    while at < data.len() && damaged < DAMAGED {
        let Some(page) = Page::read(data, at) else {
            if warnings.len() < 32 {
                warnings.push(Warning {
                    offset: at,
                    what: "no page, or one that is damaged",
                });
            }
            damaged = damaged.saturating_add(1);
            at = next_capture(data, at.saturating_add(1));
            continue;
        };
        let place = streams
            .iter()
            .position(|stream| stream.serial == page.serial);
        let stream = match place {
            Some(place) => streams.get_mut(place),
            None if streams.len() == limits.container_tracks => {
                return Err(ContainerError::Limit {
                    what: "container_tracks",
                    limit: limits.container_tracks,
                });
            }
            None => {
                streams.push(Stream::new(page.serial));
                streams.last_mut()
            }
        };
        if let Some(stream) = stream {
            let found = stream.add_page(data, &page);
            packets = packets.checked_sub(found).ok_or(ContainerError::Limit {
                what: "container_samples",
                limit: limits.container_samples,
            })?;
        }
        at = page.end;
    }
    if streams.is_empty() {
        return Err(ContainerError::malformed(0, "no Ogg page"));
    }
    let tracks = streams
        .into_iter()
        .filter_map(|stream| stream.finish(data, limits))
        .collect();
    Ok(Movie {
        brand: FourCc(*CAPTURE),
        compatible: Vec::new(),
        tracks,
        warnings,
    })
}

fn next_capture(data: &Bytes, from: usize) -> usize {
    let rest = data.get(from..).unwrap_or_default();
    let mut windows = rest.windows(CAPTURE.len());
    match windows.position(|window| window == CAPTURE) {
        Some(distance) => from.saturating_add(distance),
        None => data.len(),
    }
}

/// A logical stream while its pages come.
#[derive(Debug)]
struct Stream {
    serial: u32,
    /// Packets put together from several pages; their places count on from the end of the input.
    joined: Vec<u8>,
    /// Pieces of a packet that goes on on the next page.
    partial: Vec<Bytes>,
    identity: Option<Identity>,
    headers: Vec<Bytes>,
    spans: Vec<Span>,
    /// The clock at the end of what has come.
    clock: i64,
    started: bool,
    /// The granule of a last page that ends before its packets do.
    end: Option<i64>,
}

impl Stream {
    const fn new(serial: u32) -> Self {
        Self {
            serial,
            joined: Vec::new(),
            partial: Vec::new(),
            identity: None,
            headers: Vec::new(),
            spans: Vec::new(),
            clock: 0,
            started: false,
            end: None,
        }
    }

    /// Takes the packets that end on a page; how many there were.
    fn add_page(&mut self, data: &Bytes, page: &Page<'_>) -> usize {
        // A packet whose end was lost, or whose start was.
        let mut orphan = page.flags & CONTINUED != 0 && self.partial.is_empty();
        if page.flags & CONTINUED == 0 {
            self.partial.clear();
        }
        let first = self.spans.len();
        let mut found = 0_usize;
        let (mut start, mut length) = (page.body, 0_usize);
        for lace in page.lacing {
            length = length.saturating_add(usize::from(*lace));
            if *lace == 255 {
                continue;
            }
            let piece = share(data, start, length).unwrap_or_default();
            if orphan {
                orphan = false;
            } else {
                found = found.saturating_add(1);
                self.add_packet(data, piece, start);
            }
            start = start.saturating_add(length);
            length = 0;
        }
        if length > 0 && !orphan {
            self.partial.extend(share(data, start, length));
        }
        self.time_page(first, page);
        found
    }

    /// Takes the last piece of a packet, which starts at `start` of the input.
    fn add_packet(&mut self, data: &Bytes, piece: Bytes, start: usize) {
        let (packet, start) = if self.partial.is_empty() {
            (piece, start)
        } else {
            self.partial.push(piece);
            let pieces: Vec<&[u8]> = self.partial.iter().map(AsRef::as_ref).collect();
            let whole = pieces.concat();
            self.partial.clear();
            let start = data.len().saturating_add(self.joined.len());
            (Bytes::from(whole), start)
        };
        let identity = self.identity.get_or_insert_with(|| identify(&packet));
        if self.headers.len() < identity.headers {
            self.headers.push(packet);
            return;
        }
        if packet.is_empty() {
            return;
        }
        let duration = match (&identity.codec, identity.packet_ticks) {
            (TrackCodec::Opus(_), _) => opus_packet_ticks(&packet),
            (_, ticks) => ticks.unwrap_or(0),
        };
        if start >= data.len() {
            self.joined.extend_from_slice(&packet);
        }
        self.spans.push(Span {
            start,
            length: saturated(packet.len()),
            duration,
            dts: 0,
            delay: 0,
            keyframe: true,
        });
    }

    /// Sets the times of the packets from `first` on, which ended on `page`.
    fn time_page(&mut self, first: usize, page: &Page<'_>) {
        let Some(spans) = self.spans.get_mut(first..) else {
            return;
        };
        if spans.is_empty() {
            return;
        }
        let known = spans
            .iter()
            .map(|span| i64::from(span.duration))
            .sum::<i64>();
        let told = page.granule >= 0;
        if known == 0 && told {
            // The codec does not say: shares of the page's time.
            let count = i64::try_from(spans.len()).unwrap_or(1).max(1);
            let whole = page.granule.saturating_sub(self.clock).max(0);
            let share = u32::try_from(whole / count).unwrap_or(0);
            for span in spans.iter_mut() {
                span.duration = share;
            }
            if let Some(last) = spans.last_mut() {
                let rest = u32::try_from(whole % count).unwrap_or(0);
                last.duration = last.duration.saturating_add(rest);
            }
        } else if told && !self.started && page.flags & LAST == 0 {
            // A recording that was cut out of a longer one does not start at 0.
            self.clock = page.granule.saturating_sub(known).max(0);
        }
        self.started |= told;
        for span in spans.iter_mut() {
            span.dts = self.clock;
            self.clock = self.clock.saturating_add(i64::from(span.duration));
        }
        if told && page.flags & LAST != 0 && page.granule < self.clock {
            self.end = Some(page.granule);
        }
    }

    fn finish(self, data: &Bytes, limits: &Limits) -> Option<Track> {
        let Identity {
            codec,
            rate,
            channels,
            skip,
            ..
        } = self.identity?;
        let codec = match codec {
            TrackCodec::Vorbis(_) => TrackCodec::Vorbis(lace_vorbis(&self.headers)?),
            other => other,
        };
        let mut info = TrackInfo::audio(self.serial, codec, rate, rate, channels);
        info.edit.media_start = skip;
        info.edit.duration = self
            .end
            .and_then(|end| u64::try_from(end).ok())
            .map(|end| end.saturating_sub(skip));
        let mut track = Track::new(info, data.clone(), Source::Spans(self.spans));
        track.joined = Bytes::from(self.joined);
        track.measure(limits.container_samples);
        Some(track)
    }
}
