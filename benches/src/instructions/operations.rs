//! The operations that are counted.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region};
use zabra_benches::{Served, create, delete, exists, get, get_children, multi_of_sets, set};

/// Nodes of the tree that requests go to, each of 100 bytes.
const NODES: u32 = 2_000;
/// Requests of the longer run.
pub(crate) const COUNT_MAX: u32 = 1_200;
/// Requests of the shorter run: tables and buffers have grown by then.
pub(crate) const COUNT_MIN: u32 = 200;

/// An operation: its name in the record, and what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What a client sends for the nth of them.
    request: fn(u32) -> Vec<u8>,
}

/// All of them, in the order of the table.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "get", about: "getData of 100 bytes", request: |i| get(&path(i), false) },
    Operation { name: "exists", about: "exists", request: |i| exists(&path(i)) },
    Operation {
        name: "get_children_1000",
        about: "getChildren2 of 1,000 names",
        request: |_| get_children("/bench/many"),
    },
    Operation { name: "set", about: "setData of 100 bytes", request: |i| set(&path(i), &DATA) },
    Operation {
        name: "create",
        about: "create with 100 bytes",
        request: |i| create(&format!("/bench/new/node-{i:06}"), &DATA, 0),
    },
    Operation {
        name: "create_ephemeral_sequential",
        about: "the same, ephemeral and sequential",
        request: |_| create("/bench/new/lock-", &DATA, 3),
    },
    Operation { name: "delete", about: "delete", request: |i| delete(&doomed(i)) },
    Operation {
        name: "multi_10",
        about: "a multi of ten sets",
        request: |i| {
            let paths: Vec<_> = (0..10).map(|k| path(i * 10 + k)).collect();
            multi_of_sets(paths.iter().map(String::as_str), &DATA)
        },
    },
    Operation {
        name: "set_batch_of_16",
        about: "sixteen sets in one go, one flush",
        request: |i| (0..16).flat_map(|k| set(&path(i * 16 + k), &DATA)).collect(),
    },
    Operation {
        name: "watch_and_fire",
        about: "a get that leaves a watch, and a set that fires it",
        request: |i| [get(&path(i), true), set(&path(i), &DATA)].concat(),
    },
    Operation {
        name: "fan_out_1000",
        about: "a set that 1,000 connections watch",
        request: |_| set("/bench/watched", &DATA),
    },
];

const DATA: [u8; 100] = [7; 100];

fn path(i: u32) -> String {
    format!("/bench/service-{}/node-{:06}", i % 7, i % NODES)
}

fn doomed(i: u32) -> String {
    format!("/bench/doomed/node-{i:06}")
}

/// The same for every operation and count, so that it vanishes from the difference of two runs.
fn prepared() -> Served {
    let mut served = Served::new();
    let parents = ["", "/new", "/doomed", "/many", "/watched"].map(|name| format!("/bench{name}"));
    let services = (0..7).map(|i| format!("/bench/service-{i}"));
    // Every remainder of both numbers comes up among the first so many.
    let nodes = (0..7 * NODES).map(path);
    let many = (0..1_000).map(|i| format!("/bench/many/child-{i:06}"));
    let doomed = (0..COUNT_MAX).map(doomed);
    for path in parents.into_iter().chain(services).chain(nodes).chain(many).chain(doomed) {
        served.succeed(&create(&path, &DATA, 0));
    }
    served.watch("/bench/watched", 1_000);
    served
}

/// Runs an operation so many times, at most [`COUNT_MAX`]; returns how many allocations that took.
pub(crate) fn drive(operation: &Operation, count: u32) -> usize {
    let mut served = prepared();
    let requests: Vec<_> = (0..COUNT_MAX).map(operation.request).collect();
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    for request in requests.iter().take(count as usize) {
        served.succeed(request);
    }
    let stats = region.change();
    stats.allocations + stats.reallocations
}
