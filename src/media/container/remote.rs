//! Files that stay where they are: only the tables of an MP4 are taken into memory, and each sample
//! is read when it is asked for.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::error::ContainerError;
use super::isobmff;
use super::movie::{Movie, Octets};
use super::reader::index;
use crate::limits::Limits;

/// Octets of all boxes but `mdat` at most. A file with more has its weight in its tables.
const HEAD: u64 = 4 << 20;

/// A file that can be read in pieces. It must not change while it is read.
pub trait Remote: fmt::Debug + Send + Sync {
    /// Octets of the whole.
    fn size(&self) -> u64;

    /// `length` octets from `start` on; `None` where not all of them can be had. What went wrong is
    /// for the one who made it to remember: to readers the file ends there.
    fn read(&self, start: u64, length: usize) -> Option<Bytes>;
}

/// The boxes of an ISO base media file without its `mdat` boxes, which is all that there is to be
/// probed, and nearly as short as the tables.
///
/// `None` for what has to be read as a whole: another kind of file, one in fragments, whose places
/// count from their own boxes, one that is cut, or one whose head is longer than 4 MiB.
#[must_use]
pub fn head(remote: &dyn Remote, limits: &Limits) -> Option<Bytes> {
    let size = remote.size();
    let (mut at, mut taken, mut parts) = (0_u64, 0_u64, Vec::new());
    let mut boxes = 0_usize;
    while at < size {
        boxes = boxes.checked_add(1)?;
        if boxes > limits.container_boxes {
            return None;
        }
        let left = size.checked_sub(at)?;
        let header = remote.read(at, index(left.min(16)))?;
        let (kind, length) = header_of(&header)?;
        if length > left || (at == 0 && &kind != b"ftyp") || &kind == b"moof" {
            return None;
        }
        if &kind != b"mdat" {
            taken = taken.checked_add(length).filter(|taken| *taken <= HEAD)?;
            parts.push(remote.read(at, index(length))?);
        }
        at = at.checked_add(length)?;
    }
    (!parts.is_empty()).then(|| Bytes::from(parts.concat()))
}

/// Reads an ISO base media file of which `head` is in memory, as [`head`] gives it. Offsets in
/// warnings and errors count in the head.
///
/// # Errors
///
/// As [`isobmff::read`].
pub fn read_remote(
    head: &Bytes,
    remote: Arc<dyn Remote>,
    limits: &Limits,
) -> Result<Movie, ContainerError> {
    isobmff::read_with(head, &Octets::There(remote), limits)
}

/// Type and whole length of the box that begins so; `None` where it does not say its length.
fn header_of(header: &[u8]) -> Option<([u8; 4], u64)> {
    let (size, rest) = header.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let length = match u32::from_be_bytes(*size) {
        1 => u64::from_be_bytes(*rest.first_chunk()?),
        size => u64::from(size),
    };
    (length >= 8).then_some((*kind, length))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::container::isobmff::{Brand, NewTrack, write};
    use crate::media::container::{H263Config, Sample, TrackCodec, TrackInfo};

    #[derive(Debug)]
    struct Pieces {
        data: Bytes,
        largest: AtomicUsize,
    }

    impl Remote for Pieces {
        fn size(&self) -> u64 {
            self.data.len() as u64
        }

        fn read(&self, start: u64, length: usize) -> Option<Bytes> {
            self.largest.fetch_max(length, Ordering::Relaxed);
            let start = usize::try_from(start).ok()?;
            let end = start.checked_add(length)?;
            (end <= self.data.len()).then(|| self.data.slice(start..end))
        }
    }

    fn file() -> Bytes {
        let config = H263Config {
            level: 10,
            profile: 0,
            bit_rate: None,
        };
        let info = TrackInfo::video(
            1,
            TrackCodec::H263(config),
            1_000,
            Dimensions::new(176, 144),
        );
        let samples: Vec<Sample> = (0..50)
            .map(|n| Sample {
                dts: n * 40,
                pts: n * 40,
                duration: 40,
                keyframe: n % 10 == 0,
                data: vec![u8::try_from(n).unwrap(); 1_000 + usize::try_from(n).unwrap()].into(),
            })
            .collect();
        let tracks = [NewTrack {
            info: &info,
            samples: &samples,
        }];
        write(Brand::ThreeGp4, &tracks).unwrap().into()
    }

    fn pieces(data: Bytes) -> Arc<Pieces> {
        Arc::new(Pieces {
            data,
            largest: AtomicUsize::new(0),
        })
    }

    #[test]
    fn a_file_that_stays_away_has_the_samples_of_one_in_memory() {
        let data = file();
        let remote = pieces(data.clone());
        let limits = Limits::default();
        let head = head(&*remote, &limits).unwrap();
        assert!(head.len() < data.len() / 20);
        let movie = read_remote(&head, remote.clone(), &limits).unwrap();
        let whole = isobmff::read(&data, &limits).unwrap();
        assert!(movie.warnings.is_empty());
        assert_eq!(movie.tracks[0].info, whole.tracks[0].info);
        assert!(movie.tracks[0].samples().eq(whole.tracks[0].samples()));
        assert_eq!(movie.tracks[0].len(), 50);
        assert!(remote.largest.load(Ordering::Relaxed) < data.len() / 20);
    }

    #[test]
    fn what_cannot_be_read_in_pieces_is_left_to_memory() {
        let limits = Limits::default();
        let data = file();
        let read = |octets: Vec<u8>| head(&*pieces(octets.into()), &limits);
        assert!(read(data.to_vec()).is_some());
        assert!(read(data[..data.len() - 1].to_vec()).is_none(), "cut");
        assert!(read(data[8..].to_vec()).is_none(), "no ftyp");
        assert!(read(b"RIFF....WAVE".to_vec()).is_none());
        assert!(read(Vec::new()).is_none(), "nothing");
        let fragment = [data.as_ref(), b"\0\0\0\x08moof"].concat();
        assert!(read(fragment).is_none(), "fragments");
        let endless = [data.as_ref(), b"\0\0\0\0mdat"].concat();
        assert!(read(endless).is_none(), "a box without a length");
    }

    #[test]
    fn long_and_hostile_headers_are_understood() {
        let long = b"\0\0\0\x01mdat\0\0\0\x02\0\0\0\0";
        assert_eq!(header_of(long), Some((*b"mdat", 1 << 33)));
        assert_eq!(header_of(b"\0\0\0\x01mdat\0\0"), None);
        assert_eq!(header_of(b"\0\0\0\x07free"), None);
        assert_eq!(header_of(b"\0\0"), None);
    }
}
