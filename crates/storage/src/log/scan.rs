//! Walking through the entries of one log file.

use std::io;
use std::ops::Range;
use std::path::Path;

use zabra_proto::FieldLimit;
use zabra_types::Zxid;

use super::format::{
    ENTRY_END, ENTRY_HEAD_LEN, ENTRY_OVERHEAD, EntryHead, FILE_HEADER, FILE_HEADER_LEN, PAYLOAD_LEN_MIN,
    checksum, payload_zxid,
};
use crate::disk::read_full;
use crate::error::{Doing, Explain, StorageError};
use crate::{Disk, DiskFile};

const BUFFER_LEN: usize = 1 << 20;

/// What stands at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole entry; its payload is in [`FileScan::bytes`].
    Entry { zxid: Zxid, payload: Range<usize> },
    /// Nothing that can be read as an entry.
    Stop(Stop),
}

/// Why no entry can be read at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The file ends in or before the entry.
    Ended,
    /// The length is zero: the padding begins, or should have.
    ZeroLength,
    /// The length is negative or above the limit.
    BadLength(i32),
    /// Another byte stands where the entry should end.
    NoEnd(u8),
    /// The payload does not have the checksum in front of it.
    BadChecksum,
    /// The checksum is right, but the payload is too short for any transaction.
    TooShort(i32),
}

/// What the first bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Right,
    /// The file has no bytes at all.
    Empty,
    /// The file ends inside the header.
    Short,
    /// The magic is another.
    Wrong([u8; 4]),
}

/// A position in a log file.
#[derive(Debug)]
pub(crate) struct FileScan {
    file: Box<dyn DiskFile>,
    limit: FieldLimit,
    /// A window of the file; `at..` of it has not been walked yet.
    buf: Vec<u8>,
    buf_offset: u64,
    at: usize,
    /// The bytes of the last entry, to be walked over by the next step.
    taken: usize,
}

/// Shows every whole entry of a file, up to the first place where there is none. A file without a header has none.
pub(crate) fn for_each_entry(
    disk: &dyn Disk,
    path: &Path,
    limit: FieldLimit,
    mut entry: impl FnMut(Zxid, &[u8]),
) -> Result<(), StorageError> {
    let file = disk.open(path).explain(Doing::Open, path)?;
    let mut scan = FileScan::new(file, limit);
    if scan.header().explain(Doing::Read, path)? != Header::Right {
        return Ok(());
    }
    while let Step::Entry { zxid, payload } = scan.step().explain(Doing::Read, path)? {
        entry(zxid, scan.bytes(payload));
    }
    Ok(())
}

impl FileScan {
    pub(crate) fn new(file: Box<dyn DiskFile>, limit: FieldLimit) -> Self {
        Self { file, limit, buf: Vec::new(), buf_offset: 0, at: 0, taken: 0 }
    }

    /// Reads the header. Like the genuine server it looks only at the magic.
    pub(crate) fn header(&mut self) -> io::Result<Header> {
        let bytes = self.window(FILE_HEADER_LEN as usize)?;
        let header = match bytes.first_chunk::<4>() {
            _ if bytes.is_empty() => Header::Empty,
            Some(magic) if bytes.len() >= FILE_HEADER_LEN as usize => {
                if FILE_HEADER.starts_with(magic) {
                    Header::Right
                } else {
                    Header::Wrong(*magic)
                }
            }
            _ => Header::Short,
        };
        self.taken = FILE_HEADER_LEN as usize;
        Ok(header)
    }

    /// Moves behind the last entry and looks at what follows.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        self.at += self.taken;
        self.taken = 0;
        let limit = self.limit.0;
        let Some(head) = EntryHead::read(self.window(ENTRY_HEAD_LEN)?) else {
            return Ok(Step::Stop(Stop::Ended));
        };
        let len = match usize::try_from(head.len) {
            Ok(0) => return Ok(Step::Stop(Stop::ZeroLength)),
            Ok(len) if len <= limit => len,
            _ => return Ok(Step::Stop(Stop::BadLength(head.len))),
        };
        let entry = self.window(len + ENTRY_OVERHEAD)?;
        let Some(&end) = entry.get(ENTRY_HEAD_LEN + len) else { return Ok(Step::Stop(Stop::Ended)) };
        let payload = &entry[ENTRY_HEAD_LEN..ENTRY_HEAD_LEN + len];
        if end != ENTRY_END {
            return Ok(Step::Stop(Stop::NoEnd(end)));
        }
        if checksum(payload) != head.checksum {
            return Ok(Step::Stop(Stop::BadChecksum));
        }
        let zxid = match payload_zxid(payload) {
            Some(zxid) if len >= PAYLOAD_LEN_MIN => zxid,
            _ => return Ok(Step::Stop(Stop::TooShort(head.len))),
        };
        self.taken = len + ENTRY_OVERHEAD;
        let start = self.at + ENTRY_HEAD_LEN;
        Ok(Step::Entry { zxid, payload: start..start + len })
    }

    /// The bytes that [`Step::Entry`] speaks of.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buf[range]
    }

    /// Where the last step looked.
    pub(crate) fn offset(&self) -> u64 {
        self.buf_offset + self.at as u64
    }

    pub(crate) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    /// The next bytes, at least `needed` of them unless the file ends before.
    fn window(&mut self, needed: usize) -> io::Result<&[u8]> {
        if self.buf.len() - self.at < needed {
            self.buf.drain(..self.at);
            self.buf_offset += self.at as u64;
            self.at = 0;
            let have = self.buf.len();
            let end = self.buf_offset + have as u64;
            // A false length must not make us ask for more memory than the file has bytes.
            let left = usize::try_from(self.file.size()?.saturating_sub(end)).unwrap_or(usize::MAX);
            let more = left.min(BUFFER_LEN.max(needed - have));
            self.buf.resize(have + more, 0);
            let read = read_full(&*self.file, &mut self.buf[have..], end)?;
            self.buf.truncate(have + read);
        }
        Ok(&self.buf[self.at..])
    }
}
