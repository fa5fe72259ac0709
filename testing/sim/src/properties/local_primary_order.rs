//! LocalPrimaryOrder: what one primary broadcast is delivered in the order it was broadcast, and nothing in between is
//! left out.

use std::collections::BTreeMap;

use zabra_types::{Epoch, Zxid};

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LocalPrimaryOrder {
    /// What the primary of each epoch broadcast, in order.
    broadcast: BTreeMap<Epoch, Vec<Zxid>>,
    /// How much of the epoch that a server delivered from last.
    delivered: BTreeMap<usize, (Epoch, usize)>,
}

impl Property for LocalPrimaryOrder {
    fn name(&self) -> &'static str {
        "local_primary_order"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        match *seen {
            Observation::Broadcast { epoch, txn, .. } => {
                self.broadcast.entry(epoch).or_default().push(txn.zxid);
            }
            Observation::Delivered { server, txn, .. } => {
                let epoch = txn.zxid.epoch();
                let count = match self.delivered.get(&server) {
                    Some(&(last, count)) if last == epoch && txn.zxid.counter() != 1 => count,
                    _ => 0,
                };
                self.delivered.insert(server, (epoch, count + 1));
                let expected = self.broadcast.get(&epoch).and_then(|zxids| zxids.get(count));
                if expected != Some(&txn.zxid) {
                    let number = count + 1;
                    return Err(format!(
                        "s{} delivered {} as number {number} of its epoch, which is {expected:?}",
                        server + 1,
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
    use super::super::testing::{broadcast, delivered, facts, verdicts};
    use super::*;

    #[test]
    fn nothing_is_left_out() {
        let mut property = LocalPrimaryOrder::default();
        let seen = [
            broadcast(0, 0, 1),
            broadcast(0, 0, 2),
            broadcast(0, 0, 3),
            delivered(0, 0, 1),
            delivered(0, 1, 2),
            delivered(1, 0, 1),
            delivered(1, 1, 3),
        ];
        assert_eq!(verdicts(&mut property, &facts(), &seen), [true, true, true, true, true, true, false]);
    }
}
