//! The way of a request through a server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zabra_auth::{AuthOptions, Providers};
use zabra_node::{
    Caller, ConnId, Deliver, Events, Gate, GateToken, NodeOptions, Owner, Prepared, Preparer, Proposal,
    Reads, SessionTracker, Submitter, Surroundings, WatchKind, WatchTable, reply,
};
use zabra_proto::{FieldLimit, FrameLimits, OpClass, OpCode, Reader, RequestHeader, decode_txn, split_frame};
use zabra_storage::{LogOptions, TxnLog};
use zabra_tree::{DigestCheck, Tree, TreeOptions};
use zabra_types::{Identity, Now, ServerId, SessionId, WallTime, Xid, Zxid};

use crate::Sink;

/// The connection whose requests are served; those above it only watch.
const CLIENT: ConnId = ConnId::new(0);

/// A write on its way.
#[derive(Debug)]
struct Queued {
    proposal: Proposal,
    xid: Xid,
    op: OpCode,
    token: GateToken,
}

/// What leaves the connections: the client's replies, and how many events there were.
#[derive(Debug, Default)]
struct Outbox {
    gate: Gate,
    bytes: Vec<u8>,
    /// The bytes of the other connections, of which only the place is kept.
    others: Vec<u8>,
    identities: Arc<[Identity]>,
}

impl Deliver for Outbox {
    fn identities(&self, _: ConnId) -> Option<Arc<[Identity]>> {
        Some(Arc::clone(&self.identities))
    }

    fn deliver(&mut self, conn: ConnId, frame: &[u8]) {
        if conn == CLIENT {
            self.bytes.extend_from_slice(frame);
        } else {
            self.others.clear();
            self.others.extend_from_slice(frame);
        }
    }
}

/// A standalone server with one session, less its input and output: requests go the way that `conn/admit.rs` and `pipeline.rs`
/// of the server send them, on one thread. The log's disk is a [`Sink`].
#[derive(Debug)]
pub struct Served {
    tree: Tree,
    preparer: Preparer,
    sessions: SessionTracker,
    watches: WatchTable,
    schemes: Providers,
    log: TxnLog,
    queue: Vec<Queued>,
    session: SessionId,
    outbox: Outbox,
    limits: FrameLimits,
    time: i64,
}

impl Default for Served {
    fn default() -> Self {
        Self::new()
    }
}

impl Served {
    /// A fresh server as configured by default.
    pub fn new() -> Self {
        let options = LogOptions {
            dir: PathBuf::from("/log"),
            force_sync: true,
            growth: 64 << 20,
            file_size_max: None,
            payload_len_max: FieldLimit::default(),
        };
        let mut sessions = SessionTracker::new(ServerId::new(1), 1_700_000_000_000, Duration::from_secs(2));
        let session = sessions.create(30_000, Now::default());
        Self {
            tree: Tree::new(TreeOptions::default()),
            preparer: Preparer::new(NodeOptions { rolls_epochs: true, ..NodeOptions::default() }, Zxid::ZERO),
            sessions,
            watches: WatchTable::default(),
            schemes: Providers::new(AuthOptions::default()),
            log: TxnLog::open(Arc::new(Sink::default()), options, Zxid::ZERO),
            queue: Vec::new(),
            session,
            outbox: Outbox { identities: [Identity::new("ip", "127.0.0.1")].into(), ..Outbox::default() },
            limits: FrameLimits::default(),
            time: 1_700_000_000_000,
        }
    }

    /// The state.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Gives that many other connections a persistent watch on a node.
    pub fn watch(&mut self, path: &str, conns: u32) {
        for conn in 1..=conns {
            self.watches.add(path, ConnId::new(conn), WatchKind::Persistent);
        }
    }

    /// What a server does with the bytes of one wake-up: answers the reads, brings the writes to the log, applies and answers
    /// them. Returns the replies.
    ///
    /// # Panics
    /// The bytes are no complete frames of requests, or something in the server is wrong: what is measured would not be
    /// what is meant.
    pub fn serve(&mut self, bytes: &[u8]) -> &[u8] {
        self.outbox.bytes.clear();
        let mut rest = bytes;
        while let Some((frame, behind)) =
            split_frame(rest, self.limits.frame_len_max).expect("the frames are our own")
        {
            rest = behind;
            self.admit(frame);
        }
        assert!(rest.is_empty(), "the last frame is cut");
        if !self.queue.is_empty() {
            self.append();
            self.commit();
        }
        &self.outbox.bytes
    }

    /// Like [`Served::serve`] for a single request that must succeed.
    ///
    /// # Panics
    /// As [`Served::serve`], and when the request was refused.
    pub fn succeed(&mut self, request: &[u8]) {
        let reply = self.serve(request);
        // The error code of the first header, whether a reply's or an event's.
        assert_eq!(reply.get(16..20), Some(&[0; 4][..]), "a request was refused");
    }

    /// Prepares a request and leaves it at that. [`Served::commit`] has to follow.
    pub fn admit(&mut self, frame: &[u8]) {
        let limit = FieldLimit(self.limits.field_len_max);
        let mut reader = Reader::with_limit(frame, limit);
        let header = RequestHeader::decode(&mut reader).expect("the header is our own");
        let (op, body) = (OpCode::from_code(header.op).expect("the operation is known"), reader.rest());
        match op.class() {
            OpClass::Read => {
                assert!(!self.outbox.gate.is_waiting(), "reads come by themselves");
                let reads = Reads {
                    tree: &self.tree,
                    last_zxid: self.tree.last_zxid(),
                    schemes: &self.schemes,
                    skip_acl: false,
                    field_limit: limit,
                };
                let Outbox { bytes, identities, .. } = &mut self.outbox;
                let caller = Caller { session: self.session, conn: CLIENT, identities };
                reads.answer(&caller, &mut self.watches, (header.xid, op), body, bytes);
            }
            OpClass::Write => {
                self.time += 1;
                let at = Surroundings {
                    tree: &self.tree,
                    sessions: &self.sessions,
                    schemes: &self.schemes,
                    time: WallTime::from_millis(self.time),
                    field_limit: limit,
                };
                let identities = &self.outbox.identities;
                let from =
                    Submitter { session: self.session, xid: header.xid, owner: Owner::Here, identities };
                match self.preparer.prepare(&at, &from, op, body) {
                    Ok(Prepared::Proposal(proposal)) => {
                        let token = self.outbox.gate.push_write();
                        self.queue.push(Queued { proposal, xid: header.xid, op, token });
                    }
                    other => panic!("a request became no transaction: {other:?}"),
                }
            }
            class => panic!("{op:?} is {class:?}, which is not served here"),
        }
    }

    /// Brings what was prepared to the log.
    pub fn append(&mut self) {
        for Queued { proposal, .. } in &self.queue {
            self.log.append(proposal.header.zxid, &proposal.payload).expect("the log is in order");
        }
        self.log.flush().expect("a sink takes everything");
        self.log.fill_ahead().expect("a sink takes everything");
    }

    /// Applies what was prepared, and answers it.
    pub fn commit(&mut self) {
        for Queued { proposal, xid, op, token } in self.queue.drain(..) {
            let (header, txn, digest) = decode_txn(&proposal.payload).expect("preparation made it");
            let mut events = Events::new(&mut self.watches, &mut self.outbox, &self.schemes, false);
            let hints = self.preparer.hints(header.zxid);
            let outcome = self.tree.apply_prepared(&header, &txn, hints, &mut events);
            let checked = self.tree.check_digest(header.zxid, digest);
            assert!(!matches!(checked, DigestCheck::Mismatch { .. }), "preparation and tree disagree");
            self.preparer.committed(header.zxid);
            assert!(self.outbox.gate.complete(token), "writes are answered in their order");
            let last_zxid = self.tree.last_zxid();
            reply::put_write_reply(&mut self.outbox.bytes, (op, xid), &header, &txn, &outcome, last_zxid);
            assert!(self.outbox.gate.pop().is_none(), "nothing waits behind a write here");
        }
    }
}

#[cfg(test)]
mod tests {
    use zabra_proto::ReplyHeader;

    use super::*;
    use crate::{create, delete, get, get_children, multi_of_sets, set};

    /// The header of the reply that begins there.
    fn header(reply: &[u8]) -> ReplyHeader {
        ReplyHeader::decode(&mut Reader::new(&reply[4..])).unwrap()
    }

    #[test]
    fn requests_do_what_they_say() {
        let mut served = Served::new();
        served.succeed(&create("/a", b"one", 0));
        served.succeed(&set("/a", b"two"));
        let reply = served.serve(&get("/a", false)).to_vec();
        assert_eq!((header(&reply).err, &reply[20..27]), (0, &b"\0\0\0\x03two"[..]));
        served.succeed(&multi_of_sets(["/a", "/a"], b"three"));
        assert_eq!(served.tree().get("/a").unwrap().data(), Some(&b"three"[..]));
        let reply = served.serve(&get_children("/")).to_vec();
        assert_eq!(reply[20..24], 2_i32.to_be_bytes());
        served.succeed(&delete("/a"));
        assert_eq!(header(served.serve(&get("/a", false))).err, -101);
        assert_eq!(served.tree().last_zxid().raw(), 4);
    }

    /// A batch of writes has its replies in one go, and the event stands before the reply that shows the change.
    #[test]
    fn batches_and_events() {
        let mut served = Served::new();
        served.succeed(&create("/a", b"", 0));
        served.succeed(&get("/a", true));
        let replies = served.serve(&[set("/a", b"x"), set("/a", b"y")].concat()).to_vec();
        let mut rest = &replies[..];
        let mut xids = Vec::new();
        while let Some((frame, behind)) = split_frame(rest, 1 << 20).unwrap() {
            xids.push(ReplyHeader::decode(&mut Reader::new(frame)).unwrap().xid.raw());
            rest = behind;
        }
        assert_eq!(xids, [-1, 1, 1]);
    }

    #[test]
    #[should_panic(expected = "a request was refused")]
    fn what_fails_is_not_measured() {
        Served::new().succeed(&delete("/missing"));
    }
}
