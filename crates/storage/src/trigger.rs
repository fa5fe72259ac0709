//! When to take the next snapshot. Mirrors `SyncRequestProcessor.shouldSnapshot`.

/// A large tree waits until the log is this fraction of its size, so that snapshots do not write more than they save.
const TREE_SHARE: u64 = 4;

/// But it waits for no more than this many times the usual number of transactions.
const PATIENCE: u64 = 8;

/// A start that replayed fewer bytes was quick.
const REPLAY_MIN: u64 = 32 << 20;

/// Counts what was logged since the last snapshot and says when the next is due: after half to all of the configured
/// number of transactions or bytes, by a random part that keeps servers from doing it together.
#[derive(Clone, Debug)]
pub struct SnapshotTrigger {
    count_max: u64,
    size_max: Option<u64>,
    entries_due: u64,
    bytes_due: Option<u64>,
    entries: u64,
    bytes: u64,
}

impl SnapshotTrigger {
    /// Begins to count. `count_max` transactions (`snapCount`, at least 2) or `size_max` bytes of log
    /// (`snapSizeLimitInKb`; `None` is off), and two random numbers.
    pub fn new(count_max: u32, size_max: Option<u64>, random: [u64; 2]) -> Self {
        let mut trigger = Self {
            count_max: u64::from(count_max.max(2)),
            size_max: size_max.filter(|&size| size > 0),
            entries_due: 0,
            bytes_due: None,
            entries: 0,
            bytes: 0,
        };
        trigger.restart(random);
        trigger
    }

    /// Counts what a flush brought to the log.
    pub fn logged(&mut self, entries: u64, bytes: u64) {
        self.entries += entries;
        self.bytes += bytes;
    }

    /// Whether a snapshot should be taken of a tree of about `tree_size` bytes. The log is to be rolled first.
    pub fn is_due(&self, tree_size: u64) -> bool {
        let worthwhile = self.bytes >= tree_size / TREE_SHARE || self.entries > self.count_max * PATIENCE;
        self.entries > self.entries_due && worthwhile || self.bytes_due.is_some_and(|due| self.bytes > due)
    }

    /// Whether, if all of it was replayed at a start, a snapshot should be taken of a tree of about `tree_size` bytes so that
    /// the next start need not do it again. Few transactions may be many bytes, and as much work. The genuine server takes a
    /// snapshot at every start.
    pub fn is_long_to_replay(&self, tree_size: u64) -> bool {
        self.bytes >= REPLAY_MIN.max(tree_size / TREE_SHARE)
    }

    /// Begins to count anew, with two new random numbers.
    pub fn restart(&mut self, random: [u64; 2]) {
        let half_and_a_part = |max: u64, random: u64| max / 2 + random % (max / 2).max(1);
        self.entries_due = half_and_a_part(self.count_max, random[0]);
        self.bytes_due = self.size_max.map(|max| half_and_a_part(max, random[1]));
        self.entries = 0;
        self.bytes = 0;
    }

    /// Transactions logged since the last snapshot.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes logged since the last snapshot.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_after(mut trigger: SnapshotTrigger, bytes: u64, tree_size: u64) -> u64 {
        while !trigger.is_due(tree_size) {
            trigger.logged(1, bytes);
        }
        trigger.entries()
    }

    #[test]
    fn half_to_all_of_the_count() {
        for (random, entries) in [(0, 51), (49, 100), (50, 51), (u64::MAX, 66)] {
            assert_eq!(due_after(SnapshotTrigger::new(100, None, [random, 0]), 1, 0), entries, "{random}");
        }
        assert_eq!(due_after(SnapshotTrigger::new(0, None, [7, 0]), 1, 0), 2);
    }

    #[test]
    fn half_to_all_of_the_size() {
        for (random, entries) in [(0, 51), (499, 100)] {
            assert_eq!(due_after(SnapshotTrigger::new(u32::MAX, Some(1000), [0, random]), 10, 0), entries);
        }
        let mut trigger = SnapshotTrigger::new(10, Some(0), [0, 0]);
        trigger.logged(1, u64::MAX / 2);
        assert!(!trigger.is_due(0), "a limit of zero is none");
    }

    #[test]
    fn many_bytes_are_long_to_replay() {
        let mut trigger = SnapshotTrigger::new(100, None, [0, 0]);
        trigger.logged(1, REPLAY_MIN - 1);
        assert!(!trigger.is_long_to_replay(0));
        trigger.logged(0, 1);
        assert!(trigger.is_long_to_replay(REPLAY_MIN * TREE_SHARE));
        assert!(!trigger.is_long_to_replay((REPLAY_MIN + 1) * TREE_SHARE));
        trigger.restart([0, 0]);
        assert!(!trigger.is_long_to_replay(0));
    }

    #[test]
    fn a_large_tree_waits_but_not_for_ever() {
        let trigger = || SnapshotTrigger::new(100, None, [0, 0]);
        assert_eq!(due_after(trigger(), 10, 400 * 10), 100);
        assert_eq!(due_after(trigger(), 10, u64::MAX), 801);
        let mut restarted = trigger();
        restarted.logged(500, 5000);
        restarted.restart([9, 9]);
        assert_eq!((restarted.entries(), restarted.bytes(), restarted.is_due(0)), (0, 0, false));
    }
}
