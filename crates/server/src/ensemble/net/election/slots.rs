//! What is known of each server at the other end of the election port: the newest unsent notification and the connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use zabra_types::ServerId;

use crate::config::Endpoint;

/// Servers that are no members and may be connected all the same, at most.
const OTHERS_MAX: usize = 64;
/// How long after asking to be called it is not asked again: each plea makes a genuine server drop the connection.
const PLEA_PAUSE: Duration = Duration::from_secs(1);
/// How long a server may be out of reach before that is worth a warning: servers do not start at the same moment.
const PATIENCE: Duration = Duration::from_secs(3);
/// A plea that comes so soon after a connection was made was sent before it: nothing is to be done about it.
const FRESH: Duration = Duration::from_millis(500);

/// All of them.
#[derive(Debug)]
pub(super) struct Slots {
    members: BTreeSet<ServerId>,
    slots: BTreeMap<ServerId, Slot>,
    lines: u64,
    shut: bool,
}

#[derive(Debug, Default)]
struct Slot {
    /// The newest unsent notification, as a frame.
    unsent: Option<Vec<u8>>,
    line: Option<Line>,
    /// Whether a dial is under way.
    attempt: bool,
    pleaded: Option<Instant>,
    /// Where it asked to be called, if that has come to nothing so far.
    plea: Option<Vec<Endpoint>>,
    /// Since when dials fail, and what was last said about it.
    failing: Option<(Instant, Option<String>)>,
}

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Line {
    number: u64,
    since: Instant,
    filled: Arc<Notify>,
    replaced: Arc<Notify>,
}

impl Line {
    /// Ready when there may be something to send.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Ready when another connection takes its place.
    pub(super) async fn replaced(&self) {
        self.replaced.notified().await;
    }
}

impl Slots {
    pub(super) fn new(members: BTreeSet<ServerId>) -> Self {
        let slots = members.iter().map(|&id| (id, Slot::default())).collect();
        Self { members, slots, lines: 0, shut: false }
    }

    /// Leaves a notification for a server. True when there is no connection that could take it.
    pub(super) fn put(&mut self, to: ServerId, frame: Vec<u8>) -> bool {
        let Some(slot) = self.slots.get_mut(&to) else { return false };
        slot.unsent = Some(frame);
        match &slot.line {
            Some(line) => {
                line.filled.notify_one();
                false
            }
            None => true,
        }
    }

    /// What a connection is to send, if it still stands for its server.
    pub(super) fn take(&mut self, to: ServerId, line: &Line) -> Option<Vec<u8>> {
        let slot = self.slots.get_mut(&to)?;
        if slot.line.as_ref()?.number == line.number { slot.unsent.take() } else { None }
    }

    /// Whether a dial is to begin now.
    pub(super) fn begin_attempt(&mut self, to: ServerId) -> bool {
        let Some(slot) = self.slots.get_mut(&to) else { return false };
        let pleaded = slot.pleaded.is_some_and(|at| at.elapsed() < PLEA_PAUSE);
        let begins = slot.line.is_none() && !slot.attempt && !pleaded;
        slot.attempt |= begins;
        begins
    }

    /// Whether a server that asks to be called is to be called now. The connection there was ends: the server has none, or
    /// it would not ask. A plea that comes while it is called, or just after, may have been sent before that, or by a
    /// process that began since; it is remembered until that comes to nothing.
    pub(super) fn begin_call_back(&mut self, to: ServerId, endpoints: &[Endpoint]) -> bool {
        if !self.has_room(to) {
            return false;
        }
        let slot = self.slots.entry(to).or_default();
        if slot.attempt || slot.line.as_ref().is_some_and(|line| line.since.elapsed() < FRESH) {
            slot.plea = Some(endpoints.to_vec());
            return false;
        }
        if let Some(line) = &slot.line {
            line.replaced.notify_one();
        }
        slot.attempt = true;
        true
    }

    /// Whether a server that could not be called back is to be called once more.
    pub(super) fn begin_call_again(&mut self, to: ServerId) -> bool {
        if !self.has_room(to) {
            return false;
        }
        let slot = self.slots.entry(to).or_default();
        let begins = slot.line.is_none() && !slot.attempt;
        slot.attempt |= begins;
        begins
    }

    /// Where to call a server that is gone and asked to be called before.
    pub(super) fn begin_late_call(&mut self, to: ServerId) -> Option<Vec<Endpoint>> {
        let slot = self.slots.get_mut(&to).filter(|slot| slot.line.is_none() && !slot.attempt)?;
        let plea = slot.plea.take()?;
        slot.attempt = true;
        Some(plea)
    }

    /// A dial only asked to be called.
    pub(super) fn pleaded(&mut self, to: ServerId) {
        if let Some(slot) = self.slots.get_mut(&to) {
            slot.attempt = false;
            slot.pleaded = Some(Instant::now());
            slot.failing = None;
        }
    }

    /// A dial failed. True when it is worth saying: dials have failed for a while, and not for this reason so far.
    pub(super) fn attempt_failed(&mut self, to: ServerId, problem: &str) -> bool {
        let Some(slot) = self.slots.get_mut(&to) else { return false };
        slot.attempt = false;
        let (since, said) = slot.failing.get_or_insert_with(|| (Instant::now(), None));
        let worth_saying = since.elapsed() >= PATIENCE && said.as_deref() != Some(problem);
        if worth_saying {
            *said = Some(problem.to_owned());
        }
        self.forget(to);
        worth_saying
    }

    /// Whether there is a connection.
    pub(super) fn stands(&self, peer: ServerId) -> bool {
        self.slots.get(&peer).is_some_and(|slot| slot.line.is_some())
    }

    /// A connection stands; the one before ends. None when there is no room for strangers.
    pub(super) fn open(&mut self, peer: ServerId, dialled: bool) -> Option<Line> {
        if !self.has_room(peer) {
            return None;
        }
        self.lines += 1;
        let line = Line {
            number: self.lines,
            since: Instant::now(),
            filled: Arc::default(),
            replaced: Arc::default(),
        };
        let slot = self.slots.entry(peer).or_default();
        if dialled {
            slot.attempt = false;
        }
        slot.pleaded = None;
        slot.failing = None;
        if let Some(before) = slot.line.replace(line.clone()) {
            before.replaced.notify_one();
        }
        Some(line)
    }

    /// A connection ended. True when no other took its place.
    pub(super) fn close(&mut self, peer: ServerId, line: &Line) -> bool {
        let Some(slot) = self.slots.get_mut(&peer) else { return false };
        if slot.line.as_ref().is_none_or(|current| current.number != line.number) {
            return false;
        }
        slot.line = None;
        self.forget(peer);
        true
    }

    /// Ends all connections, and lets none begin.
    pub(super) fn shut(&mut self) {
        self.members.clear();
        self.shut = true;
        for line in self.slots.values_mut().filter_map(|slot| slot.line.take()) {
            line.replaced.notify_one();
        }
        self.slots.clear();
    }

    fn has_room(&self, peer: ServerId) -> bool {
        let room = self.slots.contains_key(&peer) || self.slots.len() < self.members.len() + OTHERS_MAX;
        room && !self.shut
    }

    /// Servers that are no members are forgotten with their connection.
    fn forget(&mut self, peer: ServerId) {
        let is_idle = |slot: &Slot| slot.line.is_none() && !slot.attempt && slot.plea.is_none();
        let idle = self.slots.get(&peer).is_some_and(is_idle);
        if idle && !self.members.contains(&peer) {
            self.slots.remove(&peer);
        }
    }
}
