//! Making and reading logs.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses some of it, and fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use zabra_proto::{FieldLimit, Txn, TxnHeader, TxnType, encode_txn};
use zabra_storage::{Disk, FaultDisk, LogNotice, LogOptions, LogReader, ReadError, TxnLog};
use zabra_types::{SessionId, WallTime, Xid, Zxid};

pub(crate) const DIR: &str = "/data/version-2";

pub(crate) fn zxid(raw: i64) -> Zxid {
    Zxid::from_raw(raw)
}

pub(crate) fn disk_with_dir() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

pub(crate) fn log_options(growth: u64) -> LogOptions {
    LogOptions {
        dir: DIR.into(),
        force_sync: true,
        growth,
        file_size_max: None,
        payload_len_max: FieldLimit::default(),
    }
}

pub(crate) fn open_log(disk: &FaultDisk, growth: u64, last: i64) -> TxnLog {
    TxnLog::open(Arc::new(disk.clone()), log_options(growth), zxid(last))
}

/// A deletion whose path is filled with what a real one might have, `len` bytes more than nothing.
pub(crate) fn payload(raw: i64, len: usize) -> Vec<u8> {
    let header = TxnHeader {
        session: SessionId::from_raw(0x1000_0000 + raw),
        cxid: Xid::from_raw(raw as i32),
        zxid: zxid(raw),
        time: WallTime::from_millis(1_795_237_966_287 + raw),
        kind: TxnType::Delete.code(),
    };
    let path: String = "/".chars().chain("BCDEFGHIJKLMN".chars().cycle()).take(len).collect();
    let mut out = Vec::new();
    encode_txn(&mut out, &header, &Txn::Delete { path: path.into() }, None);
    out
}

/// The zxids after `after`, and what was unusual.
pub(crate) fn read_all(disk: &FaultDisk, after: i64) -> Result<(Vec<i64>, Vec<LogNotice>), ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut reader = LogReader::open(disk, Path::new(DIR), zxid(after), FieldLimit::default())?;
    let mut zxids = Vec::new();
    while let Some(entry) = reader.next()? {
        zxids.push(entry.zxid.raw());
    }
    assert_eq!(reader.entries(), zxids.len() as u64);
    Ok((zxids, reader.notices().to_vec()))
}
