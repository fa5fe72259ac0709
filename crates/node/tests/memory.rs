//! What watches take.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use zabra_node::{ConnId, WatchKind, WatchTable};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that a table holds for each watch, of which every connection sets one on every path.
fn bytes_a_watch(conns: u32, paths: u32) -> f64 {
    let region = Region::new(ALLOCATOR);
    let mut table = WatchTable::default();
    for path in 0..paths {
        let path = format!("/watched/node-{path:07}");
        for conn in 0..conns {
            assert!(table.add(&path, ConnId::new(conn), WatchKind::Data));
        }
    }
    let change = region.change();
    let held = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
    assert_eq!(table.watch_count(), (conns * paths) as usize);
    held as f64 / f64::from(conns * paths)
}

/// The genuine server holds 111 bytes for each of a million watches. One test, as the allocator counts for all.
#[test]
fn a_watch_takes_few_bytes() {
    for (conns, paths, most) in [(10, 100_000, 16.0), (1, 100_000, 90.0), (10_000, 1, 48.0)] {
        let bytes = bytes_a_watch(conns, paths);
        assert!(bytes <= most, "{conns} connections on {paths} paths: {bytes:.1} bytes a watch");
    }
}
