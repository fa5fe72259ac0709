//! Small files that are replaced as a whole. Mirrors `AtomicFileWritingIdiom`.

use std::io::ErrorKind;
use std::path::Path;

use crate::Disk;
use crate::disk::read_full;
use crate::error::{Doing, Explain, StorageError};

/// What the name of a small file ends with until it is complete.
pub(crate) const NEW_SUFFIX: &str = ".tmp";

/// Replaces what a small file holds: after a crash it has the old contents or the new ones. When the call returns the
/// new ones are on the disk.
pub(crate) fn replace(disk: &dyn Disk, dir: &Path, name: &str, contents: &[u8]) -> Result<(), StorageError> {
    let new = dir.join(format!("{name}{NEW_SUFFIX}"));
    let written = write(disk, &new, contents);
    if written.is_err() {
        // The failure that matters is the first.
        let _ = disk.remove(&new);
    }
    written?;
    disk.rename(&new, &dir.join(name)).explain(Doing::Rename, &new)?;
    disk.sync_dir(dir).explain(Doing::SyncDir, dir)
}

fn write(disk: &dyn Disk, new: &Path, contents: &[u8]) -> Result<(), StorageError> {
    let mut file = disk.create(new).explain(Doing::Create, new)?;
    file.write_all_at(contents, 0).explain(Doing::Write, new)?;
    file.sync_data().explain(Doing::Sync, new)
}

/// What a small file holds, cut at `len_max`; `None` when there is none.
pub(crate) fn read(disk: &dyn Disk, path: &Path, len_max: usize) -> Result<Option<Vec<u8>>, StorageError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).explain(Doing::Open, path),
    };
    let mut contents = vec![0; len_max];
    let read = read_full(&*file, &mut contents, 0).explain(Doing::Read, path)?;
    contents.truncate(read);
    Ok(Some(contents))
}

/// Removes a file, if it is there. Whether it was; its directory is still to be synced.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> Result<bool, StorageError> {
    match disk.remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).explain(Doing::Remove, path),
    }
}
