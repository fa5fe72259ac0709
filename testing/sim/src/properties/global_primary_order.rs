//! GlobalPrimaryOrder: what a primary of an earlier epoch broadcast is delivered before what a later one did.

use std::collections::BTreeMap;

use zabra_types::Zxid;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct GlobalPrimaryOrder {
    last: BTreeMap<usize, Zxid>,
}

impl Property for GlobalPrimaryOrder {
    fn name(&self) -> &'static str {
        "global_primary_order"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        let &Observation::Delivered { server, position, txn } = seen else { return Ok(()) };
        // Serving begins with telling all of the history again.
        let before = self.last.insert(server, txn.zxid).filter(|_| position > 0);
        match before {
            Some(before) if before.epoch() > txn.zxid.epoch() => {
                Err(format!("s{} delivered {} after {before}", server + 1, txn.zxid))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{delivered, facts, verdicts};
    use super::*;

    #[test]
    fn epochs_come_in_order() {
        let mut property = GlobalPrimaryOrder::default();
        let (first, second) = (1, (2_i64 << 32) | 1);
        let seen = [delivered(0, 0, first), delivered(0, 1, second), delivered(0, 2, first)];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, false]);
    }
}
