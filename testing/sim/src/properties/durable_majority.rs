//! Every write is on the disks of a quorum before it is acknowledged.
//!
//! Twice: by what each server's log said when it was flushed, and, now and then, by taking the disks as a power failure
//! would leave them at that moment, and reading them.

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug)]
pub(super) struct DurableMajority;

impl Property for DurableMajority {
    fn name(&self) -> &'static str {
        "durable_majority"
    }

    fn observe(&mut self, seen: &Observation<'_>, facts: &Facts) -> Result<(), String> {
        let &Observation::Answered { server, txn, holders, survivors } = seen else { return Ok(()) };
        for (having, how) in [(Some(holders), "said to be"), (survivors, "really")] {
            let Some(having) = having else { continue };
            if !facts.ensemble.is_quorum(having.iter().copied()) {
                let having: Vec<usize> = having.iter().map(|server| server + 1).collect();
                let what = format!(
                    "s{} acknowledges {} which is {how} on the disks of {having:?} only",
                    server + 1,
                    txn.zxid
                );
                return Err(what);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, txn, verdicts};
    use super::*;

    #[test]
    fn observers_do_not_count_and_words_are_not_disks() {
        let answered =
            |holders, survivors| Observation::Answered { server: 0, txn: txn(1), holders, survivors };
        let seen = [
            answered(&[0, 1], None),
            answered(&[0, 3], None),
            answered(&[0, 1, 2], Some(&[1, 2])),
            answered(&[0, 1, 2], Some(&[2])),
        ];
        assert_eq!(verdicts(&mut DurableMajority, &facts(), &seen), [true, false, true, false]);
    }
}
