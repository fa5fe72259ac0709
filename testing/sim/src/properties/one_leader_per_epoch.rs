//! Leadership: at most one server establishes itself as the leader of an epoch, once, and epochs only grow.

use std::collections::BTreeMap;

use zabra_types::Epoch;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OneLeaderPerEpoch {
    leaders: BTreeMap<Epoch, usize>,
}

impl Property for OneLeaderPerEpoch {
    fn name(&self) -> &'static str {
        "one_leader_per_epoch"
    }

    fn observe(&mut self, seen: &Observation<'_>, facts: &Facts) -> Result<(), String> {
        let &Observation::Serving { server, epoch, leads: true, .. } = seen else { return Ok(()) };
        if !facts.ensemble.is_voter(server) {
            return Err(format!("s{} leads {epoch} and is an observer", server + 1));
        }
        match self.leaders.insert(epoch, server) {
            None => Ok(()),
            Some(other) => Err(format!("s{} leads {epoch}, as did s{}", server + 1, other + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, leads, verdicts};
    use super::*;

    #[test]
    fn an_epoch_has_one_leader_who_votes() {
        let mut property = OneLeaderPerEpoch::default();
        let seen = [leads(0, 1, &[]), leads(1, 2, &[]), leads(1, 1, &[]), leads(3, 3, &[])];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, false, false]);
    }
}
