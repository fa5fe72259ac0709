//! Who belongs to the ensemble, and which of them together decide.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use zabra_types::ServerId;

/// The members of the ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Those who vote.
    pub voters: BTreeSet<ServerId>,
    /// Those who only follow.
    pub observers: BTreeSet<ServerId>,
    /// When the voters have decided.
    pub rule: QuorumRule,
    /// The version of the membership; 0 without dynamic reconfiguration.
    pub version: i64,
    /// The membership as servers tell it each other. Checked by whoever made it: a genuine server can be struck deaf by
    /// a text that is not consistent.
    pub text: String,
}

/// Which sets of voters decide (`QuorumVerifier`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuorumRule {
    /// More than half of the voters (`QuorumMaj`).
    Majority,
    /// More than half of the weight in more than half of the groups that have weight (`QuorumHierarchical`).
    Hierarchical {
        /// The servers of each group.
        groups: Vec<BTreeSet<ServerId>>,
        /// Weights other than 1. A server of weight 0 votes but is never elected.
        weights: BTreeMap<ServerId, u64>,
    },
}

impl Members {
    /// Whether a server votes.
    pub fn is_voter(&self, server: ServerId) -> bool {
        self.voters.contains(&server)
    }

    /// Whether a server belongs to the ensemble.
    pub fn contains(&self, server: ServerId) -> bool {
        self.voters.contains(&server) || self.observers.contains(&server)
    }

    /// Whether these servers, as far as they vote, are a quorum.
    pub fn is_quorum(&self, servers: &BTreeSet<ServerId>) -> bool {
        self.is_quorum_of(|server| servers.contains(&server))
    }

    /// Whether the servers that `contains` says yes to are a quorum, as far as they vote.
    pub fn is_quorum_of(&self, contains: impl Fn(ServerId) -> bool) -> bool {
        match &self.rule {
            QuorumRule::Majority => {
                self.voters.iter().filter(|id| contains(**id)).count() > self.voters.len() / 2
            }
            QuorumRule::Hierarchical { groups, weights } => {
                let weight_of = |id: &ServerId| weights.get(id).copied().unwrap_or(1);
                let mut with_weight = 0;
                let mut won = 0;
                for group in groups {
                    let total: u64 = group.iter().map(weight_of).sum();
                    let have: u64 = group.iter().filter(|id| contains(**id)).map(weight_of).sum();
                    with_weight += usize::from(total > 0);
                    won += usize::from(have > total / 2);
                }
                won > with_weight / 2
            }
        }
    }

    /// Whether a server may be elected.
    pub fn is_electable(&self, server: ServerId) -> bool {
        match &self.rule {
            QuorumRule::Majority => self.is_voter(server),
            QuorumRule::Hierarchical { weights, .. } => {
                self.is_voter(server) && weights.get(&server) != Some(&0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: impl IntoIterator<Item = i64>) -> BTreeSet<ServerId> {
        ids.into_iter().map(ServerId::new).collect()
    }

    fn members(voters: impl IntoIterator<Item = i64>, rule: QuorumRule) -> Members {
        Members { voters: ids(voters), observers: ids([90]), rule, version: 0, text: String::new() }
    }

    #[test]
    fn a_majority_is_more_than_half_of_the_voters() {
        for (voters, servers, decides) in [
            (3, ids([1]), false),
            (3, ids([1, 2]), true),
            (3, ids([1, 90]), false),
            (4, ids([1, 2]), false),
            (5, ids([1, 3, 5]), true),
            (1, ids([1]), true),
        ] {
            assert_eq!(members(1..=voters, QuorumRule::Majority).is_quorum(&servers), decides, "{servers:?}");
        }
    }

    #[test]
    fn groups_decide_by_weight() {
        let rule = QuorumRule::Hierarchical {
            groups: [ids([1, 2, 3]), ids([4, 5, 6]), ids([7, 8, 9])].into(),
            weights: [(ServerId::new(7), 0), (ServerId::new(8), 0), (ServerId::new(9), 0)].into(),
        };
        let members = members(1..=9, rule);
        assert!(!members.is_quorum(&ids([1, 2, 7, 8, 9])), "one group of the two that have weight");
        assert!(members.is_quorum(&ids([1, 2, 4, 5])));
        assert!(!members.is_quorum(&ids([1, 2, 4])));
        assert!(members.is_electable(ServerId::new(1)) && !members.is_electable(ServerId::new(7)));
        assert!(!members.is_electable(ServerId::new(90)));
    }
}
