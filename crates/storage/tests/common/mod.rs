//! Making and reading logs.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses some of it, and fails by panicking")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zabra_proto::{
    AclList, CreateTxn, FieldLimit, Txn, TxnDigest, TxnHeader, TxnType, decode_txn, encode_txn,
};
use zabra_storage::{
    DataDirs, Disk, FaultDisk, LogNotice, LogOptions, LogReader, ReadError, RecoverOptions, SnapshotOptions,
    TxnLog, write_snapshot,
};
use zabra_tree::{NodeAcl, Tree, TreeOptions};
use zabra_types::{OwnerRules, SessionId, WallTime, Xid, Zxid};

pub(crate) const DIR: &str = "/data/version-2";

pub(crate) fn zxid(raw: i64) -> Zxid {
    Zxid::from_raw(raw)
}

pub(crate) fn disk_with_dir() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

pub(crate) fn log_options(growth: u64) -> LogOptions {
    LogOptions {
        dir: DIR.into(),
        force_sync: true,
        growth,
        file_size_max: None,
        payload_len_max: FieldLimit::default(),
    }
}

pub(crate) fn open_log(disk: &FaultDisk, growth: u64, last: i64) -> TxnLog {
    TxnLog::open(Arc::new(disk.clone()), log_options(growth), zxid(last))
}

/// A deletion whose path is filled with what a real one might have, `len` bytes more than nothing.
pub(crate) fn payload(raw: i64, len: usize) -> Vec<u8> {
    let header = TxnHeader {
        session: SessionId::from_raw(0x1000_0000 + raw),
        cxid: Xid::from_raw(raw as i32),
        zxid: zxid(raw),
        time: WallTime::from_millis(1_795_237_966_287 + raw),
        kind: TxnType::Delete.code(),
    };
    let path: String = "/".chars().chain("BCDEFGHIJKLMN".chars().cycle()).take(len).collect();
    let mut out = Vec::new();
    encode_txn(&mut out, &header, &Txn::Delete { path: path.into() }, None);
    out
}

/// The zxids after `after`, and what was unusual.
pub(crate) fn read_all(disk: &FaultDisk, after: i64) -> Result<(Vec<i64>, Vec<LogNotice>), ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut reader = LogReader::open(disk, Path::new(DIR), zxid(after), FieldLimit::default())?;
    let mut zxids = Vec::new();
    while let Some(entry) = reader.next()? {
        zxids.push(entry.zxid.raw());
    }
    assert_eq!(reader.entries(), zxids.len() as u64);
    Ok((zxids, reader.notices().to_vec()))
}

/// A directory written by the genuine server.
pub(crate) fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures").join(name)
}

/// What the genuine server ran with that wrote the fixtures.
pub(crate) fn fixture_options() -> TreeOptions {
    TreeOptions {
        owner_rules: OwnerRules { extended_types: true, ..OwnerRules::default() },
        ..TreeOptions::default()
    }
}

/// A tree as the fixtures' `expected.txt` shows it.
pub(crate) fn dump(tree: &Tree) -> String {
    let mut out = String::new();
    let mut line = |fields: &[String]| writeln!(out, "{}", fields.join("\t")).unwrap();
    line(&["zxid".into(), tree.last_zxid().to_string()]);
    line(&["digest".into(), format!("{:#x}", tree.digest())]);
    for (session, timeout_ms) in tree.sessions() {
        line(&["session".into(), session.to_string(), timeout_ms.to_string()]);
    }
    let mut paths = vec!["/".to_owned()];
    let mut at = 0;
    while at < paths.len() {
        let path = paths[at].clone();
        let base = path.trim_end_matches('/');
        paths.extend(tree.get(&path).unwrap().children().map(|name| format!("{base}/{name}")));
        at += 1;
    }
    paths.sort();
    for path in paths {
        let node = tree.get(&path).unwrap();
        let stat = node.persisted();
        let hex = |raw: i64| format!("{raw:#x}");
        let data = match node.data() {
            None => "null".to_owned(),
            Some([]) => "empty".to_owned(),
            Some(data) => data.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        let acl = match node.acl() {
            NodeAcl::Open => "31:world:anyone".to_owned(),
            NodeAcl::Dangling => "dangling".to_owned(),
            NodeAcl::List(list) => {
                let acls = list.iter().map(|(perms, scheme, id)| format!("{}:{scheme}:{id}", perms.raw()));
                acls.collect::<Vec<_>>().join("|")
            }
        };
        let numbers = [stat.czxid, stat.mzxid, stat.pzxid].map(hex);
        let times = [stat.ctime, stat.mtime].map(|time| time.to_string());
        let versions = [stat.version, stat.cversion, stat.aversion].map(|version| version.to_string());
        let head = ["node".to_owned(), path, data, acl];
        line(&[&head[..], &numbers, &times, &versions, &[hex(stat.ephemeral_owner)]].concat());
    }
    out
}

/// The payloads of the first `count` transactions of a history, with digests: sessions, nodes in two levels, changed
/// data, deletions, ephemeral nodes that go with their session.
pub(crate) fn history(count: i64) -> Vec<Vec<u8>> {
    history_at(&(1..=count).collect::<Vec<_>>())
}

/// The same under other zxids.
pub(crate) fn history_at(zxids: &[i64]) -> Vec<Vec<u8>> {
    let mut tree = Tree::new(fixture_options());
    let mut payloads = Vec::new();
    for (raw, &zxid) in (1..).zip(zxids) {
        let (kind, txn) = step(&tree, raw);
        let header = TxnHeader {
            session: SessionId::from_raw(0x100 + raw / 20),
            cxid: Xid::from_raw(raw as i32),
            zxid: self::zxid(zxid),
            time: WallTime::from_millis(1_795_237_966_287 + raw),
            kind: kind.code(),
        };
        tree.apply(&header, &txn, &mut ());
        let digest = TxnDigest { version: TxnDigest::VERSION, digest: tree.digest() };
        let mut payload = Vec::new();
        encode_txn(&mut payload, &header, &txn, (kind != TxnType::Error).then_some(digest));
        payloads.push(payload);
    }
    payloads
}

/// The tree after some transactions.
pub(crate) fn tree_of(payloads: &[Vec<u8>]) -> Tree {
    let mut tree = Tree::new(fixture_options());
    for payload in payloads {
        apply(&mut tree, payload);
    }
    tree
}

pub(crate) fn apply(tree: &mut Tree, payload: &[u8]) {
    let (header, txn, _) = decode_txn(payload).unwrap();
    tree.apply(&header, &txn, &mut ());
}

/// How the servers of these tests recover.
pub(crate) fn recover_options() -> RecoverOptions {
    RecoverOptions {
        dirs: DataDirs::new(Path::new("/data"), Path::new("/data")),
        dir_autocreate: true,
        db_autocreate: true,
        trust_empty_snapshot: false,
        tree: fixture_options(),
        limit: FieldLimit::default(),
        snapshot: SnapshotOptions::default(),
    }
}

pub(crate) fn names(disk: &FaultDisk) -> Vec<String> {
    let mut names: Vec<_> = disk.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

/// A disk with the history at these zxids: logs begin at the given ones, snapshots are of the given ones.
pub(crate) fn server_at(zxids: &[i64], log_starts: &[i64], snapshots: &[i64]) -> (FaultDisk, Vec<Vec<u8>>) {
    let disk = disk_with_dir();
    let payloads = history_at(zxids);
    let mut tree = Tree::new(fixture_options());
    let mut log = open_log(&disk, 4096, 0);
    let snapshot = |tree: &Tree| write_snapshot(&disk, Path::new(DIR), tree, SnapshotOptions::default());
    if snapshots.contains(&0) {
        snapshot(&tree).unwrap();
    }
    for (payload, &raw) in payloads.iter().zip(zxids) {
        if log_starts.contains(&raw) {
            log.roll().unwrap();
        }
        log.append(zxid(raw), payload).unwrap();
        log.flush().unwrap();
        apply(&mut tree, payload);
        if snapshots.contains(&raw) {
            snapshot(&tree).unwrap();
        }
    }
    disk.sync_dir(Path::new(DIR)).unwrap();
    (disk, payloads)
}

fn step(tree: &Tree, raw: i64) -> (TxnType, Txn<'static>) {
    const DATA: &[u8] = &[b'B'; 900];
    let top = format!("/t{}", raw / 20);
    let create = |path: String, ephemeral| {
        let parent = tree.get(path.rsplit_once('/').unwrap().0).unwrap();
        let parent_cversion = parent.persisted().cversion + 1;
        let data = Some(&DATA[..(raw * 31 % 900) as usize]);
        let acl = AclList::OPEN;
        (TxnType::Create, Txn::Create(CreateTxn { path: path.into(), data, acl, ephemeral, parent_cversion }))
    };
    match raw % 20 {
        1 => (TxnType::CreateSession, Txn::CreateSession { timeout_ms: 4000 }),
        2 => create(top, false),
        3 | 7 => create(format!("{top}/e{raw}"), true),
        11 | 15 => {
            let version = tree.get(&top).unwrap().persisted().version + 1;
            (TxnType::SetData, Txn::SetData { path: top.into(), data: None, version })
        }
        13 => (TxnType::Delete, Txn::Delete { path: format!("{top}/n{}", raw - 1).into() }),
        16 => (TxnType::Error, Txn::Error { code: -110 }),
        19 => {
            let session = SessionId::from_raw(0x100 + raw / 20);
            let paths = tree.ephemerals_of(session).map(Into::into).collect();
            (TxnType::CloseSession, Txn::CloseSession { paths: Some(paths) })
        }
        0 => (TxnType::Error, Txn::Error { code: -101 }),
        _ => create(format!("{top}/n{raw}"), false),
    }
}
