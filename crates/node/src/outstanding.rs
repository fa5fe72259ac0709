//! Changes that are proposed and not yet applied.

use crate::acl::StoredAcl;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use hashbrown::HashTable;
use zabra_tree::{HashKey, Hint, NodeAcl, NodePlace, NodeRef, Tree};
use zabra_types::{EphemeralOwner, OwnerRules, SessionId, StatPersisted, Zxid};

/// A node as it will be once everything proposed is applied.
#[derive(Clone, Debug)]
pub(crate) struct PendingNode {
    pub(crate) stat: StatPersisted,
    pub(crate) children: u32,
    /// Where the tree has it, unless it was created since.
    pub(crate) in_tree: NodePlace,
    pub(crate) acl: StoredAcl,
    pub(crate) data_len: usize,
    /// Digest of the node; 0 with digests off.
    pub(crate) digest: u32,
}

impl PendingNode {
    /// What the tree has.
    fn of(node: NodeRef<'_>) -> Self {
        Self {
            stat: node.persisted(),
            children: node.num_children(),
            in_tree: node.place(),
            acl: StoredAcl::of(node.acl()),
            data_len: node.data().map_or(0, <[u8]>::len),
            digest: node.digest(),
        }
    }
}

/// Where a path stands among the changes. It stays right while other paths are changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    hash: u64,
    /// Its slot, if it has one.
    at: Option<u32>,
}

/// A node as preparation sees it: the tree's, unless something about it is outstanding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'o, 't> {
    place: Place,
    state: State<'o, 't>,
}

#[derive(Clone, Copy, Debug)]
enum State<'o, 't> {
    /// Outstanding.
    Pending(&'o PendingNode),
    /// Applied.
    Applied(NodeRef<'t>),
}

/// What a change starts from: found once, for the checks and for the change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'t> {
    place: Place,
    /// The node, when nothing about it is outstanding.
    applied: Option<NodeRef<'t>>,
}

impl<'t> Seen<'_, 't> {
    pub(crate) fn stat(&self) -> StatPersisted {
        match &self.state {
            State::Pending(node) => node.stat,
            State::Applied(node) => node.persisted(),
        }
    }

    pub(crate) fn version(&self) -> i32 {
        match &self.state {
            State::Pending(node) => node.stat.version,
            State::Applied(node) => node.version(),
        }
    }

    pub(crate) fn cversion(&self) -> i32 {
        match &self.state {
            State::Pending(node) => node.stat.cversion,
            State::Applied(node) => node.cversion(),
        }
    }

    pub(crate) fn owner(&self, rules: OwnerRules) -> EphemeralOwner {
        match &self.state {
            State::Pending(node) => EphemeralOwner::from_raw(node.stat.ephemeral_owner, rules),
            State::Applied(node) => node.owner(),
        }
    }

    pub(crate) fn children(&self) -> u32 {
        match &self.state {
            State::Pending(node) => node.children,
            State::Applied(node) => node.num_children(),
        }
    }

    pub(crate) fn acl(&self) -> NodeAcl<'_> {
        match &self.state {
            State::Pending(node) => node.acl.view(),
            State::Applied(node) => node.acl(),
        }
    }

    pub(crate) fn data_len(&self) -> usize {
        match &self.state {
            State::Pending(node) => node.data_len,
            State::Applied(node) => node.data().map_or(0, <[u8]>::len),
        }
    }

    pub(crate) fn digest(&self) -> u32 {
        match &self.state {
            State::Pending(node) => node.digest,
            State::Applied(node) => node.digest(),
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Where the tree will have the node when what is outstanding is applied, as far as that is known.
    pub(crate) fn in_tree(&self) -> NodePlace {
        match &self.state {
            State::Pending(node) => node.in_tree,
            State::Applied(node) => node.place(),
        }
    }

    /// What [`Outstanding::change`] starts from.
    pub(crate) fn origin(&self) -> Origin<'t> {
        let applied = match self.state {
            State::Pending(_) => None,
            State::Applied(node) => Some(node),
        };
        Origin { place: self.place, applied }
    }
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    /// Of a free slot, empty; its allocation is used again.
    path: String,
    /// The last transaction that changed the node. When it is applied the tree knows all there is to know.
    zxid: Zxid,
    /// `None` when deleted.
    node: Option<PendingNode>,
}

/// A slot before a change: `None` when there was none.
type Before = Option<(Zxid, Option<PendingNode>)>;

/// How to undo a multi.
#[derive(Debug, Default)]
struct Undo {
    /// Whether there is one.
    active: bool,
    /// Lengths of `changes` and `hints` when it began.
    changes_len: usize,
    hints_len: usize,
    /// Empty without one; its allocation is used again.
    slots: Vec<(u32, Before)>,
}

/// Allocations kept for use again: a burst of changes does not hold its memory for ever.
const SPARE_MAX: usize = 1024;

/// The nodes that proposed transactions change, each in its last proposed state
/// (`ZooKeeperServer.outstandingChanges`).
///
/// A node has a slot from its first outstanding change until its last one is applied. Every operation costs the same
/// however much is outstanding; only the end of a session costs by the nodes it owns.
#[derive(Debug)]
pub(crate) struct Outstanding {
    rules: OwnerRules,
    key: HashKey,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_path: HashTable<u32>,
    /// Which slot each transaction changed, in order. A slot with a later zxid has a later entry as well.
    changes: VecDeque<(Zxid, u32)>,
    /// For those who apply: one for each change of a node that a client asked for, in order.
    hints: VecDeque<(Zxid, Hint)>,
    /// Slots of present nodes that a session owns.
    owned: BTreeSet<(SessionId, u32)>,
    undo: Undo,
}

impl Outstanding {
    pub(crate) fn new(rules: OwnerRules, key: HashKey) -> Self {
        Self {
            rules,
            key,
            slots: Vec::new(),
            free: Vec::new(),
            by_path: HashTable::new(),
            changes: VecDeque::new(),
            hints: VecDeque::new(),
            owned: BTreeSet::new(),
            undo: Undo::default(),
        }
    }

    /// Whether the tree alone tells everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The node at `path` as it will be; `None` when it will not be there.
    pub(crate) fn look<'o, 't>(&'o self, tree: &'t Tree, path: &str) -> Option<Seen<'o, 't>> {
        self.look_at(self.place(path), tree, path)
    }

    /// Where `path` stands among the changes.
    pub(crate) fn place(&self, path: &str) -> Place {
        let hash = self.key.hash(path.as_bytes());
        let at = self.by_path.find(hash, |&at| *self.slots[at as usize].path == *path).copied();
        Place { hash, at }
    }

    /// The node at `path`, whose place is known.
    pub(crate) fn look_at<'o, 't>(
        &'o self,
        place: Place,
        tree: &'t Tree,
        path: &str,
    ) -> Option<Seen<'o, 't>> {
        let state = match place.at {
            Some(at) => self.slots[at as usize].node.as_ref().map(State::Pending),
            None => tree.get(path).map(State::Applied),
        };
        state.map(|state| Seen { place, state })
    }

    /// The node at `path`, to be changed by `zxid`.
    pub(crate) fn change(&mut self, zxid: Zxid, path: &str, origin: Origin<'_>) -> Option<&mut PendingNode> {
        let at = match (origin.place.at, origin.applied) {
            (Some(at), _) => {
                self.keep(zxid, at);
                at
            }
            (None, Some(node)) => self.add(zxid, path, origin.place.hash, Some(PendingNode::of(node))),
            (None, None) => return None,
        };
        self.slots[at as usize].node.as_mut()
    }

    /// The node at `path` will be this; `None` deletes it.
    pub(crate) fn put(&mut self, zxid: Zxid, path: &str, place: Place, node: Option<PendingNode>) {
        match place.at {
            Some(at) => {
                self.keep(zxid, at);
                self.disown(at);
                self.slots[at as usize].node = node;
                self.own(at);
            }
            None => {
                self.add(zxid, path, place.hash, node);
            }
        }
    }

    /// The nodes a session will own, those of the tree included.
    pub(crate) fn owned_by(&self, tree: &Tree, session: SessionId) -> Vec<Box<str>> {
        let pending = self
            .owned
            .range((session, 0)..=(session, u32::MAX))
            .map(|&(_, at)| self.slots[at as usize].path.as_str().into());
        let applied = tree.ephemerals_of(session).filter(|path| self.place(path).at.is_none());
        let mut paths: Vec<Box<str>> = applied.map(Into::into).chain(pending).collect();
        // The order must not tell what was applied already and what was not.
        paths.sort_unstable();
        paths
    }

    /// Everything up to `zxid` has been applied.
    pub(crate) fn applied(&mut self, zxid: Zxid) {
        while let Some(&(changed, at)) = self.changes.front() {
            if changed > zxid {
                break;
            }
            self.changes.pop_front();
            if self.slots[at as usize].zxid == changed {
                self.remove(at);
            }
        }
    }

    /// What applying the next change need not find out.
    pub(crate) fn hint(&mut self, zxid: Zxid, hint: Hint) {
        self.hints.push_back((zxid, hint));
    }

    /// Nobody asks for the hints up to `zxid` any more.
    pub(crate) fn forget_hints(&mut self, zxid: Zxid) {
        while self.hints.front().is_some_and(|&(of, _)| of <= zxid) {
            self.hints.pop_front();
        }
    }

    /// The hints for a transaction.
    pub(crate) fn hints(&self, zxid: Zxid) -> impl Iterator<Item = Hint> {
        let hints = self.hints.iter().skip_while(move |(of, _)| *of < zxid);
        hints.take_while(move |(of, _)| *of == zxid).map(|&(_, hint)| hint)
    }

    /// From here on every change can be undone.
    pub(crate) fn begin_multi(&mut self) {
        self.undo.active = true;
        self.undo.changes_len = self.changes.len();
        self.undo.hints_len = self.hints.len();
    }

    /// The changes since [`Self::begin_multi`] stay.
    pub(crate) fn keep_multi(&mut self) {
        self.undo.active = false;
        self.undo.slots.clear();
        self.undo.slots.shrink_to(SPARE_MAX);
    }

    /// The changes since [`Self::begin_multi`] never were.
    pub(crate) fn undo_multi(&mut self) {
        if !self.undo.active {
            return;
        }
        self.changes.truncate(self.undo.changes_len);
        self.hints.truncate(self.undo.hints_len);
        while let Some((at, before)) = self.undo.slots.pop() {
            match before {
                Some((zxid, node)) => {
                    self.disown(at);
                    let slot = &mut self.slots[at as usize];
                    slot.zxid = zxid;
                    slot.node = node;
                    self.own(at);
                }
                None => self.remove(at),
            }
        }
        self.keep_multi();
    }

    /// Makes the slot one that `zxid` changes, remembering what it was if that may be needed.
    fn keep(&mut self, zxid: Zxid, at: u32) {
        let slot = &mut self.slots[at as usize];
        if self.undo.active {
            self.undo.slots.push((at, Some((slot.zxid, slot.node.clone()))));
        }
        if slot.zxid != zxid {
            slot.zxid = zxid;
            self.changes.push_back((zxid, at));
        }
    }

    fn add(&mut self, zxid: Zxid, path: &str, hash: u64, node: Option<PendingNode>) -> u32 {
        let at = match self.free.pop() {
            Some(at) => {
                let slot = &mut self.slots[at as usize];
                slot.path.push_str(path);
                (slot.hash, slot.zxid, slot.node) = (hash, zxid, node);
                at
            }
            None => {
                self.slots.push(Slot { hash, path: path.to_owned(), zxid, node });
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.by_path.insert_unique(hash, at, |&other| slots[other as usize].hash);
        self.changes.push_back((zxid, at));
        if self.undo.active {
            self.undo.slots.push((at, None));
        }
        self.own(at);
        at
    }

    fn remove(&mut self, at: u32) {
        self.disown(at);
        let slot = &mut self.slots[at as usize];
        slot.node = None;
        if self.free.len() < SPARE_MAX {
            slot.path.clear();
        } else {
            slot.path = String::new();
        }
        if let Ok(found) = self.by_path.find_entry(slot.hash, |&other| other == at) {
            found.remove();
        }
        self.free.push(at);
    }

    fn own(&mut self, at: u32) {
        if let Some(session) = self.owner(at) {
            self.owned.insert((session, at));
        }
    }

    fn disown(&mut self, at: u32) {
        if let Some(session) = self.owner(at) {
            self.owned.remove(&(session, at));
        }
    }

    fn owner(&self, at: u32) -> Option<SessionId> {
        let node = self.slots[at as usize].node.as_ref()?;
        EphemeralOwner::from_raw(node.stat.ephemeral_owner, self.rules).session()
    }
}
