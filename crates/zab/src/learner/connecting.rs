//! Reaching the leader.

use core::time::Duration;

use zabra_types::Now;

use crate::context::Context;
use crate::role::Verdict;

/// The pauses before the first attempts after the first one. A leader of this kind listens before it is elected, and what
/// fails is likely to work in a moment; a genuine one begins to listen some time after its election.
const QUICK_PAUSES: [Duration; 5] = [
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
];

/// Attempts to reach the leader (`Learner.connectToLeader`).
#[derive(Debug)]
pub(super) struct Connecting {
    /// How many attempts have failed.
    failed: usize,
    /// When the next one is made; none while one is under way.
    retry_at: Option<Now>,
    /// When the leader is given up.
    until: Now,
}

impl Connecting {
    /// The first attempt is being made.
    pub(super) fn begin(ctx: &Context<'_>) -> Self {
        let until = ctx.now + ctx.options.tick * ctx.options.connect_limit;
        Self { failed: 0, retry_at: None, until }
    }

    pub(super) fn handle_not_connected(&mut self, ctx: &Context<'_>) -> Verdict {
        let slow = ctx.options.connect_retry;
        let pause = QUICK_PAUSES.get(self.failed).map_or(slow, |quick| slow.min(*quick));
        self.failed += 1;
        if self.failed >= QUICK_PAUSES.len() + ctx.options.connect_attempts as usize {
            return Verdict::LEAVE;
        }
        self.retry_at = Some(ctx.now + pause);
        Verdict::Stay
    }

    pub(super) fn next_deadline(&self) -> Now {
        self.retry_at.map_or(self.until, |retry_at| retry_at.min(self.until))
    }

    /// Whether another attempt is to be made now.
    pub(super) fn retries(&mut self, now: Now) -> bool {
        now < self.until && self.retry_at.take_if(|retry_at| *retry_at <= now).is_some()
    }
}
