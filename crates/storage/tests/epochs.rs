//! The epoch files of a member.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::{DIR, disk_with_dir, names, zxid};
use zabra_storage::{
    EpochError, Epochs, Fault, FaultDisk, Loss, load_epochs, write_accepted_epoch, write_current_epoch,
};
use zabra_types::{Epoch, Zxid};

const ACCEPTED: &str = "/data/version-2/acceptedEpoch";
const CURRENT: &str = "/data/version-2/currentEpoch";

fn epochs(accepted: u32, current: u32) -> Epochs {
    Epochs { accepted: Epoch::new(accepted), current: Epoch::new(current) }
}

fn disk_with(accepted: Option<&str>, current: Option<&str>, unfinished: Option<&str>) -> FaultDisk {
    let disk = disk_with_dir();
    for (name, contents) in [(ACCEPTED, accepted), (CURRENT, current)] {
        if let Some(contents) = contents {
            disk.put(Path::new(name), contents.as_bytes());
        }
    }
    if let Some(unfinished) = unfinished {
        disk.put(Path::new("/data/version-2/currentEpoch.tmp"), unfinished.as_bytes());
    }
    disk
}

fn load(disk: &FaultDisk, last: Zxid) -> Result<Epochs, EpochError> {
    load_epochs(disk, Path::new(DIR), last)
}

#[test]
fn the_bytes_are_those_of_the_genuine_server() {
    let disk = disk_with_dir();
    write_accepted_epoch(&disk, Path::new(DIR), Epoch::new(12)).unwrap();
    write_current_epoch(&disk, Path::new(DIR), Epoch::new(7)).unwrap();
    assert_eq!(disk.get(Path::new(ACCEPTED)).unwrap(), b"12");
    assert_eq!(disk.get(Path::new(CURRENT)).unwrap(), b"7");
    assert_eq!(names(&disk), ["acceptedEpoch", "currentEpoch"]);
    assert_eq!(load(&disk, zxid(0x7_0000_0001)).unwrap(), epochs(12, 7));
}

#[test]
fn what_is_found_and_what_becomes_of_it() {
    let missing = None;
    let cases = [
        // accepted, current, currentEpoch.tmp, epoch of the last transaction: accepted, current
        (Some("3"), Some("2"), None, Some(2), (3, 2)),
        (Some("3"), Some("3"), None, Some(1), (3, 3)),
        (Some("3\n"), Some("2\r\nrest"), None, Some(2), (3, 2)),
        // The first start in an ensemble, of a server with data and of one without.
        (missing, missing, None, Some(4), (4, 4)),
        (missing, missing, None, None, (0, 0)),
        (Some("5"), missing, None, Some(4), (5, 4)),
        (missing, Some("4"), None, Some(4), (4, 4)),
        // A genuine server whose data was missing.
        (Some("-1"), Some("-1"), None, None, (0, 0)),
        (Some("6"), Some("5"), None, None, (6, 5)),
        // Killed after the history was written and before the epoch was.
        (Some("5"), Some("2"), None, Some(4), (5, 4)),
        (Some("3"), Some("2"), None, Some(4), (4, 4)),
        (missing, Some("2"), None, Some(4), (4, 4)),
        // Or while the epoch was being written; it counts only if it can be right.
        (Some("5"), Some("2"), Some("5"), Some(4), (5, 5)),
        (Some("5"), Some("2"), Some("3"), Some(4), (5, 4)),
        (Some("5"), Some("2"), Some("6"), Some(4), (5, 4)),
        (Some("5"), Some("2"), Some(""), Some(4), (5, 4)),
        (Some("5"), Some("2"), Some("5"), Some(2), (5, 2)),
    ];
    for (accepted, current, unfinished, epoch, expected) in cases {
        let disk = disk_with(accepted, current, unfinished);
        let last = epoch.map_or(Zxid::NONE, |epoch| Zxid::new(Epoch::new(epoch), 9));
        let expected = epochs(expected.0, expected.1);
        let case = format!("{accepted:?} {current:?} {unfinished:?} {epoch:?}");
        assert_eq!(load(&disk, last).unwrap(), expected, "{case}");
        assert_eq!(names(&disk), ["acceptedEpoch", "currentEpoch"], "{case}");
        disk.crash(Loss::Unsynced, 0);
        let calls = disk.calls();
        assert_eq!(load(&disk, last).unwrap(), expected, "again: {case}");
        assert_eq!(disk.calls(), calls, "what is right is left alone: {case}");
    }
}

#[test]
fn what_cannot_be_is_refused_and_left_as_it_is() {
    for contents in ["", "x", " 3", "3 ", "-2", "4294967296", "99999999999999999999", "\n3", "0x3"] {
        for (accepted, current, name) in [(contents, "1", ACCEPTED), ("9", contents, CURRENT)] {
            let disk = disk_with(Some(accepted), Some(current), None);
            let error = load(&disk, zxid(1)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name} should hold the number of an epoch and holds {contents:?}")
            );
            assert!(error.advice().contains("Restore"), "{}", error.advice());
            assert_eq!(disk.get(Path::new(ACCEPTED)).unwrap(), accepted.as_bytes());
        }
    }
    let why = "no server takes over the history of an epoch that it has not accepted";
    let error = load(&disk_with(Some("2"), Some("3"), None), zxid(0x3_0000_0001)).unwrap_err();
    assert_eq!(error.to_string(), format!("{CURRENT} says 3, but acceptedEpoch says 2: {why}"));
    let error = load(&disk_with(None, Some("3"), None), zxid(0x1_0000_0001)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{CURRENT} says 3, but acceptedEpoch is missing, and the last transaction, 0x100000001, is of an earlier \
             epoch: {why}"
        )
    );
}

/// Loses power or fails at every call of `change`; afterwards the files load to one of `expected`.
fn crash_everywhere(
    disk: impl Fn() -> FaultDisk,
    change: impl Fn(&FaultDisk) -> bool,
    last: Zxid,
    expected: &[Epochs],
) {
    let whole = disk();
    let before = whole.calls();
    assert!(change(&whole));
    for call in 1..=whole.calls() - before {
        for loss in [Loss::Nothing, Loss::Unsynced, Loss::Prefix, Loss::Scattered] {
            for (seed, fault) in (0..20).flat_map(|seed| [(seed, Fault::PowerLoss), (seed, Fault::Io)]) {
                let disk = disk();
                disk.fail_at(call, fault);
                assert!(!change(&disk));
                disk.crash(loss, seed);
                let found = load(&disk, last).unwrap();
                assert!(expected.contains(&found), "{call} {loss:?} {fault:?} {seed}: {found:?}");
            }
        }
    }
}

#[test]
fn a_crash_leaves_the_old_epoch_or_the_new_one() {
    let disk = || disk_with(Some("4"), Some("3"), None);
    let accept = |disk: &FaultDisk| write_accepted_epoch(disk, Path::new(DIR), Epoch::new(15)).is_ok();
    crash_everywhere(disk, accept, zxid(0x3_0000_0001), &[epochs(4, 3), epochs(15, 3)]);
    let adopt = |disk: &FaultDisk| write_current_epoch(disk, Path::new(DIR), Epoch::new(4)).is_ok();
    crash_everywhere(disk, adopt, zxid(0x3_0000_0001), &[epochs(4, 3), epochs(4, 4)]);
    // The history came first.
    crash_everywhere(disk, adopt, zxid(0x4_0000_0001), &[epochs(4, 4)]);
}

#[test]
fn a_crash_while_healing_is_healed_again() {
    let last = zxid(0x7_0000_0001);
    let heal = |disk: &FaultDisk| load(disk, last).is_ok();
    crash_everywhere(|| disk_with(Some("4"), Some("3"), None), heal, last, &[epochs(7, 7)]);
    crash_everywhere(|| disk_with(None, None, None), heal, last, &[epochs(7, 7)]);
    crash_everywhere(
        || disk_with(Some("9"), Some("3"), Some("8")),
        heal,
        last,
        &[epochs(9, 8), epochs(9, 7)],
    );
}
