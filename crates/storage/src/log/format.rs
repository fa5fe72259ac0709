//! The bytes of a log file. Mirrors `FileTxnLog`; spelt out in `docs/formats/txn-log.md`.

use simd_adler32::adler32;

/// Bytes of the header of a log file.
pub(crate) const FILE_HEADER_LEN: u64 = 16;

/// Magic `ZKLG`, version 2, database id 0.
pub(crate) const FILE_HEADER: [u8; FILE_HEADER_LEN as usize] = *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";

/// Bytes before the payload of an entry: checksum and length.
pub(crate) const ENTRY_HEAD_LEN: usize = 12;

/// Bytes of an entry besides its payload.
pub(crate) const ENTRY_OVERHEAD: usize = ENTRY_HEAD_LEN + 1;

/// The byte after the payload. Readers take anything else for an entry that was not written whole.
pub(crate) const ENTRY_END: u8 = b'B';

/// The most transactions that are written without a sync between, the default `maxBatchSize` of the genuine server.
/// More of them behind a hole were not lost by one crash.
pub(crate) const PIECE_ENTRIES_MAX: u64 = 1000;

/// Once a piece has this many bytes it is written and synced, however many more transactions wait.
pub(crate) const PIECE_LEN_MAX: u64 = 16 << 20;

/// The least a payload can be: a transaction's header. Its zxid is at [`ZXID_AT`].
pub(crate) const PAYLOAD_LEN_MIN: usize = zabra_proto::TXN_HEADER_LEN;

/// Where in a payload the zxid is.
const ZXID_AT: usize = 12;

/// Appends an entry.
pub(crate) fn put_entry(out: &mut Vec<u8>, payload: &[u8], len: i32) {
    out.reserve(payload.len() + ENTRY_OVERHEAD);
    out.extend_from_slice(&checksum(payload).to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(payload);
    out.push(ENTRY_END);
}

/// The checksum in front of an entry: Adler-32 in the low half of 64 bits.
pub(crate) fn checksum(payload: &[u8]) -> u64 {
    u64::from(adler32(&payload))
}

/// The two fields in front of a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryHead {
    pub(crate) checksum: u64,
    pub(crate) len: i32,
}

impl EntryHead {
    /// From at least [`ENTRY_HEAD_LEN`] bytes; `None` when there are fewer.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (checksum, rest) = bytes.split_first_chunk::<8>()?;
        let (len, _) = rest.split_first_chunk::<4>()?;
        Some(Self { checksum: u64::from_be_bytes(*checksum), len: i32::from_be_bytes(*len) })
    }
}

/// The zxid in a payload.
pub(crate) fn payload_zxid(payload: &[u8]) -> Option<zabra_types::Zxid> {
    let (zxid, _) = payload.get(ZXID_AT..)?.split_first_chunk::<8>()?;
    Some(zabra_types::Zxid::from_raw(i64::from_be_bytes(*zxid)))
}
