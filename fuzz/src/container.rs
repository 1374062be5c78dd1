//! Containers: what they are taken apart into.

use bytes::Bytes;
use remold::Limits;
use remold::media::container::{self, ContainerError, Movie, Track, TrackCodec};

/// A file has as many tracks and samples as allowed at most, its samples are slices of it in the
/// order of decoding, however they are walked; a refusal names an octet of it, and the answer is
/// the same each time.
pub fn container(data: &[u8]) {
    let limits = Limits {
        container_boxes: 1 << 12,
        container_tracks: 4,
        container_samples: 1 << 12,
        ..Limits::default()
    };
    let data = Bytes::copy_from_slice(data);
    let movie = match container::read(&data, &limits) {
        Ok(movie) => movie,
        Err(error) => {
            assert_refusal(&error, &data);
            return;
        }
    };
    for warning in &movie.warnings {
        assert!(warning.offset <= data.len(), "{warning}");
    }
    assert!(movie.tracks.len() <= limits.container_tracks);
    let count: usize = movie.tracks.iter().map(Track::len).sum();
    assert!(count <= limits.container_samples, "{count} samples");
    for track in &movie.tracks {
        assert_track(track, &data);
    }
    assert_turns(&movie, count);
    let again = container::read(&data, &limits).expect("read once already");
    assert!(
        again.interleaved().eq(movie.interleaved()),
        "not the same twice"
    );
}

fn assert_refusal(error: &ContainerError, data: &Bytes) {
    if let ContainerError::Malformed { offset, .. } | ContainerError::Unsupported { offset, .. } =
        error
    {
        assert!(*offset <= data.len(), "{error}");
    }
}

fn assert_track(track: &Track, data: &Bytes) {
    let info = &track.info;
    assert!(info.timescale > 0);
    assert!((1..=8).contains(&info.orientation));
    let (mut count, mut last) = (0, i64::MIN);
    // Packets that lie in pieces are joined, each of them once.
    let mut joined = 0;
    for sample in track.samples() {
        assert!(sample.dts >= last, "{} after {last}", sample.dts);
        last = sample.dts;
        count += 1;
        if !inside(&sample.data, data) {
            joined += sample.data.len();
        }
    }
    assert_eq!(count, track.len());
    assert_eq!(track.is_empty(), count == 0);
    // A melody is told anew, in events that are counted as samples are.
    if !matches!(info.codec, TrackCodec::Melody(_)) {
        assert!(joined <= data.len(), "{joined} octets were copied");
    }
    for time in [i64::MIN, 0, last / 2, i64::MAX] {
        let tail: Vec<_> = track.samples_from(time).collect();
        let skipped = count
            .checked_sub(tail.len())
            .expect("no more samples than there are");
        assert!(track.samples().skip(skipped).eq(tail), "from {time}");
    }
}

/// The samples of all tracks in turns are the samples of each.
fn assert_turns(movie: &Movie, count: usize) {
    let mut turns = vec![0; movie.tracks.len()];
    for (place, _) in movie.interleaved() {
        turns[place] += 1;
    }
    assert_eq!(turns.iter().sum::<usize>(), count);
    assert!(turns.iter().zip(&movie.tracks).all(|(n, t)| *n == t.len()));
}

/// Whether a sample shares the octets of the file.
fn inside(sample: &[u8], data: &[u8]) -> bool {
    let (all, part) = (data.as_ptr_range(), sample.as_ptr_range());
    sample.is_empty() || (all.start <= part.start && part.end <= all.end)
}
