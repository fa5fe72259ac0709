//! The transaction log: its bytes, and what happens to it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{DIR, disk_with_dir, open_log, payload, read_all, zxid};
use zabra_proto::{FieldLimit, Txn, TxnDigest, TxnHeader, TxnType, encode_txn};
use zabra_storage::{Damage, Fault, FaultDisk, Found, LogError, LogNotice, LogReader, Loss, ReadError, Stop};
use zabra_types::{SessionId, WallTime, Xid};

/// The whole entries of a file, without the zeros behind them.
fn log_with(zxids: &[i64]) -> (FaultDisk, Vec<u8>, Vec<usize>) {
    let disk = disk_with_dir();
    let mut log = open_log(&disk, 0, zxids[0] - 1);
    let mut ends = vec![16];
    for &raw in zxids {
        let payload = payload(raw, 20 + (raw as usize % 7) * 40);
        ends.push(ends[ends.len() - 1] + payload.len() + 13);
        log.append(zxid(raw), &payload).unwrap();
    }
    log.flush().unwrap();
    let bytes = disk.get(log.current_file().unwrap().0).unwrap();
    assert_eq!(bytes.len(), ends[ends.len() - 1]);
    (disk, bytes, ends)
}

fn reread(name: &str, bytes: &[u8]) -> Result<(Vec<i64>, Vec<LogNotice>), ReadError> {
    let disk = FaultDisk::new();
    disk.put(&Path::new(DIR).join(name), bytes);
    read_all(&disk, 0)
}

fn damage_of(error: ReadError) -> Damage {
    match error {
        ReadError::Damage(damage) => *damage,
        ReadError::Disk(error) => panic!("{error}"),
    }
}

#[test]
fn the_first_entry_of_a_fresh_genuine_server() {
    let header = TxnHeader {
        session: SessionId::from_raw(0x0100_0022_cc60_0000),
        cxid: Xid::from_raw(0),
        zxid: zxid(1),
        time: WallTime::from_millis(0x01a1_fc91_9152),
        kind: TxnType::CreateSession.code(),
    };
    let mut payload = Vec::new();
    let digest = TxnDigest { version: TxnDigest::VERSION, digest: 0x51c6_d660 };
    encode_txn(&mut payload, &header, &Txn::CreateSession { timeout_ms: 10_000 }, Some(digest));
    let disk = disk_with_dir();
    let mut log = open_log(&disk, 0, 0);
    log.append(zxid(1), &payload).unwrap();
    log.flush().unwrap();
    let golden: &[u8] = &[
        0x5a, 0x4b, 0x4c, 0x47, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, // file header
        0, 0, 0, 0, 0xd3, 0x14, 0x0a, 0xdc, 0, 0, 0, 0x30, // checksum, length
        0x01, 0, 0, 0x22, 0xcc, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // session, cxid, zxid
        0, 0, 0x01, 0xa1, 0xfc, 0x91, 0x91, 0x52, 0xff, 0xff, 0xff, 0xf6, // time, type
        0, 0, 0x27, 0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0x51, 0xc6, 0xd6, 0x60, 0x42, // timeout, digest, end
    ];
    assert_eq!(disk.get(&Path::new(DIR).join("log.1")).unwrap(), golden);
}

#[test]
fn what_is_flushed_can_be_read_from_any_place() {
    for growth in [0, 100, 4096] {
        let disk = disk_with_dir();
        let mut log = open_log(&disk, growth, 0);
        for raw in 1..=50 {
            log.append(zxid(raw), &payload(raw, 300)).unwrap();
            if raw % 3 == 0 {
                let flushed = log.flush().unwrap();
                assert_eq!((flushed.zxid, flushed.entries), (zxid(raw), if raw == 21 { 1 } else { 3 }));
                log.fill_ahead().unwrap();
            }
            if raw == 20 {
                assert_eq!(log.roll().unwrap().zxid, zxid(20));
            }
        }
        assert_eq!((log.appended(), log.flushed()), (zxid(50), zxid(48)));
        for after in 0..48 {
            assert_eq!(
                read_all(&disk, after).unwrap(),
                ((after + 1..=48).collect(), vec![]),
                "{growth} {after}"
            );
        }
    }
}

#[test]
fn a_file_grows_by_zeros() {
    let disk = disk_with_dir();
    let mut log = open_log(&disk, 1000, 0);
    let mut lens = Vec::new();
    for raw in 1..=13 {
        log.append(zxid(raw), &payload(raw, 200)).unwrap();
        log.flush().unwrap();
        lens.push(log.current_file().unwrap().1);
    }
    // 249 bytes an entry: the fifth does not fit into 1016 bytes and brings 1000 zeros of its own.
    assert_eq!(lens, [1016, 1016, 1016, 1016, 2261, 2261, 2261, 2261, 2261, 3506, 3506, 3506, 3506]);
    log.fill_ahead().unwrap();
    assert_eq!(log.current_file().unwrap().1, 4506);
    log.fill_ahead().unwrap();
    assert_eq!(log.current_file().unwrap().1, 4506);
    let bytes = disk.get(log.current_file().unwrap().0).unwrap();
    assert_eq!(bytes.len(), 4506);
    assert!(bytes[16 + 13 * 249..].iter().all(|&byte| byte == 0));
}

#[test]
fn long_files_are_followed_by_new_ones() {
    let disk = disk_with_dir();
    let mut options = common::log_options(0);
    options.file_size_max = Some(1000);
    let mut log = zabra_storage::TxnLog::open(Arc::new(disk.clone()), options, zxid(0));
    for raw in 1..=10 {
        log.append(zxid(raw), &payload(raw, 400)).unwrap();
        log.flush().unwrap();
    }
    let names: Vec<_> = zabra_storage::list_logs(&disk, Path::new(DIR)).unwrap();
    assert_eq!(names.iter().map(|file| file.zxid.raw()).collect::<Vec<_>>(), [1, 4, 7, 10]);
    assert_eq!(read_all(&disk, 0).unwrap().0, (1..=10).collect::<Vec<_>>());
}

#[test]
fn transactions_must_come_in_order_and_whole() {
    let disk = disk_with_dir();
    let mut log = open_log(&disk, 0, 5);
    assert!(matches!(log.append(zxid(5), &payload(5, 0)), Err(LogError::OutOfOrder { .. })));
    assert!(matches!(log.append(zxid(6), &payload(7, 0)), Err(LogError::BadPayload { .. })));
    assert!(matches!(log.append(zxid(6), &[]), Err(LogError::BadPayload { .. })));
    let long = payload(6, FieldLimit::default().0);
    assert!(matches!(log.append(zxid(6), &long), Err(LogError::BadPayload { .. })));
    log.append(zxid(6), &payload(6, 0)).unwrap();
    assert_eq!(log.flush().unwrap().entries, 1);
    assert_eq!(log.flush().unwrap().entries, 0);
}

#[test]
fn any_failure_closes_the_log() {
    for fault in [Fault::Io, Fault::NoSpace, Fault::ShortWrite] {
        for call in 1.. {
            let disk = disk_with_dir();
            let mut log = open_log(&disk, 512, 0);
            log.append(zxid(1), &payload(1, 100)).unwrap();
            log.flush().unwrap();
            log.roll().unwrap();
            log.append(zxid(2), &payload(2, 300)).unwrap();
            disk.fail_at(call, fault);
            let Err(error) = log.flush().and_then(|_| log.fill_ahead()) else {
                assert_eq!(
                    call, 10,
                    "create, write, sync, rename, sync of the directory, write, sync, fill, sync"
                );
                break;
            };
            assert!(matches!(error, LogError::Disk(_)), "{error}");
            assert!(log.is_closed());
            assert!(matches!(log.append(zxid(3), &payload(3, 100)), Err(LogError::Closed)));
            assert!(matches!(log.flush(), Err(LogError::Closed)));
            assert!(matches!(log.fill_ahead(), Err(LogError::Closed)));
            disk.crash(Loss::Unsynced, 0);
            let read = read_all(&disk, 0).unwrap().0;
            assert_eq!(read, (1..=log.flushed().raw()).collect::<Vec<_>>(), "{fault:?} at {call}");
        }
    }
}

#[test]
fn a_read_only_disk_is_an_error() {
    let disk = disk_with_dir();
    disk.set_read_only(true);
    let mut log = open_log(&disk, 512, 0);
    log.append(zxid(1), &payload(1, 100)).unwrap();
    assert!(matches!(log.flush(), Err(LogError::Disk(_))));
}

#[test]
fn files_with_transactions_are_not_replaced() {
    let (disk, bytes, ends) = log_with(&[1, 2]);
    let mut log = open_log(&disk, 0, 0);
    log.append(zxid(1), &payload(1, 0)).unwrap();
    assert!(matches!(log.flush(), Err(LogError::WouldReplace { .. })));
    // But one whose first entry was cut short is, as the genuine server does.
    let disk = FaultDisk::new();
    disk.put(&Path::new(DIR).join("log.1"), &bytes[..ends[1] - 1]);
    let mut log = open_log(&disk, 0, 0);
    log.append(zxid(1), &payload(1, 0)).unwrap();
    log.flush().unwrap();
    assert_eq!(read_all(&disk, 0).unwrap().0, [1]);
}

#[test]
fn a_tail_torn_at_any_byte_is_dropped() {
    let (_, bytes, ends) = log_with(&[1, 2, 3, 4]);
    for len in 16..bytes.len() {
        let whole = ends.iter().skip(1).filter(|&&end| end <= len).count() as i64;
        let mut padded = bytes[..len].to_vec();
        padded.resize(bytes.len() + 5000, 0);
        for (kind, content) in [("cut", &bytes[..len]), ("zeros", &padded[..])] {
            let (zxids, notices) =
                reread("log.1", content).unwrap_or_else(|error| panic!("{kind} {len}: {error}"));
            assert_eq!(zxids, (1..=whole).collect::<Vec<_>>(), "{kind} at {len}");
            // Where the remains are zero they are padding: the first bytes of an entry are.
            let written = content.iter().rposition(|&byte| byte != 0).unwrap_or(0) + 1;
            let quiet = written <= ends[whole as usize];
            assert_eq!(notices.is_empty(), quiet, "{kind} at {len}");
        }
        // Whoever wrote it goes on in a new file after a restart, and so do we.
        let disk = FaultDisk::new();
        disk.put(&Path::new(DIR).join("log.1"), &padded);
        let mut log = open_log(&disk, 0, whole);
        log.append(zxid(whole + 1), &payload(whole + 1, 77)).unwrap();
        log.flush().unwrap();
        assert_eq!(read_all(&disk, 0).unwrap().0, (1..=whole + 1).collect::<Vec<_>>());
    }
}

#[test]
fn a_file_shorter_than_its_header() {
    let (_, bytes, _) = log_with(&[1]);
    for len in 1..16 {
        let damage = damage_of(reread("log.1", &bytes[..len]).unwrap_err());
        assert_eq!(damage.found, Found::ShortHeader);
    }
    assert_eq!(reread("log.1", &bytes[..16]).unwrap(), (vec![], vec![]));
    let (zxids, notices) = reread("log.1", &[]).unwrap();
    assert_eq!((zxids.len(), notices.len()), (0, 1));
    // Only the last file may be empty.
    let disk = FaultDisk::new();
    disk.put(&Path::new(DIR).join("log.1"), &[]);
    disk.put(&Path::new(DIR).join("log.2"), &bytes);
    assert_eq!(damage_of(read_all(&disk, 0).unwrap_err()).found, Found::ShortHeader);
}

#[test]
fn a_changed_byte_never_loses_a_transaction_in_silence() {
    let (_, bytes, ends) = log_with(&[1, 2, 3]);
    let mut padded = bytes.clone();
    padded.resize(3000, 0);
    for content in [&bytes, &padded] {
        for at in 0..bytes.len() {
            for flip in [0x01, 0x02, 0x10, 0x80, 0xff] {
                let mut content = content.clone();
                content[at] ^= flip;
                match reread("log.1", &content) {
                    // The genuine server looks at the magic only, and so do we.
                    Ok((zxids, _)) => {
                        assert!((4..16).contains(&at), "byte {at} ^ {flip:#x}");
                        assert_eq!(zxids, [1, 2, 3]);
                    }
                    Err(error) => {
                        let damage = damage_of(error);
                        let entry = ends.iter().rposition(|&end| end <= at).map_or(0, |entry| ends[entry]);
                        assert_eq!(
                            damage.offset,
                            if at < 4 { 0 } else { entry as u64 },
                            "byte {at} ^ {flip:#x}"
                        );
                        assert!(!damage.torn, "byte {at} ^ {flip:#x}");
                    }
                }
            }
        }
    }
}

#[test]
fn overwritten_fields_in_the_middle_are_damage() {
    let (_, bytes, ends) = log_with(&[1, 2, 3]);
    let at = ends[1];
    let cases: [(&str, std::ops::Range<usize>, u8, Stop); 5] = [
        ("length", at + 8..at + 12, 0, Stop::ZeroLength),
        ("checksum", at..at + 8, 0, Stop::BadChecksum),
        ("end", ends[2] - 1..ends[2], 0, Stop::NoEnd(0)),
        ("payload", at + 20..at + 40, 0, Stop::BadChecksum),
        ("head", at..at + 12, 0, Stop::ZeroLength),
    ];
    for (what, range, value, stop) in cases {
        let mut content = bytes.clone();
        content.resize(4000, 0);
        content[range].fill(value);
        let damage = damage_of(reread("log.1", &content).unwrap_err());
        assert_eq!((damage.offset, damage.last), (at as u64, zxid(1)), "{what}");
        let Found::Stop { stop: found, hidden } = damage.found else { panic!("{what}: {damage}") };
        assert_eq!(found, stop, "{what}");
        assert_eq!(hidden.map(|hidden| (hidden.entries, hidden.first)), Some((1, zxid(3))), "{what}");
        assert!(damage.to_string().contains("1 whole transactions behind it"), "{damage}");
    }
}

#[test]
fn a_sector_that_never_got_to_the_disk_is_a_torn_write() {
    let zxids: Vec<_> = (1..=40).collect();
    let (_, bytes, ends) = log_with(&zxids);
    for sector in 1..bytes.len() / 512 {
        let mut content = bytes.clone();
        content.resize(bytes.len() + 2000, 0);
        content[sector * 512..(sector + 1) * 512].fill(0);
        let whole = ends.iter().skip(1).filter(|&&end| end <= sector * 512).count() as i64;
        match reread("log.1", &content) {
            Ok((zxids, notices)) => {
                assert_eq!(zxids, (1..=whole).collect::<Vec<_>>());
                assert_eq!(notices.len(), 1);
            }
            // The end mark is there and the checksum is wrong: left to the operator, with a hint.
            Err(error) => {
                let damage = damage_of(error);
                assert!(damage.torn && !damage.to_string().is_empty());
                assert!(matches!(damage.found, Found::Stop { stop: Stop::BadChecksum, .. }), "{damage}");
            }
        }
    }
}

/// The checksum of an entry stands in the last bytes of a sector that had entries before; the sectors behind it got to
/// the disk, that one did not.
#[test]
fn an_entry_whose_first_sector_is_old_is_a_torn_write() {
    for left in 5..12 {
        // Two entries whose ends are that far before the end of a sector.
        let log = |len| {
            let disk = disk_with_dir();
            let mut log = open_log(&disk, 4096, 0);
            for (raw, len) in [(1, len), (2, 600)] {
                log.append(zxid(raw), &payload(raw, len)).unwrap();
            }
            log.flush().unwrap();
            disk.get(&Path::new(DIR).join("log.1")).unwrap()
        };
        let end_of_first =
            |bytes: &[u8]| 16 + 12 + i32::from_be_bytes(bytes[24..28].try_into().unwrap()) as usize + 1;
        let some = log(100);
        let missing = 512 - left - end_of_first(&some);
        let mut bytes = log(100 + missing);
        let at = end_of_first(&bytes);
        assert_eq!(at, 512 - left);
        bytes[at..512].fill(0);
        let (zxids, notices) = reread("log.1", &bytes).unwrap();
        assert_eq!((zxids, notices.len()), (vec![1], 1));
        // With the entry before it, it is damage.
        bytes[at - 20..at].fill(0);
        assert!(reread("log.1", &bytes).is_err());
    }
}

#[test]
fn a_hole_that_hides_more_than_a_batch_is_damage() {
    let zxids: Vec<_> = (1..=1100).collect();
    let (_, bytes, ends) = log_with(&zxids);
    let mut content = bytes.clone();
    let sector = ends[3] / 512 + 1;
    content[sector * 512..(sector + 1) * 512].fill(0);
    let damage = damage_of(reread("log.1", &content).unwrap_err());
    assert!(!damage.torn);
}

#[test]
fn a_very_long_batch_is_synced_in_pieces() {
    for (count, len, calls) in [(1000, 10, 2), (1001, 10, 4), (2500, 10, 6), (20, 1 << 20, 4)] {
        let disk = disk_with_dir();
        let mut log = open_log(&disk, 4096, 0);
        log.append(zxid(1), &payload(1, 10)).unwrap();
        log.flush().unwrap();
        let before = disk.calls();
        for raw in 2..count + 2 {
            log.append(zxid(raw), &payload(raw, len)).unwrap();
        }
        assert_eq!(log.flush().unwrap().entries, count as u64);
        assert_eq!(disk.calls() - before, calls, "a write and a sync for each piece");
        assert_eq!(read_all(&disk, 0).unwrap().0, (1..count + 2).collect::<Vec<_>>());
        assert_eq!(log.flush().unwrap().entries, 0);
    }
}

#[test]
fn missing_transactions_are_noticed() {
    let (_, one, _) = log_with(&[1, 2, 3]);
    let (_, four, _) = log_with(&[4, 5]);
    let (_, six, _) = log_with(&[6, 7]);
    let dir = Path::new(DIR);
    let disk = FaultDisk::new();
    disk.put(&dir.join("log.1"), &one);
    disk.put(&dir.join("log.6"), &six);
    let damage = damage_of(read_all(&disk, 0).unwrap_err());
    assert_eq!((damage.found, damage.last), (Found::Gap { zxid: zxid(6) }, zxid(3)));
    assert!(damage.file.ends_with("log.6"));
    // The place where it is lost, when that can be told: the torn end of the file before.
    disk.put(&dir.join("log.1"), &one[..one.len() - 1]);
    let damage = damage_of(read_all(&disk, 0).unwrap_err());
    assert!(damage.file.ends_with("log.1"), "{damage}");
    assert_eq!(damage.last, zxid(2));
    // A snapshot makes up for it.
    assert_eq!(read_all(&disk, 5).unwrap().0, [6, 7]);
    disk.put(&dir.join("log.1"), &one);
    disk.put(&dir.join("log.4"), &four);
    assert_eq!(read_all(&disk, 0).unwrap().0, (1..=7).collect::<Vec<_>>());
    // The log begins too late for what is known.
    assert_eq!(damage_of(read_only(&disk, "log.6", &six, 3)).found, Found::Gap { zxid: zxid(6) });
}

fn read_only(_: &FaultDisk, name: &str, bytes: &[u8], after: i64) -> ReadError {
    let disk = FaultDisk::new();
    disk.put(&Path::new(DIR).join(name), bytes);
    read_all(&disk, after).unwrap_err()
}

#[test]
fn an_epoch_begins_with_its_first_transaction() {
    let (_, old, ends) = log_with(&[0x1_0000_0001, 0x1_0000_0002]);
    let (_, new, _) = log_with(&[0x3_0000_0001, 0x3_0000_0002]);
    let (_, late, _) = log_with(&[0x3_0000_0002]);
    let dir = Path::new(DIR);
    let disk = FaultDisk::new();
    disk.put(&dir.join("log.100000001"), &old);
    disk.put(&dir.join("log.300000001"), &new);
    let all = [0x1_0000_0001, 0x1_0000_0002, 0x3_0000_0001, 0x3_0000_0002];
    assert_eq!(read_all(&disk, 0).unwrap().0, all);
    // A torn end before a new epoch is a torn end; a damaged one is not.
    disk.put(&dir.join("log.100000001"), &old[..ends[2] - 3]);
    let (zxids, notices) = read_all(&disk, 0).unwrap();
    assert_eq!((zxids, notices.len()), (vec![all[0], all[2], all[3]], 1));
    let mut damaged = old.clone();
    damaged[ends[1] + 11] ^= 1;
    disk.put(&dir.join("log.100000001"), &damaged);
    assert_eq!(damage_of(read_all(&disk, 0).unwrap_err()).offset, ends[1] as u64);
    let disk = FaultDisk::new();
    disk.put(&dir.join("log.100000001"), &old);
    disk.put(&dir.join("log.300000002"), &late);
    assert!(matches!(damage_of(read_all(&disk, 0).unwrap_err()).found, Found::Gap { .. }));
}

#[test]
fn repeated_transactions_are_passed_over() {
    let (_, one, _) = log_with(&[1, 2, 3]);
    let (_, two, _) = log_with(&[2, 3, 4]);
    let disk = FaultDisk::new();
    disk.put(&Path::new(DIR).join("log.1"), &one);
    disk.put(&Path::new(DIR).join("log.2"), &two);
    let (zxids, notices) = read_all(&disk, 0).unwrap();
    assert_eq!(zxids, [1, 2, 3, 4]);
    assert_eq!(notices.len(), 2);
}

#[test]
fn names_that_are_no_logs_are_left_alone() {
    let disk = disk_with_dir();
    for name in ["log.x", "log", "snapshot.1", "new-log.tmp", "acceptedEpoch"] {
        disk.put(&Path::new(DIR).join(name), b"not a log");
    }
    assert_eq!(read_all(&disk, 0).unwrap(), (vec![], vec![]));
    let reader = LogReader::open(Arc::new(disk), Path::new("/elsewhere"), zxid(0), FieldLimit::default());
    assert!(reader.is_err());
}

#[test]
fn what_was_written_is_forgotten_once_and_in_whole_pages() {
    let disk = disk_with_dir();
    let mut log = open_log(&disk, 1 << 20, 0);
    for raw in 1..=300 {
        log.append(zxid(raw), &payload(raw, 10_000)).unwrap();
        log.flush().unwrap();
        log.fill_ahead().unwrap();
    }
    let forgotten = disk.forgotten(log.current_file().unwrap().0);
    assert_eq!(forgotten.len(), 2, "{forgotten:?}");
    let mut end = 0;
    for (offset, len) in forgotten {
        assert_eq!((offset, len % (64 << 10)), (end, 0));
        assert!(len >= 1 << 20);
        end += len;
    }
    assert_eq!(read_all(&disk, 0).unwrap().0, (1..=300).collect::<Vec<_>>());
}
