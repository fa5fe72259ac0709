//! Histories that a leader cuts or replaces, with the power going at every call.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{
    DIR, apply, dump, fixture_options, history_at, log_options, names, open_log, recover_options, server_at,
    tree_of, zxid,
};
use zabra_proto::FieldLimit;
use zabra_storage::{
    Compression, Disk, Fault, FaultDisk, InstallError, Loss, RecoverError, RecoverOptions, Recovered,
    SharedTree, SnapshotOptions, TruncateError, Truncated, TxnLog, install_snapshot, receive_database,
    recover, restore, send_database, truncate, write_snapshot,
};
use zabra_tree::Tree;
use zabra_types::Zxid;

const EPOCH: i64 = 1 << 32;

/// The learner's history: two reigns, of which only the first nine transactions are the leader's.
const OURS: [i64; 20] = {
    let mut zxids = [0; 20];
    let mut at = 0;
    while at < 20 {
        zxids[at] = EPOCH + at as i64 + 1;
        at += 1;
    }
    zxids
};

fn run(disk: &FaultDisk) -> Result<Recovered, RecoverError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    recover(&disk, &recover_options(), |_, _| {})
}

fn cut(disk: &FaultDisk, to: Zxid, reload: bool) -> Result<Truncated, TruncateError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    truncate(&disk, &recover_options(), to, reload)
}

fn ours(place: usize) -> Zxid {
    if place == 0 { Zxid::ZERO } else { zxid(OURS[place - 1]) }
}

/// The learner's directory.
fn learner(log_starts: &[usize], snapshots: &[usize]) -> (FaultDisk, Vec<Vec<u8>>) {
    let places = |places: &[usize]| places.iter().map(|&place| ours(place).raw()).collect::<Vec<_>>();
    server_at(&OURS, &places(log_starts), &places(snapshots))
}

fn assert_holds(disk: &FaultDisk, payloads: &[Vec<u8>]) {
    let recovered = run(disk).unwrap();
    assert_eq!(dump(&recovered.tree), dump(&tree_of(payloads)));
    assert_eq!((recovered.report.mismatches, recovered.report.uncovered), (0, None));
}

#[test]
fn truncating_forgets_exactly_what_comes_after() {
    for place in [0, 5, 6, 9, 10, 11, 15, 19, 20] {
        for reload in [false, true] {
            let (disk, payloads) = learner(&[1, 6, 11, 16], &[0, 9, 15]);
            let truncated = cut(&disk, ours(place), reload).unwrap();
            assert_eq!(truncated.reloaded.is_some(), reload);
            if let Some(reloaded) = truncated.reloaded {
                assert_eq!(dump(&reloaded.tree), dump(&tree_of(&payloads[..place])));
                assert_eq!(reloaded.last_zxid, ours(place));
            }
            assert_holds(&disk, &payloads[..place]);
            let newer = |name: &String| {
                name.starts_with("snapshot") && *name > format!("snapshot.{:x}", ours(place).raw())
            };
            assert!(!names(&disk).iter().any(newer), "{:?}", names(&disk));
            // The leader's history goes on with another epoch.
            let mut log = open_log(&disk, 0, ours(place).raw());
            let zxids: Vec<_> = OURS[..place].iter().copied().chain([2 * EPOCH + 1]).collect();
            let payloads = history_at(&zxids);
            log.append(zxid(2 * EPOCH + 1), &payloads[place]).unwrap();
            log.flush().unwrap();
            assert_holds(&disk, &payloads);
        }
    }
}

#[test]
fn the_target_may_be_the_beginning_of_the_epoch_of_what_is_cut() {
    let zxids: Vec<_> = OURS[..6].iter().copied().chain([2 * EPOCH + 1, 2 * EPOCH + 2]).collect();
    for starts in [&[EPOCH + 1][..], &[EPOCH + 1, 2 * EPOCH + 1]] {
        let (disk, payloads) = server_at(&zxids, starts, &[0]);
        let truncated = cut(&disk, zxid(2 * EPOCH), true).unwrap();
        assert_eq!(truncated.reloaded.unwrap().last_zxid, ours(6));
        assert_holds(&disk, &payloads[..6]);
    }
}

#[test]
fn what_cannot_be_cut_is_left_as_it_is() {
    let missing = |error| matches!(error, TruncateError::NoSnapshot { .. });
    let not_here = |error| matches!(error, TruncateError::NotHere { .. });
    let unrestorable = |error| matches!(error, TruncateError::Unrestorable { .. });
    let (old, _) = learner(&[1, 6, 11, 16], &[9, 15]);
    let damaged = learner(&[1, 6, 11, 16], &[0, 9, 15]).0;
    let path = Path::new(DIR).join(format!("log.{:x}", ours(6).raw()));
    let mut bytes = damaged.get(&path).unwrap();
    bytes[100] ^= 1;
    damaged.put(&path, &bytes);
    let no_log = learner(&[1, 6, 11, 16], &[0, 9, 15]).0;
    no_log.remove(&path).unwrap();
    type Expected = fn(TruncateError) -> bool;
    let cases: [(&FaultDisk, Zxid, Expected); 6] = [
        (&old, ours(8), missing),
        (&old, zxid(EPOCH + 30), not_here),
        (&old, zxid(2 * EPOCH + 1), not_here),
        // Less than what the log has, but not what the leader means.
        (&no_log, ours(7), not_here),
        (&damaged, ours(8), not_here),
        (&damaged, ours(12), unrestorable),
    ];
    let spare = Path::new(DIR).join(format!("snapshot.{:x}", ours(9).raw()));
    damaged.remove(&spare).unwrap();
    for (disk, to, expected) in cases {
        let (before, contents) = (names(disk), disk.get(&path));
        assert!(expected(cut(disk, to, true).unwrap_err()), "{to}");
        assert_eq!((names(disk), disk.get(&path)), (before, contents));
    }
}

/// A tree that goes on while a snapshot of it is written.
struct Changing(std::cell::RefCell<(Tree, Vec<Vec<u8>>)>);

impl SharedTree for Changing {
    fn look<R>(&self, look: impl FnOnce(&Tree) -> R) -> R {
        let (tree, waiting) = &mut *self.0.borrow_mut();
        let looked = look(tree);
        if let Some(payload) = waiting.pop() {
            apply(tree, &payload);
        }
        looked
    }
}

#[test]
fn a_snapshot_that_shows_more_than_its_name_says_is_not_kept() {
    let (disk, payloads) = learner(&[1, 6, 11, 16], &[0]);
    let waiting = payloads[8..12].iter().rev().cloned().collect();
    let tree = Changing(std::cell::RefCell::new((tree_of(&payloads[..8]), waiting)));
    let fuzzy = write_snapshot(&disk, Path::new(DIR), &tree, SnapshotOptions::default()).unwrap();
    assert_eq!(fuzzy.zxid, ours(8));
    let truncated = cut(&disk, ours(9), true).unwrap();
    assert!(truncated.removed.contains(&fuzzy.path));
    assert_holds(&disk, &payloads[..9]);
}

/// Does `change` with every fault at every call, and lets `check` see what a restart finds.
fn crash_everywhere(
    original: &FaultDisk,
    change: impl Fn(&FaultDisk) -> bool,
    check: impl Fn(&FaultDisk, bool),
) {
    let whole = original.duplicate();
    let before = whole.calls();
    assert!(change(&whole));
    let calls = whole.calls() - before;
    check(&whole, true);
    for call in 1..=calls {
        for (loss, seeds) in
            [(Loss::Nothing, 1), (Loss::Unsynced, 1), (Loss::Prefix, 5), (Loss::Scattered, 5)]
        {
            for seed in 0..seeds {
                for fault in [Fault::PowerLoss, Fault::Io] {
                    let disk = original.duplicate();
                    disk.fail_at(call, fault);
                    // What follows the first failure of a call may succeed, as when a leftover is removed.
                    assert!(!change(&disk), "{call} {loss:?} {fault:?}");
                    disk.crash(loss, seed);
                    check(&disk, false);
                }
            }
        }
    }
}

#[test]
fn a_crash_while_truncating_leaves_the_beginning_of_the_history() {
    let (disk, payloads) = learner(&[1, 6, 11, 16], &[0, 9, 15]);
    for place in [4, 9, 12, 19] {
        crash_everywhere(
            &disk,
            |disk| cut(disk, ours(place), place % 2 == 0).is_ok(),
            |disk, done| {
                let recovered = run(disk).unwrap();
                let last = OURS.iter().position(|&raw| zxid(raw) == recovered.last_zxid).unwrap() + 1;
                assert!(last >= place && (last == place || !done), "{last} {place} {done}");
                assert_eq!(dump(&recovered.tree), dump(&tree_of(&payloads[..last])));
                // The leader asks again.
                cut(disk, ours(place), true).unwrap();
                assert_holds(disk, &payloads[..place]);
            },
        );
    }
}

/// The leader's history: nine transactions of epoch 1 as ours, then those of epoch 2.
fn theirs() -> Vec<i64> {
    OURS[..9].iter().copied().chain((1..=30).map(|counter| 2 * EPOCH + counter)).collect()
}

/// The leader's database after some of its transactions.
fn database(count: usize, name: Option<Zxid>) -> Tree {
    let tree = tree_of(&history_at(&theirs())[..count]);
    let Some(name) = name else { return tree };
    let mut bytes = Vec::new();
    send_database(&tree, &mut bytes).unwrap();
    receive_database(&bytes[..], name, fixture_options(), FieldLimit::default()).unwrap()
}

fn install(disk: &FaultDisk, tree: &Tree, options: SnapshotOptions) -> bool {
    let dirs = recover_options().dirs;
    install_snapshot(disk, &dirs, tree, tree.last_zxid(), options, FieldLimit::default()).is_ok()
}

#[test]
fn an_installed_database_is_all_there_is() {
    let gzip = SnapshotOptions { compression: Compression::Gzip, ..SnapshotOptions::default() };
    let unsynced = SnapshotOptions { sync: false, ..SnapshotOptions::default() };
    for options in [SnapshotOptions::default(), gzip, unsynced] {
        // Behind ours, within it, and under the name of the new epoch.
        for (count, name) in [(30, None), (7, None), (9, None), (9, Some(zxid(2 * EPOCH))), (0, None)] {
            let (disk, _) = learner(&[1, 6, 11, 16], &[0, 7, 15]);
            let tree = database(count, name);
            assert!(install(&disk, &tree, options));
            disk.crash(Loss::Unsynced, 0);
            let snapshot = zabra_storage::snapshot_name(tree.last_zxid(), options.compression);
            assert_eq!(names(&disk), [snapshot]);
            assert_eq!(dump(&run(&disk).unwrap().tree), dump(&tree));
        }
    }
}

#[test]
fn a_crash_while_installing_leaves_the_old_database_or_the_new_one() {
    let (disk, payloads) = learner(&[1, 6, 11, 16], &[0, 7, 15]);
    for (count, name) in [(30, None), (7, None), (9, Some(zxid(2 * EPOCH)))] {
        let tree = database(count, name);
        let (old_dump, new_dump) = (dump(&tree_of(&payloads)), dump(&tree));
        crash_everywhere(
            &disk,
            |disk| install(disk, &tree, SnapshotOptions::default()),
            |disk, done| {
                let marked = names(disk).contains(&"installing".to_owned());
                let reads_only = recover_options();
                let shared: Arc<dyn Disk> = Arc::new(disk.clone());
                let restored = restore(&shared, &reads_only, |_, _| {});
                assert_eq!(matches!(restored, Err(RecoverError::Unfinished { .. })), marked);
                let recovered = run(disk).unwrap();
                let found = dump(&recovered.tree);
                let is_new = found == new_dump;
                assert!(is_new || !done && !marked && found == old_dump);
                let names = names(disk);
                assert!(!names.iter().any(|name| name.starts_with("new-") || name.starts_with("installing")));
                assert!(!is_new || names.len() == 1, "{names:?}");
                // And goes on from either.
                let options = log_options(0);
                let mut log = TxnLog::open(shared, options, recovered.last_zxid);
                let next = zxid(3 * EPOCH + 1);
                log.append(next, &common::payload(next.raw(), 10)).unwrap();
                log.flush().unwrap();
                assert_eq!(run(disk).unwrap().last_zxid, next);
            },
        );
    }
}

#[test]
fn a_crash_while_finishing_is_finished_again() {
    let tree = database(8, None);
    // Interrupted right behind the marker: in the middle of everything that is left to do.
    let interrupted = || {
        let (disk, _) = learner(&[1, 6, 11, 16], &[0, 7, 15]);
        let before = disk.duplicate();
        let interrupted = (1..100).map(|call| {
            let disk = before.duplicate();
            disk.fail_at(call, Fault::PowerLoss);
            install(&disk, &tree, SnapshotOptions::default());
            disk.crash(Loss::Unsynced, 0);
            disk
        });
        let mut marked = interrupted.filter(|disk| names(disk).contains(&"installing".to_owned()));
        marked.next().unwrap()
    };
    let first = interrupted();
    crash_everywhere(
        &first,
        |disk| run(disk).is_ok(),
        |disk, _| assert_eq!(dump(&run(disk).unwrap().tree), dump(&tree)),
    );
}

#[test]
fn a_marker_that_was_tampered_with_is_refused() {
    let marker = Path::new(DIR).join("installing");
    let said = |contents: &[u8]| {
        let (disk, _) = learner(&[1], &[0]);
        disk.put(&marker, contents);
        let before = names(&disk);
        let error = run(&disk).unwrap_err();
        assert_eq!(names(&disk), before);
        assert!(error.advice().contains("keep myid"), "{}", error.advice());
        let RecoverError::Install(error) = error else { panic!("{error}") };
        error
    };
    for contents in [&b""[..], b"log.1", b"snapshot.x", b"snapshot.1/../x", b"snapshot.1\n", &[0xff; 400]] {
        assert!(matches!(said(contents), InstallError::BadMarker { .. }));
    }
    assert_eq!(
        said(b"snapshot.7").to_string(),
        format!(
            "{} says that {DIR}/snapshot.7 is being installed, but there is no such snapshot",
            marker.display()
        )
    );
}

#[test]
fn the_directories_may_be_two() {
    let options = RecoverOptions {
        dirs: zabra_storage::DataDirs::new(Path::new("/snap"), Path::new("/data")),
        ..recover_options()
    };
    let (disk, payloads) = learner(&[1, 6, 11, 16], &[0, 7, 15]);
    let mut files = names(&disk);
    files.retain(|name| name.starts_with("snapshot"));
    for name in files {
        disk.put(&options.dirs.snapshots.join(&name), &disk.get(&Path::new(DIR).join(&name)).unwrap());
        disk.remove(&Path::new(DIR).join(&name)).unwrap();
    }
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let truncated = truncate(&shared, &options, ours(12), true).unwrap();
    assert_eq!(dump(&truncated.reloaded.unwrap().tree), dump(&tree_of(&payloads[..12])));
    let tree = database(20, None);
    let zxid = tree.last_zxid();
    install_snapshot(&disk, &options.dirs, &tree, zxid, options.snapshot, options.limit).unwrap();
    assert!(names(&disk).is_empty());
    assert_eq!(disk.list(&options.dirs.snapshots).unwrap().len(), 1);
    assert_eq!(dump(&recover(&shared, &options, |_, _| {}).unwrap().tree), dump(&tree));
}
