//! Agreement: if one server has delivered a transaction and another server another one, then one of the two servers has
//! delivered both.

use std::collections::{BTreeMap, BTreeSet};

use zabra_types::Zxid;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// What each server has delivered since its process began.
    delivered: BTreeMap<usize, BTreeSet<(Zxid, u64)>>,
}

impl Property for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        match *seen {
            Observation::Started { server, .. } => {
                self.delivered.remove(&server);
            }
            Observation::Serving { server, .. } => {
                let own = self.delivered.entry(server).or_default();
                let own = own.clone();
                for (other, theirs) in &self.delivered {
                    if !own.is_subset(theirs) && !theirs.is_subset(&own) {
                        return Err(format!(
                            "s{} and s{} each lack something of the other",
                            server + 1,
                            other + 1
                        ));
                    }
                }
            }
            Observation::Delivered { server, txn, .. } => {
                let id = (txn.zxid, txn.hash);
                self.delivered.entry(server).or_default().insert(id);
                let own = &self.delivered[&server];
                for (other, theirs) in &self.delivered {
                    // Should the other lack this one, all of its own must be here.
                    if *other != server && !theirs.contains(&id) && theirs.len() >= own.len() {
                        return Err(format!(
                            "s{} delivered {}, s{} did not but has as much",
                            server + 1,
                            txn.zxid,
                            other + 1
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{delivered, facts, verdicts};
    use super::*;

    #[test]
    fn one_of_two_servers_has_both() {
        let mut property = Agreement::default();
        let seen = [delivered(0, 0, 1), delivered(0, 1, 2), delivered(1, 0, 1), delivered(1, 1, 3)];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, true, false]);
    }
}
