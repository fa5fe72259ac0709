//! The disk as this crate sees it: a small trait, so that tests can lose power.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Advice, fadvise};

/// A place for files.
///
/// What is written is on the disk after [`DiskFile::sync_data`]; that a file exists under a name, after
/// [`Disk::sync_dir`] on its directory. Until then a crash may lose any part of it.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes an empty file for reading and writing, discarding what a file of that name held.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    fn open_to_change(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name in the same directory, replacing what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The files in a directory, in no order; directories in it are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Whether there is a directory of that name.
    fn is_dir(&self, dir: &Path) -> bool;

    /// Makes a directory and those above it, durably; fine when it exists.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Brings the names in a directory to the disk.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file, read and written at offsets.
pub trait DiskFile: fmt::Debug + Send {
    /// Reads some bytes at `offset`; 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file or extends it with zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Brings data and length to the disk (`fdatasync`).
    fn sync_data(&mut self) -> io::Result<()>;

    /// Says that nobody will read this part soon, so that what is on the disk of it need not be kept in memory as well. Only
    /// advice, which a disk need not take.
    fn forget(&self, _offset: u64, _len: u64) {}

    /// The length of the file in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// A file in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name, without the directory.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// When it was last written, where the disk knows.
    pub modified: Option<SystemTime>,
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn open_to_change(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // Follows links: people do link logs to another disk.
            let metadata = match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() => metadata,
                Ok(_) => continue,
                // Deleted by a purge since it was listed, or a link to nowhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // Every name we look for is ASCII.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirEntry { name, len: metadata.len(), modified: metadata.modified().ok() });
            }
        }
        Ok(entries)
    }

    fn is_dir(&self, dir: &Path) -> bool {
        dir.is_dir()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => {
                self.create_dir_all(parent)?;
                create_dir(dir)?;
                self.sync_dir(parent)
            }
            _ => create_dir(dir),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

fn create_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        // Somebody was faster.
        Err(_) if dir.is_dir() => Ok(()),
        result => result,
    }
}

impl DiskFile for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn forget(&self, offset: u64, len: u64) {
        if let Some(len) = NonZeroU64::new(len) {
            let _ = fadvise(self, offset, Some(len), Advice::DontNeed);
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// Fills `buf` from `offset` as far as the file goes; the number of bytes read is short only at the end.
pub(crate) fn read_full(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(&mut buf[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_files_behave() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        let disk = RealDisk;
        assert!(!disk.is_dir(&dir));
        disk.create_dir_all(&dir).unwrap();
        disk.create_dir_all(&dir).unwrap();
        let path = dir.join("x");
        let mut file = disk.create(&path).unwrap();
        file.write_all_at(b"hello", 2).unwrap();
        file.sync_data().unwrap();
        file.set_len(5).unwrap();
        assert_eq!(file.size().unwrap(), 5);
        disk.rename(&path, &dir.join("y")).unwrap();
        disk.sync_dir(&dir).unwrap();
        let mut buf = [9; 8];
        let file = disk.open(&dir.join("y")).unwrap();
        assert_eq!(read_full(&*file, &mut buf, 0).unwrap(), 5);
        assert_eq!(&buf[..5], b"\0\0hel");
        let names: Vec<_> = disk.list(&dir).unwrap().into_iter().map(|e| (e.name, e.len)).collect();
        assert_eq!(names, [("y".to_owned(), 5)]);
        disk.remove(&dir.join("y")).unwrap();
        assert!(disk.open(&path).is_err());
    }
}
