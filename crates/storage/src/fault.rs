//! A disk in memory that fails and loses power when a test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{DirEntry, Disk, DiskFile};

/// The unit that a disk writes whole or not at all.
pub const SECTOR: u64 = 512;

/// A simulated disk. Clones share the same disk.
///
/// Writes are seen at once and survive a [`FaultDisk::crash`] only when synced; a [`Loss`] says what happens to the
/// rest. Each call that changes something is counted, and [`FaultDisk::fail_at`] makes a chosen one fail.
#[derive(Clone, Debug, Default)]
pub struct FaultDisk {
    state: Arc<Mutex<State>>,
}

/// How a chosen call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens and EIO comes back. A failed sync leaves what it should have synced lost for good, as on
    /// Linux: later syncs succeed without it.
    Io,
    /// Nothing happens and ENOSPC comes back.
    NoSpace,
    /// A write stops half-way with ENOSPC; other calls behave as with [`Fault::NoSpace`].
    ShortWrite,
    /// The power goes in the middle of the call: it and everything later fails until [`FaultDisk::crash`].
    PowerLoss,
}

/// What a crash does to what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing is lost: only the process died.
    Nothing,
    /// All of it is lost.
    Unsynced,
    /// Of each file the first few writes stay, the last of them up to some sector; likewise the first few changes
    /// of names.
    Prefix,
    /// Each sector of each write stays or goes by itself; of the changes of names the first few stay.
    Scattered,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<NameChange>,
    /// Raised by a crash, which makes older handles useless.
    boot: u64,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    powerless: bool,
    read_only: bool,
    capacity: Option<u64>,
    unreadable: BTreeSet<usize>,
    forgotten: BTreeMap<usize, Vec<(u64, u64)>>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl FaultDisk {
    /// An empty disk on which everything works.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls changed something, or tried to.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Makes the `nth` changing call from now (from 1) fail.
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        let mut state = self.lock();
        let call = state.calls + nth;
        state.faults.insert(call, fault);
    }

    /// Forgets planned faults that have not happened.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Loses everything, as when an empty disk takes the place of this one: open files are dead, planned faults forgotten.
    pub fn wipe(&self) {
        let mut state = self.lock();
        let boot = state.boot + 1;
        *state = State { boot, ..State::default() };
    }

    /// Makes every change fail with EROFS, or lets it succeed again.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock().read_only = read_only;
    }

    /// Limits the bytes in all files together.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Makes reading a file fail with EIO, as a bad sector does.
    pub fn make_unreadable(&self, path: &Path) {
        let mut state = self.lock();
        if let Some(&number) = state.names.get(path) {
            state.unreadable.insert(number);
        }
    }

    /// The parts of a file that need not be kept in memory, offset and length, in the order in which that was said.
    pub fn forgotten(&self, path: &Path) -> Vec<(u64, u64)> {
        let state = self.lock();
        state.names.get(path).and_then(|number| state.forgotten.get(number)).cloned().unwrap_or_default()
    }

    /// Loses power (or only the process, see [`Loss`]) and comes back: open files are dead, planned faults are
    /// forgotten, and what was not synced is decided by `loss` and `seed`.
    pub fn crash(&self, loss: Loss, seed: u64) {
        let mut state = self.lock();
        let mut random = SplitMix(seed);
        if loss != Loss::Nothing {
            for inode in &mut state.inodes {
                inode.lose(loss, &mut random);
            }
            let kept = match loss {
                Loss::Unsynced => 0,
                _ => random.below(state.pending_names.len() as u64 + 1) as usize,
            };
            let changes = std::mem::take(&mut state.pending_names);
            let mut names = std::mem::take(&mut state.durable_names);
            for change in changes.iter().take(kept) {
                change.apply(&mut names);
            }
            state.names = names;
        }
        for inode in &mut state.inodes {
            inode.pending.clear();
            inode.durable.clone_from(&inode.content);
        }
        state.pending_names.clear();
        state.durable_names = state.names.clone();
        state.boot += 1;
        state.faults.clear();
        state.powerless = false;
    }

    /// A second disk that holds the same and shares nothing with this one.
    pub fn duplicate(&self) -> Self {
        let state = self.lock();
        let copy = State {
            inodes: state.inodes.clone(),
            dirs: state.dirs.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            pending_names: state.pending_names.clone(),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(copy)) }
    }

    /// Puts a file there, durably, directory included.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.lock();
        state.dirs.extend(path.ancestors().skip(1).map(Path::to_owned));
        let inode = Inode { content: bytes.to_vec(), durable: bytes.to_vec(), pending: Vec::new() };
        state.inodes.push(inode);
        let number = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), number);
        state.durable_names.insert(path.to_owned(), number);
    }

    /// The bytes of a file as a reader sees them now.
    pub fn get(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        let number = *state.names.get(path)?;
        Some(state.inodes[number].content.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, path: &Path, writable: bool) -> Result<Box<dyn DiskFile>> {
        let state = self.lock();
        let inode = *state.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(FaultFile { disk: self.clone(), inode, boot: state.boot, writable }))
    }
}

impl State {
    /// Counts a changing call and says how it fails, if it does.
    fn change(&mut self) -> Result<Option<Fault>> {
        self.calls += 1;
        if self.powerless {
            return Err(Error::other("simulated power loss"));
        }
        if self.read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        let fault = self.faults.remove(&self.calls);
        if fault == Some(Fault::PowerLoss) {
            self.powerless = true;
        }
        Ok(fault)
    }

    fn change_name(&mut self, change: NameChange) -> Result<()> {
        let fault = self.change()?;
        if matches!(fault, None | Some(Fault::PowerLoss)) {
            change.apply(&mut self.names);
            self.pending_names.push(change);
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn used(&self) -> u64 {
        let live: BTreeSet<_> = self.names.values().collect();
        live.into_iter().map(|&number| self.inodes[number].content.len() as u64).sum()
    }
}

impl Fault {
    fn error(self) -> Error {
        match self {
            Self::Io => Error::other("simulated I/O error"),
            Self::NoSpace | Self::ShortWrite => ErrorKind::StorageFull.into(),
            Self::PowerLoss => Error::other("simulated power loss"),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, _)) = self;
        path.parent() == Some(dir)
    }
}

impl Inode {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        write(&mut self.content, offset, bytes);
        self.pending.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    fn lose(&mut self, loss: Loss, random: &mut SplitMix) {
        let mut content = std::mem::take(&mut self.durable);
        let whole = match loss {
            Loss::Unsynced => 0,
            _ => random.below(self.pending.len() as u64 + 1) as usize,
        };
        for (number, change) in self.pending.iter().enumerate() {
            match (loss, change) {
                (Loss::Scattered, Change::Write { offset, bytes }) => {
                    for (offset, sector) in sectors(*offset, bytes) {
                        if random.below(2) == 0 {
                            write(&mut content, offset, sector);
                        }
                    }
                }
                _ if number < whole => change.apply(&mut content),
                (Loss::Prefix, Change::Write { offset, bytes }) if number == whole => {
                    let sectors: Vec<_> = sectors(*offset, bytes).collect();
                    let kept = random.below(sectors.len() as u64 + 1) as usize;
                    for (offset, sector) in &sectors[..kept] {
                        write(&mut content, *offset, sector);
                    }
                }
                _ => {}
            }
        }
        self.content = content;
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write(content, *offset, bytes),
            Self::SetLen(len) => content.resize(*len as usize, 0),
        }
    }
}

fn write(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// The parts of a write that lie in one sector each.
fn sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut offset = offset;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let room = (SECTOR - offset % SECTOR) as usize;
        let (sector, tail) = rest.split_at(room.min(rest.len()));
        let at = offset;
        offset += sector.len() as u64;
        rest = tail;
        Some((at, sector))
    })
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        {
            let mut state = self.lock();
            if !path.parent().is_some_and(|dir| state.dirs.contains(dir)) {
                return Err(ErrorKind::NotFound.into());
            }
            if let Some(&number) = state.names.get(path) {
                // The file that is there is emptied, as with O_TRUNC.
                if let Some(fault) = state.change()? {
                    return Err(fault.error());
                }
                let inode = &mut state.inodes[number];
                inode.content.clear();
                inode.pending.push(Change::SetLen(0));
            } else {
                state.inodes.push(Inode::default());
                let number = state.inodes.len() - 1;
                state.change_name(NameChange::Link(path.to_owned(), number))?;
            }
        }
        self.handle(path, true)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.handle(path, false)
    }

    fn open_to_change(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        if self.lock().read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        self.handle(path, true)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.lock();
        if !state.names.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut state = self.lock();
        if !state.names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Unlink(path.to_owned()))
    }

    fn list(&self, dir: &Path) -> Result<Vec<DirEntry>> {
        let state = self.lock();
        if !state.dirs.contains(dir) {
            return Err(ErrorKind::NotFound.into());
        }
        let files = state.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(files
            .filter_map(|(path, &number)| {
                let name = path.file_name()?.to_str()?.to_owned();
                Some(DirEntry { name, len: state.inodes[number].content.len() as u64, modified: None })
            })
            .collect())
    }

    fn is_dir(&self, dir: &Path) -> bool {
        self.lock().dirs.contains(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let mut state = self.lock();
        if !state.dirs.contains(dir) {
            if let Some(fault) = state.change()? {
                return Err(fault.error());
            }
            state.dirs.extend(dir.ancestors().map(Path::to_owned));
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut state = self.lock();
        if let Some(fault) = state.change()? {
            return Err(fault.error());
        }
        let state = &mut *state;
        let (here, elsewhere) =
            std::mem::take(&mut state.pending_names).into_iter().partition(|c| c.is_in(dir));
        let here: Vec<NameChange> = here;
        for change in here {
            change.apply(&mut state.durable_names);
        }
        state.pending_names = elsewhere;
        Ok(())
    }
}

#[derive(Debug)]
struct FaultFile {
    disk: FaultDisk,
    inode: usize,
    boot: u64,
    writable: bool,
}

impl FaultFile {
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.boot == self.boot { Ok(state) } else { Err(Error::other("opened before the crash")) }
    }

    fn to_change(&self) -> Result<MutexGuard<'_, State>> {
        if self.writable { self.state() } else { Err(ErrorKind::PermissionDenied.into()) }
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let state = self.state()?;
        if state.unreadable.contains(&self.inode) {
            return Err(Fault::Io.error());
        }
        let content = &state.inodes[self.inode].content;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(buf.len());
        buf[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut state = self.to_change()?;
        let fault = state.change()?;
        let len = state.inodes[self.inode].content.len() as u64;
        let growth = (offset + bytes.len() as u64).saturating_sub(len);
        let full = growth > 0 && state.capacity.is_some_and(|capacity| state.used() + growth > capacity);
        let inode = &mut state.inodes[self.inode];
        match fault {
            Some(Fault::Io | Fault::NoSpace) => {}
            Some(Fault::ShortWrite) => inode.write(offset, &bytes[..bytes.len() / 2]),
            _ if full => return Err(Fault::NoSpace.error()),
            None | Some(Fault::PowerLoss) => inode.write(offset, bytes),
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let mut state = self.to_change()?;
        let fault = state.change()?;
        if matches!(fault, None | Some(Fault::PowerLoss)) {
            let inode = &mut state.inodes[self.inode];
            inode.content.resize(len as usize, 0);
            inode.pending.push(Change::SetLen(len));
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn forget(&self, offset: u64, len: u64) {
        if let Ok(mut state) = self.state() {
            state.forgotten.entry(self.inode).or_default().push((offset, len));
        }
    }

    fn sync_data(&mut self) -> Result<()> {
        let mut state = self.to_change()?;
        let fault = state.change()?;
        let inode = &mut state.inodes[self.inode];
        match fault {
            None => inode.sync(),
            Some(Fault::PowerLoss) => {}
            // The kernel has marked the pages clean: they will never be written.
            Some(_) => inode.pending.clear(),
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn size(&self) -> Result<u64> {
        let state = self.state()?;
        Ok(state.inodes[self.inode].content.len() as u64)
    }
}

/// A small generator of numbers that look random; the same seed gives the same numbers.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: &str = "/d";

    fn disk_with_file() -> (FaultDisk, Box<dyn DiskFile>, PathBuf) {
        let disk = FaultDisk::new();
        disk.create_dir_all(Path::new(DIR)).unwrap();
        let path = Path::new(DIR).join("f");
        let file = disk.create(&path).unwrap();
        (disk, file, path)
    }

    #[test]
    fn only_what_was_synced_survives() {
        let (disk, mut file, path) = disk_with_file();
        file.write_all_at(b"one", 0).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(b"two", 3).unwrap();
        assert_eq!(disk.get(&path).unwrap(), b"onetwo");
        let nameless = disk.duplicate();
        nameless.crash(Loss::Unsynced, 0);
        assert_eq!(nameless.get(&path), None, "the directory was not synced");
        disk.sync_dir(Path::new(DIR)).unwrap();
        let killed = disk.duplicate();
        killed.crash(Loss::Nothing, 0);
        assert_eq!(killed.get(&path).unwrap(), b"onetwo");
        disk.crash(Loss::Unsynced, 0);
        assert_eq!(disk.get(&path).unwrap(), b"one");
        assert!(file.write_all_at(b"x", 0).is_err(), "the file was opened before the crash");
    }

    #[test]
    fn torn_writes_end_at_sectors() {
        let mut lens = BTreeSet::new();
        for seed in 0..100 {
            let (disk, mut file, path) = disk_with_file();
            disk.sync_dir(Path::new(DIR)).unwrap();
            file.write_all_at(&[1; 1200], 100).unwrap();
            disk.crash(Loss::Prefix, seed);
            lens.insert(disk.get(&path).unwrap().len());
        }
        assert_eq!(lens, BTreeSet::from([0, 512, 1024, 1300]));
    }

    #[test]
    fn scattered_loss_leaves_holes() {
        let holes = (0..100).filter(|&seed| {
            let (disk, mut file, path) = disk_with_file();
            disk.sync_dir(Path::new(DIR)).unwrap();
            file.write_all_at(&[1; 1024], 0).unwrap();
            disk.crash(Loss::Scattered, seed);
            let content = disk.get(&path).unwrap();
            content.len() == 1024 && content[..512] == [0; 512]
        });
        assert!(holes.count() > 10);
    }

    #[test]
    fn chosen_calls_fail() {
        let (disk, mut file, path) = disk_with_file();
        disk.fail_at(2, Fault::ShortWrite);
        disk.fail_at(3, Fault::Io);
        file.write_all_at(b"12", 0).unwrap();
        assert_eq!(file.write_all_at(b"3456", 2).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(disk.get(&path).unwrap(), b"1234");
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        disk.sync_dir(Path::new(DIR)).unwrap();
        disk.crash(Loss::Unsynced, 0);
        assert_eq!(disk.get(&path).unwrap(), b"", "a failed sync loses what it should have synced");
        disk.set_capacity(Some(2));
        let mut file = disk.open_to_change(&path).unwrap();
        file.write_all_at(b"12", 0).unwrap();
        assert_eq!(file.write_all_at(b"3", 2).unwrap_err().kind(), ErrorKind::StorageFull);
        disk.set_read_only(true);
        assert_eq!(file.sync_data().unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
        disk.set_read_only(false);
        disk.fail_at(1, Fault::PowerLoss);
        assert!(file.sync_data().is_err());
        assert!(disk.sync_dir(Path::new(DIR)).is_err());
    }
}
