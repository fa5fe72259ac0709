//! What is asked of a server.

use crate::engine::{Class, Engine, Until, Workload};
use crate::requests::{
    EPHEMERAL_SEQUENTIAL, children, create, delete, exists, get, multi_create, multi_set, set,
};
use crate::wire::{Template, put_request};
use fastrand::Rng;
use std::io;
use std::net::SocketAddr;
use zabra_proto::Request;

/// Where everything is kept.
const ROOT: &str = "/bench";
/// Requests in flight while preparing.
const PREPARE_DEPTH: usize = 64;
/// Nodes in a directory of those that fill a tree.
const DIRECTORY_LEN: usize = 1000;
/// Creates in one multi while filling.
const FILL_MULTI_LEN: usize = 100;
/// Choices are the same in each run.
const SEED: u64 = 1;

/// An operation to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Op {
    /// getData
    Get,
    /// setData
    Set,
    /// getData nine times in ten, else setData (see --reads)
    Mix,
    /// exists
    Exists,
    /// create, persistent
    Create,
    /// sequential ephemeral create, then its deletion
    Churn,
    /// multi of setData (see --batch)
    Multi,
    /// getChildren of one node with many children (see --nodes), with setData beside (see --reads)
    Children,
    /// ping
    Ping,
}

/// What a workload needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// What is asked.
    pub op: Op,
    /// Nodes that are read and set.
    pub nodes: usize,
    /// Bytes of data in each.
    pub data_len: usize,
    /// Reads in a hundred requests of a mix.
    pub reads: usize,
    /// Operations of one multi.
    pub batch: usize,
}

impl Shape {
    /// An operation on a thousand nodes of 100 bytes.
    pub const fn of(op: Op) -> Self {
        let reads = if matches!(op, Op::Mix) { 90 } else { 100 };
        Self { op, nodes: 1000, data_len: 100, reads, batch: 10 }
    }
}

/// Makes the nodes a workload uses; those that are there already get data of this length.
pub fn prepare(addr: SocketAddr, shape: Shape) -> io::Result<()> {
    let data = vec![b'x'; shape.data_len];
    let parents = [create(ROOT, b"", 0), create(format!("{ROOT}/new"), b"", 0)];
    let nodes = (0..shape.nodes).flat_map(|n| [create(node(n), &data, 0), set(node(n), &data)]);
    let mut queue = Queue { requests: parents.into_iter().chain(nodes) };
    let mut engine = Engine::connect(addr, 1, PREPARE_DEPTH)?;
    engine.run(&mut queue, Until::Done, || ())?;
    Ok(())
}

/// Makes `count` empty nodes a workload can use.
pub fn fill_flat(addr: SocketAddr, count: usize) -> io::Result<()> {
    prepare(addr, Shape { nodes: count, data_len: 0, ..Shape::of(Op::Get) })
}

/// The path of a node that fills a tree.
pub fn filled_node(n: usize) -> String {
    Layout::Short.node(n)
}

/// How a tree that is filled looks, with a thousand nodes in each directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Paths of 27 bytes and more: `/bench/fill/d00000/n0000000`.
    Short,
    /// Paths of 115 bytes, as those of the parts of a replicated table: deep, with long parents and names of 27 bytes.
    Long,
}

impl Layout {
    /// The path of a node.
    pub fn node(self, n: usize) -> String {
        let directory = self.directory(n / DIRECTORY_LEN);
        match self {
            Self::Short => format!("{directory}/n{n:07}"),
            Self::Long => format!("{directory}/202401_{n:07}_{n:07}_0000"),
        }
    }

    fn directory(self, n: usize) -> String {
        match self {
            Self::Short => format!("{ROOT}/fill/d{n:05}"),
            Self::Long => {
                format!(
                    "{ROOT}/production/tables/{n:08x}-6a1e-4c3b-9f57-d24e8{n:07}/replicas/replica-01/parts"
                )
            }
        }
    }

    /// Everything above the nodes of `count`, parents first.
    fn parents(self, count: usize) -> impl Iterator<Item = String> {
        (0..count.div_ceil(DIRECTORY_LEN)).flat_map(move |n| {
            let directory = self.directory(n);
            // What was above the last directory is there already.
            let last = n.checked_sub(1).map_or_else(String::new, |last| self.directory(last));
            let ends = directory.match_indices('/').map(|(at, _)| at).skip(1).chain([directory.len()]);
            let paths: Vec<String> = ends
                .filter(|&end| {
                    !last.strip_prefix(&directory[..end]).is_some_and(|rest| rest.starts_with('/'))
                })
                .map(|end| directory[..end].to_owned())
                .collect();
            paths
        })
    }
}

/// Makes `count` nodes of `data_len` bytes, a thousand in a directory.
pub fn fill(addr: SocketAddr, count: usize, data_len: usize) -> io::Result<()> {
    fill_as(addr, Layout::Short, count, data_len)
}

/// As [`fill`], with paths of some layout.
pub fn fill_as(addr: SocketAddr, layout: Layout, count: usize, data_len: usize) -> io::Result<()> {
    let mut engine = Engine::connect(addr, 1, 8)?;
    let parents = layout.parents(count).map(|path| create(path, b"", 0));
    engine.run(&mut Queue { requests: parents }, Until::Done, || ())?;
    let data = vec![b'x'; data_len];
    let multis = (0..count).step_by(FILL_MULTI_LEN).map(|from| {
        let nodes = from..(from + FILL_MULTI_LEN).min(count);
        Request::Multi(nodes.map(|n| multi_create(layout.node(n), &data)).collect())
    });
    let sample = engine.run(&mut Queue { requests: multis }, Until::Done, || ())?;
    if sample.errors > 0 {
        return Err(io::Error::other(format!("{} requests of filling failed", sample.errors)));
    }
    Ok(())
}

/// The path of a node that is read and set.
pub fn node(n: usize) -> String {
    format!("{ROOT}/n{n:07}")
}

/// The workload of an operation on `connections` connections.
pub fn workload(shape: Shape, connections: usize) -> Box<dyn Workload> {
    let data = vec![b'y'; shape.data_len];
    let gets = || (0..shape.nodes).map(|n| Template::new(&get(node(n), false))).collect();
    let sets = || (0..shape.nodes).map(|n| Template::new(&set(node(n), &data))).collect();
    let only_reads = |reads| Choice { reads, writes: Vec::new(), read_percent: 100, rng: rng() };
    let only_writes = |writes| Choice { reads: Vec::new(), writes, read_percent: 0, rng: rng() };
    let mix = |reads, writes| Choice { reads, writes, read_percent: shape.reads, rng: rng() };
    match shape.op {
        Op::Get => Box::new(only_reads(gets())),
        Op::Set => Box::new(only_writes(sets())),
        Op::Mix => Box::new(mix(gets(), sets())),
        Op::Exists => {
            Box::new(only_reads((0..shape.nodes).map(|n| Template::new(&exists(node(n)))).collect()))
        }
        Op::Multi => {
            let multis = (0..shape.nodes).map(|first| {
                let sets = (first..first + shape.batch).map(|n| multi_set(node(n % shape.nodes), &data));
                Template::new(&Request::Multi(sets.collect()))
            });
            Box::new(only_writes(multis.collect()))
        }
        Op::Children => Box::new(mix(vec![Template::new(&children(ROOT))], sets())),
        Op::Ping => Box::new(only_reads(vec![Template::new(&Request::Ping)])),
        Op::Create => Box::new(Creates { prefix: unique_prefix(), counts: vec![0; connections], data }),
        Op::Churn => Box::new(Churn { prefix: unique_prefix(), counts: vec![0; connections], data }),
    }
}

fn rng() -> Rng {
    Rng::with_seed(SEED)
}

impl Workload for Box<dyn Workload> {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        (**self).next(connection, xid, out)
    }
}

/// Names no earlier run has used.
fn unique_prefix() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{ROOT}/new/{:x}", now.as_micros())
}

/// Requests one after the other, on whichever connection asks.
#[derive(Debug)]
pub struct Queue<I> {
    /// What is left.
    pub requests: I,
}

impl<'a, I: Iterator<Item = Request<'a>>> Workload for Queue<I> {
    fn next(&mut self, _: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        put_request(out, xid, &self.requests.next()?);
        Some(Class::Write)
    }
}

/// A read or a write of any node.
struct Choice {
    reads: Vec<Template>,
    writes: Vec<Template>,
    read_percent: usize,
    rng: Rng,
}

impl Workload for Choice {
    fn next(&mut self, _: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let (templates, class) = if self.rng.usize(..100) < self.read_percent {
            (&self.reads, Class::Read)
        } else {
            (&self.writes, Class::Write)
        };
        templates[self.rng.usize(..templates.len())].put(xid, out);
        Some(class)
    }
}

/// Nodes that stay.
struct Creates {
    prefix: String,
    counts: Vec<u64>,
    data: Vec<u8>,
}

impl Workload for Creates {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let count = &mut self.counts[connection];
        *count += 1;
        let path = format!("{}-{connection}-{count}", self.prefix);
        put_request(out, xid, &create(path, &self.data, 0));
        Some(Class::Write)
    }
}

/// Ephemeral sequential nodes that come and go, as locks do. Each connection has a parent of its own, so that it knows
/// which number a node gets without looking at the reply.
struct Churn {
    prefix: String,
    counts: Vec<u64>,
    data: Vec<u8>,
}

impl Workload for Churn {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let count = &mut self.counts[connection];
        let parent = format!("{}-{connection}", self.prefix);
        let request = match count.checked_sub(1) {
            None => create(parent, b"", 0),
            Some(n) if n.is_multiple_of(2) => {
                create(format!("{parent}/lock-"), &self.data, EPHEMERAL_SEQUENTIAL)
            }
            Some(n) => delete(format!("{parent}/lock-{:010}", n / 2)),
        };
        *count += 1;
        put_request(out, xid, &request);
        Some(Class::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zabra_proto::{OpCode, Reader, RequestHeader};

    /// What a connection asks, as a server would read it.
    fn asked(workload: &mut dyn Workload, count: usize) -> Vec<(OpCode, String)> {
        let mut seen = Vec::new();
        for xid in 1..=count {
            let mut frame = Vec::new();
            workload.next(0, xid as i32, &mut frame).unwrap();
            let mut reader = Reader::new(&frame[4..]);
            let header = RequestHeader::decode(&mut reader).unwrap();
            let op = OpCode::from_code(header.op).unwrap();
            let path = match Request::decode(op, &mut reader).unwrap() {
                Request::Create(create) => create.path.unwrap().into_owned(),
                Request::Delete(delete) => delete.path.unwrap().into_owned(),
                other => panic!("{other:?}"),
            };
            seen.push((op, path.rsplit_once('/').unwrap().1.to_owned()));
        }
        seen
    }

    #[test]
    fn churn_deletes_what_it_created() {
        let mut churn = workload(Shape::of(Op::Churn), 1);
        let seen = asked(&mut churn, 5);
        let ops: Vec<OpCode> = seen.iter().map(|(op, _)| *op).collect();
        assert_eq!(ops, [OpCode::Create, OpCode::Create, OpCode::Delete, OpCode::Create, OpCode::Delete]);
        let names: Vec<&str> = seen[1..].iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["lock-", "lock-0000000000", "lock-", "lock-0000000001"]);
    }

    #[test]
    fn layouts_make_parents_first() {
        let short: Vec<String> = Layout::Short.parents(1001).collect();
        assert_eq!(short, ["/bench", "/bench/fill", "/bench/fill/d00000", "/bench/fill/d00001"]);
        assert_eq!(Layout::Long.node(0).len(), 115);
        assert_eq!(Layout::Long.node(9_999_999).len(), 115);
        for layout in [Layout::Short, Layout::Long] {
            let mut made = std::collections::HashSet::from([String::new()]);
            for path in layout.parents(3000).chain((0..3000).map(|n| layout.node(n))) {
                let parent = path.rsplit_once('/').unwrap().0.to_owned();
                assert!(made.contains(&parent), "{path} has no parent");
                assert!(made.insert(path), "made twice below {parent}");
            }
        }
    }

    #[test]
    fn a_mix_reads_as_often_as_told() {
        let mut mix = workload(Shape { reads: 70, ..Shape::of(Op::Mix) }, 1);
        let mut out = Vec::new();
        let reads = (0..1000).filter(|_| mix.next(0, 1, &mut out) == Some(Class::Read)).count();
        assert!((650..750).contains(&reads), "{reads}");
    }
}
