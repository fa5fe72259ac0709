//! A model of a server's side: one tree, its sessions, and what one connection says. Small enough to be believed.

use crate::sasl::{SaslConversation, SaslMechanism, SaslStep};
use std::collections::{BTreeMap, BTreeSet};
use zabra_proto::{
    ConnectRequest, ConnectResponse, OpCode, Put, Reader, ReplyHeader, Request, RequestHeader, begin_frame,
    end_frame, put_event, split_frame,
};
use zabra_types::{AddWatchMode, EventType, KeeperError, SessionId, SessionPassword, Xid, Zxid, parent_of};

/// What the servers agree on.
#[derive(Debug)]
pub(super) struct Ensemble {
    pub(super) zxid: i64,
    pub(super) nodes: BTreeMap<String, Node>,
    /// Every event there was, with its transaction.
    pub(super) history: Vec<(i64, EventType, String)>,
    /// Whether they are alive.
    pub(super) sessions: BTreeMap<i64, bool>,
    /// Sessions that a read-only server has made.
    local: BTreeSet<i64>,
    next_session: i64,
    /// The timeout every session gets, in milliseconds.
    pub(super) timeout_ms: i32,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    pub(super) mzxid: i64,
    pub(super) pzxid: i64,
}

/// What servers say to those who prove who they are.
pub(super) const RIDDLE: &[u8] = b"who are you?";
pub(super) const WELCOME: &[u8] = b"welcome";

/// For words of a proof: a server that believes nobody.
pub(super) const REFUSES: usize = usize::MAX;

/// A proof of two words: nothing, and the answer to the riddle.
#[derive(Debug)]
pub(super) struct Riddle;

impl SaslMechanism for Riddle {
    fn begin(&self) -> Box<dyn SaslConversation> {
        Box::new(Self)
    }
}

impl SaslConversation for Riddle {
    fn answer(&mut self, challenge: &[u8]) -> Result<SaslStep, String> {
        match challenge {
            RIDDLE => Ok(SaslStep::Answer(b"me".to_vec())),
            WELCOME => Ok(SaslStep::Done),
            _ => Err("neither riddle nor welcome".to_owned()),
        }
    }
}

/// One connection at its server.
#[derive(Debug, Default)]
pub(super) struct ServerSide {
    inbox: Vec<u8>,
    pub(super) outbox: Vec<u8>,
    pub(super) session: Option<i64>,
    pub(super) read_only: bool,
    /// Whether it will take anything more.
    pub(super) closed: bool,
    /// Set once a request that is neither auth nor setWatches has come.
    pub(super) working: bool,
    pub(super) auths: usize,
    /// Words of a proof that are still to come before anything else.
    pub(super) words: usize,
    /// Marks of the calls executed since last asked.
    pub(super) executed: Vec<u64>,
    data: BTreeSet<String>,
    children: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Ensemble {
    pub(super) fn new(timeout_ms: i32) -> Self {
        let nodes = ["/", "/a", "/b", "/a/x"].map(|path| (path.to_owned(), Node::default())).into();
        let (zxid, next_session) = (100, 0x100);
        Self {
            zxid,
            nodes,
            history: Vec::new(),
            sessions: BTreeMap::new(),
            local: BTreeSet::new(),
            next_session,
            timeout_ms,
        }
    }

    /// Changes the tree; the live connection, if any, is told.
    pub(super) fn change(&mut self, event: EventType, path: &str, live: Option<&mut ServerSide>) {
        self.zxid += 1;
        let zxid = self.zxid;
        let parent = parent_of(path).map(str::to_owned);
        match event {
            EventType::NodeCreated => {
                self.nodes.insert(path.to_owned(), Node { mzxid: zxid, pzxid: zxid });
            }
            EventType::NodeDeleted => {
                self.nodes.remove(path);
            }
            EventType::NodeDataChanged => self.nodes.get_mut(path).unwrap().mzxid = zxid,
            EventType::NodeChildrenChanged => unreachable!("a consequence"),
        }
        self.history.push((zxid, event, path.to_owned()));
        let of_parent = parent.filter(|_| event != EventType::NodeDataChanged);
        if let Some(parent) = &of_parent {
            self.nodes.get_mut(parent).unwrap().pzxid = zxid;
            self.history.push((zxid, EventType::NodeChildrenChanged, parent.clone()));
        }
        if let Some(live) = live {
            live.fire(Zxid::from_raw(zxid), event, path);
            if let Some(parent) = &of_parent {
                live.fire(Zxid::from_raw(zxid), EventType::NodeChildrenChanged, parent);
            }
        }
    }

    /// Whether `path` can be created, deleted or set now.
    pub(super) fn allows(&self, event: EventType, path: &str) -> bool {
        let below = format!("{path}/");
        match event {
            EventType::NodeCreated => {
                !self.nodes.contains_key(path)
                    && parent_of(path).is_some_and(|parent| self.nodes.contains_key(parent))
            }
            EventType::NodeDeleted => {
                self.nodes.contains_key(path) && !self.nodes.keys().any(|other| other.starts_with(&below))
            }
            _ => self.nodes.contains_key(path),
        }
    }
}

impl ServerSide {
    /// A side that takes nothing before a proof of so many words.
    pub(super) fn new(read_only: bool, words: usize) -> Self {
        Self { read_only, words, ..Self::default() }
    }

    /// Takes bytes from the client.
    pub(super) fn take(&mut self, bytes: &[u8], ensemble: &mut Ensemble) {
        self.inbox.extend_from_slice(bytes);
        while let Some((frame, rest)) = split_frame(&self.inbox, 1 << 20).unwrap() {
            let (frame, rest) = (frame.to_vec(), rest.to_vec());
            self.inbox = rest;
            if self.closed {
                return;
            }
            match self.session {
                None => self.greet(&frame, ensemble),
                Some(session) if !ensemble.sessions[&session] => self.closed = true,
                Some(_) => self.request(&frame, ensemble),
            }
        }
    }

    fn greet(&mut self, frame: &[u8], ensemble: &mut Ensemble) {
        let ask = ConnectRequest::decode(&mut Reader::new(frame)).unwrap();
        assert!(ask.last_zxid_seen.raw() <= ensemble.zxid, "the client cannot have seen this");
        if self.read_only && ask.read_only != Some(true) {
            self.closed = true;
            return;
        }
        let asked = ask.session.raw();
        if self.read_only && asked != 0 {
            // The session is to be there for the ensemble, once there is one again.
            self.closed = true;
            return;
        }
        let session = if asked == 0 {
            ensemble.next_session += 1;
            if self.read_only {
                ensemble.local.insert(ensemble.next_session);
            }
            ensemble.sessions.insert(ensemble.next_session, true);
            ensemble.next_session
        } else {
            assert!(!ensemble.local.contains(&asked), "no other server knows the session of a read-only one");
            assert_eq!(ask.password, Some(&SessionPassword::of(ask.session).as_bytes()[..]));
            asked
        };
        let alive = ensemble.sessions.get(&session).copied().unwrap_or(false);
        let response = if alive {
            let session = SessionId::from_raw(session);
            let password = SessionPassword::of(session);
            ConnectResponse {
                timeout_ms: ensemble.timeout_ms,
                session,
                password,
                read_only: Some(self.read_only),
            }
        } else {
            ConnectResponse::refused(Some(false))
        };
        let at = begin_frame(&mut self.outbox);
        response.encode(&mut self.outbox);
        end_frame(&mut self.outbox, at);
        self.session = alive.then_some(session);
        self.closed = !alive;
    }

    fn request(&mut self, frame: &[u8], ensemble: &mut Ensemble) {
        let mut reader = Reader::new(frame);
        let header = RequestHeader::decode(&mut reader).unwrap();
        let op = OpCode::from_code(header.op).unwrap();
        let request = Request::decode(op, &mut reader).unwrap();
        let proved = self.words == 0;
        match &request {
            Request::Sasl(_) => assert!(!proved, "what is proved is not proved again"),
            _ => assert!(proved, "who the client is comes before anything else"),
        }
        match &request {
            Request::Sasl(_) => self.words -= 1,
            Request::Auth(_) => self.auths += 1,
            Request::SetWatches(_) => assert!(!self.working, "watches come before requests"),
            _ => self.working = true,
        }
        if let Ok(mark) = <[u8; 8]>::try_from(reader.rest()) {
            self.executed.push(u64::from_be_bytes(mark));
        }
        let refused = op == OpCode::Sasl && self.words == REFUSES - 1;
        let err = if refused { KeeperError::AuthFailed.code() } else { self.execute(request, ensemble) };
        let at = begin_frame(&mut self.outbox);
        let xid = if op == OpCode::Ping { Xid::PING } else { header.xid };
        let zxid = if matches!(op, OpCode::Auth | OpCode::Sasl) { 0 } else { ensemble.zxid };
        ReplyHeader { xid, zxid: Zxid::from_raw(zxid), err }.encode(&mut self.outbox);
        if op == OpCode::Sasl {
            self.outbox.put_buffer(Some(if self.words == 0 { WELCOME } else { RIDDLE }));
        } else {
            self.outbox.put_i32(0);
        }
        end_frame(&mut self.outbox, at);
        self.closed |= op == OpCode::CloseSession;
    }

    fn execute(&mut self, request: Request<'_>, ensemble: &mut Ensemble) -> i32 {
        use EventType::{NodeCreated, NodeDataChanged, NodeDeleted};
        let no_node = KeeperError::NoNode.code();
        let read_only = self.read_only;
        let mut change = |event, path: Option<std::borrow::Cow<'_, str>>| {
            if read_only {
                return KeeperError::NotReadOnly.code();
            }
            let path = path.unwrap();
            if !ensemble.allows(event, &path) {
                return no_node;
            }
            ensemble.change(event, &path, Some(&mut *self));
            0
        };
        match request {
            Request::Create(create) => change(NodeCreated, create.path),
            Request::Delete(delete) => change(NodeDeleted, delete.path),
            Request::SetData(set) => change(NodeDataChanged, set.path),
            Request::Exists(read) => {
                let found = ensemble.nodes.contains_key(&*read.path);
                if read.watch {
                    self.data.insert(read.path.into_owned());
                }
                if found { 0 } else { no_node }
            }
            Request::GetData(read) | Request::GetChildren2(read)
                if !ensemble.nodes.contains_key(&*read.path) =>
            {
                no_node
            }
            Request::GetData(read) => {
                if read.watch {
                    self.data.insert(read.path.into_owned());
                }
                0
            }
            Request::GetChildren2(read) => {
                if read.watch {
                    self.children.insert(read.path.into_owned());
                }
                0
            }
            Request::AddWatch(add) => {
                let recursive = add.mode == AddWatchMode::PersistentRecursive.code();
                let table = if recursive { &mut self.recursive } else { &mut self.persistent };
                table.insert(add.path.into_owned());
                0
            }
            Request::RemoveWatches(query) => {
                let table = if query.watcher_type == 5 { &mut self.recursive } else { &mut self.persistent };
                if table.remove(&*query.path) { 0 } else { KeeperError::NoWatcher.code() }
            }
            Request::SetWatches(set) => {
                self.set_watches(&set, ensemble);
                0
            }
            Request::CloseSession => {
                ensemble.sessions.insert(self.session.unwrap(), false);
                0
            }
            Request::Ping | Request::Sync(_) | Request::Auth(_) | Request::Sasl(_) => 0,
            other => panic!("{other:?}"),
        }
    }

    fn set_watches(&mut self, set: &zabra_proto::SetWatches<'_>, ensemble: &Ensemble) {
        use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
        let seen = set.relative_zxid.raw();
        let mut made_up = Vec::new();
        for path in &set.data {
            match ensemble.nodes.get(&**path) {
                None => made_up.push((NodeDeleted, path)),
                Some(node) if node.mzxid > seen => made_up.push((NodeDataChanged, path)),
                Some(_) => drop(self.data.insert(path.to_string())),
            }
        }
        for path in &set.exists {
            match ensemble.nodes.get(&**path) {
                Some(_) => made_up.push((NodeCreated, path)),
                None => drop(self.data.insert(path.to_string())),
            }
        }
        for path in &set.children {
            match ensemble.nodes.get(&**path) {
                None => made_up.push((NodeDeleted, path)),
                Some(node) if node.pzxid > seen => made_up.push((NodeChildrenChanged, path)),
                Some(_) => drop(self.children.insert(path.to_string())),
            }
        }
        for (event, path) in made_up {
            put_event(&mut self.outbox, Zxid::NONE, event, path);
        }
        self.persistent.extend(set.persistent.iter().map(ToString::to_string));
        self.recursive.extend(set.persistent_recursive.iter().map(ToString::to_string));
    }

    /// Tells the connection of an event, in one frame, if it watches.
    fn fire(&mut self, zxid: Zxid, event: EventType, path: &str) {
        let mut told = self.persistent.contains(path);
        match event {
            EventType::NodeChildrenChanged => told |= self.children.remove(path),
            EventType::NodeDeleted => {
                told |= self.data.remove(path);
                told |= self.children.remove(path);
            }
            _ => told |= self.data.remove(path),
        }
        let mut above = Some(path);
        while let Some(path) = above.filter(|_| event != EventType::NodeChildrenChanged) {
            told |= self.recursive.contains(path);
            above = parent_of(path);
        }
        if told {
            put_event(&mut self.outbox, zxid, event, path);
        }
    }
}
