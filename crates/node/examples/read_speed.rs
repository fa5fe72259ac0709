//! Measures how long one read takes, from the undecoded body to the reply frame.
//!
//! `cargo run -p zabra-node --release --example read_speed`
#![expect(clippy::print_stdout, reason = "the numbers are what the program is for")]

use std::borrow::Cow;
use std::time::Instant;
use zabra_node::{Caller, ConnId, Reads, WatchTable};
use zabra_proto::{AclList, CreateTxn, FieldLimit, OpCode, Put, Txn, TxnHeader, TxnType};
use zabra_tree::{Tree, TreeOptions};
use zabra_types::{AuthSchemes, Identity, SessionId, WallTime, Xid, Zxid};

const NODES: usize = 100_000;
const CHILDREN: usize = 100;
const ROUNDS: usize = 1_000_000;

fn main() {
    let tree = grow();
    let bodies: Vec<Vec<u8>> = (0..NODES).map(|number| body(&path(number), false)).collect();
    let watching: Vec<Vec<u8>> = (0..NODES).map(|number| body(&path(number), true)).collect();
    let parents: Vec<Vec<u8>> = (0..NODES / CHILDREN).map(|number| body(&parent(number), false)).collect();
    println!("{NODES} nodes of 100 bytes, {CHILDREN} under each parent");
    measure(&tree, "getData", OpCode::GetData, &bodies);
    measure(&tree, "getData with a watch", OpCode::GetData, &watching);
    measure(&tree, "exists", OpCode::Exists, &bodies);
    measure(&tree, "getChildren2", OpCode::GetChildren2, &parents);
    measure(&tree, "ping", OpCode::Ping, &[Vec::new()]);
}

fn measure(tree: &Tree, what: &str, op: OpCode, bodies: &[Vec<u8>]) {
    let reads = Reads {
        tree,
        last_zxid: tree.last_zxid(),
        schemes: &NoSchemes,
        skip_acl: false,
        field_limit: FieldLimit::default(),
    };
    let identities = [Identity::new("ip", "127.0.0.1")];
    let caller = Caller { session: SessionId::from_raw(1), conn: ConnId::new(0), identities: &identities };
    let mut watches = WatchTable::default();
    let mut out = Vec::new();
    let start = Instant::now();
    for round in 0..ROUNDS {
        // A stride that jumps about and meets every body.
        let body = &bodies[round * 7919 % bodies.len()];
        if out.len() > 64 * 1024 {
            out.clear();
        }
        let refused = reads.answer(&caller, &mut watches, (Xid::from_raw(1), op), body, &mut out);
        assert_eq!(refused, None, "{what}");
    }
    println!("{:6.0} ns  {what}", start.elapsed().as_nanos() as f64 / ROUNDS as f64);
}

fn grow() -> Tree {
    let mut tree = Tree::new(TreeOptions::default());
    for number in 0..NODES / CHILDREN {
        create(&mut tree, &parent(number));
    }
    for number in 0..NODES {
        create(&mut tree, &path(number));
    }
    tree
}

fn create(tree: &mut Tree, path: &str) {
    let zxid = Zxid::from_raw(tree.last_zxid().raw() + 1);
    let time = WallTime::from_millis(1);
    let header = TxnHeader {
        session: SessionId::NONE,
        cxid: Xid::default(),
        zxid,
        time,
        kind: TxnType::Create.code(),
    };
    let txn = Txn::Create(CreateTxn {
        path: Cow::Borrowed(path),
        data: Some(&[7; 100]),
        acl: AclList::OPEN,
        ephemeral: false,
        parent_cversion: -1,
    });
    tree.apply(&header, &txn, &mut ());
}

fn parent(number: usize) -> String {
    format!("/parent-{number:06}")
}

fn path(number: usize) -> String {
    format!("{}/node-{number:010}", parent(number / CHILDREN))
}

fn body(path: &str, watch: bool) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_text(path);
    body.put_bool(watch);
    body
}

/// Open lists ask nobody.
struct NoSchemes;

impl AuthSchemes for NoSchemes {
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

    fn user_name<'a>(&self, _: &str, _: &'a str) -> &'a str {
        ""
    }
}
