//! Where data is kept and when it gets there.

use std::path::Path;
use std::sync::Arc;

use zabra_server::StartError;
use zabra_server::config::NoticeKind;
use zabra_storage::RealDisk;
use zabra_testkit::Shape;

use crate::capture;
use crate::disk::HangingDisk;
use crate::history::{files, version_dir};
use crate::running::*;

fn try_start(dir: &Path, lines: &str) -> Result<Running, StartError> {
    Running::try_start(dir, lines, Arc::new(RealDisk))
}

/// Writes until there are as many files as wanted.
fn write_until(server: &Running, dir: &Path, prefix: &str, count: usize) {
    let mut zk = server.client();
    create(&mut zk, "/n", b"");
    eventually("there are enough files", || {
        assert_eq!(err(&mut zk, &set("/n", &[1; 300])), 0);
        files(dir, prefix).len() >= count
    });
}

#[test]
fn snap_count_takes_snapshots_and_rolls_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start_in(dir.path(), "snapCount=20\n");
    write_until(&server, dir.path(), "snapshot.", 3);
    // One before each snapshot but the first, which is of nothing; that behind the last begins with the next write.
    assert!(files(dir.path(), "log.").len() >= 2);
}

#[test]
fn snap_size_limit_takes_snapshots_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start_in(dir.path(), "snapSizeLimitInKb=4\n");
    write_until(&server, dir.path(), "snapshot.", 3);
}

#[test]
fn txn_log_size_limit_rolls_the_log_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start_in(dir.path(), "txnLogSizeLimitInKb=4\n");
    write_until(&server, dir.path(), "log.", 4);
    assert_eq!(files(dir.path(), "snapshot.").len(), 1, "that of the empty database");
    server.stop().expect("stops in good order");
    let server = Running::start_in(dir.path(), "");
    assert_eq!(data(&mut server.client(), "/n").map(|data| data.len()), Some(300));
}

#[test]
fn pre_alloc_size_is_how_a_log_grows() {
    let length = |kilobytes: u64| {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Running::start_in(dir.path(), &format!("preAllocSize={kilobytes}\n"));
        assert_eq!(create(&mut server.client(), "/a", b"").err, 0);
        server.stop().expect("stops in good order");
        std::fs::metadata(&files(dir.path(), "log.")[0]).expect("a file").len()
    };
    assert!(length(0) < 1024, "what was written and no more");
    assert_eq!(length(16), 16 * 1024 + 16, "and the header");
    // A megabyte, behind the few kilobytes that a new file begins with.
    assert!(length(4096) > 1024 * 1024);
}

#[test]
fn force_sync_no_answers_before_data_is_on_disk_and_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let notices = load(dir.path(), "forceSync=no\n").notices;
    assert!(notices.iter().any(|notice| notice.kind == NoticeKind::Risk), "{notices:?}");

    let disk = HangingDisk::default();
    let server = Running::start_on("forceSync=no\n", Arc::new(disk.clone()));
    let mut zk = server.client();
    let _hung = disk.hang();
    assert_eq!(create(&mut zk, "/a", b"").err, 0);
}

#[test]
fn fsync_warning_threshold_warns_of_slow_syncs() {
    capture::start();
    let warnings = || {
        let is_one = |line: &capture::Logged| line.text.contains("syncing the transaction log took long");
        capture::logged().iter().filter(|line| is_one(line)).count()
    };
    // Every sync takes longer than nothing; a session and a node need one each.
    let server = Running::start("fsync.warningthresholdms=0\n");
    let before = warnings();
    assert_eq!(create(&mut server.client(), "/a", b"").err, 0);
    server.stop().expect("stops in good order");
    assert!(warnings() >= before + 2);
}

#[test]
fn flush_delay_waits_and_max_batch_size_cuts() {
    let server = Running::start("flushDelay=50\nmaxWriteQueuePollTime=50\nmaxBatchSize=2\n");
    let mut zk = server.client();
    create(&mut zk, "/a", b"");
    let write = set("/a", b"x");
    zk.send_all((1..=20).map(|xid| (xid, &write))).expect("sent");
    for xid in 1..=20 {
        assert_eq!(zk.receive_reply(Shape::Stat).expect("a reply").xid, xid);
    }
    assert_eq!(server.metric("max_sync_processor_batch_size"), 2);
}

#[test]
fn data_log_dir_keeps_logs_apart() {
    let (data_dir, log_dir) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let lines = format!("dataLogDir={}\n", log_dir.path().display());
    let server = Running::start_in(data_dir.path(), &lines);
    assert_eq!(create(&mut server.client(), "/a", b"x").err, 0);
    server.stop().expect("stops in good order");
    let count = |dir: &Path, prefix| files(dir, prefix).len();
    assert_eq!((count(data_dir.path(), "log."), count(data_dir.path(), "snapshot.")), (0, 1));
    assert_eq!((count(log_dir.path(), "log."), count(log_dir.path(), "snapshot.")), (1, 0));
    let server = Running::start_in(data_dir.path(), &lines);
    assert_eq!(data(&mut server.client(), "/a"), Some(b"x".to_vec()));
}

#[test]
fn datadir_autocreate_false_wants_the_directories_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let lines = "datadir.autocreate=false\n";
    let missing = dir.path().join("missing");
    assert!(matches!(try_start(&missing, lines).err(), Some(StartError::Data { .. })));
    assert!(!missing.exists());
    std::fs::create_dir_all(version_dir(&missing)).expect("made");
    drop(try_start(&missing, lines).expect("starts now"));
    // Otherwise they are made.
    drop(try_start(&dir.path().join("other/place"), "").expect("starts"));
}

#[test]
fn db_autocreate_false_wants_a_database_or_a_permission() {
    let dir = tempfile::tempdir().expect("a directory");
    let lines = "db.autocreate=false\n";
    assert!(matches!(try_start(dir.path(), lines).err(), Some(StartError::NoDatabase { .. })));
    let permission = dir.path().join("initialize");
    std::fs::write(&permission, "").expect("written");
    drop(try_start(dir.path(), lines).expect("starts"));
    assert!(!permission.exists(), "it is good for once");
    drop(try_start(dir.path(), lines).expect("there is a database now"));
}

#[test]
fn snapshot_trust_empty_believes_logs_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start_in(dir.path(), "");
    assert_eq!(create(&mut server.client(), "/a", b"x").err, 0);
    server.stop().expect("stops in good order");
    for snapshot in files(dir.path(), "snapshot.") {
        std::fs::remove_file(snapshot).expect("removed");
    }
    assert!(matches!(try_start(dir.path(), "").err(), Some(StartError::Data { .. })));
    let server = try_start(dir.path(), "snapshot.trust.empty=true\n").expect("starts");
    assert_eq!(data(&mut server.client(), "/a"), Some(b"x".to_vec()));
}

#[test]
fn autopurge_keeps_the_newest_snapshots() {
    for (lines, kept) in [("", 3), ("autopurge.snapRetainCount=4\n", 4), ("autopurge.snapRetainCount=1\n", 3)]
    {
        let dir = tempfile::tempdir().expect("a directory");
        let server = Running::start_in(dir.path(), "snapCount=4\n");
        write_until(&server, dir.path(), "snapshot.", 6);
        server.stop().expect("stops in good order");

        // The last snapshot may still be under way, so that one look is not enough.
        let server = Running::start_in(dir.path(), &format!("{lines}autopurge.purgeInterval=50ms\n"));
        eventually("old ones go", || files(dir.path(), "snapshot.").len() == kept);
        assert!(!version_dir(dir.path()).join("snapshot.0").exists(), "the oldest went first");
        assert_eq!(data(&mut server.client(), "/n").map(|data| data.len()), Some(300));
    }
}
