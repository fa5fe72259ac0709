//! Reaching the leader.

use core::time::Duration;

use zabra_types::Now;

use crate::context::Context;
use crate::role::Verdict;

/// As long as this, attempts follow each other quickly: a leader of this kind listens before it is elected, so what fails
/// is likely to work in a moment; a genuine one begins to listen some 200 ms after the vote that elects it, and every
/// client waits for that moment to be noticed.
const QUICK_FOR: Duration = Duration::from_millis(500);
/// The first pause; each is twice the one before.
const QUICK_PAUSE_MIN: Duration = Duration::from_millis(2);
/// The longest pause of that time.
const QUICK_PAUSE_MAX: Duration = Duration::from_millis(10);

/// Attempts to reach the leader (`Learner.connectToLeader`).
#[derive(Debug)]
pub(super) struct Connecting {
    begun: Now,
    /// The pause before the next quick attempt.
    pause: Duration,
    /// How many attempts have failed since they have become slow.
    failed: u32,
    /// When the next one is made; none while one is under way.
    retry_at: Option<Now>,
    /// When the leader is given up.
    until: Now,
}

impl Connecting {
    /// The first attempt is being made.
    pub(super) fn begin(ctx: &Context<'_>) -> Self {
        let until = ctx.now + ctx.options.tick * ctx.options.connect_limit;
        Self { begun: ctx.now, pause: QUICK_PAUSE_MIN, failed: 0, retry_at: None, until }
    }

    pub(super) fn handle_not_connected(&mut self, ctx: &Context<'_>) -> Verdict {
        let slow = ctx.options.connect_retry;
        let pause = if ctx.now.since(self.begun) < QUICK_FOR {
            let quick = self.pause;
            self.pause = QUICK_PAUSE_MAX.min(2 * quick);
            slow.min(quick)
        } else {
            self.failed += 1;
            if self.failed >= ctx.options.connect_attempts {
                return Verdict::LEAVE;
            }
            slow
        };
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
