//! PrimaryIntegrity: before a primary broadcasts, it has delivered everything of earlier epochs that anybody delivers,
//! also later.

use std::collections::{BTreeMap, BTreeSet};

use zabra_types::{Epoch, Zxid};

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PrimaryIntegrity {
    /// What each primary that broadcast had delivered when it began to lead.
    began_with: BTreeMap<Epoch, BTreeSet<(Zxid, u64)>>,
    leaders: BTreeMap<usize, (Epoch, BTreeSet<(Zxid, u64)>)>,
    delivered: BTreeSet<(Zxid, u64)>,
}

impl Property for PrimaryIntegrity {
    fn name(&self) -> &'static str {
        "primary_integrity"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        match *seen {
            Observation::Serving { server, epoch, leads: true, history } => {
                let own = history.iter().map(|txn| (txn.zxid, txn.hash)).collect();
                self.leaders.insert(server, (epoch, own));
            }
            Observation::Broadcast { server, epoch, txn, .. } => {
                if self.began_with.contains_key(&epoch) {
                    return Ok(());
                }
                let Some((_, own)) = self.leaders.remove(&server).filter(|(leads, _)| *leads == epoch) else {
                    return Err(format!("s{} broadcasts {} and does not lead", server + 1, txn.zxid));
                };
                let mut earlier = self.delivered.iter().filter(|(zxid, _)| zxid.epoch() < epoch);
                if let Some((zxid, _)) = earlier.find(|id| !own.contains(id)) {
                    return Err(format!("s{} leads {epoch} without {zxid}, which was delivered", server + 1));
                }
                self.began_with.insert(epoch, own);
            }
            Observation::Delivered { txn, .. } => {
                let id = (txn.zxid, txn.hash);
                if !self.delivered.insert(id) {
                    return Ok(());
                }
                let later = self.began_with.range(Epoch::new(txn.zxid.epoch().get() + 1)..);
                if let Some((epoch, _)) = later.into_iter().find(|(_, own)| !own.contains(&id)) {
                    return Err(format!(
                        "{} is delivered, but the leader of {epoch} began without it",
                        txn.zxid
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{broadcast, delivered, facts, leads, txn, verdicts};
    use super::*;

    const SECOND: i64 = (2 << 32) | 1;

    #[test]
    fn a_leader_begins_with_all_that_is_delivered() {
        let known = [txn(1)];
        for (history, right) in [(&known[..], true), (&[][..], false)] {
            let mut property = PrimaryIntegrity::default();
            let seen = [delivered(0, 0, 1), leads(1, 2, history), broadcast(1, 2, SECOND)];
            assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, right]);
        }
    }

    #[test]
    fn nothing_earlier_is_delivered_after_it_began_without() {
        let mut property = PrimaryIntegrity::default();
        let seen = [leads(1, 2, &[]), broadcast(1, 2, SECOND), delivered(0, 0, SECOND), delivered(2, 0, 1)];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, true, false]);
    }
}
