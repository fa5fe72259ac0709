//! What was acknowledged is there; what cannot be made durable is not acknowledged.

use std::path::Path;
use std::sync::Arc;

use zabra_storage::{Fault, FaultDisk, Loss};
use zabra_testkit::{Received, Shape};
use zabra_types::SessionId;

use super::*;

#[test]
fn everything_is_there_after_a_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    assert_eq!(create(&mut zk, "/a", b"x").err, 0);
    let before = zk.call(&set("/a", b"y")).expect("a reply");
    assert_eq!(before.err, 0);
    drop(zk);
    server.stop().expect("stops in good order");

    let server = Running::start(config(dir.path()));
    assert_eq!(server.server.recovery().last_zxid.raw(), before.zxid);
    let mut zk = client(server.addr());
    let after = zk.call(&get("/a", false)).expect("a reply");
    assert_eq!(data(&after), Some(b"y".to_vec()));
    assert_eq!(after.stat(), before.stat());
}

/// A long log is replayed once: the snapshot that follows is awaited even by a server that is stopped right away.
#[test]
fn what_was_long_to_replay_is_in_a_snapshot_at_the_next_start() {
    let (disk, dir) = (FaultDisk::new(), Path::new("/data"));
    let start = || Running::start_on(config(dir), Arc::new(disk.clone())).expect("starts");
    let server = start();
    let mut zk = client(server.addr());
    assert_eq!(create(&mut zk, "/a", b"").err, 0);
    for n in 0..36 {
        assert_eq!(zk.call(&set("/a", &[n; 1_000_000])).expect("a reply").err, 0);
    }
    drop(zk);
    server.stop().expect("stops in good order");

    let server = start();
    assert!(server.server.recovery().txns_replayed > 36, "no snapshot was due before");
    server.stop().expect("stops in good order");

    let server = start();
    assert!(server.server.recovery().txns_replayed < 36, "replayed only what came after the snapshot");
    let mut zk = client(server.addr());
    assert_eq!(data(&zk.call(&get("/a", false)).expect("a reply")), Some(vec![35; 1_000_000]));
}

#[test]
fn a_session_and_its_nodes_outlive_the_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let (mut zk, connected) = RawClient::connect(server.addr(), 30_000).expect("connected");
    assert_eq!(zk.call(&RawRequest::create("/e", b"", 1)).expect("a reply").err, 0);
    drop(zk);
    server.stop().expect("stops in good order");

    let server = Running::start(config(dir.path()));
    let session = SessionId::from_raw(connected.session);
    let (mut zk, again) =
        RawClient::renew(server.addr(), 30_000, session, &connected.password).expect("renewed");
    assert_eq!(again.session, connected.session);
    let found = zk.call(&get("/e", false)).expect("a reply");
    assert_eq!(found.stat().expect("a stat").ephemeral_owner, connected.session);
}

/// Writes one after the other, until the server goes; how many were acknowledged.
fn write_until_cut(zk: &mut RawClient) -> usize {
    let mut acknowledged = 0;
    for n in 0..10_000 {
        zk.send(&set("/n", n.to_string().as_bytes())).expect("sent");
        match zk.receive(PATIENCE) {
            Ok(Received::Frame(frame)) => {
                let reply = Reply::decode(&frame, Shape::Stat).expect("a reply");
                assert_eq!(reply.err, 0);
                acknowledged = n + 1;
            }
            _ => return acknowledged,
        }
    }
    panic!("the disk never failed");
}

/// A disk that fails sooner or later: the client is cut off, the server says why, and after a crash of the machine the
/// last acknowledged value is there, or the one after it that nobody was told of.
fn nothing_acknowledged_is_lost(fault: Fault) {
    for nth in [3, 4, 5, 10, 17] {
        let disk = FaultDisk::new();
        let dir = Path::new("/data");
        let server = Running::start_on(config(dir), Arc::new(disk.clone())).expect("starts");
        let mut zk = client(server.addr());
        assert_eq!(create(&mut zk, "/n", b"none").err, 0);
        disk.fail_at(nth, fault);
        let acknowledged = write_until_cut(&mut zk);
        let Err(Stopped::Failed(why)) = server.wait() else { panic!("the failure is told") };
        assert!(why.contains("the transaction log"), "{why}");

        disk.crash(Loss::Unsynced, nth);
        let server = Running::start_on(config(dir), Arc::new(disk)).expect("starts again");
        let mut zk = client(server.addr());
        let found = data(&zk.call(&get("/n", false)).expect("a reply")).expect("data");
        let allowed = match acknowledged {
            0 => vec![b"none".to_vec(), b"0".to_vec()],
            n => vec![(n - 1).to_string().into_bytes(), n.to_string().into_bytes()],
        };
        assert!(
            allowed.contains(&found),
            "{fault:?} at call {nth}: {acknowledged} acknowledged, {found:?} found"
        );
    }
}

#[test]
fn a_failing_disk_stops_acknowledging() {
    nothing_acknowledged_is_lost(Fault::Io);
}

#[test]
fn a_full_disk_stops_acknowledging() {
    nothing_acknowledged_is_lost(Fault::NoSpace);
}

#[test]
fn a_power_loss_takes_nothing_acknowledged() {
    nothing_acknowledged_is_lost(Fault::PowerLoss);
}

#[test]
fn snapshots_are_taken_while_serving_and_old_logs_are_not_needed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.storage.snap_count = 50;
    let server = Running::start(config.clone());
    let mut zk = client(server.addr());
    for n in 0..400 {
        assert_eq!(create(&mut zk, &format!("/n{n}"), b"some data that makes the log grow").err, 0);
    }
    drop(zk);
    server.stop().expect("stops in good order");
    let snapshots = std::fs::read_dir(dir.path().join("version-2"))
        .expect("the directory")
        .filter(|entry| {
            entry.as_ref().expect("an entry").file_name().to_string_lossy().starts_with("snapshot.")
        })
        .count();
    assert!(snapshots > 1, "{snapshots} snapshots");
    let server = Running::start(config);
    assert!(server.server.recovery().txns_replayed < 401);
    let mut zk = client(server.addr());
    assert_eq!(zk.call(&get("/n399", false)).expect("a reply").err, 0);
}
