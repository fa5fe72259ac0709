//! Who belongs to the ensemble. When voters decide is written down here a second time, so that a mistake in the core
//! cannot hide from the properties.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use zabra_types::ServerId;
use zabra_zab::{Members, QuorumRule};

/// The servers: first those who vote, then the observers. Server `n` has the id `n + 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ensemble {
    /// How many vote.
    pub(crate) voters: usize,
    /// How many only observe.
    pub(crate) observers: usize,
    /// The voters of each group, and the weights of all voters; none when the majority decides.
    pub(crate) groups: Option<Groups>,
}

/// Groups of voters with weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    /// The voters of each group.
    pub(crate) groups: Vec<Vec<usize>>,
    /// The weight of each voter.
    pub(crate) weights: Vec<u64>,
}

impl Ensemble {
    /// All of them.
    pub(crate) fn len(&self) -> usize {
        self.voters + self.observers
    }

    /// The id of a server.
    pub(crate) fn id(server: usize) -> ServerId {
        ServerId::new(server as i64 + 1)
    }

    /// The server with an id.
    pub(crate) fn server(&self, id: ServerId) -> Option<usize> {
        usize::try_from(id.get() - 1).ok().filter(|&server| server < self.len())
    }

    /// Whether a server votes.
    pub(crate) fn is_voter(&self, server: usize) -> bool {
        server < self.voters
    }

    /// Whether a server can be elected.
    pub(crate) fn is_electable(&self, server: usize) -> bool {
        self.is_voter(server) && self.groups.as_ref().is_none_or(|groups| groups.weights[server] > 0)
    }

    /// Whether these servers may decide.
    pub(crate) fn is_quorum(&self, servers: impl IntoIterator<Item = usize>) -> bool {
        let voting: BTreeSet<usize> = servers.into_iter().filter(|&server| self.is_voter(server)).collect();
        let Some(Groups { groups, weights }) = &self.groups else { return 2 * voting.len() > self.voters };
        let weight = |servers: &mut dyn Iterator<Item = &usize>| servers.map(|&s| weights[s]).sum::<u64>();
        let heavy = groups.iter().filter(|group| weight(&mut group.iter()) > 0);
        let won = heavy.clone().filter(|group| {
            let have = weight(&mut group.iter().filter(|server| voting.contains(server)));
            2 * have > weight(&mut group.iter())
        });
        2 * won.count() > heavy.count()
    }

    /// The members as servers are told of them.
    pub(crate) fn members(&self) -> Members {
        let ids = |servers: &mut dyn Iterator<Item = usize>| -> BTreeSet<ServerId> {
            servers.map(Self::id).collect()
        };
        let rule = match &self.groups {
            None => QuorumRule::Majority,
            Some(Groups { groups, weights }) => QuorumRule::Hierarchical {
                groups: groups.iter().map(|group| ids(&mut group.iter().copied())).collect(),
                weights: weights
                    .iter()
                    .enumerate()
                    .map(|(server, &w)| (Self::id(server), w))
                    .collect::<BTreeMap<_, _>>(),
            },
        };
        let mut text = String::new();
        for server in 0..self.len() {
            let id = server + 1;
            let part = if self.is_voter(server) { "participant" } else { "observer" };
            let _ = writeln!(text, "server.{id}=10.0.0.{id}:2888:3888:{part}");
        }
        text.push_str("version=0");
        Members {
            voters: ids(&mut (0..self.voters)),
            observers: ids(&mut (self.voters..self.len())),
            rule,
            version: 0,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_count_agree() {
        let by_groups =
            Groups { groups: vec![vec![0, 1, 2], vec![3, 4], vec![5]], weights: vec![1, 2, 1, 3, 0, 0] };
        for (voters, groups) in [(3, None), (4, None), (5, None), (6, Some(by_groups))] {
            let ensemble = Ensemble { voters, observers: 1, groups };
            let members = ensemble.members();
            for set in 0..1_u32 << ensemble.len() {
                let servers: Vec<usize> = (0..ensemble.len()).filter(|s| set & 1 << s != 0).collect();
                let ids = servers.iter().map(|&s| Ensemble::id(s)).collect();
                assert_eq!(ensemble.is_quorum(servers.clone()), members.is_quorum(&ids), "{servers:?}");
            }
        }
    }
}
