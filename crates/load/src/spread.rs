//! Requests all over a tree that [`fill`](crate::fill) made, however large it is.

use crate::engine::{Class, Workload};
use crate::requests::{get, set};
use crate::wire::put_request;
use crate::workload::filled_node;
use fastrand::Rng;

/// Gets and sets of nodes taken at random. Paths are made as they are needed, so that the generator stays as small and as
/// quick with ten million nodes as with ten.
#[derive(Clone, Debug)]
pub struct Spread {
    nodes: usize,
    read_percent: usize,
    data: Vec<u8>,
    rng: Rng,
}

impl Spread {
    /// Of this many nodes, so many reads in a hundred requests; writes leave `data_len` bytes.
    pub fn new(nodes: usize, read_percent: usize, data_len: usize) -> Self {
        Self { nodes, read_percent, data: vec![b'y'; data_len], rng: Rng::with_seed(1) }
    }
}

impl Workload for Spread {
    fn next(&mut self, _: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let path = filled_node(self.rng.usize(..self.nodes));
        if self.rng.usize(..100) < self.read_percent {
            put_request(out, xid, &get(path, false));
            Some(Class::Read)
        } else {
            put_request(out, xid, &set(path, &self.data));
            Some(Class::Write)
        }
    }
}
