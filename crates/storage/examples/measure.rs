//! Measures this machine's disk through the storage crate: flushes of the log, and a snapshot of many nodes.
//!
//! `cargo run --release -p zabra-storage --example measure -- <empty directory> [nodes]`

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zabra_proto::{AclList, CreateTxn, FieldLimit, Txn, TxnHeader, TxnType, encode_txn};
use zabra_storage::{
    Compression, Disk, LogOptions, LogReader, RealDisk, SnapshotOptions, TxnLog, load_snapshot,
    write_snapshot,
};
use zabra_tree::{Tree, TreeOptions};
use zabra_types::{SessionId, WallTime, Xid, Zxid};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("which directory?")?);
    let nodes = args.next().map_or(Ok(1_000_000), |nodes| nodes.parse())?;
    RealDisk.create_dir_all(&dir)?;
    for (batch, flushes) in [(1, 3000), (64, 1000), (1000, 100)] {
        for growth in [0, 64 << 20] {
            measure_log(&dir, batch, flushes, growth)?;
        }
    }
    measure_snapshot(&dir, nodes)
}

fn header(raw: i64) -> TxnHeader {
    TxnHeader {
        session: SessionId::from_raw(1),
        cxid: Xid::from_raw(1),
        zxid: Zxid::from_raw(raw),
        time: WallTime::from_millis(raw),
        kind: TxnType::Create.code(),
    }
}

fn create(raw: i64, path: &str) -> Txn<'_> {
    let (data, acl) = (Some(&[7; 100][..]), AclList::OPEN);
    Txn::Create(CreateTxn { path: path.into(), data, acl, ephemeral: false, parent_cversion: raw as i32 })
}

fn measure_log(dir: &Path, batch: i64, flushes: i64, growth: u64) -> Result<(), Box<dyn Error>> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (dir, payload_len_max) = (dir.to_owned(), FieldLimit::default());
    let options =
        LogOptions { dir: dir.clone(), force_sync: true, growth, file_size_max: None, payload_len_max };
    let mut log = TxnLog::open(Arc::clone(&disk), options, Zxid::ZERO);
    let (mut times, mut payload) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for flush in 0..flushes {
        for raw in flush * batch + 1..=(flush + 1) * batch {
            payload.clear();
            encode_txn(&mut payload, &header(raw), &create(raw, "/some/usual/path"), None);
            log.append(Zxid::from_raw(raw), &payload)?;
        }
        let flushing = Instant::now();
        log.flush()?;
        times.push(flushing.elapsed());
        log.fill_ahead()?;
    }
    let total = started.elapsed();
    times.sort();
    let percentile = |percent: usize| times[times.len() * percent / 100];
    println!(
        "log: {batch:4} a flush, ahead {:2} MiB: p50 {:?}, p99 {:?}, {:.0} transactions/s",
        growth >> 20,
        percentile(50),
        percentile(99),
        (batch * flushes) as f64 / total.as_secs_f64(),
    );
    let reading = Instant::now();
    let mut reader = LogReader::open(disk, &dir, Zxid::ZERO, FieldLimit::default())?;
    while reader.next()?.is_some() {}
    println!("     read back at {}", rate(reader.entries(), reading.elapsed()));
    Ok(RealDisk.remove(&dir.join("log.1"))?)
}

fn measure_snapshot(dir: &Path, nodes: i64) -> Result<(), Box<dyn Error>> {
    let mut tree = Tree::new(TreeOptions::default());
    let applying = Instant::now();
    for raw in 1..=nodes {
        let path = format!("/n{raw:08}");
        tree.apply(&header(raw), &create(raw, &path), &mut ());
    }
    println!("tree: {nodes} nodes applied at {}", rate(nodes as u64, applying.elapsed()));
    for compression in [Compression::None, Compression::Snappy, Compression::Gzip] {
        let options = SnapshotOptions { compression, ..SnapshotOptions::default() };
        let writing = Instant::now();
        let info = write_snapshot(&RealDisk, dir, &tree, options)?;
        let written = writing.elapsed();
        let loading = Instant::now();
        let loaded = load_snapshot(&RealDisk, &info.path, TreeOptions::default(), FieldLimit::default())?;
        println!(
            "snapshot: {compression:?}, {} MB: written in {written:?}, loaded in {:?}",
            info.len / 1_000_000,
            loading.elapsed(),
        );
        assert_eq!(loaded.tree.digest(), tree.digest(), "the snapshot holds the tree");
        RealDisk.remove(&info.path)?;
    }
    Ok(())
}

fn rate(count: u64, time: Duration) -> String {
    format!("{:.2} million/s", count as f64 / time.as_secs_f64() / 1e6)
}
