//! What a leader finds on its disk for its learners, and a member for its memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{DIR, history_at, log_options, names, open_log, recover_options, server_at, zxid};
use proptest::prelude::*;
use zabra_proto::FieldLimit;
use zabra_storage::{
    Disk, FaultDisk, LogQuery, LogReader, Origin, ReadError, Recent, RecentLimits, RecoverOptions,
    RecoveredMember, TxnLog, find_in_log, list_logs, log_size_limit, purge, recover_member, write_snapshot,
};
use zabra_types::Zxid;

/// Three reigns; the second made no transaction.
const ZXIDS: [i64; 30] = {
    let mut zxids = [0; 30];
    let mut at = 0;
    while at < 30 {
        let (epoch, counter) = if at < 12 { (1, at + 1) } else { (3, at - 11) };
        zxids[at] = epoch << 32 | counter as i64;
        at += 1;
    }
    zxids
};

/// The transaction of a place in that history, from 1.
fn nth(place: usize) -> Zxid {
    zxid(ZXIDS[place - 1])
}

fn in_epoch(epoch: i64, counter: i64) -> Zxid {
    zxid(epoch << 32 | counter)
}

fn query(base: Zxid, at: Zxid, before: Zxid) -> LogQuery {
    LogQuery { base, at, before, size_limit: None, limit: FieldLimit::default() }
}

fn find(disk: &FaultDisk, query: &LogQuery) -> Option<Zxid> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    find_in_log(&disk, &recover_options().dirs, query).unwrap()
}

fn range(disk: &FaultDisk, after: Zxid, before: Zxid) -> Result<Vec<i64>, ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut reader = LogReader::open_range(disk, Path::new(DIR), after, before, FieldLimit::default())?;
    let mut zxids = Vec::new();
    while let Some(entry) = reader.next()? {
        zxids.push(entry.zxid.raw());
    }
    assert!(reader.next()?.is_none(), "the end stays the end");
    Ok(zxids)
}

fn member(disk: &FaultDisk, len: usize, bytes: usize) -> RecoveredMember {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    recover_member(&disk, &recover_options(), RecentLimits { len, bytes }, |_, _| {}).unwrap()
}

fn whole_server(log_starts: &[usize], snapshots: &[usize]) -> FaultDisk {
    let starts: Vec<_> = log_starts.iter().map(|&place| ZXIDS[place - 1]).collect();
    let snapshots: Vec<_> =
        snapshots.iter().map(|&place| if place == 0 { 0 } else { ZXIDS[place - 1] }).collect();
    server_at(&ZXIDS, &starts, &snapshots).0
}

#[test]
fn the_place_of_a_learner() {
    let disk = whole_server(&[1, 6, 13, 20], &[0]);
    let cases = [
        // Where the learner is, where memory begins, the place found.
        (nth(3), nth(25), Some(nth(3))),
        (nth(5), nth(6), Some(nth(5))),
        (nth(1), nth(25), Some(nth(1))),
        (Zxid::ZERO, nth(25), Some(Zxid::ZERO)),
        (nth(12), nth(13), Some(nth(12))),
        (nth(12), nth(30), Some(nth(12))),
        (nth(13), nth(14), Some(nth(13))),
        // Transactions that the leader has not: the last before them.
        (in_epoch(1, 13), nth(25), Some(nth(12))),
        (in_epoch(2, 7), nth(25), Some(nth(12))),
        // The beginning of an epoch is no transaction.
        (in_epoch(3, 0), nth(25), Some(nth(12))),
        (in_epoch(2, 0), nth(25), Some(nth(12))),
        // Memory has it, or the learner is ahead.
        (nth(25), nth(25), None),
        (nth(26), nth(25), None),
        // With an empty memory, the first one that is not there yet.
        (nth(28), zxid(ZXIDS[29] + 1), Some(nth(28))),
        // Which the log does not reach.
        (nth(28), zxid(ZXIDS[29] + 2), None),
        (nth(28), in_epoch(5, 1), Some(nth(28))),
    ];
    for (at, before, expected) in cases {
        assert_eq!(find(&disk, &query(Zxid::ZERO, at, before)), expected, "{at} {before}");
    }
}

#[test]
fn what_is_before_the_base_is_believed_within_its_epoch() {
    let disk = whole_server(&[1, 6, 13, 20], &[0]);
    let before = nth(29);
    let base = nth(22);
    assert_eq!(find(&disk, &query(base, nth(15), before)), Some(nth(15)));
    assert_eq!(find(&disk, &query(base, nth(13), before)), Some(nth(13)));
    assert_eq!(find(&disk, &query(base, nth(12), before)), None, "of another epoch");
    assert_eq!(find(&disk, &query(base, in_epoch(3, 0), before)), None, "which is no transaction");
    assert_eq!(find(&disk, &query(base, base, before)), Some(base));
    assert_eq!(find(&disk, &query(base, nth(25), before)), Some(nth(25)));
    // A leader's database was of the beginning of the epoch: what the log has from before is nobody's history.
    let base = in_epoch(3, 0);
    assert_eq!(find(&disk, &query(base, base, before)), Some(base));
    assert_eq!(find(&disk, &query(base, nth(12), before)), None);
    assert_eq!(find(&disk, &query(base, nth(13), before)), Some(nth(13)));
    // One that is not on the way.
    assert_eq!(find(&disk, &query(in_epoch(1, 14), nth(3), before)), None);
}

#[test]
fn gaps_and_damage_are_never_served() {
    let disk = whole_server(&[1, 6, 9, 20], &[0]);
    let logs = list_logs(&disk, Path::new(DIR)).unwrap();
    let missing = disk.duplicate();
    missing.remove(&logs[1].path).unwrap();
    assert_eq!(find(&missing, &query(Zxid::ZERO, nth(3), nth(25))), None);
    assert_eq!(find(&missing, &query(Zxid::ZERO, nth(7), nth(25))), None, "the last before is not the last");
    assert_eq!(find(&missing, &query(Zxid::ZERO, nth(14), nth(25))), Some(nth(14)));
    for path in [&logs[1].path, &logs[3].path] {
        let damaged = disk.duplicate();
        let mut bytes = damaged.get(path).unwrap();
        bytes[100] ^= 1;
        damaged.put(path, &bytes);
        assert_eq!(find(&damaged, &query(Zxid::ZERO, nth(3), nth(25))), None);
        assert!(range(&damaged, nth(3), nth(25)).is_err());
    }
    assert!(range(&missing, nth(3), nth(25)).is_err());
}

/// A purge that takes the end of an epoch leaves a log that goes on with the next one, as if nothing were missing.
#[test]
fn what_a_purge_took_is_missed() {
    let disk = whole_server(&[1, 6, 13, 20], &[0, 3, 14, 16, 21]);
    purge(&disk, &recover_options().dirs, 3).unwrap();
    assert_eq!(list_logs(&disk, Path::new(DIR)).unwrap().first().map(|file| file.zxid), Some(nth(13)));
    // The process goes on with the database that it began with before the purge.
    for base in [Zxid::ZERO, nth(3), nth(10)] {
        assert_eq!(find(&disk, &query(base, nth(11), nth(25))), None, "the last of epoch 1 is gone");
        assert_eq!(find(&disk, &query(base, base, nth(25))), None);
        assert_eq!(find(&disk, &query(base, nth(15), nth(25))), Some(nth(15)));
    }
}

#[test]
fn a_purge_between_finding_and_reading_is_noticed() {
    let disk = whole_server(&[1, 6, 13, 20], &[0, 3, 14, 16, 21]);
    let dirs = recover_options().dirs;
    let read = |disk: &FaultDisk, after| {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut reader = LogReader::open_found(disk, &dirs, after, nth(25), FieldLimit::default()).unwrap();
        let first = reader.next().map(|entry| entry.map(|entry| entry.zxid));
        first.map_err(|error| assert!(matches!(error, ReadError::Damage(_)), "{error}")).ok().flatten()
    };
    for (place, next) in [(0, 1), (4, 5), (12, 13), (14, 15)] {
        let at = if place == 0 { Zxid::ZERO } else { nth(place) };
        assert_eq!(find(&disk, &query(Zxid::ZERO, at, nth(25))), Some(at));
        assert_eq!(read(&disk, at), Some(nth(next)));
        let purged = disk.duplicate();
        purge(&purged, &dirs, 3).unwrap();
        assert_eq!(read(&purged, at), (place > 12).then(|| nth(next)), "{at}");
    }
}

#[test]
fn a_purge_of_all_that_was_to_be_read_is_noticed() {
    let disk = whole_server(&[1, 6, 13, 20], &[0, 3, 14, 16, 21]);
    let dirs = recover_options().dirs;
    let read = |disk: &FaultDisk, before| {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut reader =
            LogReader::open_found(disk, &dirs, Zxid::ZERO, before, FieldLimit::default()).unwrap();
        let mut count = 0;
        while reader.next().ok()?.is_some() {
            count += 1;
        }
        Some(count)
    };
    let purged = disk.duplicate();
    purge(&purged, &dirs, 3).unwrap();
    for (before, count) in [(2, 1), (6, 5), (12, 11), (13, 12), (25, 24)] {
        assert_eq!(read(&disk, nth(before)), Some(count));
        assert_eq!(read(&purged, nth(before)), None, "before {}", nth(before));
    }
}

#[test]
fn no_more_is_read_than_the_snapshot_is_worth() {
    let disk = whole_server(&[1, 6, 13, 20], &[0, 20]);
    let logs = list_logs(&disk, Path::new(DIR)).unwrap();
    let following = logs[1].len + logs[2].len + logs[3].len;
    let limited = |limit| LogQuery { size_limit: Some(limit), ..query(Zxid::ZERO, nth(3), nth(25)) };
    assert_eq!(find(&disk, &limited(following)), Some(nth(3)));
    assert_eq!(find(&disk, &limited(following - 1)), None);
    let within = LogQuery { size_limit: Some(1), ..query(Zxid::ZERO, nth(3), nth(6)) };
    assert_eq!(find(&disk, &within), Some(nth(3)), "the file where the learner stands is free");

    let dir = Path::new(DIR);
    let snapshot = disk.get(&dir.join(format!("snapshot.{:x}", nth(20).raw()))).unwrap().len() as u64;
    assert_eq!(log_size_limit(&disk, dir, 0.5).unwrap(), Some(snapshot / 2));
    assert_eq!(log_size_limit(&disk, dir, 0.0).unwrap(), None);
    assert_eq!(log_size_limit(&FaultDisk::new(), dir, 0.5).ok(), None);
}

#[test]
fn a_range_ends_in_front_of_what_is_being_written() {
    let disk = whole_server(&[1, 6, 13, 20], &[0]);
    for (after, before) in [(0, 30), (3, 5), (5, 6), (12, 13), (11, 20), (19, 20), (7, 7)] {
        let after_zxid = if after == 0 { Zxid::ZERO } else { nth(after) };
        assert_eq!(range(&disk, after_zxid, nth(before)).unwrap(), ZXIDS[after..before.max(after + 1) - 1]);
    }
    // Half of an entry, with garbage behind it, where the next batch is being written.
    let last = list_logs(&disk, Path::new(DIR)).unwrap().pop().unwrap();
    let mut bytes = disk.get(&last.path).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    bytes.splice(end..end + 64, [b'x'; 64]);
    disk.put(&last.path, &bytes);
    let behind = zxid(ZXIDS[29] + 1);
    assert_eq!(range(&disk, nth(10), behind).unwrap(), ZXIDS[10..]);
    assert_eq!(range(&disk, nth(10), nth(28)).unwrap(), ZXIDS[10..27]);
    assert_eq!(find(&disk, &query(Zxid::ZERO, nth(10), behind)), Some(nth(10)));
    assert!(range(&disk, nth(10), in_epoch(5, 1)).is_err(), "to whoever wants more it is damage");
}

#[test]
fn a_live_log_can_be_read_up_to_what_is_flushed() {
    let disk = common::disk_with_dir();
    let payloads = history_at(&ZXIDS);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = zabra_storage::LogOptions { file_size_max: Some(3000), ..log_options(1500) };
    let mut log = TxnLog::open(shared, options, Zxid::ZERO);
    for (at, payload) in payloads.iter().enumerate() {
        log.append(zxid(ZXIDS[at]), payload).unwrap();
        if at % 3 == 2 {
            log.flush().unwrap();
            for from in 0..at {
                let after = if from == 0 { Zxid::ZERO } else { nth(from) };
                let behind = zxid(ZXIDS[at] + 1);
                assert_eq!(find(&disk, &query(Zxid::ZERO, after, behind)), Some(after));
                assert_eq!(range(&disk, after, behind).unwrap(), ZXIDS[from..=at]);
            }
        }
    }
}

#[test]
fn memory_is_filled_with_the_end_of_the_history() {
    let payloads = history_at(&ZXIDS);
    let expected = |from: usize, floor: Zxid| Recent {
        floor,
        txns: (from..30).map(|at| (zxid(ZXIDS[at]), payloads[at].clone().into())).collect(),
    };
    let many = 1 << 30;
    let cases = [
        // Snapshot, transactions kept at most: first one kept, floor.
        (0, 100, expected(0, Zxid::ZERO)),
        (0, 5, expected(25, nth(25))),
        (20, 5, expected(25, nth(25))),
        (20, 10, expected(20, nth(20))),
        // Older ones of the same epoch come from the log in front of the snapshot.
        (20, 12, expected(18, nth(18))),
        (20, 18, expected(12, in_epoch(3, 0))),
        (20, 100, expected(12, in_epoch(3, 0))),
        // Those of other epochs prove nothing.
        (12, 18, expected(12, nth(12))),
        (12, 20, expected(10, nth(10))),
        (12, 100, expected(0, in_epoch(1, 0))),
        (13, 100, expected(12, in_epoch(3, 0))),
        (30, 7, expected(23, nth(23))),
    ];
    for (snapshot, len, expected) in cases {
        let disk = whole_server(&[1, 6, 13, 20], &[snapshot]);
        let found = member(&disk, len, many);
        assert_eq!(found.recent, expected, "{snapshot} {len}");
        assert_eq!(found.base, if snapshot == 0 { Zxid::ZERO } else { nth(snapshot) });
        assert_eq!((found.epochs.accepted.get(), found.epochs.current.get()), (3, 3));
    }
    let bytes = payloads[26..].iter().map(Vec::len).sum();
    assert_eq!(member(&whole_server(&[1], &[0]), 100, bytes).recent, expected(26, nth(26)));
    assert_eq!(member(&whole_server(&[1], &[28]), 100, bytes).recent, expected(26, nth(26)));
    assert_eq!(member(&whole_server(&[1], &[0]), 100, 1).recent, expected(29, nth(29)), "the last is kept");
}

#[test]
fn a_gap_in_front_of_the_snapshot_ends_memory() {
    let disk = whole_server(&[1, 6, 13, 16, 20], &[22]);
    let dir = Path::new(DIR);
    disk.remove(&dir.join(format!("log.{:x}", nth(16).raw()))).unwrap();
    let recent = member(&disk, 100, 1 << 30).recent;
    assert_eq!((recent.floor, recent.txns.len()), (nth(19), 11));
    // Nothing behind the snapshot, and the log does not reach it: nothing is certain.
    disk.remove(&dir.join(format!("log.{:x}", nth(20).raw()))).unwrap();
    let recent = member(&disk, 100, 1 << 30).recent;
    assert_eq!(recent, Recent { floor: nth(22), txns: Vec::new() });
}

#[test]
fn a_member_without_data_waits_for_a_leader() {
    let options = RecoverOptions { db_autocreate: false, ..recover_options() };
    let limits = RecentLimits { len: 500, bytes: 1 << 20 };
    let disk = FaultDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let found = recover_member(&shared, &options, limits, |_, _| {}).unwrap();
    assert_eq!(found.recovered.report.origin, Origin::Missing);
    assert_eq!((found.recovered.last_zxid, found.base), (Zxid::NONE, Zxid::NONE));
    assert_eq!(found.recent, Recent { floor: Zxid::NONE, txns: Vec::new() });
    assert_eq!(names(&disk), ["acceptedEpoch", "currentEpoch"], "and no snapshot");
    // With permission it begins empty, once.
    disk.put(Path::new("/data/initialize"), b"");
    let found = recover_member(&shared, &options, limits, |_, _| {}).unwrap();
    assert_eq!(found.recovered.report.origin, Origin::Empty);
    assert_eq!((found.recovered.last_zxid, found.base), (Zxid::ZERO, Zxid::ZERO));
    assert_eq!(disk.get(Path::new("/data/initialize")), None);
}

#[test]
fn the_logs_of_another_history_in_front_of_a_snapshot() {
    // A genuine follower that lacked the end of epoch 1 got the leader's database of the beginning of epoch 3 and went on
    // with its log; nothing in the log shows it.
    let lacking: Vec<_> = ZXIDS[..9].iter().chain(&ZXIDS[12..]).copied().collect();
    let (disk, _) = server_at(&lacking, &[ZXIDS[0], ZXIDS[12]], &[ZXIDS[8]]);
    let tree = common::tree_of(&history_at(&ZXIDS)[..12]);
    let mut tree_at_epoch = tree;
    set_zxid(&mut tree_at_epoch, in_epoch(3, 0));
    write_snapshot(&disk, Path::new(DIR), &tree_at_epoch, zabra_storage::SnapshotOptions::default()).unwrap();
    let found = member(&disk, 100, 1 << 30);
    assert_eq!(found.base, in_epoch(3, 0));
    assert_eq!((found.recent.floor, found.recent.txns.len()), (in_epoch(3, 0), 18));
    assert_eq!(find(&disk, &query(found.base, nth(9), nth(25))), None, "three transactions would be lost");
    assert_eq!(find(&disk, &query(found.base, nth(13), nth(25))), Some(nth(13)));
}

/// As a database that comes from a leader is named.
fn set_zxid(tree: &mut zabra_tree::Tree, zxid: Zxid) {
    let mut bytes = Vec::new();
    zabra_storage::send_database(tree, &mut bytes).unwrap();
    *tree =
        zabra_storage::receive_database(&bytes[..], zxid, common::fixture_options(), FieldLimit::default())
            .unwrap();
}

proptest! {
    /// Whatever the log looks like, what is found can be read, and is the whole history from there on.
    #[test]
    fn what_is_found_is_whole(
        starts in prop::collection::btree_set(2_usize..=30, 0..5),
        missing in prop::option::of(0_usize..6),
        base in 0_usize..30,
        at in (1_i64..4, 0_i64..20),
        before in 1_usize..=30,
    ) {
        let starts: Vec<_> = [1].into_iter().chain(starts).collect();
        let disk = whole_server(&starts, &[0]);
        if let Some(missing) = missing {
            let logs = list_logs(&disk, Path::new(DIR)).unwrap();
            let missing = missing % logs.len();
            // The end of an epoch can be missing without a trace. Then the tree lacks it as well.
            let holds_end = logs[missing].zxid <= nth(12) && logs.get(missing + 1).is_none_or(|next| next.zxid > nth(12));
            if !holds_end {
                disk.remove(&logs[missing].path).unwrap();
            }
        }
        let base = if base == 0 { Zxid::ZERO } else { nth(base) };
        let (at, before) = (in_epoch(at.0, at.1), nth(before));
        if let Some(floor) = find(&disk, &query(base, at, before)) {
            prop_assert!(floor <= at);
            let whole: Vec<_> =
                ZXIDS.iter().copied().filter(|&raw| zxid(raw) > floor && zxid(raw) < before).collect();
            prop_assert_eq!(range(&disk, floor, before).unwrap(), whole);
            let between = ZXIDS.iter().any(|&raw| zxid(raw) > floor && zxid(raw) <= at && at < before);
            prop_assert!(!between, "{floor} is not the last one up to {at}");
        }
    }
}

#[test]
fn the_log_begins_anew_after_its_history_was_replaced() {
    let disk = common::disk_with_dir();
    let payloads = history_at(&ZXIDS);
    let mut log = open_log(&disk, 0, 0);
    log.append(nth(1), &payloads[0]).unwrap();
    log.flush().unwrap();
    log.restart_after(in_epoch(3, 0)).unwrap();
    assert_eq!((log.appended(), log.flushed()), (in_epoch(3, 0), in_epoch(3, 0)));
    assert!(log.append(nth(2), &payloads[1]).is_err());
    log.append(nth(13), &payloads[12]).unwrap();
    log.flush().unwrap();
    assert_eq!(names(&disk), ["log.100000001", "log.300000001"]);
}
