//! Which nodes go by themselves: the ephemeral ones of each session, the containers and those with a time to live.

use crate::arena::Slot;
use alloc::collections::{BTreeMap, BTreeSet};
use zabra_types::{EphemeralOwner, SessionId};

/// The nodes that somebody or something other than a client's delete removes.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    ephemerals: BTreeMap<SessionId, BTreeSet<Slot>>,
    ephemeral_count: u64,
    /// Containers.
    pub(crate) containers: BTreeSet<Slot>,
    /// Nodes with a time to live.
    pub(crate) ttls: BTreeSet<Slot>,
}

impl Owners {
    /// Files a new node.
    pub(crate) fn add(&mut self, owner: EphemeralOwner, slot: Slot) {
        match owner {
            EphemeralOwner::Persistent => {}
            EphemeralOwner::Container => {
                self.containers.insert(slot);
            }
            EphemeralOwner::Ttl(_) => {
                self.ttls.insert(slot);
            }
            EphemeralOwner::Session(session) => {
                if self.ephemerals.entry(session).or_default().insert(slot) {
                    self.ephemeral_count += 1;
                }
            }
        }
    }

    /// Forgets a node.
    pub(crate) fn remove(&mut self, owner: EphemeralOwner, slot: Slot) {
        match owner {
            EphemeralOwner::Persistent => {}
            EphemeralOwner::Container => {
                self.containers.remove(&slot);
            }
            EphemeralOwner::Ttl(_) => {
                self.ttls.remove(&slot);
            }
            EphemeralOwner::Session(session) => {
                let Some(slots) = self.ephemerals.get_mut(&session) else { return };
                if slots.remove(&slot) {
                    self.ephemeral_count -= 1;
                }
                if slots.is_empty() {
                    self.ephemerals.remove(&session);
                }
            }
        }
    }

    /// Whether a node is filed under this owner. Nothing is filed under nobody.
    pub(crate) fn has(&self, owner: EphemeralOwner, slot: Slot) -> bool {
        match owner {
            EphemeralOwner::Persistent => true,
            EphemeralOwner::Container => self.containers.contains(&slot),
            EphemeralOwner::Ttl(_) => self.ttls.contains(&slot),
            EphemeralOwner::Session(session) => {
                self.ephemerals.get(&session).is_some_and(|slots| slots.contains(&slot))
            }
        }
    }

    /// How many nodes are filed.
    pub(crate) fn len(&self) -> u64 {
        let ephemerals: usize = self.ephemerals.values().map(BTreeSet::len).sum();
        (self.containers.len() + self.ttls.len() + ephemerals) as u64
    }

    /// The ephemeral nodes of a session.
    pub(crate) fn of(&self, session: SessionId) -> impl Iterator<Item = Slot> {
        self.ephemerals.get(&session).into_iter().flatten().copied()
    }

    /// The sessions that have ephemeral nodes.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.ephemerals.keys().copied()
    }

    /// The number of ephemeral nodes.
    pub(crate) fn ephemeral_count(&self) -> u64 {
        self.ephemeral_count
    }
}
