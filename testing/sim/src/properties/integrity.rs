//! Integrity: what a server delivers, some primary has broadcast.

use std::collections::BTreeSet;

use zabra_types::Zxid;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Integrity {
    broadcast: BTreeSet<(Zxid, u64)>,
}

impl Property for Integrity {
    fn name(&self) -> &'static str {
        "integrity"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        match *seen {
            Observation::Broadcast { txn, .. } => {
                self.broadcast.insert((txn.zxid, txn.hash));
                Ok(())
            }
            Observation::Delivered { server, txn, .. } if !self.broadcast.contains(&(txn.zxid, txn.hash)) => {
                Err(format!("s{} delivered {}, which nobody has broadcast", server + 1, txn.zxid))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{broadcast, delivered, facts, verdicts};
    use super::*;

    #[test]
    fn nothing_comes_from_nowhere() {
        let mut property = Integrity::default();
        let seen = [broadcast(0, 1, 1), delivered(1, 0, 1), delivered(1, 1, 2)];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, false]);
    }
}
