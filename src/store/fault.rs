//! Moments at which a store can be made to fail or a process to end, so that a test can ask what
//! is left. A store that is given no [`Faults`] asks nobody: that costs it a comparison.

use std::io;
use std::sync::Arc;

/// A moment in the work of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Before the octets of a body are written to their file.
    BodyWrite,
    /// After that, before they are synced.
    BodySync,
    /// After that, before the file gets its name.
    BodyRename,
    /// After that, before the name is synced.
    FolderSync,
    /// Before the rows of one caller are written into the open transaction.
    RowWrite,
    /// Before a transaction is committed, with every caller's rows in it.
    Commit,
    /// After a transaction was committed, before any caller hears of it.
    Committed,
}

impl Point {
    /// Every moment.
    pub const ALL: [Self; 7] = [
        Self::BodyWrite,
        Self::BodySync,
        Self::BodyRename,
        Self::FolderSync,
        Self::RowWrite,
        Self::Commit,
        Self::Committed,
    ];

    /// Its name in front of people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BodyWrite => "body-write",
            Self::BodySync => "body-sync",
            Self::BodyRename => "body-rename",
            Self::FolderSync => "folder-sync",
            Self::RowWrite => "row-write",
            Self::Commit => "commit",
            Self::Committed => "committed",
        }
    }
}

/// Decides at each moment whether it fails.
pub trait Faults: Send + Sync {
    /// Called at a moment. What happened before it has happened. After [`Point::Committed`] an
    /// error changes nothing any more.
    ///
    /// # Errors
    /// What the disk shall seem to say.
    fn at(&self, point: Point) -> io::Result<()>;
}

/// Who is asked, if anybody is.
#[derive(Clone, Default)]
pub(super) struct Asked(pub(super) Option<Arc<dyn Faults>>);

impl Asked {
    pub(super) fn at(&self, point: Point) -> io::Result<()> {
        match &self.0 {
            Some(faults) => faults.at(point),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "asked" } else { "nobody" })
    }
}
