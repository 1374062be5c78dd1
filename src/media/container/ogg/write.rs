//! Writes Opus into Ogg (RFC 7845).

use super::super::error::WriteError;
use super::super::track::Sample;
use super::codec::{OpusHead, opus_packet_ticks};
use super::page::{CAPTURE, FIRST, LAST, crc};

/// The one stream of a file: any number will do, and the same one gives the same octets.
const SERIAL: u32 = 1;
/// Ticks after which a page is closed: one second.
const PAGE_TICKS: u64 = 48_000;
/// Lengths that fit on a page.
const SEGMENTS: usize = 255;

/// Writes a file of one Opus stream. `ticks` is the length of the sound at 48 kHz without the
/// pre-skip, where it ends inside the last packet.
///
/// # Errors
///
/// [`WriteError::NoTrack`] without packets, [`WriteError::Field`] for more than two channels or a
/// packet that is longer than a page.
pub fn write_opus(
    head: OpusHead,
    samples: &[Sample],
    ticks: Option<u64>,
) -> Result<Vec<u8>, WriteError> {
    if !matches!(head.channels, 1 | 2) {
        return Err(WriteError::Field("the number of channels"));
    }
    if samples.is_empty() {
        return Err(WriteError::NoTrack);
    }
    let mut tags = b"OpusTags\x06\0\0\0remold".to_vec();
    tags.extend([0; 4]);
    let mut out = Vec::new();
    put_page(&mut out, FIRST, 0, 0, &[&head.to_packet()]);
    put_page(&mut out, 0, 0, 1, &[&tags]);

    let mut page: Vec<&[u8]> = Vec::new();
    let (mut segments, mut clock, mut opened) = (0_usize, 0_u64, 0_u64);
    let mut number = 2_u32;
    for sample in samples {
        let needed = (sample.data.len() / 255).saturating_add(1);
        if needed > SEGMENTS {
            return Err(WriteError::Field("the size of a packet"));
        }
        let long = clock.saturating_sub(opened) >= PAGE_TICKS;
        if !page.is_empty() && (long || segments.saturating_add(needed) > SEGMENTS) {
            put_page(&mut out, 0, clock, number, &page);
            page.clear();
            segments = 0;
            opened = clock;
            number = number.saturating_add(1);
        }
        segments = segments.saturating_add(needed);
        clock = clock.saturating_add(u64::from(opus_packet_ticks(&sample.data)));
        page.push(&sample.data);
    }
    let whole = ticks.map(|ticks| ticks.saturating_add(u64::from(head.pre_skip)));
    put_page(
        &mut out,
        LAST,
        whole.unwrap_or(clock).min(clock),
        number,
        &page,
    );
    Ok(out)
}

fn put_page(out: &mut Vec<u8>, flags: u8, granule: u64, number: u32, packets: &[&[u8]]) {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.resize(lacing.len().saturating_add(packet.len() / 255), 255);
        lacing.push(u8::try_from(packet.len() % 255).unwrap_or(0));
    }
    let mut head = CAPTURE.to_vec();
    head.extend([0, flags]);
    head.extend(granule.to_le_bytes());
    head.extend(SERIAL.to_le_bytes());
    head.extend(number.to_le_bytes());
    let mut tail = vec![u8::try_from(lacing.len()).unwrap_or(u8::MAX)];
    tail.extend(lacing);
    tail.extend(packets.concat());
    let checksum = [head.as_slice(), &[0; 4], &tail]
        .iter()
        .fold(0, |sum, part| crc(sum, part));
    out.extend(head);
    out.extend(checksum.to_le_bytes());
    out.extend(tail);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::read::read;
    use super::*;
    use crate::limits::Limits;

    fn packets(sizes: &[usize]) -> Vec<Sample> {
        let mut dts = -312;
        sizes
            .iter()
            .map(|size| {
                let mut data = vec![7; *size];
                data[0] = 0x78;
                let sample = Sample {
                    dts,
                    pts: dts,
                    duration: 960,
                    keyframe: true,
                    data: Bytes::from(data),
                };
                dts += 960;
                sample
            })
            .collect()
    }

    const HEAD: OpusHead = OpusHead {
        channels: 1,
        pre_skip: 312,
        input_rate: 16_000,
        gain: 0,
        family: 0,
    };

    #[test]
    fn what_is_written_is_read() {
        let sizes: Vec<usize> = (1..=300).map(|n| n * 7 % 600 + 1).collect();
        let samples = packets(&sizes);
        let file = write_opus(HEAD, &samples, Some(287_000)).unwrap();
        let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
        assert_eq!(movie.warnings, []);
        let track = &movie.tracks[0];
        assert!(track.samples().eq(samples));
        assert_eq!(track.info.duration, 287_000);
    }

    #[test]
    fn a_damaged_page_costs_its_packets_alone() {
        let samples = packets(&[100; 200]);
        let mut file = write_opus(HEAD, &samples, None).unwrap();
        let middle = file.len() / 2;
        file[middle] ^= 1;
        let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
        assert_eq!(movie.tracks[0].len(), 150);
        assert!(!movie.warnings.is_empty());
    }

    #[test]
    fn packets_go_on_from_page_to_page() {
        let long = vec![5_u8; 255 * 2 + 10];
        let mut file = Vec::new();
        put_page(&mut file, FIRST, 0, 0, &[&HEAD.to_packet()]);
        put_page(&mut file, 0, 0, 1, &[b"OpusTags"]);
        // A page of whole segments only, then one that says it continues.
        let mut first = Vec::new();
        put_page(&mut first, 0, u64::MAX, 2, &[&long[..510]]);
        let count = first[26];
        first[26] = count - 1;
        first.remove(27 + 2);
        fix(&mut first);
        let mut second = Vec::new();
        put_page(&mut second, 1 | LAST, 960, 3, &[&long[510..], &[0x78, 1]]);
        let whole = Bytes::from([file, first, second].concat());
        let movie = read(&whole, &Limits::default()).unwrap();
        assert_eq!(movie.warnings, []);
        let sizes: Vec<usize> = movie.tracks[0].samples().map(|s| s.data.len()).collect();
        assert_eq!(sizes, [520, 2]);
        assert_eq!(movie.tracks[0].samples().next().unwrap().data, long);
    }

    #[test]
    fn claims_of_damaged_pages_are_not_followed_for_ever() {
        let mut claim = CAPTURE.to_vec();
        claim.extend([0; 22]);
        claim.push(255);
        claim.extend([255; 255]);
        let file = write_opus(HEAD, &packets(&[9]), None).unwrap();
        let data = Bytes::from([file, claim.repeat(4_000)].concat());
        let movie = read(&data, &Limits::default()).unwrap();
        assert_eq!((movie.tracks[0].len(), movie.warnings.len()), (1, 32));
    }

    fn fix(page: &mut [u8]) {
        page[22..26].fill(0);
        let sum = crc(0, page);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
    }
}
