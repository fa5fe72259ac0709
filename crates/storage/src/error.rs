//! What a disk did to us.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// An operation on a file or directory failed.
///
/// `Display` says what was being done to which file; the operating system's reason is the `source`.
#[derive(Debug, Error)]
#[error("cannot {doing} {}{}", file.display(), At(*offset))]
pub struct StorageError {
    /// What was being done.
    pub doing: Doing,
    /// To which file or directory.
    pub file: PathBuf,
    /// Where in the file, when the operation has a place.
    pub offset: Option<u64>,
    /// Why it failed.
    pub source: io::Error,
}

struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(offset) => write!(f, " at offset {offset}"),
            None => Ok(()),
        }
    }
}

/// The operations that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Making a directory.
    CreateDir,
    /// Making a file.
    Create,
    /// Opening a file.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Setting the length.
    SetLen,
    /// Bringing a file's data to the disk.
    Sync,
    /// Bringing a directory's entries to the disk.
    SyncDir,
    /// Giving a file its final name.
    Rename,
    /// Deleting a file.
    Remove,
    /// Listing a directory.
    List,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateDir => "create the directory",
            Self::Create => "create",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::SetLen => "set the length of",
            Self::Sync => "sync",
            Self::SyncDir => "sync the directory",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list the directory",
        })
    }
}

/// Adds to an I/O error what was being done.
pub(crate) trait Explain<T> {
    fn explain(self, doing: Doing, file: &Path) -> Result<T, StorageError>;
    fn explain_at(self, doing: Doing, file: &Path, offset: u64) -> Result<T, StorageError>;
}

impl<T> Explain<T> for io::Result<T> {
    fn explain(self, doing: Doing, file: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError { doing, file: file.to_owned(), offset: None, source })
    }

    fn explain_at(self, doing: Doing, file: &Path, offset: u64) -> Result<T, StorageError> {
        self.map_err(|source| StorageError { doing, file: file.to_owned(), offset: Some(offset), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_file_and_where() {
        let failed: io::Result<()> = Err(io::Error::other("no"));
        let error = failed.explain_at(Doing::Write, Path::new("/d/log.1"), 16).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /d/log.1 at offset 16");
        assert_eq!(error.source.to_string(), "no");
    }
}
