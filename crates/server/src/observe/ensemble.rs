//! What a member of an ensemble tells about it.

use zabra_types::ServerId;
use zabra_zab::{LearnerPhase, LearnerStatus, Role};

use super::metrics::{Metric, Value};
use crate::core::Core;
use crate::ensemble::requests::Part;
use crate::stats::millis;

/// What a leader knows of its learners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learners {
    /// All of them.
    pub(crate) all: Vec<LearnerStatus>,
    /// The `sync`s of its own clients that are not answered.
    pub(crate) pending_syncs: usize,
}

impl Learners {
    /// Those of them that get what is proposed.
    fn forwarding(&self) -> impl Iterator<Item = &LearnerStatus> {
        self.all.iter().filter(|learner| learner.phase != LearnerPhase::Discovery)
    }

    /// Those that get what is proposed, and do not observe.
    pub(crate) fn followers(&self) -> impl Iterator<Item = &LearnerStatus> {
        self.forwarding().filter(|learner| !learner.is_observer)
    }

    /// Those that get what is decided.
    pub(crate) fn observers(&self) -> impl Iterator<Item = &LearnerStatus> {
        self.forwarding().filter(|learner| learner.is_observer)
    }
}

/// What a leader knows of its learners; none when this server does not lead.
pub(crate) fn learners(core: &Core) -> Option<Learners> {
    let brain = core.brain.lock();
    let Part::Leading(leading) = &brain.part else { return None };
    let member = brain.member.as_ref()?;
    Some(Learners { all: member.peer.learners().collect(), pending_syncs: leading.pending_syncs() })
}

/// The part of this server and its phase (`QuorumPeer.getDetailedPeerState`); none when it is alone.
pub(crate) fn peer_state(core: &Core) -> Option<&'static str> {
    Some(match core.ensemble.as_ref()?.standing().role {
        Role::Looking => "looking",
        Role::PreparingToLead => "leading - discovery",
        Role::Leading(_) => "leading - broadcast",
        Role::Synchronizing(_) => "following - synchronization",
        Role::Following { .. } => "following - broadcast",
        Role::Observing { .. } => "observing - broadcast",
    })
}

/// The leader that this server observes; none when it does not.
pub(crate) fn observed(core: &Core) -> Option<ServerId> {
    match core.ensemble.as_ref()?.standing().role {
        Role::Observing { leader, .. } => Some(leader),
        _ => None,
    }
}

/// The metrics that only members of an ensemble have, as far as this one has them in its present part.
pub(super) fn gauges(core: &Core) -> Vec<Metric> {
    let Some(ensemble) = &core.ensemble else { return Vec::new() };
    let gauge = |name, value: i64| Metric { name, key: None, value: Value::Integer(value) };
    let count = |name, count: usize| gauge(name, i64::try_from(count).unwrap_or(i64::MAX));
    let mut gauges = vec![count("quorum_size", ensemble.members.voters.len())];
    let standing = ensemble.standing();
    let Some(learners) = learners(core) else { return gauges };
    let proposals = core.stats.proposal_sizes.read();
    let uptime = millis(core.clock.now().since(standing.since));
    gauges.extend([
        count("learners", learners.all.len()),
        count("synced_followers", learners.followers().count()),
        count(
            "synced_non_voting_followers",
            learners.followers().filter(|learner| !learner.is_voter).count(),
        ),
        count("synced_observers", learners.observers().count()),
        count("pending_syncs", learners.pending_syncs),
        gauge("leader_uptime", i64::try_from(uptime).unwrap_or(i64::MAX)),
        gauge("last_proposal_size", proposals.last),
        gauge("max_proposal_size", proposals.max),
        gauge("min_proposal_size", proposals.min),
    ]);
    gauges
}
