//! A folder in which files appear: each is taken once it is whole, and moved away once it is done.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::input::Input;
use super::journal::modified;

/// How a folder is watched.
#[derive(Debug, Clone)]
pub struct Watch {
    /// How long a file has to stay as it is before it counts as whole.
    pub settle: Duration,
    /// How often is looked.
    pub poll: Duration,
    /// Where inputs go that all went well with; `None` leaves them where they are.
    pub done: Option<PathBuf>,
    /// Where the others go.
    pub failed: Option<PathBuf>,
}

/// Length and time of change of a file.
type Stamp = (u64, Option<i64>);

/// Files that were seen, and how long they have been as they are.
#[derive(Debug, Default)]
pub struct Settling {
    seen: HashMap<PathBuf, (Stamp, Instant)>,
    /// Files that were taken as they were then, and stayed.
    taken: HashMap<PathBuf, Stamp>,
}

impl Settling {
    /// Those of the inputs that have been as they are for `settle` and were not taken yet. What is
    /// not among the inputs any more is forgotten.
    pub fn settled(&mut self, inputs: Vec<Input>, now: Instant, settle: Duration) -> Vec<Input> {
        let stamps: Vec<(Input, Stamp)> = inputs
            .into_iter()
            .map(|input| {
                let stamp = stamp(&input.path);
                (input, stamp)
            })
            .collect();
        let mut seen = HashMap::with_capacity(stamps.len());
        let mut settled = Vec::new();
        for (input, stamp) in stamps {
            if self.taken.get(&input.path) == Some(&stamp) {
                continue;
            }
            let before = self.seen.get(&input.path);
            let since = before
                .filter(|(old, _)| *old == stamp)
                .map(|(_, since)| *since);
            let since = since.unwrap_or(now);
            seen.insert(input.path.clone(), (stamp, since));
            if now.saturating_duration_since(since) >= settle {
                settled.push(input);
            }
        }
        self.seen = seen;
        settled
    }

    /// Says that an input was worked on. It is taken again once it changes.
    pub fn took(&mut self, input: &Path) {
        if let Some((stamp, _)) = self.seen.remove(input) {
            self.taken.insert(input.to_owned(), stamp);
        }
    }

    /// Says that an input is gone.
    pub fn moved(&mut self, input: &Path) {
        self.taken.remove(input);
        self.seen.remove(input);
    }
}

fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).map_or((0, None), |found| (found.len(), modified(&found)))
}

/// Moves an input below `folder`, in the folder it was found in, under a name that is free.
///
/// # Errors
/// What the file system says.
pub fn put_away(input: &Input, folder: &Path) -> io::Result<PathBuf> {
    let folder = folder.join(&input.dir);
    fs::create_dir_all(&folder)?;
    let name = input.path.file_name().ok_or(ErrorKind::InvalidInput)?;
    for attempt in 0..10_000_u32 {
        let mut free = name.to_owned();
        if attempt > 0 {
            free.push(format!(".{attempt}"));
        }
        let target = folder.join(free);
        if target.symlink_metadata().is_ok() {
            continue;
        }
        return match fs::rename(&input.path, &target) {
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                fs::copy(&input.path, &target)?;
                fs::remove_file(&input.path)?;
                Ok(target)
            }
            renamed => renamed.map(|()| target),
        };
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let name = format!("remold-watch-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_file_is_taken_once_it_has_stopped_growing() {
        let folder = scratch("grow");
        let path = folder.join("a.jpg");
        let inputs = || vec![Input::new(path.clone(), Path::new(""))];
        let (start, settle) = (Instant::now(), Duration::from_secs(2));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut settling = Settling::default();
        fs::write(&path, "1").unwrap();
        assert!(settling.settled(inputs(), at(0), settle).is_empty());
        fs::write(&path, "12").unwrap();
        assert!(settling.settled(inputs(), at(2), settle).is_empty());
        assert_eq!(settling.settled(inputs(), at(4), settle).len(), 1);
        settling.took(&path);
        assert!(settling.settled(inputs(), at(9), settle).is_empty());
        fs::write(&path, "123").unwrap();
        assert!(settling.settled(inputs(), at(10), settle).is_empty());
        assert_eq!(settling.settled(inputs(), at(12), settle).len(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_put_away_replaces_nothing() {
        let folder = scratch("away");
        let done = folder.join("done");
        for expected in ["x/a.jpg", "x/a.jpg.1"] {
            let path = folder.join("a.jpg");
            fs::write(&path, expected).unwrap();
            let input = Input::new(path.clone(), Path::new("x"));
            assert_eq!(put_away(&input, &done).unwrap(), done.join(expected));
            assert!(!path.exists());
        }
        assert_eq!(fs::read_to_string(done.join("x/a.jpg")).unwrap(), "x/a.jpg");
        fs::remove_dir_all(folder).unwrap();
    }
}
