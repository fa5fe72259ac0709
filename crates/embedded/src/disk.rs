//! The real disk, on a leash.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use zabra_storage::{DirEntry, Disk, DiskFile, RealDisk};

/// The real disk, until it is taken away: after [`Leash::sever`] nothing more reaches it. Syncing is left out unless it is
/// to be durable; what is written is there for the next server of this process all the same.
#[derive(Clone, Debug)]
pub(crate) struct LeashedDisk {
    leash: Arc<Leash>,
    durable: bool,
}

/// What lets writes through, one by one.
#[derive(Debug, Default)]
pub(crate) struct Leash(RwLock<bool>);

impl Leash {
    /// Lets nothing through any more. What was under way is done when this returns.
    pub(crate) fn sever(&self) {
        *self.hold() = true;
    }

    /// Lets nothing through while the guard lives.
    pub(crate) fn hold(&self) -> RwLockWriteGuard<'_, bool> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        let severed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if *severed { Err(io::Error::other("this server was killed by its test")) } else { Ok(severed) }
    }
}

impl LeashedDisk {
    pub(crate) fn new(leash: Arc<Leash>, durable: bool) -> Self {
        Self { leash, durable }
    }

    fn file(&self, file: io::Result<Box<dyn DiskFile>>) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(LeashedFile { file: file?, disk: self.clone() }))
    }
}

impl Disk for LeashedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let _pass = self.leash.pass()?;
        self.file(RealDisk.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.file(RealDisk.open(path))
    }

    fn open_to_change(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let _pass = self.leash.pass()?;
        self.file(RealDisk.open_to_change(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _pass = self.leash.pass()?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let _pass = self.leash.pass()?;
        RealDisk.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        RealDisk.list(dir)
    }

    fn is_dir(&self, dir: &Path) -> bool {
        RealDisk.is_dir(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let _pass = self.leash.pass()?;
        if self.durable { RealDisk.create_dir_all(dir) } else { std::fs::create_dir_all(dir) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let _pass = self.leash.pass()?;
        if self.durable { RealDisk.sync_dir(dir) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct LeashedFile {
    file: Box<dyn DiskFile>,
    disk: LeashedDisk,
}

impl DiskFile for LeashedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let _pass = self.disk.leash.pass()?;
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let _pass = self.disk.leash.pass()?;
        self.file.set_len(len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        // A killed server must not believe that this is on the disk.
        let _pass = self.disk.leash.pass()?;
        if self.disk.durable { self.file.sync_data() } else { Ok(()) }
    }

    fn forget(&self, offset: u64, len: u64) {
        self.file.forget(offset, len);
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_disk_that_was_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let leash = Arc::new(Leash::default());
        let disk = LeashedDisk::new(Arc::clone(&leash), false);
        let path = dir.path().join("file");
        let mut file = disk.create(&path).unwrap();
        file.write_all_at(b"before", 0).unwrap();
        file.sync_data().unwrap();
        leash.sever();
        assert!(file.write_all_at(b"after", 0).is_err());
        assert!(file.set_len(0).is_err() && file.sync_data().is_err());
        assert!(disk.create(&path).is_err() && disk.open_to_change(&path).is_err());
        assert!(disk.remove(&path).is_err() && disk.rename(&path, &dir.path().join("other")).is_err());
        assert!(disk.create_dir_all(&dir.path().join("dir")).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
    }
}
