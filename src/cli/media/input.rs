//! The input of a conversion: in memory, or, where it is a long MP4, left in its file but for the
//! tables.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::cli::{CliError, Exit, io};
use crate::limits::Limits;
use crate::media::container::{self, Movie, Remote, remote};

/// Shorter files are read as a whole.
const SHORT: u64 = 1 << 20;

/// What is converted.
#[derive(Debug)]
pub(super) struct Input {
    /// All octets, or the boxes without the samples.
    data: Bytes,
    file: Option<(Arc<Pieces>, Movie)>,
}

impl Input {
    /// Opens the input; `in_pieces` where samples may be read one by one.
    ///
    /// # Errors
    /// As [`io::read_input`].
    pub(super) fn open(path: &Path, in_pieces: bool, limits: &Limits) -> Result<Self, CliError> {
        if in_pieces && let Some(input) = Self::left_in_its_file(path, limits) {
            return Ok(input);
        }
        Ok(Self {
            data: io::read_input(path, limits.media_bytes)?,
            file: None,
        })
    }

    /// What tells what it is: all of it, or the boxes without the samples.
    pub(super) const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Octets of all of it.
    pub(super) fn size(&self) -> u64 {
        let here = u64::try_from(self.data.len()).unwrap_or(u64::MAX);
        self.file.as_ref().map_or(here, |(file, _)| file.size)
    }

    /// All octets, read now where they are not here.
    ///
    /// # Errors
    /// As [`io::read_input`].
    pub(super) fn whole(&self, path: &Path, limits: &Limits) -> Result<Bytes, CliError> {
        match self.file {
            None => Ok(self.data.clone()),
            Some(_) => io::read_input(path, limits.media_bytes),
        }
    }

    /// The tracks, where the samples are read from the file.
    pub(super) fn movie(&self) -> Option<&Movie> {
        self.file.as_ref().map(|(_, movie)| movie)
    }

    /// Whether all that was asked for could be read.
    ///
    /// # Errors
    /// [`Exit::Internal`] with what the file system said.
    pub(super) fn check(&self, path: &Path) -> Result<(), CliError> {
        let failed = self.file.as_ref().and_then(|(file, _)| file.failed());
        failed.map_or(Ok(()), |error| {
            let message = format!("cannot be read: {error}");
            Err(CliError::new(Exit::Internal, message).in_file(io::shown(path)))
        })
    }

    fn left_in_its_file(path: &Path, limits: &Limits) -> Option<Self> {
        if io::is_dash(path) {
            return None;
        }
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let most = u64::try_from(limits.media_bytes).unwrap_or(u64::MAX);
        if !metadata.is_file() || !(SHORT..=most).contains(&metadata.len()) {
            return None;
        }
        let file = Arc::new(Pieces {
            size: metadata.len(),
            state: Mutex::new(State { file, failed: None }),
        });
        let data = remote::head(&*file, limits)?;
        let there: Arc<dyn Remote> = Arc::<Pieces>::clone(&file);
        let movie = container::read_remote(&data, there, limits).ok()?;
        // What is odd is told with offsets, which only those know who read the whole.
        movie.warnings.is_empty().then_some(Self {
            data,
            file: Some((file, movie)),
        })
    }
}

/// A file that is read in pieces.
#[derive(Debug)]
struct Pieces {
    size: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// The first error.
    failed: Option<std::io::Error>,
}

impl Pieces {
    fn failed(&self) -> Option<std::io::Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failed.take()
    }
}

impl Remote for Pieces {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, start: u64, length: usize) -> Option<Bytes> {
        let end = start.checked_add(u64::try_from(length).ok()?)?;
        if end > self.size {
            return None;
        }
        let mut octets = vec![0; length];
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let read = state
            .file
            .seek(SeekFrom::Start(start))
            .and_then(|_| state.file.read_exact(&mut octets));
        match read {
            Ok(()) => Some(octets.into()),
            Err(error) => {
                state.failed.get_or_insert(error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::container::isobmff::{Brand, NewTrack, write};
    use crate::media::container::{H263Config, Sample, TrackCodec, TrackInfo, TrackKind};

    fn clip() -> Vec<u8> {
        let config = H263Config {
            level: 10,
            profile: 0,
            bit_rate: None,
        };
        let size = Dimensions::new(176, 144);
        let info = TrackInfo::video(1, TrackCodec::H263(config), 1_000, size);
        let samples: Vec<Sample> = (0..300)
            .map(|n| Sample {
                dts: n * 40,
                pts: n * 40,
                duration: 40,
                keyframe: n == 0,
                data: vec![u8::try_from(n % 256).unwrap(); 4_096].into(),
            })
            .collect();
        let tracks = [NewTrack {
            info: &info,
            samples: &samples,
        }];
        write(Brand::ThreeGp4, &tracks).unwrap()
    }

    #[test]
    fn a_long_clip_stays_in_its_file() {
        let folder = std::env::temp_dir().join(format!("remold-pieces-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("clip.3gp");
        let octets = clip();
        std::fs::write(&path, &octets).unwrap();
        let limits = Limits::default();
        let input = Input::open(&path, true, &limits).unwrap();
        assert!(input.data().len() < 10_000);
        assert_eq!(input.size(), octets.len() as u64);
        assert_eq!(input.whole(&path, &limits).unwrap(), octets);
        let track = input.movie().unwrap().first(TrackKind::Video).unwrap();
        assert_eq!(track.samples().count(), 300);
        input.check(&path).unwrap();
        // Another program cuts it off in the meantime.
        std::fs::write(&path, &octets[..octets.len() / 2]).unwrap();
        assert!(track.samples().count() < 300);
        assert_eq!(input.check(&path).unwrap_err().exit, Exit::Internal);
        // What is cut is read as a whole, so that the right offset is told.
        let input = Input::open(&path, true, &limits).unwrap();
        assert!(input.movie().is_none());
        assert_eq!(input.data().len(), octets.len() / 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn short_files_and_those_that_are_wanted_whole_are_in_memory() {
        let path = std::env::temp_dir().join(format!("remold-whole-{}.3gp", std::process::id()));
        std::fs::write(&path, clip()).unwrap();
        let limits = Limits::default();
        assert!(
            Input::open(&path, false, &limits)
                .unwrap()
                .movie()
                .is_none()
        );
        let small = Limits {
            media_bytes: 5_000,
            ..Limits::default()
        };
        let error = Input::open(&path, true, &small).unwrap_err();
        assert_eq!((error.exit, error.offset), (Exit::Undecodable, Some(5_000)));
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(Input::open(&path, true, &limits).unwrap().data(), "short");
        std::fs::remove_file(&path).unwrap();
    }
}
