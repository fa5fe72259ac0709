//! What a cache knows and what it has to ask, without doing either.
//!
//! The driver beside this file sends the reads and hands over what comes: events of the recursive watch and replies,
//! each in the order in which the server sent it. The mirror decides what is read next, what is stored and what
//! listeners are told. Two facts of the protocol carry it:
//!
//! - A read is answered from a state at least as new as every event that came before its reply. So after an event a
//!   read that is sent later shows what happened, and one that was already on its way may not.
//! - Within one node `czxid` and `mzxid` only grow. So a reply that is older than what is stored is recognized.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use zabra_types::{Stat, Zxid};

use super::{CacheEvent, CachedNode};
use crate::common::path;

/// All that is stored, by path.
pub(super) type Contents = BTreeMap<String, Arc<CachedNode>>;

/// The nodes right below this one, ordered by name. What lies below them is passed over, not looked through.
pub(super) fn children_in<'a>(
    contents: &'a Contents,
    parent: &str,
) -> impl Iterator<Item = &'a Arc<CachedNode>> {
    let prefix = path::join(parent, "");
    let mut from = Bound::Excluded(prefix.clone());
    std::iter::from_fn(move || {
        loop {
            let mut rest = contents.range::<str, _>((from.as_ref().map(String::as_str), Bound::Unbounded));
            let (path, node) = rest.next().filter(|(path, _)| path.starts_with(&prefix))?;
            match path[prefix.len()..].split_once('/') {
                None => {
                    from = Bound::Excluded(path.clone());
                    return Some(node);
                }
                // '0' comes right after '/': the first path that does not lie below this child.
                Some((child, _)) => from = Bound::Included(format!("{prefix}{child}0")),
            }
        }
    })
}

/// Tells which nodes are wanted, besides by their depth.
pub(super) type Accept = dyn Fn(&str) -> bool + Send + Sync;

/// Which nodes below the root are mirrored.
pub(super) struct Scope {
    pub(super) root: String,
    /// 0 with the root itself, 1 without.
    pub(super) depth_min: usize,
    pub(super) depth_max: usize,
    pub(super) accept: Option<Box<Accept>>,
    /// Whether the bytes are stored, or only told to listeners.
    pub(super) keep_data: bool,
}

/// A read to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Data and stat.
    Data(String),
    /// The stat alone, of a node that probably is as it was.
    Stat(String),
    /// The names of the children.
    Children(String),
}

/// What a read found: `None` where there is no node.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Data(Option<(Bytes, Stat)>),
    Stat(Option<Stat>),
    Children(Option<Vec<String>>),
}

/// What happened to a node, of the events a recursive watch sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Created or its data set.
    Written,
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No watch, or no connection: what is stored may be old.
    Apart,
    /// Watching, and reading what was missed. When everything is to be listed again, because the last time was not
    /// finished, `full` is set.
    Loading { full: bool },
    /// Everything has been read, and every event since is being followed.
    InStep,
}

/// A read of a node that is waiting to be sent, or was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Flight {
    sent: bool,
    /// Something happened after it was sent: read once more.
    again: bool,
    /// The node was deleted after it was sent, by this transaction if known: the reply may show the deleted node.
    void: Option<Option<Zxid>>,
}

pub(super) struct Mirror {
    scope: Scope,
    phase: Phase,
    /// Whether the children of every stored node are stored too, as of that node's `cversion`.
    complete: bool,
    told_initialized: bool,
    queue: VecDeque<Ask>,
    /// At most one read a node at a time, however many events.
    flights: HashMap<String, Flight>,
    lists: HashSet<String>,
    events: Vec<CacheEvent>,
}

impl Mirror {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            phase: Phase::Apart,
            complete: false,
            told_initialized: false,
            queue: VecDeque::new(),
            flights: HashMap::new(),
            lists: HashSet::new(),
            events: Vec::new(),
        }
    }

    /// The watch is set and the server connected: read what was missed.
    pub(super) fn begin(&mut self, contents: &Contents) {
        self.lost();
        self.phase = Phase::Loading { full: !self.complete };
        self.complete = false;
        let root = self.scope.root.clone();
        if self.scope.depth_min > 0 {
            self.list(root);
        } else if !contents.contains_key(&root) {
            self.want(root, Ask::Data);
        }
        for path in contents.keys() {
            self.want(path.clone(), Ask::Stat);
        }
    }

    /// The connection or the watch is gone. Replies to what was sent before must not be handed over any more.
    pub(super) fn lost(&mut self) {
        match self.phase {
            Phase::Apart => return,
            Phase::Loading { .. } => {}
            Phase::InStep => {
                self.complete = self.flights.is_empty();
                self.events.push(CacheEvent::Suspended);
            }
        }
        self.phase = Phase::Apart;
        self.queue.clear();
        self.flights.clear();
        self.lists.clear();
    }

    /// Whether everything is stored that the watch told of.
    pub(super) fn is_in_step(&self) -> bool {
        self.phase == Phase::InStep
    }

    /// The next read to send.
    pub(super) fn next_ask(&mut self) -> Option<Ask> {
        let ask = self.queue.pop_front()?;
        if let Ask::Data(path) | Ask::Stat(path) = &ask
            && let Some(flight) = self.flights.get_mut(path)
        {
            flight.sent = true;
        }
        Some(ask)
    }

    /// What listeners are to be told, in order.
    pub(super) fn take_events(&mut self) -> Vec<CacheEvent> {
        std::mem::take(&mut self.events)
    }

    /// The watch tells of a change.
    pub(super) fn changed(
        &mut self,
        contents: &mut Contents,
        path: &str,
        change: Change,
        zxid: Option<Zxid>,
    ) {
        if self.phase == Phase::Apart || !self.scope.includes(path) {
            return;
        }
        match change {
            Change::Written => {
                let stored = contents.get(path);
                let known = stored.is_some_and(|node| zxid.is_some_and(|zxid| node.stat.mzxid >= zxid.raw()));
                if !known {
                    self.want(path.to_owned(), Ask::Data);
                }
            }
            Change::Deleted => {
                if let Some(flight) = self.flights.get_mut(path)
                    && flight.sent
                {
                    flight.again = true;
                    flight.void = Some(zxid);
                }
                self.remove(contents, path);
            }
        }
    }

    /// A read was answered.
    pub(super) fn answered(&mut self, contents: &mut Contents, ask: Ask, answer: Answer) {
        match (ask, answer) {
            (Ask::Children(path), Answer::Children(names)) => self.listed(&path, names.unwrap_or_default()),
            (Ask::Data(path), Answer::Data(found)) => {
                if self.land(&path, found.as_ref().map(|(_, stat)| stat)) {
                    match found {
                        Some((data, stat)) => self.store(contents, &path, data, stat),
                        None => self.remove(contents, &path),
                    }
                }
            }
            (Ask::Stat(path), Answer::Stat(found)) => {
                if self.land(&path, found.as_ref()) {
                    self.compared(contents, path, found);
                }
            }
            (ask, answer) => unreachable!("the driver answers {ask:?} in kind, not with {answer:?}"),
        }
        self.settle();
    }

    /// A read was refused, for a reason that waiting does not help.
    pub(super) fn refused(&mut self, ask: Ask, error: zabra_client::Error) {
        let path = match ask {
            Ask::Children(path) => {
                self.lists.remove(&path);
                path
            }
            Ask::Data(path) | Ask::Stat(path) => {
                if !self.land(&path, None) {
                    self.settle();
                    return;
                }
                path
            }
        };
        self.events.push(CacheEvent::Failed { path, error });
        self.settle();
    }

    fn settle(&mut self) {
        if matches!(self.phase, Phase::Loading { .. }) && self.flights.is_empty() && self.lists.is_empty() {
            self.phase = Phase::InStep;
            self.events.push(if self.told_initialized {
                CacheEvent::Resumed
            } else {
                CacheEvent::Initialized
            });
            self.told_initialized = true;
        }
    }

    /// Sees to it that the node is read after this moment.
    fn want(&mut self, path: String, ask: fn(String) -> Ask) {
        match self.flights.get_mut(&path) {
            Some(flight) => flight.again |= flight.sent,
            None => {
                self.queue.push_back(ask(path.clone()));
                self.flights.insert(path, Flight::default());
            }
        }
    }

    fn list(&mut self, path: String) {
        if self.lists.insert(path.clone()) {
            self.queue.push_back(Ask::Children(path));
        }
    }

    /// A read of the node is over: whether its reply may be used.
    fn land(&mut self, path: &str, found: Option<&Stat>) -> bool {
        let Some(flight) = self.flights.remove(path) else { return false };
        if flight.again {
            self.want(path.to_owned(), Ask::Data);
        }
        match (flight.void, found) {
            (None, _) => true,
            (Some(Some(zxid)), Some(stat)) => stat.czxid > zxid.raw(),
            (Some(_), _) => false,
        }
    }

    fn listed(&mut self, parent: &str, names: Vec<String>) {
        self.lists.remove(parent);
        for name in names {
            let path = path::join(parent, &name);
            // A stored node is being compared already, or the watch tells of it.
            if self.scope.includes(&path) {
                self.want(path, Ask::Data);
            }
        }
    }

    fn compared(&mut self, contents: &mut Contents, path: String, found: Option<Stat>) {
        let Some(stat) = found else {
            self.remove(contents, &path);
            return;
        };
        match contents.get(&path) {
            Some(node) if node.stat.mzxid == stat.mzxid && node.stat.czxid == stat.czxid => {
                let data = node.data.clone();
                self.store(contents, &path, data, stat);
            }
            _ => self.want(path, Ask::Data),
        }
    }

    fn store(&mut self, contents: &mut Contents, path: &str, data: Bytes, stat: Stat) {
        let old = contents.get(path).cloned();
        if let Some(old) = &old {
            // Never from one server, and never from two that both follow the ensemble: a client goes to no server that is
            // behind what it has seen. This is for those that do not keep to it.
            let older =
                (stat.czxid, stat.mzxid, stat.pzxid) < (old.stat.czxid, old.stat.mzxid, old.stat.pzxid);
            if older {
                return;
            }
        }
        let same_children = old.as_ref().is_some_and(|old| {
            old.stat.cversion == stat.cversion && old.stat.czxid == stat.czxid && old.stat.pzxid == stat.pzxid
        });
        if let Phase::Loading { full } = self.phase
            && stat.num_children > 0
            && (full || !same_children)
            && self.scope.depth(path).is_some_and(|depth| depth < self.scope.depth_max)
        {
            self.list(path.to_owned());
        }
        let new = Arc::new(CachedNode { path: path.to_owned(), data, stat });
        let kept = match self.scope.keep_data {
            true => new.clone(),
            false => Arc::new(CachedNode { data: Bytes::new(), ..(*new).clone() }),
        };
        contents.insert(path.to_owned(), kept);
        match old {
            None => self.events.push(CacheEvent::Created(new)),
            Some(old) if old.stat.mzxid != new.stat.mzxid || old.stat.czxid != new.stat.czxid => {
                self.events.push(CacheEvent::Changed { old, new });
            }
            // Only the children or the access control list are others.
            Some(_) => {}
        }
    }

    fn remove(&mut self, contents: &mut Contents, path: &str) {
        if let Some(old) = contents.remove(path) {
            self.events.push(CacheEvent::Deleted(old));
        }
    }
}

impl Scope {
    /// How many names the path has after the root; `None` when it is not the root nor below it.
    fn depth(&self, path: &str) -> Option<usize> {
        let below = self.below(path)?;
        Some(if below.is_empty() { 0 } else { 1 + below.matches('/').count() })
    }

    /// The path after the root and its slash.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(if self.root == "/" { "" } else { &self.root })?;
        match rest.strip_prefix('/') {
            Some(below) => Some(below),
            None => rest.is_empty().then_some(rest),
        }
    }

    fn includes(&self, path: &str) -> bool {
        let in_depth =
            self.depth(path).is_some_and(|depth| (self.depth_min..=self.depth_max).contains(&depth));
        in_depth && self.accept.as_ref().is_none_or(|accept| self.accepts_all(path, accept))
    }

    /// Whether the node and all its ancestors below the root are accepted.
    fn accepts_all(&self, path: &str, accept: &Accept) -> bool {
        let Some(below) = self.below(path) else { return false };
        let start = path.len() - below.len();
        let ends = path[start..]
            .match_indices('/')
            .map(|(at, _)| start + at)
            .chain((!below.is_empty()).then_some(path.len()));
        ends.into_iter().all(|end| accept(&path[..end]))
    }
}
