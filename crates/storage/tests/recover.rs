//! From a data directory to a tree.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{fixtures, history, open_log, recover_options, server_at, tree_of, zxid};
use zabra_proto::{FieldLimit, decode_txn};
use zabra_storage::{
    Compression, DataDirs, DirError, Disk, FaultDisk, Found, LogError, LogNotice, Origin, RealDisk,
    RecoverError, RecoverOptions, Recovered, SnapshotOptions, Stop, dir_size, plan_repair, purge, recover,
    restore, write_snapshot,
};
use zabra_tree::SnapshotDigest;
use zabra_types::Zxid;

fn options(dirs: DataDirs) -> RecoverOptions {
    RecoverOptions { dirs, ..recover_options() }
}

fn one_dir() -> RecoverOptions {
    recover_options()
}

fn run(disk: &FaultDisk, options: &RecoverOptions) -> Result<Recovered, RecoverError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    recover(&disk, options, |_, _| {})
}

fn names(disk: &FaultDisk, dir: &str) -> Vec<String> {
    disk.list(Path::new(dir)).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// A disk that holds a genuine directory.
fn copy_of(name: &str) -> FaultDisk {
    let disk = FaultDisk::new();
    let dir = fixtures(name).join("version-2");
    for entry in RealDisk.list(&dir).unwrap() {
        disk.put(
            &Path::new("/data/version-2").join(&entry.name),
            &std::fs::read(dir.join(&entry.name)).unwrap(),
        );
    }
    disk
}

/// The first transactions of a history, in logs that begin with the given zxids, and snapshots of some states.
fn server_with(count: i64, log_starts: &[i64], snapshots: &[i64]) -> (FaultDisk, Vec<Vec<u8>>) {
    server_at(&(1..=count).collect::<Vec<_>>(), log_starts, snapshots)
}

fn assert_holds(recovered: &Recovered, payloads: &[Vec<u8>]) {
    assert_eq!(recovered.last_zxid, zxid(payloads.len() as i64));
    assert_eq!(common::dump(&recovered.tree), common::dump(&tree_of(payloads)));
    assert_eq!(recovered.report.mismatches, 0);
}

#[test]
fn directories_of_the_genuine_server() {
    for name in ["datadir-plain", "datadir-gz", "datadir-snappy"] {
        let expected = std::fs::read_to_string(fixtures(name).join("expected.txt")).unwrap();
        let disk = copy_of(name);
        let recovered = run(&disk, &one_dir()).unwrap();
        assert_eq!(common::dump(&recovered.tree), expected, "{name}");
        assert_eq!(recovered.last_zxid, zxid(0x48));
        assert_eq!((recovered.report.mismatches, recovered.report.uncovered), (0, None), "{name}");
        assert!(recovered.report.replayed > 0 && recovered.report.rejected.is_empty(), "{name}");
        assert!(matches!(&recovered.report.origin, Origin::Snapshot { .. }));
        // From each older snapshot, and from nothing, the way is longer but ends at the same place.
        let mut snapshots: Vec<_> = names(&disk, "/data/version-2");
        snapshots.retain(|name| name.starts_with("snapshot."));
        snapshots.sort_by_key(|name| zabra_storage::snapshot_zxid(name));
        while let Some(newest) = snapshots.pop() {
            disk.remove(&Path::new("/data/version-2").join(newest)).unwrap();
            let trusting = RecoverOptions { trust_empty_snapshot: snapshots.is_empty(), ..one_dir() };
            let recovered = run(&disk, &trusting).unwrap();
            assert_eq!(common::dump(&recovered.tree), expected, "{name} {snapshots:?}");
            assert_eq!(recovered.report.mismatches, 0);
        }
        // Rewritten by us it is the same.
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            let options = SnapshotOptions { compression, ..SnapshotOptions::default() };
            write_snapshot(&disk, Path::new("/data/version-2"), &recovered.tree, options).unwrap();
            let again = run(&disk, &one_dir()).unwrap();
            assert_eq!(common::dump(&again.tree), expected, "{name} {compression:?}");
            assert_eq!(again.report.replayed, 0);
            assert_eq!(again.tree.snapshot_digest(), recovered_match(), "{name} {compression:?}");
            disk.remove(
                &Path::new("/data/version-2").join(zabra_storage::snapshot_name(zxid(0x48), compression)),
            )
            .unwrap();
        }
    }
}

fn recovered_match() -> SnapshotDigest {
    SnapshotDigest::Compared(zabra_tree::DigestCheck::Match)
}

#[test]
fn transactions_of_the_genuine_logs() {
    for name in ["datadir-plain", "datadir-gz", "datadir-snappy"] {
        let expected = std::fs::read_to_string(fixtures(name).join("txns.txt")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let dir = fixtures(name).join("version-2");
        let mut reader =
            zabra_storage::LogReader::open(disk, &dir, Zxid::ZERO, FieldLimit::default()).unwrap();
        let mut lines = expected.lines();
        let mut rewritten = Vec::new();
        while let Some(entry) = reader.next().unwrap() {
            let (header, txn, digest) = decode_txn(entry.payload).unwrap();
            let fields: Vec<_> = lines.next().unwrap().split('\t').collect();
            assert_eq!(fields[0], entry.zxid.to_string());
            assert_eq!(fields[2], header.session.to_string());
            assert_eq!(fields[3..5], [header.cxid.to_string(), header.time.millis().to_string()]);
            assert_eq!(fields[5], digest.map_or("none".to_owned(), |digest| format!("{:#x}", digest.digest)));
            let mut again = Vec::new();
            zabra_proto::encode_txn(&mut again, &header, &txn, digest);
            assert_eq!(again, entry.payload, "{}", fields.join(" "));
            rewritten.push((entry.zxid, again));
        }
        assert_eq!(lines.next(), None);
        // Our log of the same transactions has the same entries, byte for byte.
        let ours = common::disk_with_dir();
        let mut log = open_log(&ours, 0, 0);
        rewritten.iter().for_each(|(zxid, payload)| log.append(*zxid, payload).unwrap());
        log.flush().unwrap();
        let bytes = ours.get(&Path::new(common::DIR).join("log.1")).unwrap();
        let genuine = std::fs::read(dir.join("log.1")).unwrap();
        let written = genuine.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        assert_eq!(bytes[..written], genuine[..written]);
    }
}

#[test]
fn an_empty_directory_becomes_an_empty_database_where_that_is_allowed() {
    let disk = FaultDisk::new();
    let recovered = run(&disk, &one_dir()).unwrap();
    assert_eq!((recovered.report.origin, recovered.last_zxid), (Origin::Empty, zxid(0)));
    assert_eq!(names(&disk, "/data/version-2"), ["snapshot.0"]);
    let recovered = run(&disk, &one_dir()).unwrap();
    assert!(matches!(recovered.report.origin, Origin::Snapshot { .. }));

    let separate = RecoverOptions {
        db_autocreate: false,
        ..options(DataDirs::new(Path::new("/data"), Path::new("/logs")))
    };
    for permission in ["/logs/initialize", "/data/initialize"] {
        let disk = FaultDisk::new();
        let recovered = run(&disk, &separate).unwrap();
        assert_eq!((recovered.report.origin, recovered.last_zxid), (Origin::Missing, Zxid::NONE));
        assert!(names(&disk, "/data/version-2").is_empty());
        disk.put(Path::new(permission), b"");
        let recovered = run(&disk, &separate).unwrap();
        assert_eq!((recovered.report.origin, recovered.last_zxid), (Origin::Empty, zxid(0)));
        assert_eq!(disk.get(Path::new(permission)), None, "the permission is used up");
    }
}

#[test]
fn directories_that_cannot_be_used() {
    let strict = RecoverOptions { dir_autocreate: false, ..one_dir() };
    let missing = run(&FaultDisk::new(), &strict).unwrap_err();
    assert!(matches!(missing, RecoverError::Dirs(DirError::Missing { .. })));
    let (disk, _) = server_with(3, &[1], &[0]);
    disk.set_read_only(true);
    let read_only = run(&disk, &one_dir()).unwrap_err();
    assert!(matches!(read_only, RecoverError::Dirs(DirError::Unusable { .. })), "{read_only}");
    let shared: Arc<dyn Disk> = Arc::new(disk);
    assert!(restore(&shared, &one_dir(), |_, _| {}).is_ok(), "tools only read");

    let separate = options(DataDirs::new(Path::new("/data"), Path::new("/logs")));
    let disk = FaultDisk::new();
    disk.put(Path::new("/logs/version-2/snapshot.5.gz"), b"");
    let error = run(&disk, &separate).unwrap_err();
    assert!(error.to_string().contains("snapshot.5.gz"), "{error}");
    let disk = FaultDisk::new();
    disk.put(Path::new("/data/version-2/log.x"), b"");
    let error = run(&disk, &separate).unwrap_err();
    assert!(matches!(error, RecoverError::Dirs(DirError::LogsAmongSnapshots { .. })), "{error}");
    assert!(!error.advice().is_empty());
}

#[test]
fn logs_need_a_snapshot_to_begin_with() {
    let (disk, payloads) = server_with(9, &[1], &[]);
    let error = run(&disk, &one_dir()).unwrap_err();
    assert!(matches!(error, RecoverError::NoSnapshot { .. }), "{error}");
    assert!(error.advice().contains("snapshot.trust.empty"));
    let recovered = run(&disk, &RecoverOptions { trust_empty_snapshot: true, ..one_dir() }).unwrap();
    assert_holds(&recovered, &payloads);
    assert_eq!(recovered.report.origin, Origin::Logs);
}

#[test]
fn a_damaged_snapshot_is_made_up_for_by_an_older_one() {
    let (disk, payloads) = server_with(30, &[1, 11, 21], &[0, 10, 20]);
    let path = PathBuf::from("/data/version-2/snapshot.14");
    let whole = disk.get(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    for (content, unfinished) in [(damaged, false), (whole[..200].to_vec(), true), (vec![], true)] {
        disk.put(&path, &content);
        let recovered = run(&disk, &one_dir()).unwrap();
        assert_holds(&recovered, &payloads);
        assert_eq!(recovered.report.replayed, 20);
        let rejected = &recovered.report.rejected;
        assert_eq!((rejected.len(), rejected[0].zxid, rejected[0].unfinished), (1, zxid(20), unfinished));
    }
}

#[test]
fn a_damaged_snapshot_is_not_passed_over_when_only_it_knows() {
    let (disk, payloads) = server_with(20, &[1, 11], &[0, 10, 20]);
    disk.remove(Path::new("/data/version-2/log.b")).unwrap();
    assert_holds(&run(&disk, &one_dir()).unwrap(), &payloads);
    let path = PathBuf::from("/data/version-2/snapshot.14");
    let whole = disk.get(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    disk.put(&path, &damaged);
    let error = run(&disk, &one_dir()).unwrap_err();
    assert!(matches!(error, RecoverError::Behind { .. }), "{error}");
    // One that was never complete proves nothing: the genuine server leaves such.
    disk.put(&path, &whole[..300]);
    assert_eq!(run(&disk, &one_dir()).unwrap().last_zxid, zxid(10));
    // And none at all is the end.
    for name in ["snapshot.0", "snapshot.a"] {
        disk.put(&Path::new("/data/version-2").join(name), b"");
    }
    let error = run(&disk, &one_dir()).unwrap_err();
    assert!(
        matches!(&error, RecoverError::NoValidSnapshot { rejected, .. } if rejected.len() == 3),
        "{error}"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let (disk, payloads) = server_with(30, &[1, 11, 21], &[0, 10, 20]);
    disk.make_unreadable(Path::new("/data/version-2/snapshot.14"));
    let recovered = run(&disk, &one_dir()).unwrap();
    assert_holds(&recovered, &payloads);
    assert!(!recovered.report.rejected[0].unfinished);
    disk.make_unreadable(Path::new("/data/version-2/log.15"));
    let error = run(&disk, &one_dir()).unwrap_err();
    assert!(matches!(&error, RecoverError::Disk(error) if error.file.ends_with("log.15")), "{error}");
}

#[test]
fn what_a_crash_left_is_tidied() {
    let (disk, payloads) = server_with(5, &[1], &[0]);
    for name in ["new-log.tmp", "new-snapshot.5.tmp", "log.6"] {
        disk.put(&Path::new("/data/version-2").join(name), b"");
    }
    let recovered = run(&disk, &one_dir()).unwrap();
    assert_holds(&recovered, &payloads);
    assert_eq!(names(&disk, "/data/version-2"), ["log.1", "snapshot.0"]);
    assert!(matches!(&recovered.report.log_notices[..], [LogNotice::EmptyFile { .. }]));
}

#[test]
fn a_log_that_ends_inside_the_fuzzy_part_is_reported() {
    let (disk, payloads) = server_with(20, &[1, 11], &[0, 20]);
    // As if the snapshot had been named when 10 was the last, and the log after it had been lost.
    let snapshot = disk.get(Path::new("/data/version-2/snapshot.14")).unwrap();
    disk.remove(Path::new("/data/version-2/snapshot.14")).unwrap();
    disk.put(Path::new("/data/version-2/snapshot.a"), &snapshot);
    let recovered = run(&disk, &one_dir()).unwrap();
    assert_eq!(recovered.report.uncovered, None);
    assert_holds(&recovered, &payloads);
    disk.remove(Path::new("/data/version-2/log.b")).unwrap();
    assert_eq!(run(&disk, &one_dir()).unwrap().report.uncovered, Some(zxid(20)));
}

#[test]
fn differing_digests_are_counted_and_do_not_stop() {
    let (disk, _) = server_with(10, &[1], &[0]);
    let path = PathBuf::from("/data/version-2/log.1");
    let mut payloads = history(10);
    let last = payloads[4].len() - 1;
    payloads[4][last] ^= 1;
    disk.remove(&path).unwrap();
    let mut log = open_log(&disk, 0, 0);
    payloads.iter().zip(1..).for_each(|(payload, raw)| log.append(zxid(raw), payload).unwrap());
    log.flush().unwrap();
    let report = run(&disk, &one_dir()).unwrap().report;
    assert_eq!(report.mismatches, 1);
    assert_eq!(report.first_mismatches[0].zxid, zxid(5));
}

#[test]
fn a_record_that_cannot_be_read_is_damage() {
    let (disk, payloads) = server_with(3, &[1], &[0]);
    let mut log = open_log(&disk, 0, 3);
    let mut strange = payloads[2].clone();
    strange[12..20].copy_from_slice(&4i64.to_be_bytes());
    strange[28..32].copy_from_slice(&99i32.to_be_bytes());
    log.append(zxid(4), &strange).unwrap();
    log.flush().unwrap();
    let RecoverError::Log(damage) = run(&disk, &one_dir()).unwrap_err() else { panic!() };
    assert!(matches!(damage.found, Found::BadRecord(_)), "{damage}");
    assert!(damage.file.ends_with("log.4") && damage.offset == 16 && damage.last == zxid(3));
}

#[test]
fn a_repair_cuts_the_log_and_keeps_what_it_cut() {
    let (disk, payloads) = server_with(30, &[1, 11, 21], &[0]);
    let path = PathBuf::from("/data/version-2/log.b");
    let mut content = disk.get(&path).unwrap();
    let at = 16 + payloads[10..14].iter().map(|payload| payload.len() + 13).sum::<usize>();
    content[at + 30] ^= 1;
    disk.put(&path, &content);
    let RecoverError::Log(damage) = run(&disk, &one_dir()).unwrap_err() else { panic!() };
    assert!(damage.advice().contains("zabra data repair"));
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let dir = Path::new("/data/version-2");
    let plan = plan_repair(&shared, dir, zxid(0), FieldLimit::default()).unwrap().unwrap();
    assert_eq!((&plan.damage, plan.last_kept), (&*damage, zxid(14)));
    assert_eq!((damage.offset, plan.later_files.len()), (at as u64, 1));
    let Found::Stop { stop: Stop::BadChecksum, hidden: Some(hidden) } = damage.found else {
        panic!("{damage}")
    };
    assert_eq!((hidden.first, hidden.last, hidden.entries), (zxid(16), zxid(20), 5));
    let aside = plan.carry_out(&disk).unwrap();
    assert_eq!(disk.get(&aside[1]).unwrap(), content[at..]);
    assert!(names(&disk, "/data/version-2").contains(&"removed-log.15".to_owned()));
    assert_holds(&run(&disk, &one_dir()).unwrap(), &payloads[..14]);
    assert_eq!(plan_repair(&shared, dir, zxid(0), FieldLimit::default()).unwrap(), None);
    // The names are taken now: the next repair finds others.
    disk.put(&path, &content);
    plan_repair(&shared, dir, zxid(0), FieldLimit::default()).unwrap().unwrap().carry_out(&disk).unwrap();
    assert!(names(&disk, "/data/version-2").contains(&"removed-log.b.2".to_owned()));
}

#[test]
fn purging_keeps_what_the_oldest_kept_snapshot_needs() {
    let (disk, payloads) = server_with(60, &[1, 11, 21, 31, 41, 51], &[0, 10, 20, 30, 40, 50]);
    disk.put(Path::new("/data/version-2/log.junk"), b"");
    disk.put(Path::new("/data/version-2/currentEpoch"), b"1");
    let dirs = one_dir().dirs;
    let size = dir_size(&disk, &dirs.logs).unwrap();
    let removed = purge(&disk, &dirs, 1).unwrap();
    // Three are kept at least: 30, 40 and 50. The log from 21 may go on behind 30.
    let mut left = names(&disk, "/data/version-2");
    left.sort();
    assert_eq!(
        left,
        ["currentEpoch", "log.15", "log.1f", "log.29", "log.33", "snapshot.1e", "snapshot.28", "snapshot.32"]
    );
    let bytes: u64 = removed.iter().map(|file| file.len).sum();
    assert_eq!((removed.len(), dir_size(&disk, &dirs.logs).unwrap()), (6, size - bytes));
    assert_holds(&run(&disk, &one_dir()).unwrap(), &payloads);
    disk.remove(Path::new("/data/version-2/snapshot.32")).unwrap();
    disk.remove(Path::new("/data/version-2/snapshot.28")).unwrap();
    assert_holds(&run(&disk, &one_dir()).unwrap(), &payloads);
    assert!(purge(&disk, &dirs, 3).unwrap().is_empty());
}

#[test]
fn a_log_that_was_not_replayed_is_not_overwritten() {
    let (disk, _) = server_with(5, &[1], &[0]);
    let mut log = open_log(&disk, 0, 0);
    log.append(zxid(1), &history(1)[0]).unwrap();
    assert!(matches!(log.flush(), Err(LogError::WouldReplace { .. })));
}
