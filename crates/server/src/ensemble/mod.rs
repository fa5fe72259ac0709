//! A member of an ensemble: the ports between servers, and what carries out the outputs of [`zabra_zab::Peer`].
//!
//! The peer is part of the brain and decides everything; [`driver`] tells it what happened and does what it says, in
//! order. What takes time is queued: sending in [`net`], the disk in [`store`].

mod depot;
mod disk;
mod driver;
pub(crate) mod net;
mod options;
pub(crate) mod requests;
mod start;
mod store;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use zabra_tree::Tree;
use zabra_types::{Now, ServerId, Zxid};
use zabra_zab::{Input, Members, Output, Peer, Role};

use self::depot::Data;
use self::net::election::ElectionPort;
use self::net::links::Links;
use self::store::StoreQueue;
use crate::clock::Clock;
use crate::config;

pub(crate) use self::depot::{Hold, Holds};
pub(crate) use self::start::{begin, member, recent_limits};
pub(crate) use self::store::run_store;

/// What all parts of a member share.
#[derive(Debug)]
pub(crate) struct Ensemble {
    /// What the configuration says.
    pub(crate) settings: config::Ensemble,
    /// The members, as the peer knows them.
    pub(crate) members: Members,
    /// The log and everything else durable, in order.
    pub(crate) store: StoreQueue,
    /// The part this server has, as last announced.
    standing: Mutex<Standing>,
    ports: OnceLock<Ports>,
    timer: Timer,
    /// Something waits in the brain for the peer.
    round: Notify,
    /// No snapshot may be taken while the tree is not what the disk says: from the adoption of a leader's database until
    /// that is on the disk.
    adopted: Mutex<Option<Hold>>,
    /// The snapshot that the database began with; what the log has from before proves little.
    base: Mutex<Zxid>,
}

/// The part a server has, for those who watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The part.
    pub(crate) role: Role,
    /// Since when it has that.
    pub(crate) since: Now,
    /// Since when there is no leader, if there is none.
    lost: Option<Now>,
}

/// The ports between servers, once they are open.
#[derive(Debug)]
struct Ports {
    election: ElectionPort,
    links: Links,
    data: Arc<Data>,
}

/// When the peer wants to be called.
#[derive(Debug)]
struct Timer {
    /// Milliseconds of the server's clock; the greatest number is never.
    armed: AtomicU64,
    changed: Notify,
}

impl Ensemble {
    pub(crate) fn new(settings: config::Ensemble, base: Zxid, now: Now) -> Self {
        Self {
            members: options::members(&settings.membership),
            settings,
            store: StoreQueue::default(),
            standing: Mutex::new(Standing { role: Role::Looking, since: now, lost: Some(now) }),
            ports: OnceLock::new(),
            timer: Timer { armed: AtomicU64::new(u64::MAX), changed: Notify::new() },
            round: Notify::new(),
            adopted: Mutex::default(),
            base: Mutex::new(base),
        }
    }

    /// What waits in the brain is handed over to the peer soon.
    pub(crate) fn call_round(&self) {
        self.round.notify_one();
    }

    /// The part this server has.
    pub(crate) fn standing(&self) -> Standing {
        *self.standing.lock()
    }

    /// Shows the membership as `/zookeeper/config`: each server knows it by itself.
    pub(crate) fn show_membership(&self, tree: &mut Tree) {
        tree.set_config(self.members.text.as_bytes(), self.members.version, Clock::wall());
    }

    /// Which member this server is.
    pub(crate) fn id(&self) -> ServerId {
        self.settings.id
    }

    /// The links to other servers; none before they are open.
    pub(crate) fn links(&self) -> Option<&Links> {
        self.ports.get().map(|ports| &ports.links)
    }

    fn data(&self) -> Option<&Data> {
        self.ports.get().map(|ports| &*ports.data)
    }

    fn election(&self) -> Option<&ElectionPort> {
        self.ports.get().map(|ports| &ports.election)
    }
}

impl Timer {
    /// Lets the timer task look again, if it would wake too late.
    fn arm(&self, deadline: Option<Now>) {
        let deadline = deadline.map_or(u64::MAX, Now::millis);
        if deadline < self.armed.swap(deadline, SeqCst) {
            self.changed.notify_one();
        }
    }
}

/// What the brain of a member has besides that of a standalone server.
#[derive(Debug)]
pub(crate) struct Member {
    /// What decides.
    pub(crate) peer: Peer,
    /// Used again for every batch of inputs.
    inputs: Vec<Input>,
    /// Used again for every input.
    outputs: Vec<Output>,
    /// Committed, and about to be applied.
    committed: Vec<Bytes>,
}

impl Member {
    fn new(peer: Peer) -> Self {
        Self { peer, inputs: Vec::new(), outputs: Vec::new(), committed: Vec::new() }
    }
}
