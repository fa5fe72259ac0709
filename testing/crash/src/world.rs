//! What a slot has made, computed from its requests alone.
//!
//! Requests of a session take effect in order, and a slot has one session at a time and a home of its own: so what is
//! there after a crash has to be what some first part of its requests makes.

use crate::action::{Action, Create, Data, ENTRY_PREFIX, Op};
use crate::history::What;
use crate::ledger::{Cause, Ledger, Moment};
use std::collections::{BTreeMap, BTreeSet};
use zabra_types::{KeeperError, Stat};

/// A session of a slot, by its place in the list of the slot's sessions.
pub(crate) type SessionKey = usize;

/// A node of the slot's own.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) version: i32,
    pub(crate) aversion: i32,
    /// Children created so far: the next sequence number.
    pub(crate) creations: i32,
    /// The number of its access control list.
    pub(crate) acl: u32,
    pub(crate) owner: Option<SessionKey>,
    pub(crate) created: Cause,
    pub(crate) modified: Cause,
    pub(crate) children_changed: Cause,
}

/// A node as it was at one point: with the number of its children.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) node: Node,
    pub(crate) children: i32,
}

/// A node in the queue. Its path is known when the server has told it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) owner: Option<SessionKey>,
    pub(crate) created: Cause,
    pub(crate) path: Option<String>,
}

/// What requests have come to since the round began, where single nodes do not show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Transactions.
    pub(crate) logged: i64,
    /// Sessions begun, less those ended.
    pub(crate) sessions: i64,
    /// Sets of the counter.
    pub(crate) counted: i32,
    /// Creations in the queue.
    pub(crate) enqueued: i32,
}

/// What a slot has made.
#[derive(Clone, Debug)]
pub(crate) struct World {
    home: String,
    nodes: BTreeMap<String, Node>,
    entries: BTreeMap<Data, Entry>,
    sessions: BTreeSet<SessionKey>,
    pub(crate) tally: Tally,
}

/// What a request has to be answered with.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// A session, begun or renewed.
    Session,
    /// The session is over.
    Closed,
    /// An error.
    Refused(KeeperError),
    /// A write.
    Done(Done),
    /// Every operation of a multi.
    Multi(Vec<Done>),
    /// A multi of `len` operations, the one at `at` having failed.
    MultiRefused { at: usize, error: KeeperError, len: usize },
    /// A node that is read.
    Read(Box<Look>),
    /// The counter, whatever it is.
    Counter,
}

/// What a successful write has to be answered with.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    /// Its path, and how it looks if that was asked for.
    Created(String, Option<Box<Look>>),
    /// How the node looks now.
    Changed(Box<Look>),
    /// Nothing.
    Silent,
    /// Its path, which others have a say in.
    Enqueued { data: Data, owner: Option<SessionKey> },
    /// The counter's Stat.
    Counted { data: Data },
}

impl World {
    /// A home as the server shows it, with nothing in it.
    pub(crate) fn new(home: String, data: Data, stat: &Stat) -> Self {
        let moment = |zxid, time| Cause::Settled(Moment { zxid: Some(zxid), time });
        let node = Node {
            data,
            version: stat.version,
            aversion: stat.aversion,
            creations: 0,
            acl: 0,
            owner: None,
            created: moment(stat.czxid, Some(stat.ctime)),
            modified: moment(stat.mzxid, Some(stat.mtime)),
            children_changed: moment(stat.pzxid, None),
        };
        Self {
            nodes: BTreeMap::from([(home.clone(), node)]),
            home,
            entries: BTreeMap::new(),
            sessions: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    pub(crate) fn home(&self) -> &str {
        &self.home
    }

    /// The paths of the slot's own nodes, home included.
    pub(crate) fn paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// A node of the slot's own.
    pub(crate) fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// How a node looks.
    pub(crate) fn look(&self, path: &str) -> Option<Look> {
        let node = self.nodes.get(path)?.clone();
        Some(Look { node, children: self.children(path) })
    }

    /// The slot's nodes in the queue, by their data.
    pub(crate) const fn entries(&self) -> &BTreeMap<Data, Entry> {
        &self.entries
    }

    /// The sessions that are alive.
    pub(crate) const fn sessions(&self) -> &BTreeSet<SessionKey> {
        &self.sessions
    }

    /// The path of a node in the queue, as the server told it.
    pub(crate) fn name_entry(&mut self, data: &Data, path: &str) {
        if let Some(entry) = self.entries.get_mut(data) {
            entry.path = Some(path.to_owned());
        }
    }

    fn children(&self, path: &str) -> i32 {
        let prefix = format!("{path}/");
        let below = self.nodes.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        below.filter(|(path, _)| !path[prefix.len()..].contains('/')).count() as i32
    }

    /// Applies a request; `at` is its place among the requests of the round.
    pub(crate) fn apply(&mut self, at: usize, what: &What) -> Outcome {
        let (session, action) = match what {
            What::Open(session) => {
                self.sessions.insert(*session);
                self.tally.logged += 1;
                self.tally.sessions += 1;
                return Outcome::Session;
            }
            What::Renew(_) => return Outcome::Session,
            What::Act(session, action) => (*session, action),
        };
        self.tally.logged += i64::from(action.is_logged());
        let by = By { cause: Cause::Request(at), session };
        match action {
            Action::Write(op) => self.write(op, by).map_or_else(Outcome::Refused, Outcome::Done),
            Action::Multi(ops) => self.multi(ops, by),
            Action::Read(path) => match self.look(path) {
                Some(look) => Outcome::Read(Box::new(look)),
                None => Outcome::Refused(KeeperError::NoNode),
            },
            Action::ReadCounter => Outcome::Counter,
            Action::Close => {
                self.close(by);
                Outcome::Closed
            }
        }
    }

    fn multi(&mut self, ops: &[Op], by: By) -> Outcome {
        let before = self.clone();
        let mut done = Vec::with_capacity(ops.len());
        for (at, op) in ops.iter().enumerate() {
            match self.write(op, by) {
                Ok(one) => done.push(one),
                Err(error) => {
                    *self = before;
                    return Outcome::MultiRefused { at, error, len: ops.len() };
                }
            }
        }
        Outcome::Multi(done)
    }

    fn write(&mut self, op: &Op, by: By) -> Result<Done, KeeperError> {
        match op {
            Op::Create(create) => self.create(create, by),
            Op::Set { path, data, version } => {
                let node = self.node_at(path, *version, |node| node.version)?;
                node.data = data.clone();
                node.version += 1;
                node.modified = by.cause;
                Ok(self.changed(path))
            }
            Op::SetAcl { path, acl, version } => {
                let node = self.node_at(path, *version, |node| node.aversion)?;
                node.acl = *acl;
                node.aversion += 1;
                Ok(self.changed(path))
            }
            Op::Delete { path, version } => {
                self.node_at(path, *version, |node| node.version)?;
                if self.children(path) > 0 {
                    return Err(KeeperError::NotEmpty);
                }
                self.remove(path, by.cause);
                Ok(Done::Silent)
            }
            Op::Check { path, version } => {
                self.node_at(path, *version, |node| node.version)?;
                Ok(Done::Silent)
            }
            Op::Enqueue { data, ephemeral } => {
                let owner = ephemeral.then_some(by.session);
                self.entries.insert(data.clone(), Entry { owner, created: by.cause, path: None });
                self.tally.enqueued += 1;
                Ok(Done::Enqueued { data: data.clone(), owner })
            }
            Op::Dequeue { data, .. } => {
                self.entries.remove(data).ok_or(KeeperError::NoNode)?;
                Ok(Done::Silent)
            }
            Op::Count { data } => {
                self.tally.counted += 1;
                Ok(Done::Counted { data: data.clone() })
            }
        }
    }

    fn create(&mut self, create: &Create, by: By) -> Result<Done, KeeperError> {
        let parent_path = create.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parent = self.nodes.get(parent_path).ok_or(KeeperError::NoNode)?;
        let mut path = create.path.clone();
        if create.sequential {
            path.push_str(&format!("{:010}", parent.creations));
        }
        if self.nodes.contains_key(&path) {
            return Err(KeeperError::NodeExists);
        }
        if parent.owner.is_some() {
            return Err(KeeperError::NoChildrenForEphemerals);
        }
        if let Some(parent) = self.nodes.get_mut(parent_path) {
            parent.creations += 1;
            parent.children_changed = by.cause;
        }
        let node = Node {
            data: create.data.clone(),
            version: 0,
            aversion: 0,
            creations: 0,
            acl: 0,
            owner: create.ephemeral.then_some(by.session),
            created: by.cause,
            modified: by.cause,
            children_changed: by.cause,
        };
        let look = create.with_stat.then(|| Box::new(Look { node: node.clone(), children: 0 }));
        self.nodes.insert(path.clone(), node);
        Ok(Done::Created(path, look))
    }

    fn node_at(
        &mut self,
        path: &str,
        wanted: i32,
        version: fn(&Node) -> i32,
    ) -> Result<&mut Node, KeeperError> {
        let node = self.nodes.get_mut(path).ok_or(KeeperError::NoNode)?;
        if wanted == -1 || wanted == version(node) { Ok(node) } else { Err(KeeperError::BadVersion) }
    }

    fn changed(&self, path: &str) -> Done {
        Done::Changed(Box::new(self.look(path).expect("it has just been changed")))
    }

    fn remove(&mut self, path: &str, cause: Cause) {
        self.nodes.remove(path);
        let parent = path.rsplit_once('/').and_then(|(parent, _)| self.nodes.get_mut(parent));
        if let Some(parent) = parent {
            parent.children_changed = cause;
        }
    }

    fn close(&mut self, by: By) {
        if self.sessions.remove(&by.session) {
            self.tally.sessions -= 1;
        }
        let own = Some(by.session);
        let ends = self.nodes.iter().filter(|(_, node)| node.owner == own).map(|(path, _)| path.clone());
        for path in ends.collect::<Vec<_>>() {
            self.remove(&path, by.cause);
        }
        self.entries.retain(|_, entry| entry.owner != own);
    }

    /// The same without reference to the round that ends.
    pub(crate) fn settle(&mut self, ledger: &Ledger) {
        for node in self.nodes.values_mut() {
            for cause in [&mut node.created, &mut node.modified, &mut node.children_changed] {
                *cause = Cause::Settled(ledger.moment(*cause));
            }
        }
        for entry in self.entries.values_mut() {
            entry.created = Cause::Settled(ledger.moment(entry.created));
        }
        self.tally = Tally::default();
    }
}

/// Who makes a change.
#[derive(Clone, Copy, Debug)]
struct By {
    cause: Cause,
    session: SessionKey,
}

/// The sequence number in a path of the queue.
pub(crate) fn entry_number(path: &str) -> Option<u32> {
    let digits = path.strip_prefix(ENTRY_PREFIX)?;
    if digits.len() != 10 {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::home;

    fn data(text: &str) -> Data {
        text.as_bytes().into()
    }

    fn create(path: &str, ephemeral: bool, sequential: bool) -> Op {
        let path = format!("{}{path}", home(0));
        Op::Create(Create { path, data: data("d"), ephemeral, sequential, with_stat: false })
    }

    fn set(path: &str, version: i32) -> Op {
        Op::Set { path: format!("{}{path}", home(0)), data: data("e"), version }
    }

    fn delete(path: &str) -> Op {
        Op::Delete { path: format!("{}{path}", home(0)), version: -1 }
    }

    fn shown(outcome: Outcome) -> String {
        match outcome {
            Outcome::Refused(error) => error.name().to_owned(),
            Outcome::Done(Done::Created(path, _)) => path[home(0).len()..].to_owned(),
            Outcome::Done(Done::Changed(look)) => format!("version {}", look.node.version),
            Outcome::Multi(done) => format!("{} done", done.len()),
            Outcome::MultiRefused { at, error, len } => format!("{} at {at} of {len}", error.name()),
            Outcome::Done(_) => "done".to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_rules_of_the_tree() {
        let mut world = World::new(home(0), data(""), &Stat::default());
        world.apply(0, &What::Open(0));
        let write = |op| Action::Write(op);
        let cases = [
            (write(create("/a", false, false)), "/a"),
            (write(create("/a", false, false)), "NodeExists"),
            (write(create("/b/c", false, false)), "NoNode"),
            (write(create("/e", true, false)), "/e"),
            (write(create("/e/c", false, false)), "NoChildrenForEphemerals"),
            (write(create("/s-", false, true)), "/s-0000000002"),
            (write(delete("/s-0000000002")), "done"),
            (write(create("/s-", false, true)), "/s-0000000003"),
            (write(set("/a", 0)), "version 1"),
            (write(set("/a", 0)), "BadVersion"),
            (Action::Multi(vec![create("/m-", false, true), set("/a", 7)]), "BadVersion at 1 of 2"),
            (Action::Multi(vec![create("/m-", false, true), create("/a/b", false, false)]), "2 done"),
            (write(delete("/a")), "NotEmpty"),
            (write(delete("/m-0000000004")), "done"),
        ];
        for (at, (action, expected)) in cases.into_iter().enumerate() {
            assert_eq!(shown(world.apply(at + 1, &What::Act(0, action.clone()))), expected, "{action:?}");
        }
        let root = world.look(&home(0)).unwrap();
        assert_eq!((root.node.creations, root.children), (5, 3));
        assert_eq!(root.node.children_changed, Cause::Request(14));
        world.apply(15, &What::Act(0, Action::Close));
        assert_eq!(
            world.paths().map(|path| &path[home(0).len()..]).collect::<Vec<_>>(),
            ["", "/a", "/a/b", "/s-0000000003"]
        );
        assert_eq!(world.node(&home(0)).unwrap().children_changed, Cause::Request(15));
        assert_eq!((world.tally.logged, world.tally.sessions), (16, 0));
    }

    #[test]
    fn numbers_in_the_queue() {
        assert_eq!(entry_number("/crash/queue/e-0000000012"), Some(12));
        assert_eq!(entry_number("/crash/queue/e-12"), None);
        assert_eq!(entry_number("/crash/other"), None);
    }
}
