//! What is asked of a server.

use crate::engine::{Class, Engine, Until, Workload};
use crate::wire::{Template, put_request};
use std::io;
use std::net::SocketAddr;
use zabra_proto::OpCode;
use zabra_testkit::{MultiBuilder, RawRequest, Rng};

/// Where everything is kept.
const ROOT: &str = "/bench";
/// Operations of one multi.
const MULTI_LEN: usize = 10;
/// Requests in flight while preparing.
const PREPARE_DEPTH: usize = 64;
/// Nodes in a directory of those that fill a tree.
const DIRECTORY_LEN: usize = 1000;
/// Creates in one multi while filling.
const FILL_MULTI_LEN: usize = 100;

/// An operation to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Op {
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
    /// multi of ten setData
    Multi,
    /// getChildren of one node with many children (see --nodes)
    Children,
    /// ping
    Ping,
}

/// What a workload needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) op: Op,
    /// Nodes that are read and set.
    pub(crate) nodes: usize,
    /// Bytes of data in each.
    pub(crate) data_len: usize,
    /// Reads in a hundred requests of a mix.
    pub(crate) reads: usize,
}

/// Makes the nodes a workload uses; those that are there already get data of this length.
pub(crate) fn prepare(addr: SocketAddr, shape: Shape) -> io::Result<()> {
    let data = vec![b'x'; shape.data_len];
    let mut requests =
        vec![RawRequest::create(ROOT, b"", 0), RawRequest::create(&format!("{ROOT}/new"), b"", 0)];
    for n in 0..shape.nodes {
        requests.push(RawRequest::create(&node(n), &data, 0));
        requests.push(RawRequest::set_data(&node(n), Some(&data), -1));
    }
    let mut queue = Queue { requests: requests.into_iter() };
    let mut engine = Engine::connect(addr, 1, PREPARE_DEPTH)?;
    engine.run(&mut queue, Until::Done, || ())?;
    Ok(())
}

/// Makes `count` empty nodes a workload can use.
pub(crate) fn fill_flat(addr: SocketAddr, count: usize) -> io::Result<()> {
    prepare(addr, Shape { op: Op::Get, nodes: count, data_len: 0, reads: 100 })
}

/// The path of a node that fills a tree.
pub(crate) fn filled_node(n: usize) -> String {
    format!("{}/n{n:07}", directory(n / DIRECTORY_LEN))
}

/// Makes `count` nodes of `data_len` bytes, a thousand in a directory.
pub(crate) fn fill(addr: SocketAddr, count: usize, data_len: usize) -> io::Result<()> {
    let mut engine = Engine::connect(addr, 1, 8)?;
    let mut requests =
        vec![RawRequest::create(ROOT, b"", 0), RawRequest::create(&format!("{ROOT}/fill"), b"", 0)];
    requests.extend((0..count.div_ceil(DIRECTORY_LEN)).map(|d| RawRequest::create(&directory(d), b"", 0)));
    engine.run(&mut Queue { requests: requests.into_iter() }, Until::Done, || ())?;
    let data = vec![b'x'; data_len];
    let multis = (0..count).step_by(FILL_MULTI_LEN).map(|from| {
        let mut multi = MultiBuilder::new();
        for n in from..(from + FILL_MULTI_LEN).min(count) {
            multi.push(&RawRequest::create(&filled_node(n), &data, 0));
        }
        multi.finish(OpCode::Multi)
    });
    let sample = engine.run(&mut Queue { requests: multis }, Until::Done, || ())?;
    if sample.errors > 0 {
        return Err(io::Error::other(format!("{} requests of filling failed", sample.errors)));
    }
    Ok(())
}

fn directory(n: usize) -> String {
    format!("{ROOT}/fill/d{n:05}")
}

/// The path of a node that is read and set.
pub(crate) fn node(n: usize) -> String {
    format!("{ROOT}/n{n:07}")
}

/// The workload of an operation on `connections` connections.
pub(crate) fn workload(shape: Shape, connections: usize) -> Box<dyn Workload> {
    let data = vec![b'y'; shape.data_len];
    let gets = || -> Vec<Template> {
        let read = |n| Template::new(&RawRequest::read(OpCode::GetData, &node(n), false));
        (0..shape.nodes).map(read).collect()
    };
    let sets = || -> Vec<Template> {
        (0..shape.nodes).map(|n| Template::new(&RawRequest::set_data(&node(n), Some(&data), -1))).collect()
    };
    let rng = Rng::new(1);
    match shape.op {
        Op::Get => Box::new(Choice { reads: gets(), writes: Vec::new(), read_percent: 100, rng }),
        Op::Set => Box::new(Choice { reads: Vec::new(), writes: sets(), read_percent: 0, rng }),
        Op::Mix => Box::new(Choice { reads: gets(), writes: sets(), read_percent: shape.reads, rng }),
        Op::Exists => {
            let read = |n| Template::new(&RawRequest::read(OpCode::Exists, &node(n), false));
            Box::new(Choice {
                reads: (0..shape.nodes).map(read).collect(),
                writes: Vec::new(),
                read_percent: 100,
                rng,
            })
        }
        Op::Multi => {
            let multis = (0..shape.nodes).map(|first| {
                let mut multi = MultiBuilder::new();
                for n in first..first + MULTI_LEN {
                    multi.push(&RawRequest::set_data(&node(n % shape.nodes), Some(&data), -1));
                }
                Template::new(&multi.finish(OpCode::Multi))
            });
            Box::new(Choice { reads: Vec::new(), writes: multis.collect(), read_percent: 0, rng })
        }
        Op::Children => Box::new(Choice {
            reads: vec![Template::new(&RawRequest::read(OpCode::GetChildren, ROOT, false))],
            writes: Vec::new(),
            read_percent: 100,
            rng,
        }),
        Op::Ping => Box::new(Choice {
            reads: vec![Template::bare(OpCode::Ping)],
            writes: Vec::new(),
            read_percent: 100,
            rng,
        }),
        Op::Create => Box::new(Create { prefix: unique_prefix(), counts: vec![0; connections], data }),
        Op::Churn => Box::new(Churn { prefix: unique_prefix(), counts: vec![0; connections], data }),
    }
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
pub(crate) struct Queue<I> {
    pub(crate) requests: I,
}

impl<I: Iterator<Item = RawRequest>> Workload for Queue<I> {
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
        let (templates, class) = if self.rng.below(100) < self.read_percent {
            (&self.reads, Class::Read)
        } else {
            (&self.writes, Class::Write)
        };
        templates[self.rng.below(templates.len())].put(xid, out);
        Some(class)
    }
}

/// Nodes that stay.
struct Create {
    prefix: String,
    counts: Vec<u64>,
    data: Vec<u8>,
}

impl Workload for Create {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let count = &mut self.counts[connection];
        *count += 1;
        let path = format!("{}-{connection}-{count}", self.prefix);
        put_request(out, xid, &RawRequest::create(&path, &self.data, 0));
        Some(Class::Write)
    }
}

/// Ephemeral nodes that come and go, as locks do.
struct Churn {
    prefix: String,
    counts: Vec<u64>,
    data: Vec<u8>,
}

impl Workload for Churn {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let count = &mut self.counts[connection];
        let path = format!("{}-{connection}-{}", self.prefix, *count / 2);
        let request = if count.is_multiple_of(2) {
            RawRequest::create(&path, &self.data, 1)
        } else {
            RawRequest::delete(&path, -1)
        };
        *count += 1;
        put_request(out, xid, &request);
        Some(Class::Write)
    }
}
