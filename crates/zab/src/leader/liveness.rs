//! Liveness: time is counted in beats of half a tick (the loop of `Leader.lead`, `LearnerHandler.synced`,
//! `SyncLimitCheck`).
//!
//! Counting beats instead of reading the clock has a purpose: after a pause of this process not everybody seems to have
//! been silent.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use zabra_proto::PacketKind;
use zabra_types::{Now, Zxid};

use super::broadcast::following;
use super::{Leader, Learner, Phase};
use crate::context::Context;
use crate::role::Verdict;
use crate::{CloseReason, Options};

/// The beats of a reign.
#[derive(Debug)]
pub(super) struct Beats {
    next: Now,
    half_tick: Duration,
    count: u64,
    /// The beat at which the stage began.
    stage_since: u64,
}

impl Beats {
    pub(super) fn from(now: Now, tick: Duration) -> Self {
        let half_tick = tick / 2;
        Self { next: now + half_tick, half_tick, count: 0, stage_since: 0 }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn restart_stage(&mut self) {
        self.stage_since = self.count;
    }

    /// One beat, if it is time; those missed do not count.
    fn advance(&mut self, now: Now) -> bool {
        if now < self.next {
            return false;
        }
        self.count += 1;
        self.next = if now < self.next + self.half_tick { self.next } else { now } + self.half_tick;
        true
    }
}

/// `initLimit` and `syncLimit` in beats.
struct Limits {
    init: u64,
    sync: u64,
}

impl Limits {
    fn of(options: &Options) -> Self {
        Self { init: 2 * u64::from(options.init_limit), sync: 2 * u64::from(options.sync_limit) }
    }
}

impl Leader {
    /// When time makes a difference again.
    pub(crate) fn next_deadline(&self) -> Option<Now> {
        Some(self.beats.next)
    }

    /// Half a tick has passed: whoever was silent for too long goes, the leader too if no quorum is left, and everybody else
    /// is asked whether it lives.
    pub(crate) fn handle_deadline(&mut self, ctx: &mut Context<'_>) -> Verdict {
        if !self.beats.advance(ctx.now) {
            return Verdict::Stay;
        }
        let limits = Limits::of(ctx.options);
        let beat = self.beats.count;
        let is_established = self.established().is_some();
        if !is_established && beat - self.beats.stage_since >= limits.init {
            return Verdict::LEAVE;
        }
        self.close_overdue(ctx, &limits);
        if is_established && beat.is_multiple_of(2) && !self.has_quorum(ctx, &limits) {
            return Verdict::LEAVE;
        }
        if let Some(epoch) = self.stage.epoch() {
            let proposed = ctx.state.history.last().max(Zxid::new(epoch, 0));
            for (link, _) in self.learners.iter().filter(|(_, learner)| learner.is_pinged()) {
                ctx.send(*link, PacketKind::Ping, proposed);
            }
        }
        Verdict::Stay
    }

    fn close_overdue(&mut self, ctx: &mut Context<'_>, limits: &Limits) {
        let beat = self.beats.count;
        let last = ctx.state.history.last();
        let overdue: Vec<_> = self
            .learners
            .iter_mut()
            .filter_map(|(link, learner)| Some((*link, learner.overdue(beat, last, limits)?)))
            .collect();
        for (link, why) in overdue {
            self.close(ctx, link, why);
        }
    }

    /// Whether a quorum is alive. As with genuine leaders, whoever has connected and is still being synchronized counts for a
    /// while: to give up because of it would only make it begin again.
    fn has_quorum(&self, ctx: &Context<'_>, limits: &Limits) -> bool {
        let alive = self.learners.values().filter(|learner| learner.is_alive(self.beats.count, limits));
        let mut servers: BTreeSet<_> = alive.filter_map(Learner::voter).collect();
        servers.insert(ctx.options.id);
        ctx.is_quorum(&servers)
    }
}

impl Learner {
    fn is_alive(&self, beat: u64, limits: &Limits) -> bool {
        match self.phase {
            Phase::Active(_) => beat - self.since <= limits.sync,
            _ => beat - self.accepted <= limits.init + limits.sync,
        }
    }

    /// Why its link has to go, if it has.
    fn overdue(&mut self, beat: u64, last: Zxid, limits: &Limits) -> Option<CloseReason> {
        let silent = beat - self.since;
        let is_observer = self.is_observer();
        match &mut self.phase {
            // It waits for this leader, whose own patience is limited, or for the disk, or takes what it is sent.
            Phase::Introduced | Phase::Promised { .. } | Phase::Searching { .. } | Phase::Acked(_) => None,
            Phase::Syncing(syncing) if syncing.sending => None,
            Phase::Connected | Phase::Offered | Phase::Syncing(_) => {
                (silent >= limits.init).then_some(CloseReason::TooSlow)
            }
            Phase::Active(_) if silent > limits.sync => Some(CloseReason::Silent),
            Phase::Active(_) if is_observer => None,
            Phase::Active(flow) => {
                let oldest = following(flow.acked, last.epoch()).filter(|oldest| *oldest <= last)?;
                match flow.waiting {
                    Some((zxid, since)) if zxid == oldest => {
                        (beat - since > limits.sync).then_some(CloseReason::AckOverdue(zxid))
                    }
                    _ => {
                        flow.waiting = Some((oldest, beat));
                        None
                    }
                }
            }
        }
    }
}
