//! Telling a torn write from damage.
//!
//! Where a file stops being readable, one of two things happened. Either the power went while the last batch was
//! being written: then nobody was told that it is safe, and it may be dropped. Or something damaged the file later:
//! then what is hidden behind that place may have been promised to clients, and dropping it in silence is the one
//! thing a log must never do.
//!
//! What a torn write looks like: a disk writes sectors whole or not at all, and the rest of the file is zero before
//! it is written. So either the batch simply stops (the file ends, or zeros follow to its end), or whole sectors of
//! it are missing and read as zero. Anything else is damage, and so is a hole that hides more transactions than are
//! ever written without a sync.

use std::io;

use simd_adler32::Adler32;
use zabra_proto::FieldLimit;
use zabra_types::Zxid;

use super::format::{
    ENTRY_END, ENTRY_HEAD_LEN, EntryHead, PAYLOAD_LEN_MIN, PIECE_ENTRIES_MAX, PIECE_LEN_MAX, checksum,
    payload_zxid,
};
use super::scan::Stop;
use crate::DiskFile;
use crate::disk::read_full;

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// Transactions found behind a place that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Where the first begins.
    pub offset: u64,
    /// Its zxid.
    pub first: Zxid,
    /// The zxid of the last.
    pub last: Zxid,
    /// How many.
    pub entries: u64,
}

/// What follows the last entry of a file that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Only zeros, or nothing.
    Clean,
    /// Something, from `offset` on. `certain` when it can be nothing but a torn write.
    Dirty { torn: bool, certain: bool, hidden: Option<Hidden> },
}

/// Judges what follows `offset`, where the scan of a file stopped because of `stop`. `last` is the transaction
/// before.
pub(crate) fn judge(
    file: &dyn DiskFile,
    offset: u64,
    stop: Stop,
    last: Zxid,
    limit: FieldLimit,
) -> io::Result<Tail> {
    let end = written_end(file, offset)?;
    if end <= offset {
        return Ok(Tail::Clean);
    }
    // No crash leaves more behind than one piece; the genuine server has no limit, but rarely this much either.
    if end - offset > (PIECE_LEN_MAX + limit.0 as u64) * 2 {
        return Ok(Tail::Dirty { torn: false, certain: false, hidden: None });
    }
    let mut bytes = vec![0; (end - offset) as usize];
    let read = read_full(file, &mut bytes, offset)?;
    bytes.truncate(read);
    let rest = Rest { bytes: &bytes, offset, limit };
    let hidden = rest.hidden(last);
    Ok(Tail::Dirty { torn: rest.is_torn(stop, hidden), certain: rest.begins_in_an_old_sector(), hidden })
}

/// The end of the last byte of a file that is not zero, or `from` if that is before it.
fn written_end(file: &dyn DiskFile, from: u64) -> io::Result<u64> {
    let mut end = file.size()?;
    let mut chunk = vec![0; end.saturating_sub(from).min(1 << 20) as usize];
    while end > from {
        let start = from.max(end.saturating_sub(chunk.len() as u64));
        let read = read_full(file, &mut chunk[..(end - start) as usize], start)?;
        if let Some(last) = chunk[..read].iter().rposition(|&byte| byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(from)
}

/// The bytes behind the last whole entry, up to the last that is not zero.
struct Rest<'a> {
    bytes: &'a [u8],
    /// Where in the file they begin.
    offset: u64,
    limit: FieldLimit,
}

impl Rest<'_> {
    fn is_torn(&self, stop: Stop, hidden: Option<Hidden>) -> bool {
        let head = EntryHead::read(self.bytes);
        let len = head.map_or(0, |head| usize::try_from(head.len).unwrap_or(0));
        // Nothing stands where the entry's last byte belongs, or behind it.
        let just_stops = self.bytes.len() <= ENTRY_HEAD_LEN + len && hidden.is_none();
        let holed = || match hidden {
            None => self.lacks_a_sector(u64::MAX, len),
            Some(hidden) => hidden.entries <= PIECE_ENTRIES_MAX && self.lacks_a_sector(hidden.offset, len),
        };
        match (stop, head.and_then(|head| self.whole_payload(head))) {
            (Stop::BadLength(_) | Stop::TooShort(_), _) => false,
            // The payload was written whole. Then its length was too, and only its end mark may be missing.
            (_, Some(whole)) => whole == len && just_stops,
            (Stop::Ended, None) => hidden.is_none(),
            (Stop::ZeroLength | Stop::NoEnd(_), None) => just_stops || holed(),
            (Stop::BadChecksum, None) => holed(),
        }
    }

    /// Whether the sector in which the entry begins, behind entries that are whole, still is as it was before the entry was
    /// written, and later sectors are not. Damage would have taken the entries before with it, so the write was never
    /// synced, nor was anything behind it.
    fn begins_in_an_old_sector(&self) -> bool {
        let left = (SECTOR - self.offset % SECTOR) as usize;
        // Part of the checksum must lie there: the four bytes before it are always zero.
        (5..SECTOR as usize).contains(&left)
            && self.bytes.len() > left
            && self.bytes[..left].iter().all(|&byte| byte == 0)
    }

    /// The length that makes the checksum right, if one does: the one that stands there or another.
    fn whole_payload(&self, head: EntryHead) -> Option<usize> {
        let payload = self.bytes.get(ENTRY_HEAD_LEN..)?;
        let stated = usize::try_from(head.len).ok().filter(|&len| len >= PAYLOAD_LEN_MIN);
        if let Some(len) = stated
            && payload.get(..len).is_some_and(|payload| checksum(payload) == head.checksum)
        {
            return Some(len);
        }
        let payload = &payload[..payload.len().min(self.limit.0 + 1)];
        let mut sum = Adler32::new();
        let mut summed = 0;
        for (len, _) in payload.iter().enumerate().filter(|&(_, &byte)| byte == ENTRY_END) {
            sum.write(&payload[summed..len]);
            summed = len;
            if len >= PAYLOAD_LEN_MIN && u64::from(sum.finish()) == head.checksum {
                return Some(len);
            }
        }
        None
    }

    /// Whether a sector that belongs to the first entry, and lies before `limit`, reads as zero as far as the entry
    /// lies in it.
    fn lacks_a_sector(&self, limit: u64, len: usize) -> bool {
        let entry_end = limit.min(self.offset + (ENTRY_HEAD_LEN + len) as u64 + 1);
        // The first four bytes of an entry are always zero and so tell nothing.
        let mut start = self.offset + 4;
        while start < entry_end {
            let end = (start / SECTOR + 1) * SECTOR;
            let from = ((start - self.offset) as usize).min(self.bytes.len());
            let to = ((end.min(limit) - self.offset) as usize).min(self.bytes.len());
            if self.bytes[from..to].iter().all(|&byte| byte == 0) {
                return true;
            }
            start = end;
        }
        false
    }

    /// Whole entries further on.
    fn hidden(&self, last: Zxid) -> Option<Hidden> {
        let mut found: Option<Hidden> = None;
        let mut at = 1;
        while at < self.bytes.len() {
            let after = found.map_or(last, |hidden| hidden.last);
            let Some((zxid, len)) = self.entry_at(at, after) else {
                at += 1;
                continue;
            };
            let offset = self.offset + at as u64;
            let hidden = found.get_or_insert(Hidden { offset, first: zxid, last: zxid, entries: 0 });
            hidden.last = zxid;
            hidden.entries += 1;
            at += len;
        }
        found
    }

    /// The zxid and length of the entry at a place, if there is one that could come after `last`.
    fn entry_at(&self, at: usize, last: Zxid) -> Option<(Zxid, usize)> {
        let entry = &self.bytes[at..];
        let head = EntryHead::read(entry)?;
        let len =
            usize::try_from(head.len).ok().filter(|len| (PAYLOAD_LEN_MIN..=self.limit.0).contains(len))?;
        let payload = entry.get(ENTRY_HEAD_LEN..ENTRY_HEAD_LEN + len)?;
        // Cheap questions first: a checksum of megabytes at each place would take forever.
        let end = *entry.get(ENTRY_HEAD_LEN + len)?;
        let zxid = payload_zxid(payload)?;
        let plausible = zxid > last && zxid.raw().wrapping_sub(last.raw()) < 1 << 48;
        (end == ENTRY_END && plausible && checksum(payload) == head.checksum)
            .then_some((zxid, ENTRY_HEAD_LEN + len + 1))
    }
}
