//! What the log and snapshots say: `digest.enabled`, `closeSessionTxn.enabled`, `serializeLastProcessedZxid.enabled`,
//! `snapshot.compression.method`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zabra_proto::{FieldLimit, OpCode, Txn, TxnDigest, decode_txn};
use zabra_storage::{LogReader, RealDisk};
use zabra_testkit::RawRequest;
use zabra_types::Zxid;

use crate::running::*;

/// The versioned directory, where the files are.
pub(crate) fn version_dir(dir: &Path) -> PathBuf {
    dir.join("version-2")
}

/// The files whose names begin so, in order.
pub(crate) fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(version_dir(dir))
        .expect("the directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .collect();
    files.sort();
    files
}

/// What one session does that makes a node, an ephemeral one, and says goodbye.
fn one_session(dir: &Path, lines: &str) {
    let server = Running::start_in(dir, lines);
    let mut zk = server.client();
    assert_eq!(create(&mut zk, "/a", b"").err, 0);
    assert_eq!(err(&mut zk, &RawRequest::create("/e", b"", 1)), 0);
    assert_eq!(err(&mut zk, &RawRequest::bare(OpCode::CloseSession)), 0);
    server.stop().expect("stops in good order");
}

/// Shows every logged transaction and its digest.
fn each_txn(dir: &Path, mut look: impl FnMut(&Txn<'_>, Option<TxnDigest>)) {
    let limit = FieldLimit(1 << 20);
    let mut log = LogReader::open(Arc::new(RealDisk), &version_dir(dir), Zxid::ZERO, limit).expect("a log");
    while let Some(entry) = log.next().expect("a whole log") {
        let (_, txn, digest) = decode_txn(entry.payload).expect("a transaction");
        look(&txn, digest);
    }
}

#[test]
fn digest_enabled_is_written_with_each_transaction() {
    for on in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        one_session(dir.path(), &format!("digest.enabled={on}\n"));
        let mut seen = 0;
        each_txn(dir.path(), |txn, digest| {
            assert_eq!(digest.is_some(), on, "{txn:?}");
            seen += 1;
        });
        assert_eq!(seen, 4, "createSession, two creates, closeSession");
        // Each is read by a server that is set the other way.
        let server = Running::start_in(dir.path(), &format!("digest.enabled={}\n", !on));
        assert_eq!(err(&mut server.client(), &get("/a")), 0);
    }
}

#[test]
fn close_session_txn_enabled_lists_the_nodes_that_go() {
    for on in [true, false] {
        let dir = tempfile::tempdir().expect("a directory");
        let lines = format!("closeSessionTxn.enabled={on}\n");
        one_session(dir.path(), &lines);
        let mut ends = Vec::new();
        each_txn(dir.path(), |txn, _| {
            if let Txn::CloseSession { paths } = txn {
                ends.push(paths.as_ref().map(|paths| paths.iter().map(ToString::to_string).collect()));
            }
        });
        assert_eq!(ends, [on.then(|| vec!["/e".to_owned()])]);
        let server = Running::start_in(dir.path(), &lines);
        assert_eq!(err(&mut server.client(), &get("/e")), -101, "gone after a restart, too");
    }
}

#[test]
fn serialize_last_processed_zxid_ends_a_snapshot() {
    let length = |lines: &str| {
        let dir = tempfile::tempdir().expect("a directory");
        drop(Running::start_in(dir.path(), lines));
        let snapshots = files(dir.path(), "snapshot.");
        let [first] = &snapshots[..] else { panic!("one snapshot of nothing: {snapshots:?}") };
        std::fs::metadata(first).expect("a file").len()
    };
    let (with, without) = (length(""), length("serializeLastProcessedZxid.enabled=false\n"));
    // The zxid and the seal behind it: a checksum and the text "/".
    assert_eq!(with - without, 8 + 8 + 5);
}

#[test]
fn snapshot_compression_method_names_and_packs_the_file() {
    for (method, ending) in [("gz", ".gz"), ("snappy", ".snappy"), ("", "")] {
        let dir = tempfile::tempdir().expect("a directory");
        let lines = format!("snapshot.compression.method={method}\nsnapCount=10\n");
        let server = Running::start_in(dir.path(), &lines);
        let mut zk = server.client();
        let ours = |path: &PathBuf| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if ending.is_empty() { name.matches('.').count() == 1 } else { name.ends_with(ending) }
        };
        let mut n = 0;
        eventually("a snapshot is taken", || {
            n += 1;
            assert_eq!(create(&mut zk, &format!("/n{n}"), &[b'a'; 100]).err, 0);
            files(dir.path(), "snapshot.").len() > 1
        });
        drop(zk);
        server.stop().expect("stops in good order");
        let snapshots = files(dir.path(), "snapshot.");
        assert!(snapshots.iter().all(ours), "{snapshots:?}");

        let server = Running::start_in(dir.path(), &lines);
        let loaded = server.server().recovery().snapshot.clone().expect("a snapshot");
        assert!(ours(&loaded) && !loaded.ends_with(format!("snapshot.0{ending}")), "{loaded:?}");
        assert_eq!(err(&mut server.client(), &get("/n1")), 0);
    }
}
