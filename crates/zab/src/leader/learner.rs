//! One learner as the leader sees it.

use zabra_types::{ServerId, Zxid};

use crate::{LinkId, Ticket};

/// A learner's link, and how far the two have come.
#[derive(Debug)]
pub(super) struct Learner {
    /// Who it is; none before it has said so, and of observers without an id.
    pub(super) server: Option<ServerId>,
    pub(super) kind: LearnerKind,
    /// Whether it drops its log for a snapshot; a genuine one does not.
    pub(super) replaces_log: bool,
    /// Whether its acknowledgements count: it votes.
    pub(super) counts: bool,
    pub(super) phase: Phase,
    /// The beat of its connecting.
    pub(super) accepted: u64,
    /// The beat since which it has said nothing, or nothing was expected of it before.
    pub(super) since: u64,
}

/// What a learner is, which it decides itself by how it introduces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LearnerKind {
    /// It follows, and its acknowledgements count.
    Voter,
    /// It follows without being a voting member: it gets what voters get, and counts for nothing.
    Follower,
    /// It observes.
    Observer,
}

/// What is expected of a learner.
#[derive(Debug)]
pub(super) enum Phase {
    /// It introduces itself.
    Connected,
    /// It waits for an epoch to be chosen.
    Introduced,
    /// It answers LEADERINFO.
    Offered,
    /// It waits for a quorum of promises; its history ends here.
    Promised { last: Zxid },
    /// It waits for the log on this leader's disk to be looked into; its history ends here.
    Searching { last: Zxid, ticket: Ticket },
    /// It receives history and acknowledges NEWLEADER.
    Syncing(Syncing),
    /// It has acknowledged NEWLEADER, and waits for the epoch to be established.
    Acked(Flow),
    /// It serves clients.
    Active(Flow),
}

/// A learner on its way to the leader's history. Everything proposed and committed goes to it already, behind that.
#[derive(Debug)]
pub(super) struct Syncing {
    pub(super) mode: SyncMode,
    /// A snapshot or part of the log is on its way. NEWLEADER comes behind: a snapshot is fuzzy, and all transactions whose
    /// effects it may contain must have been committed to the learner before it trusts what it has.
    pub(super) sending: bool,
    /// Everything up to here it has, and has been told to be committed: what NEWLEADER stands behind.
    pub(super) base: Zxid,
    /// The highest proposal it acknowledged before NEWLEADER; the base when none. Followers of releases 3.8.0 to 3.8.4,
    /// 3.9.0 and 3.9.1 do that (ZOOKEEPER-4685).
    pub(super) early: Zxid,
}

impl Syncing {
    /// Whether NEWLEADER has been sent.
    pub(super) fn is_complete(&self) -> bool {
        !self.sending
    }
}

/// What a learner that has the history has said and heard of what came after it.
#[derive(Debug)]
pub(super) struct Flow {
    /// How it got the history.
    pub(super) mode: SyncMode,
    /// Everything up to here is on its disk. Learners acknowledge in order, so that one zxid says it all.
    pub(super) acked: Zxid,
    /// COMMITs have been sent up to here. They rest between NEWLEADER and UPTODATE: followers of releases 3.8.5, 3.8.6 and
    /// 3.9.2 break off when one comes there for a proposal from before NEWLEADER.
    pub(super) told: Zxid,
    /// A proposal that is not acknowledged, and the beat at which that was noticed.
    pub(super) waiting: Option<(Zxid, u64)>,
}

/// How a learner is brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// By what follows its history.
    Diff,
    /// By that, after cutting off what was never committed.
    Trunc,
    /// By a whole snapshot.
    Snap,
}

/// How far a learner has come, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnerPhase {
    /// Discovery: it has not promised the epoch, or not enough others have.
    Discovery,
    /// It receives history.
    Synchronization,
    /// It has the history and waits for the epoch to be established.
    Synced,
    /// It serves clients.
    Broadcast,
}

/// A learner, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerStatus {
    /// Its link.
    pub link: LinkId,
    /// Who it is; none before it has said so, and of observers without an id.
    pub server: Option<ServerId>,
    /// Whether it observes.
    pub is_observer: bool,
    /// Whether it is a voting member.
    pub is_voter: bool,
    /// How far it has come.
    pub phase: LearnerPhase,
    /// How it got the leader's history, once that is decided.
    pub sync_mode: Option<SyncMode>,
    /// Everything up to here is on its disk, as far as it has said so since it has the history.
    pub acked: Option<Zxid>,
}

impl Learner {
    /// Nobody knows yet who it is.
    pub(super) fn connected(beat: u64) -> Self {
        Self {
            server: None,
            kind: LearnerKind::Follower,
            replaces_log: false,
            counts: false,
            phase: Phase::Connected,
            accepted: beat,
            since: beat,
        }
    }

    /// Its id, when its acknowledgements count.
    pub(super) fn voter(&self) -> Option<ServerId> {
        self.server.filter(|_| self.counts)
    }

    pub(super) fn is_observer(&self) -> bool {
        self.kind == LearnerKind::Observer
    }

    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active(_))
    }

    /// Whether everything proposed and committed goes to it.
    pub(super) fn is_forwarding(&self) -> bool {
        matches!(self.phase, Phase::Syncing(_) | Phase::Acked(_) | Phase::Active(_))
    }

    /// Whether NEWLEADER has been sent.
    pub(super) fn is_pinged(&self) -> bool {
        match &self.phase {
            Phase::Syncing(syncing) => syncing.is_complete(),
            Phase::Acked(_) | Phase::Active(_) => true,
            _ => false,
        }
    }

    /// It said something.
    pub(super) fn heard(&mut self, beat: u64) {
        self.since = beat;
    }

    /// Something else is expected of it from now on.
    pub(super) fn enter(&mut self, phase: Phase, beat: u64) {
        self.phase = phase;
        self.since = beat;
    }

    pub(super) fn status(&self, link: LinkId) -> LearnerStatus {
        let (phase, sync_mode, acked) = match &self.phase {
            Phase::Connected | Phase::Introduced | Phase::Offered | Phase::Promised { .. } => {
                (LearnerPhase::Discovery, None, None)
            }
            Phase::Searching { .. } => (LearnerPhase::Synchronization, None, None),
            Phase::Syncing(syncing) => (LearnerPhase::Synchronization, Some(syncing.mode), None),
            Phase::Acked(flow) => (LearnerPhase::Synced, Some(flow.mode), Some(flow.acked)),
            Phase::Active(flow) => (LearnerPhase::Broadcast, Some(flow.mode), Some(flow.acked)),
        };
        LearnerStatus {
            link,
            server: self.server,
            is_observer: self.is_observer(),
            is_voter: self.voter().is_some(),
            phase,
            sync_mode,
            acked,
        }
    }

    /// What must hold between any two inputs.
    pub(super) fn check(&self, committed: Zxid, last: Zxid) {
        match &self.phase {
            Phase::Syncing(syncing) => {
                assert!(syncing.base <= committed && syncing.base <= syncing.early && syncing.early <= last);
            }
            Phase::Acked(flow) | Phase::Active(flow) => {
                assert!(flow.acked <= last && flow.told <= committed);
                assert!(
                    !self.is_active() || self.is_observer() || flow.told == committed,
                    "it is told at once"
                );
            }
            _ => {}
        }
    }
}
