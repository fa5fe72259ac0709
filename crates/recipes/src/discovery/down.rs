//! Instances that failed lately and are left alone for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When an instance counts as down. Mirrors Curator's `DownInstancePolicy`, with its defaults: two errors within
/// thirty seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownPolicy {
    /// How long errors count, from the first of them.
    pub window: Duration,
    /// How many errors within the window take the instance out. At zero every instance is down.
    pub errors: u32,
}

impl Default for DownPolicy {
    fn default() -> Self {
        Self { window: Duration::from_secs(30), errors: 2 }
    }
}

/// The errors noted, by instance id.
#[derive(Debug)]
pub(super) struct DownInstances {
    policy: DownPolicy,
    noted: Mutex<HashMap<String, Noted>>,
}

#[derive(Debug)]
struct Noted {
    since: Instant,
    errors: u32,
}

impl DownInstances {
    pub(super) fn new(policy: DownPolicy) -> Self {
        Self { policy, noted: Mutex::default() }
    }

    pub(super) fn note_error(&self, now: Instant, id: &str) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        // Here also the forgotten ones leave, so that ids which never come back do not gather.
        noted.retain(|_, errors| self.counts(now, errors));
        let errors = noted.entry(id.to_owned()).or_insert(Noted { since: now, errors: 0 });
        errors.errors = errors.errors.saturating_add(1);
    }

    pub(super) fn is_up(&self, now: Instant, id: &str) -> bool {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let errors =
            noted.get(id).filter(|errors| self.counts(now, errors)).map_or(0, |errors| errors.errors);
        errors < self.policy.errors
    }

    fn counts(&self, now: Instant, errors: &Noted) -> bool {
        now.saturating_duration_since(errors.since) < self.policy.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_errors_in_the_window_take_an_instance_out_until_the_window_ends() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let down = DownInstances::new(DownPolicy::default());
        down.note_error(at(0), "a");
        assert!(down.is_up(at(1), "a"));
        down.note_error(at(29), "a");
        assert!(!down.is_up(at(29), "a"));
        assert!(down.is_up(at(29), "b"));
        assert!(down.is_up(at(30), "a"));
        // A new window begins with the next error.
        down.note_error(at(31), "a");
        assert!(down.is_up(at(31), "a"));
        down.note_error(at(32), "a");
        assert!(!down.is_up(at(60), "a"));
        assert_eq!(down.noted.lock().unwrap().len(), 1);
    }

    #[test]
    fn errors_of_the_forgotten_do_not_gather() {
        let start = Instant::now();
        let down = DownInstances::new(DownPolicy { window: Duration::from_secs(1), errors: 1 });
        for id in 0_u64..100 {
            down.note_error(start + Duration::from_secs(id), &id.to_string());
        }
        assert_eq!(down.noted.lock().unwrap().len(), 1);
    }
}
