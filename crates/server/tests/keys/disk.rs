//! A disk that can be made to hang, so that requests stay under way for as long as a test likes.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use zabra_storage::{DirEntry, Disk, DiskFile, RealDisk};

/// The real disk, whose syncs hang while it is held.
#[derive(Clone, Debug, Default)]
pub(crate) struct HangingDisk(Arc<Hold>);

#[derive(Debug, Default)]
struct Hold {
    held: Mutex<bool>,
    changed: Condvar,
}

impl Hold {
    fn set(&self, held: bool) {
        *self.held.lock().expect("no panic under this lock") = held;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let held = self.held.lock().expect("no panic under this lock");
        drop(self.changed.wait_while(held, |held| *held).expect("no panic under this lock"));
    }
}

/// The disk hangs while this lives.
pub(crate) struct Hung(Arc<Hold>);

impl Drop for Hung {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl HangingDisk {
    /// Lets every sync from now on hang.
    pub(crate) fn hang(&self) -> Hung {
        self.0.set(true);
        Hung(Arc::clone(&self.0))
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(HangingFile { file, hold: Arc::clone(&self.0) })
    }
}

impl Disk for HangingDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(RealDisk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path)
    }

    fn open_to_change(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(RealDisk.open_to_change(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        RealDisk.list(dir)
    }

    fn is_dir(&self, dir: &Path) -> bool {
        RealDisk.is_dir(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.pass();
        RealDisk.sync_dir(dir)
    }
}

#[derive(Debug)]
struct HangingFile {
    file: Box<dyn DiskFile>,
    hold: Arc<Hold>,
}

impl DiskFile for HangingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.hold.pass();
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}
