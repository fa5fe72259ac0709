//! A disk that costs nothing.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zabra_storage::{DirEntry, Disk, DiskFile};

/// A disk that knows its files and their lengths, and forgets what is written to them: what remains is the cost of
/// whoever writes. Reading gives zeros.
#[derive(Clone, Debug, Default)]
pub struct Sink {
    files: Arc<Mutex<BTreeMap<PathBuf, Length>>>,
}

type Length = Arc<Mutex<u64>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    fn file(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        let files = lock(&self.files);
        let len = files.get(path).ok_or_else(|| Error::from(ErrorKind::NotFound))?;
        Ok(Box::new(SinkFile { len: Arc::clone(len) }))
    }
}

impl Disk for Sink {
    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        lock(&self.files).insert(path.to_owned(), Length::default());
        self.file(path)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.file(path)
    }

    fn open_to_change(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut files = lock(&self.files);
        let file = files.remove(from).ok_or_else(|| Error::from(ErrorKind::NotFound))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        lock(&self.files).remove(path).map(drop).ok_or_else(|| Error::from(ErrorKind::NotFound))
    }

    fn list(&self, dir: &Path) -> Result<Vec<DirEntry>> {
        let files = lock(&self.files);
        let inside = files.iter().filter(|(path, _)| path.parent() == Some(dir));
        let entry = |(path, len): (&PathBuf, &Length)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(DirEntry { name, len: *lock(len), modified: None })
        };
        Ok(inside.filter_map(entry).collect())
    }

    fn is_dir(&self, _: &Path) -> bool {
        true
    }

    fn create_dir_all(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct SinkFile {
    len: Length,
}

impl DiskFile for SinkFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let left = usize::try_from(lock(&self.len).saturating_sub(offset)).unwrap_or(usize::MAX);
        let read = buf.len().min(left);
        buf[..read].fill(0);
        Ok(read)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut len = lock(&self.len);
        *len = (*len).max(offset + bytes.len() as u64);
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        *lock(&self.len) = len;
        Ok(())
    }

    fn sync_data(&mut self) -> Result<()> {
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        Ok(*lock(&self.len))
    }
}
