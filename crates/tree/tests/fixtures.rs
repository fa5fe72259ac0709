//! Data directories of the genuine server: its logs must give its digests and its state.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use zabra_proto::{AclList, Reader, decode_txn, get_persisted};
use zabra_tree::{DigestCheck, NodeAcl, Tree, TreeLoader, TreeOptions};
use zabra_types::{OwnerRules, SessionId, Zxid};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures").join(name)
}

/// Files of one kind with the zxids in their names, ascending.
fn files(dir: &Path, kind: &str) -> BTreeMap<i64, Vec<u8>> {
    let number = |path: &Path| {
        let hex = path.file_name()?.to_str()?.strip_prefix(kind)?.strip_prefix('.')?.to_owned();
        i64::from_str_radix(&hex, 16).ok()
    };
    std::fs::read_dir(dir.join("version-2"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some((number(&path)?, std::fs::read(&path).unwrap())))
        .collect()
}

/// The payloads of a log, up to its padding.
fn payloads(log: &[u8]) -> Vec<&[u8]> {
    let mut reader = Reader::new(&log[16..]);
    let mut payloads = Vec::new();
    while reader.i64("checksum").is_ok() {
        match reader.buffer("payload") {
            Ok(Some(payload)) if !payload.is_empty() => payloads.push(payload),
            _ => break,
        }
        reader.take("end", 1).unwrap();
    }
    payloads
}

fn replay(tree: &mut Tree, logs: &BTreeMap<i64, Vec<u8>>) -> u32 {
    let mut compared = 0;
    for payload in logs.values().flat_map(|log| payloads(log)) {
        let (header, txn, digest) = decode_txn(payload).unwrap();
        if header.zxid <= tree.last_zxid() {
            continue;
        }
        tree.apply(&header, &txn, &mut ());
        match tree.check_digest(header.zxid, digest) {
            DigestCheck::Skipped => {}
            check => {
                assert_eq!(check, DigestCheck::Match, "after {}: {txn:?}", header.zxid);
                compared += 1;
            }
        }
        tree.check().unwrap();
    }
    compared
}

fn load(snapshot: &[u8], zxid: i64) -> Tree {
    let mut loader = TreeLoader::new(options());
    let mut reader = Reader::new(&snapshot[16..]);
    for _ in 0..reader.count("sessions").unwrap().unwrap() {
        loader.session(SessionId::from_raw(reader.i64("id").unwrap()), reader.i32("timeout").unwrap());
    }
    for _ in 0..reader.count("acls").unwrap().unwrap() {
        loader.acl(reader.i64("id").unwrap(), AclList::decode(&mut reader).unwrap());
    }
    loop {
        let path = reader.some_text("path").unwrap();
        if path == "/" {
            break;
        }
        let data = reader.buffer("data").unwrap();
        let acl = reader.i64("acl").unwrap();
        loader.node(&path, data, acl, &get_persisted(&mut reader).unwrap()).unwrap();
    }
    loader.finish(Zxid::from_raw(zxid), None).unwrap()
}

fn options() -> TreeOptions {
    TreeOptions {
        owner_rules: OwnerRules { extended_types: true, emulate_353_ttl: false },
        ..TreeOptions::default()
    }
}

/// The tree in the words of `expected.txt`.
fn describe(tree: &Tree) -> String {
    let mut lines = vec![format!("zxid\t{}", tree.last_zxid()), format!("digest\t{:#x}", tree.digest())];
    lines.extend(tree.sessions().map(|(session, timeout_ms)| format!("session\t{session}\t{timeout_ms}")));
    let mut paths = BTreeSet::from(["/".to_string()]);
    let mut pending = vec![String::new()];
    while let Some(path) = pending.pop() {
        let below = tree.get(&path).unwrap().children().map(|name| format!("{path}/{name}"));
        pending.extend(below);
        if !path.is_empty() {
            paths.insert(path);
        }
    }
    for path in paths {
        let node = tree.get(&path).unwrap();
        let data = match node.data() {
            None => "null".into(),
            Some([]) => "empty".into(),
            Some(data) => data.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        };
        let acl = match node.acl() {
            NodeAcl::Open => AclList::OPEN,
            NodeAcl::List(list) => list,
            NodeAcl::Dangling => panic!("{path} has no list"),
        };
        let acl: Vec<String> =
            acl.iter().map(|(perms, scheme, id)| format!("{}:{scheme}:{id}", perms.raw())).collect();
        let s = node.persisted();
        lines.push(format!(
            "node\t{path}\t{data}\t{}\t{:#x}\t{:#x}\t{:#x}\t{}\t{}\t{}\t{}\t{}\t{:#x}",
            acl.join("|"),
            s.czxid,
            s.mzxid,
            s.pzxid,
            s.ctime,
            s.mtime,
            s.version,
            s.cversion,
            s.aversion,
            s.ephemeral_owner
        ));
    }
    lines.join("\n")
}

fn assert_described(tree: &Tree, dir: &Path) {
    let expected = std::fs::read_to_string(dir.join("expected.txt")).unwrap();
    let actual = describe(tree);
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.lines().count(), expected.lines().count());
}

#[test]
fn logs_of_the_genuine_server_give_its_digests_and_its_state() {
    for name in ["datadir-plain", "datadir-gz", "datadir-snappy"] {
        let dir = fixture(name);
        let mut tree = Tree::new(options());
        let compared = replay(&mut tree, &files(&dir, "log"));
        assert!(compared > 50, "{compared} digests compared in {name}");
        assert_described(&tree, &dir);
    }
}

#[test]
fn snapshots_of_the_genuine_server_load_and_go_on() {
    let dir = fixture("datadir-plain");
    let snapshots = files(&dir, "snapshot");
    assert!(snapshots.len() > 1);
    for (zxid, snapshot) in snapshots {
        let mut tree = load(&snapshot, zxid);
        tree.check().unwrap();
        replay(&mut tree, &files(&dir, "log"));
        assert_described(&tree, &dir);
    }
}
