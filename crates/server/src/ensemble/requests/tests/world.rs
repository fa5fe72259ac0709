//! A leader and two learners, without ports, disks and votes: the test carries what they say from one to the other.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use zabra_node::{Preparer, SessionTracker};
use zabra_proto::{OpCode, PacketKind, Put, QuorumPacket, Reader, ReplyHeader, begin_frame, end_frame};
use zabra_storage::FaultDisk;
use zabra_tree::Tree;
use zabra_types::{Epoch, ServerId, SessionId, SessionPassword, Xid, Zxid};
use zabra_zab::{Input, LinkId, Role};

use super::super::{Part, became, from_leader, from_learner, synced};
use crate::clock::Clock;
use crate::commit::{Aftermath, apply_decided};
use crate::config::{Config, Ensemble, Membership, Mode, PeerRole};
use crate::conn::Waker;
use crate::conn::testing::Client;
use crate::core::{Brain, Core, CoreParts};
use crate::options;

/// Server 1 leads this epoch.
pub(super) const EPOCH: Epoch = Epoch::new(5);

/// A server of the ensemble, numbered from 1.
pub(super) fn server(number: i64, edit: impl FnOnce(&mut Config)) -> Arc<Core> {
    let mode = Mode::Ensemble(Box::new(Ensemble {
        id: ServerId::new(number),
        role: PeerRole::Participant,
        init_limit_ticks: 10,
        sync_limit_ticks: 5,
        connect_limit_ticks: None,
        membership: Membership::default(),
        next_membership: None,
        dynamic_file: None,
    }));
    let mut config = Config { mode, ..Config::default() };
    edit(&mut config);
    let clock = Clock::start();
    let sessions = SessionTracker::new(ServerId::new(number), 7, config.sessions.tick_time)
        .with_local_sessions(config.sessions.local_enabled);
    let brain = Brain {
        preparer: Preparer::new(options::node(&config), Zxid::ZERO),
        sessions,
        part: Part::Looking(clock.now()),
        inputs: Vec::new(),
        member: None,
    };
    let tree = Tree::new(options::tree(&config));
    let (waker, _) = Waker::new();
    Arc::new(Core::new(
        config,
        CoreParts { clock, disk: Arc::new(FaultDisk::new()), waker, brain, tree, ensemble: None },
    ))
}

/// Three servers and what is under way between them. The first leads; the link of each other one has its number.
pub(super) struct World {
    pub(super) servers: Vec<Arc<Core>>,
    /// What is proposed and not yet committed.
    pub(super) proposed: VecDeque<Bytes>,
    /// What each learner has said to the leader, and the leader to it.
    up: Vec<VecDeque<QuorumPacket>>,
    down: Vec<VecDeque<Word>>,
    /// Whether commits wait for [`World::commit`].
    pub(super) holds_commits: bool,
}

/// What the leader says to a learner, in order.
enum Word {
    Packet(QuorumPacket),
    Apply(Bytes),
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(edit: impl Fn(&mut Config)) -> Self {
        let servers: Vec<_> = (1..=3).map(|number| server(number, &edit)).collect();
        for (at, core) in servers.iter().enumerate() {
            became(core, &mut core.brain.lock(), role(at));
        }
        Self {
            servers,
            proposed: VecDeque::new(),
            up: (0..3).map(|_| VecDeque::new()).collect(),
            down: (0..3).map(|_| VecDeque::new()).collect(),
            holds_commits: false,
        }
    }

    /// Carries everything everywhere, until nothing is under way.
    pub(super) fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for at in 0..3 {
                let inputs = std::mem::take(&mut self.servers[at].brain.lock().inputs);
                quiet &= inputs.is_empty();
                inputs.into_iter().for_each(|input| self.carry(at, input));
            }
            for at in 1..3 {
                while let Some(packet) = self.up[at].pop_front() {
                    quiet = false;
                    let leader = &self.servers[0];
                    from_learner(leader, &mut leader.brain.lock(), LinkId(at as u64), packet);
                }
                while let Some(word) = self.down[at].pop_front() {
                    quiet = false;
                    let learner = &self.servers[at];
                    match word {
                        Word::Packet(packet) => {
                            from_leader(learner, &mut learner.brain.lock(), LinkId(at as u64), packet);
                        }
                        Word::Apply(payload) => apply(learner, &payload),
                    }
                }
            }
            if quiet && (self.holds_commits || !self.commit()) {
                return;
            }
        }
    }

    fn carry(&mut self, at: usize, input: Input) {
        match input {
            Input::Propose { payload, .. } => self.proposed.push_back(payload),
            Input::Send { packet, .. } if at > 0 => self.up[at].push_back(packet),
            Input::Send { link, packet } => self.down[link.0 as usize].push_back(Word::Packet(packet)),
            // As the peer does: behind the commits of what was proposed before.
            Input::Sync { learner, token } => {
                while self.commit() {}
                match learner {
                    Some(link) => self.down[link.0 as usize]
                        .push_back(Word::Packet(QuorumPacket::bare(PacketKind::Sync, Zxid::ZERO))),
                    None => synced(&self.servers[0], &mut self.servers[0].brain.lock(), token),
                }
            }
            input => panic!("{input:?}"),
        }
    }

    /// Commits the oldest proposal; false when there is none.
    pub(super) fn commit(&mut self) -> bool {
        let Some(payload) = self.proposed.pop_front() else { return false };
        apply(&self.servers[0], &payload);
        for at in 1..3 {
            self.down[at].push_back(Word::Apply(payload.clone()));
        }
        true
    }

    /// The leader pings a learner.
    pub(super) fn ping(&mut self, at: usize) {
        self.down[at].push_back(Word::Packet(QuorumPacket::bare(PacketKind::Ping, Zxid::new(EPOCH, 9))));
        self.settle();
    }

    /// The server loses its leader, or its followers.
    pub(super) fn lose(&mut self, at: usize) {
        became(&self.servers[at], &mut self.servers[at].brain.lock(), Role::Looking);
        self.up[at].clear();
        self.down[at].clear();
        self.servers[at].brain.lock().inputs.clear();
    }

    /// It is back as it was.
    pub(super) fn come_back(&mut self, at: usize) {
        became(&self.servers[at], &mut self.servers[at].brain.lock(), role(at));
    }

    /// A client with a new session at a server, counted from 0.
    pub(super) fn client(&mut self, at: usize) -> Client {
        let client = Client::open(&self.servers[at]);
        assert!(client.connect(&connect_request(SessionId::NONE, Zxid::ZERO, None)));
        self.settle();
        let (answer, closes) = client.take();
        let session = session_of(&answer);
        assert!(session != SessionId::NONE && !closes && client.conn.session() == session);
        client
    }

    /// A client that brings its session to a server; none if it is refused.
    pub(super) fn renew(&mut self, at: usize, session: SessionId) -> Option<Client> {
        let client = Client::open(&self.servers[at]);
        client.connect(&connect_request(session, Zxid::ZERO, None));
        self.settle();
        let (answer, closes) = client.take();
        assert_eq!(closes, session_of(&answer) == SessionId::NONE);
        (!closes).then_some(client)
    }

    /// How many requests of its clients a server believes to be under way.
    pub(super) fn outstanding(&self, at: usize) -> i64 {
        self.servers[at].stats.outstanding.load(std::sync::atomic::Ordering::SeqCst)
    }
}

fn role(at: usize) -> Role {
    let leader = ServerId::new(1);
    match at {
        0 => Role::Leading(EPOCH),
        1 => Role::Following { leader, epoch: EPOCH, link: LinkId(1) },
        _ => Role::Observing { leader, epoch: EPOCH, link: LinkId(2) },
    }
}

fn apply(core: &Core, payload: &[u8]) {
    let mut after = Aftermath::default();
    apply_decided(core, &mut core.brain.lock(), [payload], &mut after).unwrap();
    after.carry_out(core);
}

/// A connect request without the length in front.
pub(super) fn connect_request(session: SessionId, seen: Zxid, read_only: Option<bool>) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i32(0);
    out.put_i64(seen.raw());
    out.put_i32(10_000);
    out.put_i64(session.raw());
    out.put_buffer(Some(SessionPassword::of(session).as_bytes()));
    if let Some(read_only) = read_only {
        out.put_bool(read_only);
    }
    out
}

/// The session in the frame of a connect response.
pub(super) fn session_of(frame: &[u8]) -> SessionId {
    let mut reader = Reader::new(&frame[4..]);
    reader.i32("protocolVersion").unwrap();
    reader.i32("timeOut").unwrap();
    SessionId::from_raw(reader.i64("sessionId").unwrap())
}

/// The frame of a request.
pub(super) fn request(xid: i32, op: OpCode, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let frame = begin_frame(&mut out);
    out.put_i32(xid);
    out.put_i32(op.code());
    out.extend_from_slice(body);
    end_frame(&mut out, frame);
    out
}

fn path_body(path: &str, behind: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_text(path);
    out.extend_from_slice(behind);
    out
}

/// Creates a node; flags 1 make it ephemeral.
pub(super) fn create(xid: i32, path: &str, flags: i32) -> Vec<u8> {
    let mut behind = Vec::new();
    behind.put_buffer(Some(b"data"));
    behind.extend_from_slice(&zabra_proto::AclList::encode_entries(&[zabra_types::Acl::world(
        zabra_types::Perms::ALL,
    )]));
    behind.put_i32(flags);
    request(xid, OpCode::Create, &path_body(path, &behind))
}

/// Asks whether a node exists, and leaves a watch.
pub(super) fn exists(xid: i32, path: &str) -> Vec<u8> {
    request(xid, OpCode::Exists, &path_body(path, &[1]))
}

/// Asks for everything the leader has.
pub(super) fn sync(xid: i32) -> Vec<u8> {
    request(xid, OpCode::Sync, &path_body("/", &[]))
}

/// What a client was told: number and error of each reply, in order; a watch event has the number -1.
pub(super) fn told(client: &Client) -> Vec<(i32, i32)> {
    replies(client).into_iter().map(|reply| (reply.xid.raw(), reply.err)).collect()
}

/// The headers of what a client was told.
pub(super) fn replies(client: &Client) -> Vec<ReplyHeader> {
    let (bytes, _) = client.take();
    let mut rest = bytes.as_slice();
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let mut reader = Reader::new(rest);
        let len = usize::try_from(reader.i32("length").unwrap()).unwrap();
        headers.push(ReplyHeader {
            xid: Xid::from_raw(reader.i32("xid").unwrap()),
            zxid: Zxid::from_raw(reader.i64("zxid").unwrap()),
            err: reader.i32("err").unwrap(),
        });
        rest = &rest[4 + len..];
    }
    headers
}

/// Whether the client's connection is to close.
pub(super) fn closes(client: &Client) -> bool {
    let outbox = client.conn.outbox();
    outbox.closing && !outbox.gate.is_waiting() || client.conn.is_cut()
}
