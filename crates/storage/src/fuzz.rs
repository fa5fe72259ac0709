//! What fuzzing calls: one function a target, no panic allowed.

use std::path::Path;
use std::sync::Arc;

use zabra_proto::{FieldLimit, decode_txn};
use zabra_tree::TreeOptions;
use zabra_types::Zxid;

use crate::{Disk, FaultDisk, LogReader, plan_repair, read_snapshot};

/// Reads `bytes` as a log file, and repairs it if it is damaged: afterwards it must be readable.
pub fn log_scan(bytes: &[u8]) {
    let dir = Path::new("/version-2");
    let disk = FaultDisk::new();
    disk.put(&dir.join("log.1"), bytes);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let plan = || plan_repair(&disk, dir, Zxid::ZERO, FieldLimit::default()).expect("the disk never fails");
    if let Some(damage) = plan() {
        damage.carry_out(&*disk).expect("the disk never fails");
        assert_eq!(plan(), None, "a repaired log has no damage");
    }
    let mut reader =
        LogReader::open(disk, dir, Zxid::ZERO, FieldLimit::default()).expect("the disk never fails");
    while let Some(entry) = reader.next().expect("the log was repaired") {
        decode_txn(entry.payload).expect("the log was repaired");
    }
}

/// Reads `bytes` as an uncompressed snapshot.
pub fn snapshot_load(bytes: &[u8]) {
    let _ = read_snapshot(bytes, Some(Zxid::ZERO), TreeOptions::default(), FieldLimit::default());
}
