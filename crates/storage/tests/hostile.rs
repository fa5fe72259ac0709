//! Bytes that nobody wrote: reading them may fail, but never panics, hangs or asks for memory they do not justify.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use common::{DIR, history, open_log, zxid};
use proptest::prelude::*;
use zabra_proto::{FieldLimit, decode_txn};
use zabra_storage::{
    DataDirs, Disk, FaultDisk, RecoverOptions, SnapshotOptions, plan_repair, read_snapshot, recover,
    stream_snapshot,
};
use zabra_tree::{Tree, TreeOptions};

/// A change to bytes that may be somewhere else than the bytes are.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, u8),
    Fill(usize, usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let place = 0..6000usize;
    prop_oneof![
        (place.clone(), 1..=255u8).prop_map(|(at, flip)| Harm::Flip(at, flip)),
        (place.clone(), 1..700usize, prop_oneof![Just(0), Just(255), any::<u8>()])
            .prop_map(|(at, len, value)| Harm::Fill(at, len, value)),
        place.clone().prop_map(Harm::Cut),
        (place.clone(), proptest::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, new)| Harm::Insert(at, new)),
        (place, 1..400usize).prop_map(|(at, len)| Harm::Repeat(at, len)),
    ]
}

impl Harm {
    fn to(&self, bytes: &mut Vec<u8>) {
        let within = |at: usize| at % bytes.len().max(1);
        match *self {
            _ if bytes.is_empty() => {}
            Self::Flip(at, flip) => {
                let at = within(at);
                bytes[at] ^= flip;
            }
            Self::Fill(at, len, value) => {
                let at = within(at);
                let end = bytes.len().min(at + len);
                bytes[at..end].fill(value);
            }
            Self::Cut(at) => bytes.truncate(within(at)),
            Self::Insert(at, ref new) => {
                let at = within(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat(at, len) => {
                let at = within(at);
                let end = bytes.len().min(at + len);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}

fn log_bytes(count: i64) -> Vec<u8> {
    let disk = common::disk_with_dir();
    let mut log = open_log(&disk, 3000, 0);
    for (payload, raw) in history(count).iter().zip(1..) {
        log.append(zxid(raw), payload).unwrap();
    }
    log.flush().unwrap();
    disk.get(&Path::new(DIR).join("log.1")).unwrap()
}

fn snapshot_bytes(count: i64) -> Vec<u8> {
    let mut tree = Tree::new(TreeOptions::default());
    for payload in history(count) {
        let (header, txn, _) = decode_txn(&payload).unwrap();
        tree.apply(&header, &txn, &mut ());
    }
    let mut bytes = Vec::new();
    stream_snapshot(&tree, SnapshotOptions::default(), &mut bytes).unwrap();
    bytes
}

fn options() -> RecoverOptions {
    RecoverOptions {
        dirs: DataDirs::new(Path::new("/data"), Path::new("/data")),
        dir_autocreate: true,
        db_autocreate: true,
        trust_empty_snapshot: true,
        tree: TreeOptions::default(),
        limit: FieldLimit::default(),
        snapshot: SnapshotOptions::default(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_harmed_log_is_read_or_repaired(harms in proptest::collection::vec(harm(), 1..4), split in 1..20i64) {
        let disk = FaultDisk::new();
        let dir = Path::new(DIR);
        let mut bytes = log_bytes(20 + split);
        harms.iter().for_each(|harm| harm.to(&mut bytes));
        disk.put(&dir.join("log.1"), &bytes);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let originals = history(20 + split);
        let check = |zxid: zabra_types::Zxid, payload: &[u8]| {
            // An Adler sum is no proof, but nothing here is made to deceive it.
            assert_eq!(originals[zxid.raw() as usize - 1], payload);
        };
        let recovered = recover(&shared, &options(), check);
        let plan = plan_repair(&shared, dir, zxid(0), FieldLimit::default()).unwrap();
        prop_assert_eq!(recovered.is_ok(), plan.is_none());
        if let Some(plan) = plan {
            plan.carry_out(&*shared).unwrap();
            prop_assert_eq!(recover(&shared, &options(), check).unwrap().report.replayed, plan.last_kept.raw() as u64);
        }
    }

    #[test]
    fn a_harmed_snapshot_is_refused_or_the_same(harms in proptest::collection::vec(harm(), 1..4)) {
        let whole = snapshot_bytes(40);
        let mut bytes = whole.clone();
        harms.iter().for_each(|harm| harm.to(&mut bytes));
        let read = |bytes: &[u8]| {
            read_snapshot(bytes, Some(zxid(40)), TreeOptions::default(), FieldLimit::default())
        };
        if let Ok(loaded) = read(&bytes) {
            prop_assert_eq!(common::dump(&loaded.tree), common::dump(&read(&whole).unwrap().tree));
        }
    }

    #[test]
    fn any_bytes_as_files(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        name in prop_oneof![Just("log.1"), Just("snapshot.1"), Just("snapshot.1.gz"), Just("snapshot.1.snappy")],
        headed in any::<bool>(),
    ) {
        let disk = FaultDisk::new();
        let header: &[u8] = match name {
            "log.1" => b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0",
            "snapshot.1" => b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff",
            "snapshot.1.gz" => b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
            _ => b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01",
        };
        let mut file = if headed { header.to_vec() } else { Vec::new() };
        file.write_all(&bytes).unwrap();
        disk.put(&Path::new(DIR).join(name), &file);
        let shared: Arc<dyn Disk> = Arc::new(disk);
        let _ = recover(&shared, &options(), |_, _| {});
    }

    #[test]
    fn any_bytes_as_a_transaction(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in -12..24i32) {
        let mut bytes = bytes;
        let _ = decode_txn(&bytes);
        if bytes.len() >= 32 {
            bytes[28..32].copy_from_slice(&kind.to_be_bytes());
            let _ = decode_txn(&bytes);
        }
    }
}
