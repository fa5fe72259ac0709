//! The record of a node: everything most nodes have, in one stretch of memory.
//!
//! ```text
//! fixed   i64 czxid, i64 ctime, u32 parent, u32 chunk, u32 extra, u32 acl, u32 digest
//! head    u8        bit 7: changed is present; bits 0..6: length of the name, 127 when it follows
//!         u32       length of the name, if it is 127 or more
//!         varint    length of the data plus one; 0 is null
//! changed           i64 mzxid, i64 mtime, i32 version, unless they are those of the creation
//! name, data
//! ```
//!
//! Numbers are little-endian. This is memory only; nothing of it reaches a disk or a peer.

use super::Slot;
use crate::acl_table::AclId;

/// The part of a record that has one length and is changed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) czxid: i64,
    pub(super) ctime: i64,
    pub(super) parent: Slot,
    /// The chunk of the parent's family that lists this node, if the family has chunks.
    pub(super) chunk: u32,
    /// The place of the node's extra, plus one; 0 is none.
    pub(super) extra: u32,
    pub(super) acl: AclId,
    pub(super) digest: u32,
}

const CZXID: usize = 0;
const CTIME: usize = 8;
const PARENT: usize = 16;
const CHUNK: usize = 20;
const EXTRA: usize = 24;
const ACL: usize = 28;
const DIGEST: usize = 32;

impl Fixed {
    /// Bytes it takes.
    pub(super) const LEN: usize = 36;

    /// Writes it to the beginning of a record.
    pub(super) fn write(&self, record: &mut [u8]) {
        put(record, CZXID, &self.czxid.to_le_bytes());
        put(record, CTIME, &self.ctime.to_le_bytes());
        put(record, PARENT, &self.parent.0.to_le_bytes());
        put(record, CHUNK, &self.chunk.to_le_bytes());
        put(record, EXTRA, &self.extra.to_le_bytes());
        put(record, ACL, &self.acl.bits().to_le_bytes());
        put(record, DIGEST, &self.digest.to_le_bytes());
    }
}

/// A record that is written to, field by field.
pub(super) struct RecordMut<'a>(pub(super) &'a mut [u8]);

impl RecordMut<'_> {
    pub(super) fn set_creation(&mut self, czxid: i64, ctime: i64) {
        put(self.0, CZXID, &czxid.to_le_bytes());
        put(self.0, CTIME, &ctime.to_le_bytes());
    }

    pub(super) fn set_chunk(&mut self, chunk: u32) {
        put(self.0, CHUNK, &chunk.to_le_bytes());
    }

    pub(super) fn set_extra(&mut self, place: u32) {
        put(self.0, EXTRA, &(place + 1).to_le_bytes());
    }

    pub(super) fn set_acl(&mut self, acl: AclId) {
        put(self.0, ACL, &acl.bits().to_le_bytes());
    }

    pub(super) fn set_digest(&mut self, digest: u32) {
        put(self.0, DIGEST, &digest.to_le_bytes());
    }

    /// Replaces data by data of the same length where nothing has to move for it: the usual set. False, and nothing
    /// has happened, where something has.
    pub(super) fn replace_data(&mut self, changed: &Changed, data: Option<&[u8]>) -> bool {
        let head = Head::read(self.0);
        let fits = head.is_changed && head.data_mark == data_mark(data);
        if fits {
            changed.write(self.0, head.end);
            put(self.0, head.end + CHANGED_LEN + head.name_len, data.unwrap_or_default());
        }
        fits
    }
}

/// A record that is read, field by field: most questions are about one or two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    fixed: &'a [u8; Fixed::LEN],
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { fixed: bytes.first_chunk().expect("a record begins with its fixed part"), bytes }
    }

    /// The fixed part, to be copied.
    pub(super) fn fixed(self) -> &'a [u8; Fixed::LEN] {
        self.fixed
    }

    pub(super) fn czxid(self) -> i64 {
        i64::from_le_bytes(array(self.fixed, CZXID))
    }

    pub(super) fn ctime(self) -> i64 {
        i64::from_le_bytes(array(self.fixed, CTIME))
    }

    #[inline]
    pub(super) fn parent(self) -> Slot {
        Slot(u32::from_le_bytes(array(self.fixed, PARENT)))
    }

    pub(super) fn chunk(self) -> u32 {
        u32::from_le_bytes(array(self.fixed, CHUNK))
    }

    /// The place of the extra.
    #[inline]
    pub(super) fn extra(self) -> Option<u32> {
        u32::from_le_bytes(array(self.fixed, EXTRA)).checked_sub(1)
    }

    pub(super) fn acl(self) -> AclId {
        AclId::from_bits(u32::from_le_bytes(array(self.fixed, ACL)))
    }

    pub(super) fn digest(self) -> u32 {
        u32::from_le_bytes(array(self.fixed, DIGEST))
    }

    pub(super) fn variable(self) -> Variable<'a> {
        Variable::read(self.bytes)
    }

    /// When the data was last set, unless that was with the creation.
    pub(super) fn changed(self) -> Option<Changed> {
        let Head { is_changed, end, .. } = Head::read(self.bytes);
        is_changed.then(|| Changed::read(self.bytes, end))
    }

    /// The name alone, which is all that a search wants.
    #[inline]
    pub(super) fn name(self) -> &'a [u8] {
        let Head { is_changed, name_len, end, .. } = Head::read(self.bytes);
        &self.bytes[if is_changed { end + CHANGED_LEN } else { end }..][..name_len]
    }
}

/// When the data of a node was last set, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) mzxid: i64,
    pub(crate) mtime: i64,
    pub(crate) version: i32,
}

impl Changed {
    fn read(bytes: &[u8], at: usize) -> Self {
        Self {
            mzxid: i64::from_le_bytes(array(bytes, at)),
            mtime: i64::from_le_bytes(array(bytes, at + 8)),
            version: i32::from_le_bytes(array(bytes, at + 16)),
        }
    }

    fn write(&self, bytes: &mut [u8], at: usize) {
        put(bytes, at, &self.mzxid.to_le_bytes());
        put(bytes, at + 8, &self.mtime.to_le_bytes());
        put(bytes, at + 16, &self.version.to_le_bytes());
    }
}

const CHANGED_LEN: usize = 20;
const IS_CHANGED: u8 = 0x80;
const LONG_NAME: usize = 0x7f;

/// The part of a record that has any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    /// `None` when nothing was set since the creation.
    pub(super) changed: Option<Changed>,
    pub(super) name: &'a [u8],
    pub(super) data: Option<&'a [u8]>,
}

impl<'a> Variable<'a> {
    /// Bytes the whole record takes.
    pub(super) fn record_len(&self) -> usize {
        let name = self.name.len();
        let data = self.data.map_or(0, <[u8]>::len);
        let head = if name < LONG_NAME { 1 } else { 5 };
        let changed = if self.changed.is_some() { CHANGED_LEN } else { 0 };
        Fixed::LEN + head + varint_len(self.data_mark()) + changed + name + data
    }

    fn data_mark(&self) -> u64 {
        data_mark(self.data)
    }

    /// Writes it to its place in a record, which has room for it.
    pub(super) fn write(&self, record: &mut [u8]) {
        let mut out = Cursor { out: record, at: Fixed::LEN };
        let is_changed = if self.changed.is_some() { IS_CHANGED } else { 0 };
        if self.name.len() < LONG_NAME {
            out.put(&[is_changed | self.name.len() as u8]);
        } else {
            out.put(&[is_changed | LONG_NAME as u8]);
            out.put(&(self.name.len() as u32).to_le_bytes());
        }
        let mut mark = self.data_mark();
        while mark >= 0x80 {
            out.put(&[mark as u8 | 0x80]);
            mark >>= 7;
        }
        out.put(&[mark as u8]);
        if let Some(changed) = self.changed {
            changed.write(out.out, out.at);
            out.at += CHANGED_LEN;
        }
        out.put(self.name);
        out.put(self.data.unwrap_or_default());
    }

    /// Reads it from a record that [`Variable::write`] wrote.
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let Head { is_changed, name_len, data_mark, end: mut at } = Head::read(bytes);
        let changed = is_changed.then(|| {
            at += CHANGED_LEN;
            Changed::read(bytes, at - CHANGED_LEN)
        });
        let name = &bytes[at..][..name_len];
        let data = (data_mark != 0).then(|| &bytes[at + name_len..][..data_mark as usize - 1]);
        Self { changed, name, data }
    }
}

/// What stands between the fixed part and the rest.
struct Head {
    is_changed: bool,
    name_len: usize,
    data_mark: u64,
    /// Where it ends in the record.
    end: usize,
}

impl Head {
    #[inline]
    fn read(bytes: &[u8]) -> Self {
        let head = bytes[Fixed::LEN];
        let mut end = Fixed::LEN + 1;
        let mut name_len = usize::from(head & !IS_CHANGED);
        if name_len == LONG_NAME {
            name_len = u32::from_le_bytes(array(bytes, end)) as usize;
            end += 4;
        }
        let mut data_mark = u64::from(bytes[end]);
        if data_mark < 0x80 {
            return Self { is_changed: head & IS_CHANGED != 0, name_len, data_mark, end: end + 1 };
        }
        data_mark = 0;
        let mut shift = 0;
        loop {
            let byte = bytes[end];
            end += 1;
            data_mark |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Self { is_changed: head & IS_CHANGED != 0, name_len, data_mark, end }
    }
}

/// The length of the data plus one; 0 is null.
fn data_mark(data: Option<&[u8]>) -> u64 {
    data.map_or(0, |data| data.len() as u64 + 1)
}

fn varint_len(value: u64) -> usize {
    (value.max(1).ilog2() / 7) as usize + 1
}

#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

struct Cursor<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.out[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn records_round_trip_at_every_edge() {
        let changed = Changed { mzxid: -2, mtime: 3, version: -1 };
        let fixed = Fixed {
            czxid: i64::MIN,
            ctime: -7,
            parent: Slot(1),
            chunk: 2,
            extra: 3,
            acl: AclId::OPEN,
            digest: u32::MAX - 1,
        };
        let long = vec![b'x'; 70_000];
        for name_len in [0, 1, 126, 127, 128, 70_000] {
            for data_len in
                [None, Some(0), Some(1), Some(126), Some(127), Some(16_382), Some(16_383), Some(70_000)]
            {
                for changed in [None, Some(changed)] {
                    let variable =
                        Variable { changed, name: &long[..name_len], data: data_len.map(|len| &long[..len]) };
                    let len = variable.record_len();
                    let mut bytes = vec![0xee; len + 5];
                    variable.write(&mut bytes);
                    fixed.write(&mut bytes);
                    assert!(bytes[len..] == [0xee; 5], "writes no more than it says");
                    assert!(Variable::read(&bytes) == variable, "{name_len} {data_len:?}");
                    let record = Record::new(&bytes);
                    assert!(record.name() == variable.name, "{name_len} {data_len:?}");
                    assert_eq!((record.czxid(), record.ctime()), (fixed.czxid, fixed.ctime));
                    assert_eq!((record.parent(), record.chunk()), (fixed.parent, fixed.chunk));
                    assert_eq!((record.extra(), record.acl()), (Some(fixed.extra - 1), fixed.acl));
                    assert_eq!(record.digest(), fixed.digest);
                    assert_eq!(record.changed(), variable.changed);
                    let other = vec![b'y'; data_len.unwrap_or(0)];
                    let data = data_len.map(|_| &other[..]);
                    let newer = Changed { mzxid: 9, mtime: -9, version: 8 };
                    assert!(!RecordMut(&mut bytes).replace_data(&newer, Some(&long[..1234])));
                    let is_replaced = RecordMut(&mut bytes).replace_data(&newer, data);
                    assert_eq!(is_replaced, changed.is_some());
                    if is_replaced {
                        let replaced = Variable { changed: Some(newer), data, ..variable };
                        assert!(Variable::read(&bytes) == replaced, "{name_len} {data_len:?}");
                        assert!(bytes[len..] == [0xee; 5], "writes no more than was there");
                    }
                }
            }
        }
    }

    #[test]
    fn fields_are_set_one_by_one() {
        let fixed =
            Fixed { czxid: 1, ctime: 2, parent: Slot(3), chunk: 4, extra: 0, acl: AclId::OPEN, digest: 5 };
        let mut bytes = [0; Fixed::LEN];
        fixed.write(&mut bytes);
        let mut record = RecordMut(&mut bytes);
        record.set_creation(-1, -2);
        record.set_chunk(u32::MAX);
        record.set_extra(7);
        record.set_acl(AclId::from_bits(8));
        record.set_digest(9);
        let mut expected = [0; Fixed::LEN];
        let acl = AclId::from_bits(8);
        let fixed =
            Fixed { czxid: -1, ctime: -2, parent: Slot(3), chunk: u32::MAX, extra: 8, acl, digest: 9 };
        fixed.write(&mut expected);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_usual_record_has_three_bytes_between_the_parts() {
        let variable = Variable { changed: None, name: b"n00000001", data: Some(&[0; 200]) };
        assert_eq!(variable.record_len(), Fixed::LEN + 3 + 9 + 200);
    }
}
