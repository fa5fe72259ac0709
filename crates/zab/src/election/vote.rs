//! Votes: which of two is better, and which count together.

use zabra_proto::{Notification, ServerState};
use zabra_types::{Epoch, ServerId, Zxid};

use crate::Members;

/// Whom a server votes for or follows, and what makes that server a good leader (`Vote`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The server voted for; [`Notification::NOBODY`] by those who may not be elected.
    pub leader: ServerId,
    /// The last transaction of that server when it was voted for.
    pub zxid: Zxid,
    /// The round of the election.
    pub election_epoch: i64,
    /// The epoch in which that server's history ends. Once the leader has established its own epoch, that one.
    pub peer_epoch: i64,
}

impl Vote {
    /// What a server without a vote of its own says: less than any vote.
    pub(super) const NOBODY: Self = Self {
        leader: Notification::NOBODY,
        zxid: Zxid::from_raw(i64::MIN),
        election_epoch: 0,
        peer_epoch: i64::MIN,
    };

    pub(super) fn new(leader: ServerId, zxid: Zxid, epoch: Epoch) -> Self {
        Self { leader, zxid, election_epoch: 0, peer_epoch: i64::from(epoch.get()) }
    }

    pub(super) fn of(notification: &Notification) -> Self {
        Self {
            leader: notification.leader,
            zxid: notification.zxid,
            election_epoch: notification.election_epoch,
            peer_epoch: notification.peer_epoch,
        }
    }

    /// The same choice, made in another round.
    pub(super) fn in_round(self, election_epoch: i64) -> Self {
        Self { election_epoch, ..self }
    }

    /// Whether this vote takes the place of `other` (`totalOrderPredicate`): a higher epoch, then a longer history, then
    /// the greater id, whatever the rounds. A server without weight never wins.
    pub(super) fn beats(&self, other: &Self, members: &Members) -> bool {
        members.is_electable(self.leader)
            && (self.peer_epoch, self.zxid, self.leader) > (other.peer_epoch, other.zxid, other.leader)
    }
}

/// A vote as it counts: with the state of the server that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CastVote {
    pub(super) vote: Vote,
    pub(super) state: ServerState,
    /// The layout it came in, which says whether `peer_epoch` of a settled server is that of its leader's epoch.
    pub(super) version: i32,
}

impl CastVote {
    /// A vote of a server that looks for a leader. Its layout does not matter.
    pub(super) fn looking(vote: Vote) -> Self {
        Self { vote, state: ServerState::Looking, version: 0 }
    }

    /// Whether two votes count together (`Vote.equals`). Those of settled servers agree on the leader and its epoch only:
    /// zxid and round are what they were when each of them settled (ZOOKEEPER-1805). Servers from before version 1 keep
    /// the epoch of the election, so next to a later one it does not count either (ZOOKEEPER-1732).
    pub(super) fn agrees(&self, other: &Self) -> bool {
        if self.state == ServerState::Looking || other.state == ServerState::Looking {
            self.vote == other.vote
        } else if (self.version > 0) != (other.version > 0) {
            self.vote.leader == other.vote.leader
        } else {
            self.vote.leader == other.vote.leader && self.vote.peer_epoch == other.vote.peer_epoch
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::QuorumRule;
    use crate::election::fixture::{id, members};

    fn vote(leader: i64, zxid: i64, election_epoch: i64, peer_epoch: i64) -> Vote {
        Vote { leader: id(leader), zxid: Zxid::from_raw(zxid), election_epoch, peer_epoch }
    }

    #[test]
    fn epoch_then_zxid_then_id_decide() {
        let members = members(1..=3, []);
        for (better, worse) in [
            (vote(1, 5, 1, 2), vote(3, 9, 9, 1)),
            (vote(1, 9, 1, 1), vote(3, 5, 9, 1)),
            (vote(3, 5, 1, 1), vote(1, 5, 9, 1)),
            (vote(1, 0, 1, 0), Vote::NOBODY),
        ] {
            assert!(better.beats(&worse, &members), "{better:?} {worse:?}");
            assert!(!worse.beats(&better, &members), "{worse:?} {better:?}");
        }
        assert!(!vote(1, 5, 2, 1).beats(&vote(1, 5, 1, 1), &members), "the round does not matter");
        assert!(!vote(9, 5, 1, 9).beats(&vote(1, 5, 1, 1), &members), "not a member");
    }

    #[test]
    fn a_server_without_weight_never_wins() {
        let mut members = members(1..=3, []);
        members.rule = QuorumRule::Hierarchical {
            groups: [members.voters.clone()].into(),
            weights: [(id(3), 0)].into(),
        };
        assert!(!vote(3, 9, 1, 9).beats(&vote(1, 5, 1, 1), &members));
        assert!(!vote(1, 5, 1, 1).beats(&vote(3, 9, 1, 9), &members), "nor does it lose to what is less");
    }

    #[test]
    fn votes_count_together_by_what_their_servers_are() {
        let cast = |vote, state, version| CastVote { vote, state, version };
        let (looking, following) = (ServerState::Looking, ServerState::Following);
        let a = vote(3, 5, 1, 1);
        for (other, of_looking, of_settled, of_old) in [
            (a, true, true, true),
            (vote(3, 5, 2, 1), false, true, true),
            (vote(3, 6, 1, 1), false, true, true),
            (vote(3, 5, 1, 2), false, false, true),
            (vote(2, 5, 1, 1), false, false, false),
        ] {
            let agrees = |state, version, other_state, other_version| {
                let (one, two) = (cast(a, state, version), cast(other, other_state, other_version));
                assert_eq!(one.agrees(&two), two.agrees(&one));
                one.agrees(&two)
            };
            assert_eq!(agrees(looking, 0, looking, 0), of_looking, "{other:?}");
            assert_eq!(agrees(looking, 0, following, 2), of_looking, "{other:?}");
            assert_eq!(agrees(ServerState::Leading, 2, following, 2), of_settled, "{other:?}");
            assert_eq!(agrees(following, 0, following, 0), of_settled, "{other:?}");
            assert_eq!(agrees(following, 0, following, 2), of_old, "{other:?}");
        }
    }

    #[test]
    fn votes_are_read_from_notifications() {
        let notification = Notification {
            state: ServerState::Leading,
            leader: id(3),
            zxid: Zxid::from_raw(5),
            election_epoch: 7,
            peer_epoch: 2,
            version: 2,
            config: Some(String::new()),
        };
        assert_eq!(Vote::of(&notification), vote(3, 5, 7, 2));
    }
}
