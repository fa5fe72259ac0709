//! Preparation, tested with the real tree behind it.

mod forward;
mod golden;
mod multi;
mod order;
mod pending;
mod random;

use super::{LiveSessions, Prepared, Preparer, Proposal, Submitter, Surroundings};
use crate::reply::{AfterReply, put_write_reply};
use crate::testing::Schemes;
use crate::{NodeOptions, Owner};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use zabra_proto::{FieldLimit, MultiHeader, OpCode, Put, Txn, decode_txn, write_multi_end};
use zabra_tree::{DigestCheck, Outcome, SubOutcome, Tree, TreeOptions};
use zabra_types::{Acl, Identity, KeeperError, OwnerRules, SessionId, WallTime, Xid, Zxid};

/// The sessions that are closing; every other one lives.
#[derive(Default)]
struct Sessions(BTreeSet<SessionId>);

impl LiveSessions for Sessions {
    fn check(&self, session: SessionId, _: Owner) -> Result<(), KeeperError> {
        if self.0.contains(&session) { Err(KeeperError::SessionExpired) } else { Ok(()) }
    }

    fn check_global(&self, session: SessionId, owner: Owner) -> Result<(), KeeperError> {
        self.check(session, owner)?;
        if session == LOCAL { Err(KeeperError::EphemeralOnLocalSession) } else { Ok(()) }
    }
}

const ALICE: SessionId = SessionId::from_raw(0x0100_0016_a1b8_0000);
const BOB: SessionId = SessionId::from_raw(0xb0b);
const ROOT: SessionId = SessionId::from_raw(0x5009e4);
const LOCAL: SessionId = SessionId::from_raw(0x10ca1);

/// A server's brain and state, without a server.
struct World {
    options: NodeOptions,
    tree: Tree,
    preparer: Preparer,
    sessions: Sessions,
    proposed: VecDeque<Proposal>,
    time: i64,
    /// Whether proposals are applied with what preparation found out.
    hints: bool,
}

fn extended() -> NodeOptions {
    let owner_rules = OwnerRules { extended_types: true, emulate_353_ttl: false };
    NodeOptions { owner_rules, ..NodeOptions::default() }
}

impl World {
    fn new(options: NodeOptions) -> Self {
        Self::starting_at(options, Zxid::ZERO)
    }

    fn starting_at(options: NodeOptions, zxid: Zxid) -> Self {
        let tree = Tree::new(TreeOptions {
            owner_rules: options.owner_rules,
            digest: options.digest,
            ..TreeOptions::default()
        });
        Self {
            options,
            tree,
            preparer: Preparer::new(options, zxid),
            sessions: Sessions::default(),
            proposed: VecDeque::new(),
            time: 1_000,
            hints: true,
        }
    }

    fn identities(session: SessionId) -> Vec<Identity> {
        match session {
            ALICE => vec![Identity::new("ip", "10.0.0.1"), Identity::new("digest", "alice:x")],
            ROOT => vec![Identity::new("super", "")],
            _ => vec![Identity::new("ip", "10.0.0.2")],
        }
    }

    /// Prepares, leaving the proposal outstanding.
    fn prepare(&mut self, session: SessionId, (op, body): &Ask) -> Prepared {
        let identities = Self::identities(session);
        let from = Submitter { session, xid: Xid::from_raw(7), owner: Owner::Here, identities: &identities };
        let at = surroundings(&self.tree, &self.sessions, self.time);
        let prepared = self.preparer.prepare(&at, &from, *op, body).unwrap();
        if let Prepared::Proposal(proposal) = &prepared {
            self.proposed.push_back(proposal.clone());
            if *op == OpCode::CloseSession {
                self.sessions.0.insert(session);
            }
        }
        prepared
    }

    /// Applies the oldest proposal, checks that it comes out as it was prepared, and returns its reply.
    fn apply_one(&mut self, op: OpCode) -> Vec<u8> {
        let proposal = self.proposed.pop_front().unwrap();
        let (header, txn, digest) = decode_txn(&proposal.payload).unwrap();
        assert_eq!(header, proposal.header);
        let outcome = if self.hints {
            self.tree.apply_prepared(&header, &txn, self.preparer.hints(header.zxid), &mut ())
        } else {
            self.tree.apply(&header, &txn, &mut ())
        };
        let failed = match (&txn, &outcome) {
            (Txn::Error { .. }, _) => false,
            (Txn::Multi(subs), Outcome::Multi(outcomes)) => {
                let refused = subs.iter().any(|sub| matches!(sub.txn, Txn::Error { .. }));
                !refused && outcomes.iter().any(|outcome| matches!(outcome, SubOutcome::Error(_)))
            }
            (_, outcome) => matches!(outcome, Outcome::Error(_)),
        };
        assert!(!failed, "{txn:?} came out as {outcome:?}");
        match (self.tree.check_digest(header.zxid, digest), &txn) {
            (DigestCheck::Match, _) | (DigestCheck::Skipped, Txn::Error { .. }) => {}
            (check, _) => assert!(!self.options.digest, "{txn:?}: {check:?}"),
        }
        self.preparer.committed(header.zxid);
        let mut reply = Vec::new();
        put_write_reply(&mut reply, (op, header.cxid), &header, &txn, &outcome, self.tree.last_zxid());
        reply
    }

    fn apply_all(&mut self) {
        while !self.proposed.is_empty() {
            self.apply_one(OpCode::Create);
        }
    }

    /// Prepares and applies; what the client is told.
    fn run(&mut self, session: SessionId, ask: &Ask) -> Result<(), KeeperError> {
        self.apply_all();
        let result = outcome(&self.prepare(session, ask));
        self.apply_all();
        result
    }

    /// For making the state a test wants.
    fn make(&mut self, session: SessionId, asks: &[Ask]) {
        for ask in asks {
            assert_eq!(self.run(session, ask), Ok(()), "{ask:?}");
        }
    }
}

fn surroundings<'a>(tree: &'a Tree, sessions: &'a Sessions, time: i64) -> Surroundings<'a> {
    Surroundings {
        tree,
        sessions,
        schemes: &Schemes,
        time: WallTime::from_millis(time),
        field_limit: FieldLimit::default(),
    }
}

/// The code of an error transaction or refusal.
fn outcome(prepared: &Prepared) -> Result<(), KeeperError> {
    match prepared {
        Prepared::Refused(error) => Err(*error),
        Prepared::Proposal(proposal) => match decode_txn(&proposal.payload).unwrap().1 {
            Txn::Error { code } => Err(KeeperError::from_code(code).unwrap()),
            _ => Ok(()),
        },
    }
}

/// An operation and its body.
type Ask = (OpCode, Vec<u8>);

fn put_path(body: &mut Vec<u8>, path: Option<&str>) {
    body.put_buffer(path.map(str::as_bytes));
}

fn put_acl(body: &mut Vec<u8>, acl: Option<&[Acl]>) {
    match acl {
        Some(acl) => body.extend_from_slice(&zabra_proto::AclList::encode_entries(acl)),
        None => body.put_i32(-1),
    }
}

fn create_with(
    op: OpCode,
    path: Option<&str>,
    data: Option<&[u8]>,
    acl: Option<&[Acl]>,
    flags: i32,
    ttl_ms: i64,
) -> Ask {
    let mut body = Vec::new();
    put_path(&mut body, path);
    body.put_buffer(data);
    put_acl(&mut body, acl);
    body.put_i32(flags);
    if op == OpCode::CreateTtl {
        body.put_i64(ttl_ms);
    }
    (op, body)
}

fn open() -> Vec<Acl> {
    vec![Acl::world(zabra_types::Perms::ALL)]
}

fn create(path: &str, flags: i32) -> Ask {
    create_with(OpCode::Create, Some(path), Some(b""), Some(&open()), flags, 0)
}

fn delete(path: &str, version: i32) -> Ask {
    let mut body = Vec::new();
    put_path(&mut body, Some(path));
    body.put_i32(version);
    (OpCode::Delete, body)
}

fn set_data(path: &str, data: &[u8], version: i32) -> Ask {
    let mut body = Vec::new();
    put_path(&mut body, Some(path));
    body.put_buffer(Some(data));
    body.put_i32(version);
    (OpCode::SetData, body)
}

fn set_acl(path: &str, acl: &[Acl], version: i32) -> Ask {
    let mut body = Vec::new();
    put_path(&mut body, Some(path));
    put_acl(&mut body, Some(acl));
    body.put_i32(version);
    (OpCode::SetAcl, body)
}

/// Only for [`multi`].
fn check(path: &str, version: i32) -> Ask {
    (OpCode::Check, delete(path, version).1)
}

fn close() -> Ask {
    (OpCode::CloseSession, Vec::new())
}

fn multi(asks: &[Ask]) -> Ask {
    let mut body = Vec::new();
    for (op, ask) in asks {
        MultiHeader { op: op.code(), done: false, err: -1 }.encode(&mut body);
        body.extend_from_slice(ask);
    }
    write_multi_end(&mut body);
    (OpCode::Multi, body)
}

/// A transaction in a line, without what every test has alike.
fn shown(prepared: &Prepared) -> String {
    match prepared {
        Prepared::Refused(error) => alloc::format!("refused {}", error.code()),
        Prepared::Proposal(proposal) => show(&decode_txn(&proposal.payload).unwrap().1),
    }
}

fn show(txn: &Txn<'_>) -> String {
    use alloc::format;
    match txn {
        Txn::Create(c) => {
            format!("create {} {}{}", c.path, c.parent_cversion, if c.ephemeral { " eph" } else { "" })
        }
        Txn::CreateContainer(c) => format!("container {} {}", c.path, c.parent_cversion),
        Txn::CreateTtl(c, ttl_ms) => format!("ttl {} {} {ttl_ms}", c.path, c.parent_cversion),
        Txn::Delete { path } => format!("delete {path}"),
        Txn::SetData { path, version, .. } => format!("setData {path} {version}"),
        Txn::SetAcl { path, version, .. } => format!("setACL {path} {version}"),
        Txn::Check { path, version } => format!("check {path} {version}"),
        Txn::Error { code } => format!("error {code}"),
        Txn::Multi(subs) => subs.iter().map(|sub| show(&sub.txn)).collect::<Vec<_>>().join("; "),
        Txn::CreateSession { timeout_ms } => format!("session {timeout_ms}"),
        Txn::CloseSession { paths: None } => "close".to_string(),
        Txn::CloseSession { paths: Some(paths) } => format!("close {}", paths.join(" ")),
    }
}

#[test]
fn zxids_count_on_and_epochs_end() {
    let last = Zxid::from_raw(0x3_ffff_fffe);
    let mut world = World::starting_at(NodeOptions::default(), Zxid::from_raw(0x3_ffff_fffd));
    world.prepare(ALICE, &create("/a", 0));
    assert_eq!(world.preparer.last_zxid(), last, "a leader leaves the last one out");
    let identities = [];
    let from =
        Submitter { session: ALICE, xid: Xid::from_raw(1), owner: Owner::Here, identities: &identities };
    let (op, body) = create("/b", 0);
    let at = surroundings(&world.tree, &world.sessions, 0);
    let used_up = world.preparer.prepare(&at, &from, op, &body).unwrap_err();
    assert_eq!(used_up.to_string(), "epoch 3 has no transaction numbers left");
    assert_eq!(world.preparer.last_zxid(), last);

    let mut world = World::starting_at(NodeOptions { rolls_epochs: true, ..NodeOptions::default() }, last);
    world.make(ALICE, &[create("/a", 0), create("/b", 0)]);
    assert_eq!(world.preparer.last_zxid().raw(), 0x4_0000_0001);
    let top = Zxid::from_raw(0x7fff_ffff_ffff_ffff);
    let mut preparer = Preparer::new(world.options, top);
    let at = surroundings(&world.tree, &world.sessions, 0);
    assert!(preparer.prepare(&at, &from, op, &body).is_err(), "the next zxid would be negative");
}

#[test]
fn a_moved_session_is_not_answered() {
    let proposal = |txn: &Txn<'_>| {
        let mut out = Vec::new();
        let header = zabra_proto::TxnHeader {
            session: ALICE,
            cxid: Xid::from_raw(1),
            zxid: Zxid::from_raw(1),
            time: WallTime::from_millis(0),
            kind: -1,
        };
        let outcome = Outcome::Error(-118);
        let after = put_write_reply(
            &mut out,
            (OpCode::Create, Xid::from_raw(1)),
            &header,
            txn,
            &outcome,
            header.zxid,
        );
        (after, out.len())
    };
    let moved = || Txn::Error { code: KeeperError::SessionMoved.code() };
    assert_eq!(proposal(&moved()), (AfterReply::CloseSilently, 0));
    let subs = vec![zabra_proto::SubTxn { kind: -1, txn: moved() }];
    assert_eq!(proposal(&Txn::Multi(subs)), (AfterReply::CloseSilently, 0));
    assert_eq!(proposal(&Txn::Error { code: -101 }), (AfterReply::Keep, 20));
}
