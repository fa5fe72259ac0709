//! Snapshots: their bytes, and what happens to them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::path::Path;

use common::{DIR, disk_with_dir, fixtures, zxid};
use zabra_proto::{
    AclList, CreateTxn, FieldLimit, Txn, TxnDigest, TxnHeader, TxnType, decode_txn, encode_txn,
};
use zabra_storage::{
    Compression, Disk, Fault, FaultDisk, LoadSnapshotError, SharedTree, SnapshotOptions, SnapshotProblem,
    load_snapshot, read_snapshot, stream_snapshot, valid_snapshots, write_snapshot,
};
use zabra_tree::{DigestCheck, SnapshotDigest, Tree, TreeOptions};
use zabra_types::{SessionId, WallTime, Xid};

const LIMIT: fn() -> FieldLimit = FieldLimit::default;

fn encode(tree: &impl SharedTree, options: SnapshotOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream_snapshot(tree, options, &mut bytes).unwrap();
    bytes
}

fn decode(bytes: &[u8]) -> Result<Tree, SnapshotProblem> {
    let loaded = read_snapshot(bytes, Some(zxid(0)), TreeOptions::default(), LIMIT());
    loaded.map(|loaded| loaded.tree).map_err(|(_, problem)| problem)
}

fn header(raw: i64, kind: TxnType) -> TxnHeader {
    let (session, cxid, time) = (SessionId::from_raw(7), Xid::from_raw(1), WallTime::from_millis(1000 + raw));
    TxnHeader { session, cxid, zxid: zxid(raw), time, kind: kind.code() }
}

/// Creates a node, and returns the transaction that did it.
fn create(tree: &mut Tree, raw: i64, path: &str, data: &[u8], ephemeral: bool) -> Vec<u8> {
    let parent = tree.get(path.rsplit_once('/').unwrap().0).unwrap();
    let parent_cversion = parent.persisted().cversion + 1;
    let txn =
        CreateTxn { path: path.into(), data: Some(data), acl: AclList::OPEN, ephemeral, parent_cversion };
    apply(tree, raw, TxnType::Create, &Txn::Create(txn))
}

fn apply(tree: &mut Tree, raw: i64, kind: TxnType, txn: &Txn<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    encode_txn(&mut payload, &header(raw, kind), txn, None);
    tree.apply(&header(raw, kind), txn, &mut ());
    payload
}

/// A tree with `count` nodes in two levels, a session and an ephemeral node.
fn tree_with(count: i64) -> Tree {
    let mut tree = Tree::new(TreeOptions::default());
    tree.apply(&header(1, TxnType::CreateSession), &Txn::CreateSession { timeout_ms: 4000 }, &mut ());
    create(&mut tree, 2, "/e", b"", true);
    for raw in 3..count + 3 {
        let path =
            if raw % 10 == 3 { format!("/d{raw}") } else { format!("/d{}/n{raw}", (raw - 3) / 10 * 10 + 3) };
        create(&mut tree, raw, &path, &[raw as u8; 100], false);
    }
    tree
}

/// Compares all there is, through the snapshot of each, which is the same for the same history.
fn assert_same(a: &Tree, b: &Tree) {
    assert_eq!(a.digest(), b.digest());
    assert_eq!(a.last_zxid(), b.last_zxid());
    assert_eq!(a.node_count(), b.node_count());
    assert_eq!(a.ephemeral_count(), b.ephemeral_count());
    assert_eq!(a.approximate_data_size(), b.approximate_data_size());
    assert!(a.sessions().eq(b.sessions()));
}

#[test]
fn the_empty_database_of_the_genuine_server() {
    let bytes = encode(&Tree::new(TreeOptions::default()), SnapshotOptions::default());
    assert_eq!(bytes.len(), 478);
    let stat = [0u8; 60];
    let mut config_stat = [0u8; 60];
    config_stat[40..44].fill(0xff);
    let mut golden = Vec::new();
    golden.extend(*b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
    golden.extend(*b"\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x05world\0\0\0\x06anyone");
    let node = |golden: &mut Vec<u8>, path: &str, acl: i64, stat: &[u8; 60]| {
        golden.extend((path.len() as u32).to_be_bytes());
        golden.extend(path.as_bytes());
        golden.extend([0; 4]);
        golden.extend(acl.to_be_bytes());
        golden.extend(stat);
    };
    node(&mut golden, "", -1, &stat);
    node(&mut golden, "/zookeeper", -1, &stat);
    node(&mut golden, "/zookeeper/config", 1, &config_stat);
    node(&mut golden, "/zookeeper/quota", -1, &stat);
    assert_eq!(golden.len(), 0x196);
    golden.extend(*b"\0\0\0\x01/");
    golden.extend(*b"\0\0\0\0\xb8\xa2\x3b\x49\0\0\0\x01/");
    golden.extend(*b"\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0");
    golden.extend(*b"\0\0\0\0\x95\xb9\x3d\x59\0\0\0\x01/");
    golden.extend([0; 8]);
    golden.extend(*b"\0\0\0\0\xbd\xe8\x3f\x6d\0\0\0\x01/");
    assert_eq!(bytes, golden);
    assert_eq!(bytes, std::fs::read(fixtures("datadir-plain").join("version-2/snapshot.0")).unwrap());
    let tree = decode(&bytes).unwrap();
    assert_eq!((tree.digest(), tree.node_count()), (0x51C6_D660, 5));
}

#[test]
fn every_kind_of_file_can_be_read_back() {
    let tree = tree_with(300);
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        for (digest, last_zxid) in [(true, true), (true, false), (false, true), (false, false)] {
            let disk = disk_with_dir();
            let options = SnapshotOptions { compression, digest, last_zxid, sync: true };
            let info = write_snapshot(&disk, Path::new(DIR), &tree, options).unwrap();
            assert_eq!(info.zxid, zxid(302));
            assert!(info.path.ends_with(format!("snapshot.12e{}", compression.suffix())), "{info:?}");
            assert_eq!(info.len, disk.get(&info.path).unwrap().len() as u64);
            let valid = valid_snapshots(&disk, Path::new(DIR), 9).unwrap();
            assert_eq!(valid.len(), 1);
            let loaded = load_snapshot(&disk, &valid[0].path, TreeOptions::default(), LIMIT()).unwrap();
            assert_same(&loaded.tree, &tree);
            assert_eq!((loaded.zxid, loaded.nodes), (zxid(302), tree.node_count() - 1));
            assert_eq!(loaded.last_zxid, last_zxid.then_some(zxid(302)));
            let expected = TxnDigest { version: TxnDigest::VERSION, digest: tree.digest() };
            assert_eq!(loaded.digest, digest.then_some((zxid(302), expected)));
            if digest {
                assert_eq!(loaded.tree.snapshot_digest(), SnapshotDigest::Compared(DigestCheck::Match));
            }
            assert_eq!(disk.list(Path::new(DIR)).unwrap().len(), 1, "nothing else is left");
        }
    }
}

/// So many nodes that the tree is built on another thread, and that their number is estimated where the file tells its
/// length.
#[test]
fn large_files_can_be_read_back() {
    let tree = tree_with(12_000);
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
        let disk = disk_with_dir();
        let options = SnapshotOptions { compression, ..SnapshotOptions::default() };
        write_snapshot(&disk, Path::new(DIR), &tree, options).unwrap();
        let valid = valid_snapshots(&disk, Path::new(DIR), 1).unwrap();
        let loaded = load_snapshot(&disk, &valid[0].path, TreeOptions::default(), LIMIT()).unwrap();
        loaded.tree.check().unwrap();
        assert_same(&loaded.tree, &tree);
    }
}

#[test]
fn the_digests_of_old_versions_are_read() {
    let tree = tree_with(3);
    let plain = encode(&tree, SnapshotOptions { digest: false, last_zxid: false, ..Default::default() });
    let mut sum = simd_adler32::Adler32::new();
    let mut bytes = plain.clone();
    bytes.extend(5i64.to_be_bytes());
    bytes.extend(1i32.to_be_bytes());
    bytes.extend(*b"\0\0\0\x041f2e");
    sum.write(&bytes);
    bytes.extend(u64::from(sum.finish()).to_be_bytes());
    bytes.extend(*b"\0\0\0\x01/");
    // With four digits it is as long as a section of today, so its version must tell.
    assert_eq!(bytes.len(), plain.len() + 33);
    let loaded = read_snapshot(&bytes[..], Some(zxid(5)), TreeOptions::default(), LIMIT()).unwrap();
    assert_eq!(loaded.digest, Some((zxid(5), TxnDigest { version: 1, digest: 0x1f2e })));
    assert_eq!(loaded.tree.snapshot_digest(), SnapshotDigest::None);
}

#[test]
fn cut_and_changed_snapshots_are_refused() {
    let bytes = encode(&tree_with(10), SnapshotOptions::default());
    let sections = [bytes.len() - 54, bytes.len() - 21];
    for len in 0..bytes.len() {
        assert_eq!(decode(&bytes[..len]).is_ok(), sections.contains(&len), "cut at {len}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        // The slash that ends a seal is covered by the next seal only.
        let harmless = at >= bytes.len() - 1;
        assert_eq!(decode(&changed).is_ok(), harmless, "byte {at}");
    }
    let mut long = bytes.clone();
    long.push(0);
    assert!(matches!(decode(&long).unwrap_err(), SnapshotProblem::Sections));
    long.resize(bytes.len() + 10_000, 0);
    assert!(matches!(decode(&long).unwrap_err(), SnapshotProblem::Sections));
}

#[test]
fn a_restored_snapshot_must_tell_its_zxid() {
    let tree = tree_with(10);
    let bytes = encode(&tree, SnapshotOptions::default());
    let loaded = read_snapshot(&bytes[..], None, TreeOptions::default(), LIMIT()).unwrap();
    assert_eq!(loaded.zxid, tree.last_zxid());
    let bytes = encode(&tree, SnapshotOptions { last_zxid: false, ..Default::default() });
    let (_, problem) = read_snapshot(&bytes[..], None, TreeOptions::default(), LIMIT()).unwrap_err();
    assert!(matches!(problem, SnapshotProblem::NoZxid));
}

/// A tree that changes at every look, and the transactions that changed it.
struct Busy(RefCell<(Tree, Vec<Vec<u8>>)>);

impl SharedTree for Busy {
    fn look<R>(&self, look: impl FnOnce(&Tree) -> R) -> R {
        let (tree, history) = &mut *self.0.borrow_mut();
        let raw = tree.last_zxid().raw();
        history.push(create(tree, raw + 1, &format!("/d3/x{raw}"), b"new", false));
        let dir = (raw / 10) % 100 * 10 + 3;
        let path = format!("/d{dir}/n{}", dir + 1 + raw / 2 % 9);
        history.push(apply(tree, raw + 2, TxnType::Delete, &Txn::Delete { path: path.into() }));
        let data = Txn::SetData { path: format!("/d{dir}").into(), data: Some(b"set"), version: 1 };
        history.push(apply(tree, raw + 3, TxnType::SetData, &data));
        look(tree)
    }
}

#[test]
fn a_snapshot_of_a_changing_tree_is_repaired_by_replay() {
    let busy = Busy(RefCell::new((tree_with(3000), Vec::new())));
    let start = zxid(3002 + 3);
    let bytes = encode(&busy, SnapshotOptions::default());
    let loaded = read_snapshot(&bytes[..], Some(start), TreeOptions::default(), LIMIT()).unwrap();
    let end = loaded.last_zxid.unwrap();
    assert_eq!(loaded.digest.unwrap().0, end);
    assert!(end > start, "{end}");
    let (live, history) = busy.0.into_inner();
    assert_eq!(live.last_zxid(), end);
    let mut tree = loaded.tree;
    assert_ne!(tree.digest(), live.digest());
    for payload in &history {
        let (header, txn, _) = decode_txn(payload).unwrap();
        if header.zxid > start {
            tree.apply(&header, &txn, &mut ());
        }
    }
    assert_eq!(tree.snapshot_digest(), SnapshotDigest::Compared(DigestCheck::Match));
    assert_same(&tree, &live);
    assert_eq!(common::dump(&tree), common::dump(&live));
}

#[test]
fn a_failed_snapshot_leaves_nothing() {
    let tree = tree_with(50);
    let older = tree_with(10);
    for fault in [Fault::Io, Fault::NoSpace, Fault::ShortWrite] {
        for call in 1.. {
            let disk = disk_with_dir();
            write_snapshot(&disk, Path::new(DIR), &older, SnapshotOptions::default()).unwrap();
            disk.fail_at(call, fault);
            let result = write_snapshot(&disk, Path::new(DIR), &tree, SnapshotOptions::default());
            if result.is_ok() {
                assert_eq!(call, 6, "create, write, sync, rename, sync of the directory");
                break;
            }
            let names: Vec<_> =
                disk.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect();
            // Once renamed it is whole, synced or not.
            assert_eq!(names.len(), if call == 5 { 2 } else { 1 }, "{fault:?} {call} {names:?}");
            for file in valid_snapshots(&disk, Path::new(DIR), 9).unwrap() {
                load_snapshot(&disk, &file.path, TreeOptions::default(), LIMIT()).unwrap();
            }
        }
    }
}

#[test]
fn disk_failures_are_told_from_damage() {
    let disk = FaultDisk::new();
    let path = Path::new(DIR).join("snapshot.5");
    let missing = load_snapshot(&disk, &path, TreeOptions::default(), LIMIT()).unwrap_err();
    assert!(matches!(missing, LoadSnapshotError::Disk(_)));
    disk.put(&path, b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
    let wrong = load_snapshot(&disk, &path, TreeOptions::default(), LIMIT()).unwrap_err();
    assert!(wrong.to_string().contains("does not begin with ZKSN"), "{wrong}");
}

#[test]
fn snapshots_of_the_genuine_server_load_and_look_the_same_rewritten() {
    for name in ["datadir-plain", "datadir-gz", "datadir-snappy"] {
        let dir = fixtures(name).join("version-2");
        let disk = zabra_storage::RealDisk;
        let files = valid_snapshots(&disk, &dir, 100).unwrap();
        assert!(files.len() >= 3, "{name}");
        for file in files {
            let loaded = load_snapshot(&disk, &file.path, common::fixture_options(), LIMIT()).unwrap();
            assert_eq!(loaded.zxid, file.zxid);
            if loaded.last_zxid != Some(file.zxid) {
                // Written while the tree changed: without its log it is not a tree that we would write.
                continue;
            }
            let again = encode(&loaded.tree, SnapshotOptions::default());
            let again =
                read_snapshot(&again[..], Some(file.zxid), common::fixture_options(), LIMIT()).unwrap();
            assert_same(&again.tree, &loaded.tree);
            assert_eq!(common::dump(&again.tree), common::dump(&loaded.tree));
        }
    }
}
