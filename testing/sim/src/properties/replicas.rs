//! Servers that have applied the same transactions have the same tree.

use std::collections::BTreeMap;

use zabra_types::Zxid;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    /// The digest after each transaction, as the first server had it.
    digests: BTreeMap<Zxid, u64>,
}

impl Property for Replicas {
    fn name(&self) -> &'static str {
        "replicas"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        let &Observation::Tree { server, zxid, digest } = seen else { return Ok(()) };
        let first = *self.digests.entry(zxid).or_insert(digest);
        if first == digest {
            Ok(())
        } else {
            Err(format!("s{} has the digest {digest:x} after {zxid}, another had {first:x}", server + 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, verdicts};
    use super::*;

    #[test]
    fn digests_agree() {
        let tree = |server, zxid, digest| Observation::Tree { server, zxid: Zxid::from_raw(zxid), digest };
        let seen = [tree(0, 1, 5), tree(1, 1, 5), tree(1, 2, 6), tree(0, 2, 5)];
        assert_eq!(verdicts(&mut Replicas::default(), &facts(), &seen), [true, true, true, false]);
    }
}
