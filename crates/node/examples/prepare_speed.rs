//! How long preparing takes, with a thousand proposals outstanding: `cargo run --release -p zabra-node --example
//! prepare_speed`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use std::time::Instant;
use zabra_node::{LiveSessions, NodeOptions, Owner, Prepared, Preparer, Proposal, Submitter, Surroundings};
use zabra_proto::{AclList, FieldLimit, OpCode, Put, decode_txn};
use zabra_tree::{Tree, TreeOptions};
use zabra_types::{AuthSchemes, KeeperError, SessionId, WallTime, Xid, Zxid};

const NODES: usize = 10_000;
const BATCH: usize = 1_000;
const ROUNDS: usize = 200;

struct Nothing;

impl LiveSessions for Nothing {
    fn check(&self, _: SessionId, _: Owner) -> Result<(), KeeperError> {
        Ok(())
    }
}

impl AuthSchemes for Nothing {
    fn exists(&self, _: &str) -> bool {
        false
    }
    fn is_valid_id(&self, _: &str, _: &str) -> bool {
        false
    }
    fn matches(&self, _: &str, _: &str, _: &str) -> bool {
        false
    }
    fn authenticates(&self, _: &str) -> bool {
        false
    }
    fn user_name<'a>(&self, _: &str, id: &'a str) -> &'a str {
        id
    }
}

struct Bench {
    tree: Tree,
    preparer: Preparer,
}

impl Bench {
    fn prepare(&mut self, op: OpCode, body: &[u8]) -> Proposal {
        let at = Surroundings {
            tree: &self.tree,
            sessions: &Nothing,
            schemes: &Nothing,
            time: WallTime::from_millis(0),
            field_limit: FieldLimit::default(),
        };
        let from = Submitter {
            session: SessionId::from_raw(1),
            xid: Xid::default(),
            owner: Owner::Here,
            identities: &[],
        };
        match self.preparer.prepare(&at, &from, op, body).unwrap() {
            Prepared::Proposal(proposal) => proposal,
            Prepared::Refused(error) => panic!("{error}"),
        }
    }

    fn apply(&mut self, proposal: &Proposal) {
        let (header, txn, _) = decode_txn(&proposal.payload).unwrap();
        self.tree.apply(&header, &txn, &mut ());
        self.preparer.committed(header.zxid);
    }

    /// Prepares and applies batches of one kind of request, and prints the time of each.
    fn run(&mut self, name: &str, op: OpCode, body: impl Fn(usize) -> Vec<u8>) {
        let (mut preparing, mut applying) = (0, 0);
        for round in 0..ROUNDS {
            let bodies: Vec<_> = (0..BATCH).map(|i| body(round * BATCH + i)).collect();
            let start = Instant::now();
            let proposals: Vec<_> = bodies.iter().map(|body| self.prepare(op, body)).collect();
            preparing += start.elapsed().as_nanos();
            let start = Instant::now();
            proposals.iter().for_each(|proposal| self.apply(proposal));
            applying += start.elapsed().as_nanos();
        }
        let count = (ROUNDS * BATCH) as u128;
        println!("{name}: prepare {} ns, decode and apply {} ns", preparing / count, applying / count);
    }
}

fn path(i: usize) -> String {
    format!("/bench/service-{}/node-{:06}", i % 7, i % NODES)
}

fn create(path: &str, flags: i32) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_text(path);
    body.put_buffer(Some(&[7; 100]));
    body.extend_from_slice(AclList::OPEN.as_bytes());
    body.put_i32(flags);
    body
}

fn set(i: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_text(&path(i));
    body.put_buffer(Some(&[9; 100]));
    body.put_i32(-1);
    body
}

fn delete(i: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_text(&format!("/bench/queue/item-{i:010}"));
    body.put_i32(-1);
    body
}

fn main() {
    let mut bench = Bench {
        tree: Tree::new(TreeOptions::default()),
        preparer: Preparer::new(NodeOptions::default(), Zxid::ZERO),
    };
    let mut setup = vec!["/bench".to_owned(), "/bench/queue".to_owned()];
    setup.extend((0..7).map(|i| format!("/bench/service-{i}")));
    // Every remainder of both numbers comes up.
    setup.extend((0..7 * NODES).map(path));
    for path in setup {
        let proposal = bench.prepare(OpCode::Create, &create(&path, 0));
        bench.apply(&proposal);
    }
    bench.run("set 100 bytes", OpCode::SetData, set);
    bench.run("create sequential", OpCode::Create, |_| create("/bench/queue/item-", 2));
    bench.run("delete", OpCode::Delete, delete);
}
