//! What a znode costs: `cargo run -p zabra-tree --release --example footprint [flat|deep] [znodes]`.
//!
//! Fills one flat directory with znodes of 100 bytes by applying transactions, then prints bytes per znode (as asked
//! of the allocator, and resident), nanoseconds per operation, and how long the longest of them took.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "printing figures is what the program is for")]

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::borrow::Cow;
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;
use zabra_proto::{AclList, CreateTxn, Put, Reader, Txn, TxnHeader, TxnType, get_persisted, put_stat};
use zabra_tree::{Progress, SnapshotCursor, Tree, TreeLoader, TreeOptions};
use zabra_types::{SessionId, WallTime, Xid, Zxid};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    // A reallocation counts as a change of size, not as an allocation.
    let bytes = stats.bytes_allocated as isize - stats.bytes_deallocated as isize;
    bytes.try_into().unwrap_or(0)
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Nanoseconds this thread has had of a processor.
fn cpu_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Times `work` on each number, and prints the mean in processor time, the mean of the quickest part (other programs
/// take from the caches, not from our time), and the longest by the clock.
fn time(what: &str, numbers: impl Iterator<Item = u64>, mut work: impl FnMut(u64)) {
    const PART: u64 = 100_000;
    let (mut longest, mut count, mut quickest) = (0, 0_u64, f64::INFINITY);
    let start = cpu_time();
    let (mut before, mut part_start) = (Instant::now(), start);
    for number in numbers {
        work(number);
        let now = Instant::now();
        longest = longest.max((now - before).as_nanos());
        before = now;
        count += 1;
        if count.is_multiple_of(PART) {
            let now = cpu_time();
            quickest = quickest.min((now - part_start) as f64 / PART as f64);
            part_start = now;
        }
    }
    let mean = (cpu_time() - start) / count.max(1);
    let quickest = if quickest.is_finite() { format!("{quickest:.0}") } else { "-".into() };
    println!(
        "{what:<28} {mean:>8} ns each, {quickest:>6} at best, the longest {:>8.1} us",
        longest as f64 / 1000.0
    );
}

fn header(zxid: u64, kind: TxnType) -> TxnHeader {
    TxnHeader {
        session: SessionId::from_raw(1),
        cxid: Xid::from_raw(0),
        zxid: Zxid::from_raw(zxid as i64),
        time: WallTime::from_millis(1_795_237_966_287 + zxid as i64),
        kind: kind.code(),
    }
}

fn create(tree: &mut Tree, zxid: u64, path: &str, data: &[u8], parent_cversion: u64) {
    let txn = Txn::Create(CreateTxn {
        path: Cow::Borrowed(path),
        data: Some(data),
        acl: AclList::OPEN,
        ephemeral: false,
        parent_cversion: parent_cversion as i32,
    });
    tree.apply(&header(zxid, TxnType::Create), &txn, &mut ());
}

/// A walk over all numbers below `count` in an order that no cache foresees.
fn scattered(count: u64) -> impl Iterator<Item = u64> {
    // A prime that divides no round number.
    (0..count).map(move |i| i * 611_953 % count)
}

fn path(buffer: &mut String, number: u64) -> &str {
    use std::fmt::Write;
    buffer.clear();
    write!(buffer, "/d/n{number:08}").expect("writing to a string");
    buffer
}

fn report(what: &str, count: u64, before: (usize, usize)) {
    let per = |bytes: usize, before: usize| bytes.saturating_sub(before) as f64 / count as f64;
    let (allocated, resident) = (per(allocated(), before.0), per(resident(), before.1));
    println!("{what:<28} {allocated:>8.1} B each allocated, {resident:>8.1} B resident");
}

fn load(snapshot: &[u8], last_zxid: Zxid) -> Tree {
    let mut loader = TreeLoader::new(TreeOptions::default());
    let mut reader = Reader::new(snapshot);
    while !reader.rest().is_empty() {
        let path = reader.some_text("path").expect("as written");
        let data = reader.buffer("data").expect("as written");
        let acl = reader.i64("acl").expect("as written");
        loader.node(&path, data, acl, &get_persisted(&mut reader).expect("as written")).expect("a tree");
    }
    loader.finish(last_zxid, None).expect("each node once")
}

/// One directory with `count` znodes of 100 bytes.
fn flat(count: u64) {
    println!("{count} znodes of 100 bytes in one directory");
    let before = (allocated(), resident());
    let mut tree = Tree::new(TreeOptions::default());
    let mut buffer = String::new();
    let mut zxid = 1;
    create(&mut tree, zxid, "/d", &[], 1);
    time("create", 0..count, |number| {
        zxid += 1;
        create(&mut tree, zxid, path(&mut buffer, number), &[number as u8; 100], number + 1);
    });
    report("created", count, before);

    let mut out = Vec::with_capacity(4096);
    let mut get = |numbers: &mut dyn Iterator<Item = u64>, what: &str| {
        time(what, numbers, |number| {
            out.clear();
            let node = tree.get(path(&mut buffer, number)).expect("it was created");
            put_stat(&mut out, &node.stat());
            out.put_buffer(node.data());
            black_box(&out);
        });
    };
    get(&mut scattered(count), "get and encode, scattered");
    get(&mut scattered(count).map(|number| number % 1000), "get and encode, 1000 hot");
    time("(of which the path, clocks)", scattered(count), |number| {
        black_box(path(&mut buffer, number));
    });

    let mut listing = Vec::new();
    time("list all", 0..5, |_| {
        listing.clear();
        tree.get("/d").expect("it was created").put_children(&mut listing);
    });
    drop(listing);

    time("set, same size", scattered(count), |number| {
        zxid += 1;
        let txn = Txn::SetData { path: path(&mut buffer, number).into(), data: Some(&[7; 100]), version: 1 };
        tree.apply(&header(zxid, TxnType::SetData), &txn, &mut ());
    });
    report("each set once", count, before);

    let mut snapshot = Vec::with_capacity(count as usize * 200);
    let mut cursor = SnapshotCursor::new(&tree);
    let start = cpu_time();
    let done = Cell::new(false);
    time("snapshot, 64 KiB", std::iter::from_fn(|| (!done.get()).then_some(0)), |_| {
        done.set(cursor.fill(&tree, &mut snapshot, 1 << 16) == Progress::Done);
    });
    println!("{:<28} {:>8} ns each", "snapshot, a znode", (cpu_time() - start) / count);
    let digest = tree.digest();

    time("delete", scattered(count), |number| {
        zxid += 1;
        let txn = Txn::Delete { path: path(&mut buffer, number).into() };
        tree.apply(&header(zxid, TxnType::Delete), &txn, &mut ());
    });
    report("deleted", count, before);

    let start = cpu_time();
    let loaded = load(&snapshot, tree.last_zxid());
    println!("{:<28} {:>8} ns each", "load, a znode", (cpu_time() - start) / count);
    assert_eq!(loaded.digest(), digest, "what was loaded is what was written");
}

/// Znodes of 46 bytes under paths of some 115, ten to a directory.
fn deep(count: u64) {
    println!("{count} znodes of 46 bytes, directories among them, under paths of 115 bytes");
    let before = (allocated(), resident());
    let mut tree = Tree::new(TreeOptions::default());
    let (mut zxid, mut parents) = (0, Vec::from([String::new()]));
    // Breadth first, ten below each, until there are enough.
    let mut next = 0;
    while zxid < count {
        let parent = parents[next].clone();
        next += 1;
        for child in 0..10 {
            zxid += 1;
            let path = format!("{parent}/component-{next:07}{child}");
            create(&mut tree, zxid, &path, &[7; 46], child + 1);
            if parents.len() as u64 * 10 < count {
                parents.push(path);
            }
        }
    }
    drop(parents);
    report("created", zxid, before);
}

fn main() {
    let mut args = std::env::args().skip(1);
    let shape = args.next().unwrap_or_else(|| "flat".into());
    let count = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    match &*shape {
        "deep" => deep(count),
        _ => flat(count),
    }
}
