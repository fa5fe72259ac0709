//! Reading the transaction log over all its files.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;
use zabra_proto::FieldLimit;
use zabra_types::Zxid;

use super::damage::{Damage, Found};
use super::find::oldest_snapshot;
use super::scan::{FileScan, Header, Step};
use super::tail::{Tail, judge};
use crate::error::{Doing, Explain, StorageError};
use crate::name::{NamedFile, list_logs};
use crate::{DataDirs, Disk};

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// The files are not a whole history.
    #[error(transparent)]
    Damage(#[from] Box<Damage>),
}

/// A transaction in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// Its place in the order of everything.
    pub zxid: Zxid,
    /// Header, record and digest, see [`zabra_proto::decode_txn`].
    pub payload: &'a [u8],
    /// Where in the file its entry begins.
    pub offset: u64,
}

/// Something unusual that did not keep the log from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogNotice {
    /// A write that a crash cut short. Nobody was told that it succeeded.
    TornTail {
        /// The file.
        file: PathBuf,
        /// Where the remains begin.
        offset: u64,
        /// The last transaction before them.
        last: Zxid,
    },
    /// The last file has no bytes: a crash came before its header.
    EmptyFile {
        /// The file.
        file: PathBuf,
    },
    /// A transaction that does not come after the one before. It was passed over.
    OutOfOrder {
        /// The file.
        file: PathBuf,
        /// Where its entry begins.
        offset: u64,
        /// The transaction.
        zxid: Zxid,
    },
}

impl fmt::Display for LogNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail { file, offset, last } => write!(
                f,
                "{}: a write after transaction {last} was cut short by a crash, at byte {offset}; nobody was told that it succeeded",
                file.display()
            ),
            Self::EmptyFile { file } => {
                write!(f, "{}: empty, left by a crash before anything was written; removed", file.display())
            }
            Self::OutOfOrder { file, offset, zxid } => write!(
                f,
                "{}: transaction {zxid} at byte {offset} does not come after the one before it; passed over",
                file.display()
            ),
        }
    }
}

/// Reads transactions in order, over all files, and checks that none is missing.
///
/// A file ends where no further entry can be read. That is its end in earnest when only zeros follow, when the next
/// file goes on with the next transaction, or when what follows is a write torn by a crash, see [`Damage`] for the
/// rest. Unlike the genuine server, which takes any of these for the end, we do not let a damaged length or end mark
/// hide what was promised to clients.
#[derive(Debug)]
pub struct LogReader {
    disk: Arc<dyn Disk>,
    limit: FieldLimit,
    files: VecDeque<NamedFile>,
    scan: Option<(PathBuf, FileScan)>,
    after: Zxid,
    /// Reading ends in front of this one.
    before: Option<Zxid>,
    last: Zxid,
    /// The first transaction must be the very next, even if it begins an epoch.
    adjoining: bool,
    /// Whether the transactions must go on to `before`.
    must_reach: bool,
    /// Ends that are in doubt until the next transaction is seen.
    doubts: Vec<Doubt>,
    notices: Vec<LogNotice>,
    entries: u64,
}

#[derive(Debug)]
struct Doubt {
    damage: Box<Damage>,
    torn: bool,
}

impl LogReader {
    /// Opens the logs in `dir` to read the transactions after `after`, which is taken to be known already: the
    /// first one must follow it. `limit` is the longest payload.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        after: Zxid,
        limit: FieldLimit,
    ) -> Result<Self, StorageError> {
        let mut files = VecDeque::from(list_logs(&*disk, dir)?);
        // The newest file that begins before what is wanted may hold the first of it.
        while files.get(1).is_some_and(|next| next.zxid <= after) {
            files.pop_front();
        }
        Ok(Self {
            disk,
            limit,
            files,
            scan: None,
            after,
            before: None,
            last: after,
            adjoining: false,
            must_reach: false,
            doubts: Vec::new(),
            notices: Vec::new(),
            entries: 0,
        })
    }

    /// Opens the logs in `dir` to read the transactions after `after` and before `before`.
    ///
    /// The log may be written to meanwhile, as long as everything before `before` is flushed already: what is being written
    /// behind that is not looked at. Unless `before` is the one right after the last, whoever asks must know that none is
    /// missing between the last transaction read and `before`.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn open_range(
        disk: Arc<dyn Disk>,
        dir: &Path,
        after: Zxid,
        before: Zxid,
        limit: FieldLimit,
    ) -> Result<Self, StorageError> {
        let mut reader = Self::open(disk, dir, after, limit)?;
        reader.files.retain(|file| file.zxid < before);
        reader.before = Some(before);
        Ok(reader)
    }

    /// The same for a learner, `after` being what [`crate::find_in_log`] found some time ago. A purge may have come
    /// between, and if it took the end of an epoch, the log goes on with the next one as if nothing were missing.
    ///
    /// # Errors
    /// A directory cannot be listed. When something is missing, reading will say so.
    pub fn open_found(
        disk: Arc<dyn Disk>,
        dirs: &DataDirs,
        after: Zxid,
        before: Zxid,
        limit: FieldLimit,
    ) -> Result<Self, StorageError> {
        let mut reader = Self::open_range(Arc::clone(&disk), &dirs.logs, after, before, limit)?;
        // A purge takes snapshots first. What it takes of the logs after they were listed is missed when it is opened.
        let oldest = oldest_snapshot(&*disk, dirs)?;
        reader.adjoining = oldest.is_some_and(|oldest| after < oldest);
        // It may have taken everything that was to be read.
        reader.must_reach = true;
        Ok(reader)
    }

    /// The next transaction, `None` at the end.
    ///
    /// # Errors
    /// The disk failed, or the files are damaged. Asking again after an error has no meaning.
    #[expect(clippy::should_implement_trait, reason = "the entry borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<LogEntry<'_>>, ReadError> {
        let (zxid, payload, offset) = loop {
            if self.is_at_end() {
                return Ok(None);
            }
            if self.scan.is_none() && !self.open_next()? {
                return self.end().map(|()| None);
            }
            let Some((path, scan)) = &mut self.scan else { continue };
            match scan.step().explain(Doing::Read, path)? {
                Step::Entry { zxid, payload } => {
                    let offset = scan.offset();
                    let last = self.last;
                    if self.accept(zxid, offset)? {
                        if self.before.is_some_and(|before| zxid >= before) {
                            self.last = last;
                            self.files.clear();
                            self.scan = None;
                            return Ok(None);
                        }
                        break (zxid, payload, offset);
                    }
                }
                Step::Stop(stop) => {
                    let offset = scan.offset();
                    let tail = judge(scan.file(), offset, stop, self.last, self.limit).explain_at(
                        Doing::Read,
                        path,
                        offset,
                    )?;
                    if let Tail::Dirty { torn, certain, hidden } = tail {
                        let found = Found::Stop { stop, hidden };
                        let damage = Damage { file: path.clone(), offset, last: self.last, torn, found };
                        let torn = torn && (certain || damage.is_forgivable());
                        self.doubts.push(Doubt { damage: Box::new(damage), torn });
                    }
                    self.scan = None;
                }
            }
        };
        let payload = self.scan.as_ref().map_or(&[][..], |(_, scan)| scan.bytes(payload));
        self.entries += 1;
        Ok(Some(LogEntry { zxid, payload, offset }))
    }

    /// The file of the last transaction.
    pub fn file(&self) -> Option<&Path> {
        self.scan.as_ref().map(|(path, _)| path.as_path())
    }

    /// The last transaction read, or the one that was known before.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// How many transactions were read.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// What was unusual so far.
    pub fn notices(&self) -> &[LogNotice] {
        &self.notices
    }

    /// Whether nothing that is wanted can follow: what does may be in the middle of being written.
    fn is_at_end(&self) -> bool {
        self.before.is_some_and(|before| self.last.raw().checked_add(1) == Some(before.raw()))
    }

    fn path(&self) -> PathBuf {
        self.file().unwrap_or(Path::new("")).to_owned()
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        let Some(NamedFile { path, .. }) = self.files.pop_front() else { return Ok(false) };
        let file = self.disk.open(&path).explain(Doing::Open, &path)?;
        let mut scan = FileScan::new(file, self.limit);
        let found = match scan.header().explain(Doing::Read, &path)? {
            Header::Right => {
                self.scan = Some((path, scan));
                return Ok(true);
            }
            Header::Empty if self.files.is_empty() => {
                warn!("the log file {} is empty", path.display());
                self.notices.push(LogNotice::EmptyFile { file: path });
                return Ok(false);
            }
            Header::Empty | Header::Short => Found::ShortHeader,
            Header::Wrong(magic) => Found::WrongMagic(magic),
        };
        Err(Box::new(Damage { file: path, offset: 0, last: self.last, torn: false, found }).into())
    }

    /// Whether a whole entry is one to give out.
    fn accept(&mut self, zxid: Zxid, offset: u64) -> Result<bool, ReadError> {
        if zxid <= self.last {
            if zxid > self.after {
                warn!(
                    "transaction {zxid} in {} comes after {}, passed over",
                    self.path().display(),
                    self.last
                );
                self.notices.push(LogNotice::OutOfOrder { file: self.path(), offset, zxid });
            } else {
                // Whatever an earlier file may hide is no younger than this, and so not wanted.
                self.doubts.clear();
            }
            return Ok(false);
        }
        let next = self.last.next() == Some(zxid);
        // Each epoch begins with counter 1; how the one before ended only its own files can tell.
        let may_be_new_epoch = !self.adjoining || self.entries > 0;
        let new_epoch = may_be_new_epoch && zxid.epoch() > self.last.epoch() && zxid.counter() == 1;
        if !next {
            self.refuse_doubts(|doubt| !(new_epoch && doubt.torn))?;
        }
        if !next && !new_epoch {
            let found = Found::Gap { zxid };
            return Err(
                Box::new(Damage { file: self.path(), offset, last: self.last, torn: false, found }).into()
            );
        }
        self.forgive();
        self.last = zxid;
        Ok(true)
    }

    /// There are no more files.
    fn end(&mut self) -> Result<(), ReadError> {
        self.refuse_doubts(|doubt| !doubt.torn)?;
        self.forgive();
        if let Some(before) = self.before.filter(|before| self.must_reach && !self.reaches(*before)) {
            let found = Found::Gap { zxid: before };
            return Err(Box::new(Damage {
                file: self.path(),
                offset: 0,
                last: self.last,
                torn: false,
                found,
            })
            .into());
        }
        Ok(())
    }

    /// Whether `before` may come right after the last transaction read.
    fn reaches(&self, before: Zxid) -> bool {
        let begins_an_epoch = before.epoch() > self.last.epoch() && before.counter() == 1;
        self.last.next() == Some(before) || (begins_an_epoch && (!self.adjoining || self.entries > 0))
    }

    fn refuse_doubts(&mut self, refuse: impl Fn(&Doubt) -> bool) -> Result<(), ReadError> {
        match self.doubts.iter().position(refuse) {
            Some(at) => Err(self.doubts.remove(at).damage.into()),
            None => Ok(()),
        }
    }

    fn forgive(&mut self) {
        for Doubt { damage, .. } in self.doubts.drain(..) {
            let Damage { file, offset, last, .. } = *damage;
            warn!(
                "the last write to {} was cut short at offset {offset}, after transaction {last}",
                file.display()
            );
            self.notices.push(LogNotice::TornTail { file, offset, last });
        }
    }
}
