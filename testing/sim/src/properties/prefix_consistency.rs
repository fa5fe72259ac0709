//! PrefixConsistency: of what two servers have delivered, one is a beginning of the other.

use super::{Facts, Observation, Property};
use crate::messages::TxnId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PrefixConsistency {
    /// What any server has delivered in each place.
    longest: Vec<TxnId>,
}

impl Property for PrefixConsistency {
    fn name(&self) -> &'static str {
        "prefix_consistency"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        let &Observation::Delivered { server, position, txn } = seen else { return Ok(()) };
        match self.longest.get(position) {
            Some(other) if *other == txn => Ok(()),
            Some(other) => {
                Err(format!("s{} has {txn:?} in place {position}, another has {other:?}", server + 1))
            }
            None if position == self.longest.len() => {
                self.longest.push(txn);
                Ok(())
            }
            None => Err(format!("s{} has {txn:?} in place {position}, all others end before", server + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{delivered, facts, verdicts};
    use super::*;

    #[test]
    fn two_servers_may_not_differ() {
        let mut property = PrefixConsistency::default();
        let seen = [delivered(0, 0, 1), delivered(1, 0, 1), delivered(0, 1, 2), delivered(1, 1, 3)];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, true, false]);
    }
}
