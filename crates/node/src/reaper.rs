//! When containers and TTL nodes are looked for and how fast they are removed.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use zabra_types::Now;

/// Settings named `znode.container.…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaperOptions {
    /// `checkIntervalMs`: time between two looks at the tree.
    pub check_interval: Duration,
    /// `maxPerMinute`: the most deletions a minute; 0 removes nothing.
    pub per_minute_max: u32,
}

impl Default for ReaperOptions {
    /// The genuine server's defaults: every minute, 10,000 a minute.
    fn default() -> Self {
        Self { check_interval: Duration::from_secs(60), per_minute_max: 10_000 }
    }
}

/// Paces the removal of containers and TTL nodes (`ContainerManager`).
///
/// Looks at the tree at a fixed rate, first after one interval, and hands out what was found one by one with equal
/// pauses. A look that is due while candidates are left waits for the last of them.
#[derive(Debug)]
pub struct Reaper {
    options: ReaperOptions,
    next_check: Now,
    next_delete: Now,
    due: VecDeque<String>,
}

impl Reaper {
    /// Starts the first interval.
    pub fn new(options: ReaperOptions, now: Now) -> Self {
        Self { options, next_check: now + options.check_interval, next_delete: now, due: VecDeque::new() }
    }

    /// When [`Reaper::poll`] has something to do; `None` when it never will.
    pub fn next_deadline(&self) -> Option<Now> {
        match (self.options.per_minute_max, self.due.is_empty()) {
            (0, _) => None,
            (_, true) => Some(self.next_check.max(self.next_delete)),
            (_, false) => Some(self.next_delete),
        }
    }

    /// The next node to send a deleteContainer for, if it is time. `find` looks at the tree for candidates
    /// (`Tree::reapable`) and is called once per interval. The node may have changed since: preparation decides.
    pub fn poll(&mut self, now: Now, find: impl FnOnce() -> Vec<String>) -> Option<String> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        if self.due.is_empty() {
            self.due = find().into();
            // At a fixed rate, but without making up for checks that were missed.
            self.next_check = (self.next_check + self.options.check_interval).max(now);
        }
        let path = self.due.pop_front()?;
        self.next_delete = now + self.pause();
        Some(path)
    }

    /// How many nodes of the last look are left.
    pub fn left(&self) -> usize {
        self.due.len()
    }

    /// Whole milliseconds, as in the genuine server: from 60,001 a minute on there is no pause.
    fn pause(&self) -> Duration {
        Duration::from_millis(u64::from(60_000 / self.options.per_minute_max.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn at(ms: u64) -> Now {
        Now::new(Duration::from_millis(ms))
    }

    /// Runs from deadline to deadline and returns when each node was handed out.
    fn run(options: ReaperOptions, found: &[usize]) -> Vec<(u64, String)> {
        let mut reaper = Reaper::new(options, at(0));
        let mut looks = found.iter();
        let mut out = Vec::new();
        while let Some(deadline) = reaper.next_deadline() {
            let mut over = false;
            let path = reaper.poll(deadline, || match looks.next() {
                Some(&count) => (0..count).map(|n| n.to_string()).collect(),
                None => {
                    over = true;
                    Vec::new()
                }
            });
            out.extend(path.map(|path| (deadline.millis(), path)));
            if over {
                break;
            }
        }
        out
    }

    fn options(check_ms: u64, per_minute_max: u32) -> ReaperOptions {
        ReaperOptions { check_interval: Duration::from_millis(check_ms), per_minute_max }
    }

    #[test]
    fn deletions_are_spaced_evenly() {
        let times = |options, found: &[usize]| -> Vec<u64> {
            run(options, found).into_iter().map(|(ms, _)| ms).collect()
        };
        assert_eq!(times(ReaperOptions::default(), &[3, 0, 1]), [60_000, 60_006, 60_012, 180_000]);
        // The second look waits until the first is worked off, pause included.
        assert_eq!(times(options(100, 600), &[3, 1, 1]), [100, 200, 300, 400, 500]);
        assert_eq!(times(options(100, 60_001), &[2]), [100, 100]);
        assert_eq!(times(options(100, 0), &[2]), []);
    }

    #[test]
    fn nothing_comes_before_its_time() {
        let mut reaper = Reaper::new(ReaperOptions::default(), at(0));
        assert_eq!(reaper.poll(at(59_999), || unreachable!("not yet")), None);
        assert_eq!(reaper.poll(at(60_000), || ["/a".into(), "/b".into()].into()), Some("/a".into()));
        assert_eq!(reaper.poll(at(60_005), || unreachable!("one is left")), None);
        assert_eq!(reaper.left(), 1);
    }
}
