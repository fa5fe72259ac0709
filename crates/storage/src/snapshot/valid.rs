//! Which snapshots are worth loading. Mirrors `FileSnap.findNValidSnapshots` and `SnapStream.isValidSnapshot`.

use std::path::Path;

use super::stream::{Compression, SNAPPY_MAGIC};
use crate::disk::read_full;
use crate::error::{Doing, Explain, StorageError};
use crate::{Disk, NamedFile, list_snapshots};

/// A snapshot and what a first look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The file.
    pub file: NamedFile,
    /// Whether its first or last bytes are those of a whole snapshot. Loading may still fail.
    pub looks_valid: bool,
}

/// All snapshots, newest first, each looked at. Of a file that cannot be read, loading will say why.
///
/// # Errors
/// The directory cannot be listed.
pub fn candidates(disk: &dyn Disk, dir: &Path) -> Result<Vec<Candidate>, StorageError> {
    let files = list_snapshots(disk, dir)?;
    let look = |file: NamedFile| Candidate { looks_valid: looks_valid(disk, &file).unwrap_or(true), file };
    Ok(files.into_iter().rev().map(look).collect())
}

/// The newest `count` snapshots that look valid, newest first. A file that cannot be read does not.
///
/// # Errors
/// The directory cannot be listed.
pub fn valid_snapshots(disk: &dyn Disk, dir: &Path, count: usize) -> Result<Vec<NamedFile>, StorageError> {
    let files = list_snapshots(disk, dir)?;
    let valid = files.into_iter().rev().filter(|file| looks_valid(disk, file).unwrap_or(false));
    Ok(valid.take(count).collect())
}

fn looks_valid(disk: &dyn Disk, file: &NamedFile) -> Result<bool, StorageError> {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let open = disk.open(&file.path).explain(Doing::Open, &file.path)?;
    let bytes_at = |offset, len: usize| {
        let mut bytes = vec![0; len];
        let read = read_full(&*open, &mut bytes, offset).explain(Doing::Read, &file.path)?;
        bytes.truncate(read);
        Ok::<_, StorageError>(bytes)
    };
    Ok(match Compression::of_name(&name) {
        // The end of the last seal, whatever sections there are.
        Compression::None => file.len >= 10 && bytes_at(file.len - 5, 5)? == b"\0\0\0\x01/",
        Compression::Gzip => bytes_at(0, 2)? == [0x1f, 0x8b],
        Compression::Snappy => bytes_at(0, 8)? == SNAPPY_MAGIC,
    })
}
