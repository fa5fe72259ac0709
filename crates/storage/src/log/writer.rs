//! Writing the transaction log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::{info, warn};
use zabra_proto::FieldLimit;
use zabra_types::Zxid;

use super::format::{
    FILE_HEADER, FILE_HEADER_LEN, PAYLOAD_LEN_MIN, PIECE_ENTRIES_MAX, PIECE_LEN_MAX, payload_zxid, put_entry,
};
use super::scan::{FileScan, Header, Step};
use crate::error::{Doing, Explain, StorageError};
use crate::name::log_name;
use crate::{Disk, DiskFile};

/// Zeros written with a new file, few because the first batch waits for them.
const FIRST_FILL: u64 = 64 << 10;

/// Zeros written ahead at a time, at most. A megabyte takes about a millisecond to get to the disk, and makes each
/// of the syncs that then need not grow the file some 70 µs cheaper.
const FILL_MAX: u64 = 1 << 20;

/// What was written is forgotten in steps of this many bytes.
const FORGET_STEP: u64 = 1 << 20;

/// A common multiple of the sizes of the pages that systems keep files in.
const PAGE_LEN: u64 = 64 << 10;

/// A batch buffer larger than this is given back after its flush.
const BATCH_KEPT: usize = 4 << 20;

/// The name of a log that is not ready yet. The genuine server must not take it for a log, so it does not begin
/// with `log.`.
pub(crate) const NEW_LOG_NAME: &str = "new-log.tmp";

/// How the log is written.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The directory of the files (`dataLogDir/version-2`).
    pub dir: PathBuf,
    /// Whether a flush waits for the disk (`forceSync`).
    pub force_sync: bool,
    /// Zeros kept written ahead of the entries, in bytes; 0 is none. The genuine server extends its files by this
    /// much at once (`preAllocSize`); we do it in steps of at most a megabyte.
    pub growth: u64,
    /// A new file is begun when one is longer than this many bytes (`txnLogSizeLimitInKb`); `None` is never.
    pub file_size_max: Option<u64>,
    /// The longest payload that readers accept, see [`FieldLimit`].
    pub payload_len_max: FieldLimit,
}

/// Why a transaction did not get into the log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The disk failed. The log is closed now.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// An earlier failure closed the log.
    #[error("the transaction log was closed by an earlier failure")]
    Closed,
    /// The transaction does not come after the last one. Nothing changed.
    #[error("transaction {zxid} does not come after {last}")]
    OutOfOrder {
        /// The last transaction appended.
        last: Zxid,
        /// The one refused.
        zxid: Zxid,
    },
    /// The payload is not that of this transaction, or longer than readers accept. Nothing changed.
    #[error("the payload for transaction {zxid}, {len} bytes, is too long or that of another transaction")]
    BadPayload {
        /// The transaction.
        zxid: Zxid,
        /// Bytes of the payload.
        len: usize,
    },
    /// The file to begin exists and holds transactions. The log is closed now.
    #[error("{} holds transactions that were not replayed", file.display())]
    WouldReplace {
        /// The file.
        file: PathBuf,
    },
}

/// What a flush did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Everything up to this transaction is on the disk.
    pub zxid: Zxid,
    /// Transactions that this flush brought there.
    pub entries: u64,
    /// Bytes of their entries.
    pub bytes: u64,
    /// How long the disk took to sync; zero when there was nothing to sync.
    pub sync_time: Duration,
}

/// The transaction log, open for appending.
///
/// [`TxnLog::append`] collects, [`TxnLog::flush`] writes everything collected with one write and one sync, or, beyond
/// a thousand transactions, with one for each thousand. Nothing may be acknowledged before the flush that covers it. After any failure the log is closed: what the disk then
/// holds is known only after reading it again.
///
/// Each process begins its own files, and a file gets its name only when its header is on the disk, so neither we
/// nor the genuine server ever meet one without.
#[derive(Debug)]
pub struct TxnLog {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    file: Option<OpenLog>,
    batch: Vec<u8>,
    batch_first: Zxid,
    batch_entries: u64,
    /// Where the batch is divided, so that no more than a piece is ever written without a sync.
    piece_ends: Vec<usize>,
    piece_entries: u64,
    appended: Zxid,
    flushed: Zxid,
    closed: bool,
}

#[derive(Debug)]
struct OpenLog {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    /// Bytes of the header and the entries.
    written: u64,
    /// Bytes of the file, the zeros ahead included.
    filled: u64,
    /// Bytes, whole pages, that the system was told not to keep in memory.
    forgotten: u64,
}

impl TxnLog {
    /// A log whose next transaction comes after `last`. Creates no file yet.
    pub fn open(disk: Arc<dyn Disk>, options: LogOptions, last: Zxid) -> Self {
        if !options.force_sync {
            warn!("forceSync is off: transactions are acknowledged before they are on the disk");
        }
        Self {
            disk,
            options,
            file: None,
            batch: Vec::new(),
            batch_first: last,
            batch_entries: 0,
            piece_ends: Vec::new(),
            piece_entries: 0,
            appended: last,
            flushed: last,
            closed: false,
        }
    }

    /// Adds a transaction to the next flush.
    ///
    /// # Errors
    /// The log is closed, the transaction does not come after the last one, or the payload is not its own.
    pub fn append(&mut self, zxid: Zxid, payload: &[u8]) -> Result<(), LogError> {
        if self.closed {
            return Err(LogError::Closed);
        }
        if zxid <= self.appended {
            return Err(LogError::OutOfOrder { last: self.appended, zxid });
        }
        let bad = LogError::BadPayload { zxid, len: payload.len() };
        let fits = (PAYLOAD_LEN_MIN..=self.options.payload_len_max.0).contains(&payload.len());
        let Ok(len) = i32::try_from(payload.len()) else { return Err(bad) };
        if !fits || payload_zxid(payload) != Some(zxid) {
            return Err(bad);
        }
        if self.batch.is_empty() {
            self.batch_first = zxid;
        }
        put_entry(&mut self.batch, payload, len);
        self.batch_entries += 1;
        self.piece_entries += 1;
        self.appended = zxid;
        let piece_len = self.batch.len() - self.piece_ends.last().copied().unwrap_or(0);
        if self.piece_entries >= PIECE_ENTRIES_MAX || piece_len as u64 >= PIECE_LEN_MAX {
            self.piece_ends.push(self.batch.len());
            self.piece_entries = 0;
        }
        Ok(())
    }

    /// Brings everything appended to the disk.
    ///
    /// # Errors
    /// The log is closed, or was closed by this call because the disk failed: nothing of this batch may be
    /// acknowledged, and nothing later either.
    pub fn flush(&mut self) -> Result<Flushed, LogError> {
        self.guarded(Self::write_batch)
    }

    /// Flushes and ends the current file: the next transaction begins a new one.
    ///
    /// # Errors
    /// As [`TxnLog::flush`].
    pub fn roll(&mut self) -> Result<Flushed, LogError> {
        let flushed = self.flush()?;
        self.file = None;
        Ok(flushed)
    }

    /// After what is on the disk was changed from outside, by [`crate::truncate()`] or [`crate::install_snapshot`]: the next
    /// transaction comes after `last` and begins a new file.
    ///
    /// # Errors
    /// The log is closed.
    ///
    /// # Panics
    /// When transactions wait for a flush: they were appended to another history.
    pub fn restart_after(&mut self, last: Zxid) -> Result<(), LogError> {
        if self.closed {
            return Err(LogError::Closed);
        }
        assert_eq!(self.batch_entries, 0, "transactions wait for a flush while their history is replaced");
        self.file = None;
        (self.appended, self.flushed, self.batch_first) = (last, last, last);
        Ok(())
    }

    /// Writes zeros ahead if they are running out, so that coming flushes need not grow the file. To be called
    /// when nobody is waiting; flushing works without it, but slower.
    ///
    /// # Errors
    /// The log is closed, or was closed by this call because the disk failed.
    pub fn fill_ahead(&mut self) -> Result<(), LogError> {
        let step = self.fill_step();
        self.guarded(|log| {
            let Some(open) = &mut log.file else { return Ok(()) };
            if step == 0 || open.filled.saturating_sub(open.written) >= step / 2 {
                return Ok(());
            }
            let zeros = vec![0; step as usize];
            open.write(&zeros, open.filled)?;
            open.filled += step;
            if log.options.force_sync { open.sync() } else { Ok(()) }
        })
    }

    /// The last transaction appended.
    pub fn appended(&self) -> Zxid {
        self.appended
    }

    /// The last transaction that is on the disk.
    pub fn flushed(&self) -> Zxid {
        self.flushed
    }

    /// Transactions that wait for a flush.
    pub fn pending_entries(&self) -> u64 {
        self.batch_entries
    }

    /// Bytes of entries that wait for a flush.
    pub fn pending_bytes(&self) -> u64 {
        self.batch.len() as u64
    }

    /// Whether a failure closed the log.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The file being written and its length with the zeros ahead; `None` before the first flush after opening or
    /// rolling.
    pub fn current_file(&self) -> Option<(&Path, u64)> {
        self.file.as_ref().map(|open| (open.path.as_path(), open.filled))
    }

    /// Runs something that touches the disk; if it fails, the log is closed for good.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, LogError>) -> Result<T, LogError> {
        if self.closed {
            return Err(LogError::Closed);
        }
        let result = work(self);
        if result.is_err() {
            self.closed = true;
            self.file = None;
        }
        result
    }

    fn write_batch(&mut self) -> Result<Flushed, LogError> {
        let (entries, bytes) = (self.batch_entries, self.batch.len() as u64);
        if entries == 0 {
            return Ok(Flushed { zxid: self.flushed, entries, bytes, sync_time: Duration::ZERO });
        }
        let mut open = match self.file.take() {
            Some(open) => open,
            None => self.create_file(self.batch_first)?,
        };
        let sync_time = self.write_pieces(&mut open)?;
        self.flushed = self.appended;
        self.batch_entries = 0;
        self.batch.clear();
        self.batch.shrink_to(BATCH_KEPT);
        self.piece_ends.clear();
        self.piece_entries = 0;
        let full = self.options.file_size_max.is_some_and(|max| open.written > max);
        if self.options.force_sync {
            open.forget_written();
        }
        self.file = (!full).then_some(open);
        Ok(Flushed { zxid: self.flushed, entries, bytes, sync_time })
    }

    /// Writes and syncs the batch: in one piece, unless it is very long. Returns the time all syncs took.
    fn write_pieces(&mut self, open: &mut OpenLog) -> Result<Duration, LogError> {
        let batch_len = self.batch.len();
        if self.piece_ends.last() != Some(&batch_len) {
            self.piece_ends.push(batch_len);
        }
        let batch_end = open.written + batch_len as u64;
        if batch_end > open.filled {
            // Zeros behind the batch, in the same write.
            open.filled = batch_end + self.fill_step();
            self.batch.resize((open.filled - open.written) as usize, 0);
        }
        let mut sync_time = Duration::ZERO;
        let mut start = 0;
        for &end in &self.piece_ends {
            let to = if end == batch_len { self.batch.len() } else { end };
            open.write(&self.batch[start..to], open.written)?;
            open.written += (end - start) as u64;
            start = end;
            if self.options.force_sync {
                let started = Instant::now();
                open.sync()?;
                sync_time += started.elapsed();
            }
        }
        Ok(sync_time)
    }

    /// Begins the file whose first transaction is `first`.
    fn create_file(&self, first: Zxid) -> Result<OpenLog, LogError> {
        let path = self.options.dir.join(log_name(first));
        let new = self.options.dir.join(NEW_LOG_NAME);
        if holds_entries(&*self.disk, &path, self.options.payload_len_max)? {
            return Err(LogError::WouldReplace { file: path });
        }
        let filled = FILE_HEADER_LEN + self.fill_step().min(FIRST_FILL);
        let mut header = FILE_HEADER.to_vec();
        header.resize(filled as usize, 0);
        let file = self.disk.create(&new).explain(Doing::Create, &new)?;
        let mut open = OpenLog { file, path: new, written: FILE_HEADER_LEN, filled, forgotten: 0 };
        open.write(&header, 0)?;
        if self.options.force_sync {
            open.sync()?;
        }
        self.disk.rename(&open.path, &path).explain(Doing::Rename, &open.path)?;
        if self.options.force_sync {
            self.disk.sync_dir(&self.options.dir).explain(Doing::SyncDir, &self.options.dir)?;
        }
        info!("creating new log file: {}", path.display());
        open.path = path;
        Ok(open)
    }

    fn fill_step(&self) -> u64 {
        self.options.growth.min(FILL_MAX)
    }
}

impl OpenLog {
    /// Gives the memory back that the system keeps what was written in. It is read when a server starts, or by a learner far
    /// behind; until then it would only take fresh memory for each megabyte, which can cost more than the sync.
    fn forget_written(&mut self) {
        let whole = self.written - self.written % PAGE_LEN;
        if whole - self.forgotten >= FORGET_STEP {
            self.file.forget(self.forgotten, whole - self.forgotten);
            self.forgotten = whole;
        }
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), LogError> {
        Ok(self.file.write_all_at(bytes, offset).explain_at(Doing::Write, &self.path, offset)?)
    }

    fn sync(&mut self) -> Result<(), LogError> {
        Ok(self.file.sync_data().explain(Doing::Sync, &self.path)?)
    }
}

/// Whether a log exists and begins with a whole entry. A file left by a crash before its first entry was whole does
/// not count: it is replaced, as the genuine server does.
fn holds_entries(disk: &dyn Disk, path: &Path, limit: FieldLimit) -> Result<bool, StorageError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).explain(Doing::Open, path),
    };
    let mut scan = FileScan::new(file, limit);
    Ok(scan.header().explain(Doing::Read, path)? == Header::Right
        && matches!(scan.step().explain(Doing::Read, path)?, Step::Entry { .. }))
}
