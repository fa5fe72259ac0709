//! TotalOrder: two servers that deliver the same two transactions deliver them in the same order.

use std::collections::BTreeMap;

use zabra_types::Zxid;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TotalOrder {
    /// When each transaction was first delivered anywhere.
    ranks: BTreeMap<(Zxid, u64), usize>,
    /// The rank of what each server delivered last.
    last: BTreeMap<usize, usize>,
}

impl Property for TotalOrder {
    fn name(&self) -> &'static str {
        "total_order"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        let &Observation::Delivered { server, position, txn } = seen else { return Ok(()) };
        let next = self.ranks.len();
        let rank = *self.ranks.entry((txn.zxid, txn.hash)).or_insert(next);
        // Serving begins with telling all of the history again.
        let before = if position == 0 { None } else { self.last.get(&server).copied() };
        self.last.insert(server, rank);
        match before {
            Some(before) if before >= rank => {
                Err(format!("s{} delivered {} later than others did", server + 1, txn.zxid))
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
    fn an_order_once_seen_stays() {
        let mut property = TotalOrder::default();
        let seen = [delivered(0, 0, 1), delivered(0, 1, 2), delivered(1, 0, 2), delivered(1, 1, 1)];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, true, false]);
    }
}
