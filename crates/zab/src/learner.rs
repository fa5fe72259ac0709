//! Following or observing a leader (`Learner`, `Follower`, `Observer`).
//!
//! ```text
//!  Connecting ──Connected──► Discovery ──DIFF, TRUNC, SNAP──► Synchronization ──UPTODATE──► Broadcast
//!      ▲                                                         │
//!      └────────────── TRUNC is impossible here ─────────────────┘
//! ```
//!
//! Whatever goes wrong ends the role; the peer then looks for a leader again, with everything it has appended. That is
//! safe at any point: what a leader of a new epoch sends is a prefix of its history, in order, and the epoch of that
//! history is written only behind the history.

mod broadcast;
mod connecting;
mod continuity;
mod decisions;
mod discovery;
#[cfg(test)]
mod scripts;
mod synchronization;

use core::time::Duration;

use bytes::Bytes;
use zabra_proto::QuorumPacket;
use zabra_types::{Epoch, Now, ServerId};

use crate::context::Context;
use crate::role::Verdict;
use crate::{CloseReason, LinkId, Options, Output, Role, Ticket};

use broadcast::Broadcast;
use connecting::Connecting;
use discovery::Discovery;
use synchronization::Synchronization;

/// The role of a follower or observer.
#[derive(Debug)]
pub(crate) struct Learner {
    leader: ServerId,
    kind: LearnerKind,
    /// The link to the leader, from the first attempt to make it.
    line: Option<Line>,
    phase: Phase,
}

/// What a learner is to its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LearnerKind {
    /// It logs and acknowledges proposals, which count if it votes.
    Follower,
    /// It is informed of what is decided.
    Observer,
}

#[derive(Debug)]
enum Phase {
    Connecting(Connecting),
    Discovery(Discovery),
    Synchronization(Synchronization),
    Broadcast(Broadcast),
}

/// The link, and since when nothing was heard on it.
#[derive(Debug)]
struct Line {
    link: LinkId,
    leader: ServerId,
    kind: LearnerKind,
    heard: Now,
    /// How long the leader may say nothing.
    limit: Duration,
}

/// Where a learner goes after an input.
#[derive(Debug)]
enum Step {
    Stay,
    Enter(Phase),
    /// To the same leader, which is in order; this server needs another synchronization.
    Reconnect(CloseReason),
}

/// What a phase makes of an input: an error closes the link and ends the role.
type Stepped = Result<Step, CloseReason>;

impl Learner {
    /// Sets out to reach the leader.
    pub(crate) fn begin(ctx: &mut Context<'_>, leader: ServerId, kind: LearnerKind) -> Self {
        ctx.out.push(Output::Became(Role::Synchronizing(leader)));
        let mut learner = Self { leader, kind, line: None, phase: Phase::Connecting(Connecting::begin(ctx)) };
        learner.connect(ctx);
        learner
    }

    /// The role as the application sees it.
    pub(crate) fn role(&self) -> Role {
        match (&self.phase, &self.line) {
            (Phase::Broadcast(broadcast), Some(line)) => broadcast.role(line),
            _ => Role::Synchronizing(self.leader),
        }
    }

    /// The leader's epoch, once this server serves in it.
    pub(crate) fn established(&self) -> Option<Epoch> {
        match &self.phase {
            Phase::Broadcast(broadcast) => Some(broadcast.epoch()),
            _ => None,
        }
    }

    pub(crate) fn handle_connected(&mut self, ctx: &mut Context<'_>, link: LinkId) -> Verdict {
        match self.line.as_mut().filter(|line| line.link == link) {
            Some(line) if matches!(self.phase, Phase::Connecting(_)) => {
                line.heard = ctx.now;
                self.phase = Phase::Discovery(Discovery::begin(ctx, line));
            }
            // Not asked for any more.
            _ => ctx.close(link, CloseReason::NotFollowing),
        }
        Verdict::Stay
    }

    pub(crate) fn handle_not_connected(&mut self, ctx: &mut Context<'_>, link: LinkId) -> Verdict {
        if self.line_of(link).is_none() {
            return Verdict::Stay;
        }
        self.line = None;
        match &mut self.phase {
            Phase::Connecting(connecting) => connecting.handle_not_connected(ctx),
            _ => Verdict::LEAVE,
        }
    }

    pub(crate) fn handle_closed(&mut self, ctx: &mut Context<'_>, link: LinkId) -> Verdict {
        self.handle_not_connected(ctx, link)
    }

    pub(crate) fn handle_packet(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        packet: QuorumPacket,
    ) -> Verdict {
        let Some(line) = self.line.as_mut().filter(|line| line.link == link) else { return Verdict::Stay };
        line.heard = ctx.now;
        let stepped = match &mut self.phase {
            Phase::Connecting(_) => Err(CloseReason::Unexpected(packet.kind)),
            Phase::Discovery(discovery) => discovery.handle_packet(ctx, line, packet),
            Phase::Synchronization(sync) => sync.handle_packet(ctx, line, packet),
            Phase::Broadcast(broadcast) => broadcast.handle_packet(ctx, line, packet),
        };
        self.step(ctx, stepped)
    }

    pub(crate) fn handle_snapshot_progress(&mut self, ctx: &Context<'_>, link: LinkId) {
        if let Some(line) = self.line_of(link) {
            line.heard = ctx.now;
        }
    }

    pub(crate) fn handle_snapshot_received(&mut self, ctx: &mut Context<'_>, link: LinkId) -> Verdict {
        let Some(line) = self.line.as_mut().filter(|line| line.link == link) else { return Verdict::Stay };
        line.heard = ctx.now;
        let stepped = match &mut self.phase {
            Phase::Discovery(discovery) => discovery.handle_snapshot_received(line),
            _ => Err(CloseReason::Malformed("a database nobody announced")),
        };
        self.step(ctx, stepped)
    }

    pub(crate) fn handle_flushed(&mut self, ctx: &mut Context<'_>) -> Verdict {
        if let (Phase::Broadcast(broadcast), Some(line)) = (&mut self.phase, &self.line) {
            broadcast.acknowledge(ctx, line);
        }
        Verdict::Stay
    }

    pub(crate) fn handle_stored(&mut self, ctx: &mut Context<'_>, ticket: Ticket) -> Verdict {
        let Some(line) = &mut self.line else { return Verdict::Stay };
        match &mut self.phase {
            Phase::Discovery(discovery) => discovery.handle_stored(ctx, line, ticket),
            Phase::Synchronization(sync) => sync.handle_stored(ctx, line, ticket),
            Phase::Connecting(_) | Phase::Broadcast(_) => {}
        }
        Verdict::Stay
    }

    pub(crate) fn handle_cannot_truncate(&mut self, ctx: &mut Context<'_>, ticket: Ticket) -> Verdict {
        let stepped = match &self.phase {
            Phase::Synchronization(sync) if sync.is_truncating(ticket) => {
                Ok(Step::Reconnect(CloseReason::NotTruncatable))
            }
            _ => Ok(Step::Stay),
        };
        self.step(ctx, stepped)
    }

    /// The application says something to the leader.
    pub(crate) fn send(&mut self, ctx: &mut Context<'_>, link: LinkId, packet: QuorumPacket) {
        let speaks = match &self.phase {
            Phase::Broadcast(_) => true,
            Phase::Synchronization(sync) => sync.may_send(packet.kind),
            Phase::Connecting(_) | Phase::Discovery(_) => false,
        };
        if speaks && self.line_of(link).is_some() {
            ctx.send_packet(link, packet);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Now> {
        match (&self.phase, &self.line) {
            (Phase::Connecting(connecting), _) => Some(connecting.next_deadline()),
            (_, Some(line)) => Some(line.heard + line.limit),
            (_, None) => None,
        }
    }

    pub(crate) fn handle_deadline(&mut self, ctx: &mut Context<'_>) -> Verdict {
        if self.next_deadline().is_none_or(|deadline| ctx.now < deadline) {
            return Verdict::Stay;
        }
        if let Phase::Connecting(connecting) = &mut self.phase
            && connecting.retries(ctx.now)
        {
            self.connect(ctx);
            return Verdict::Stay;
        }
        // Between two attempts it is not silence that keeps it from the leader.
        let suspect = self.line.is_some().then_some(self.leader);
        self.close(ctx, CloseReason::Silent);
        Verdict::Leave { suspect }
    }

    /// The role is over.
    pub(crate) fn end(mut self, ctx: &mut Context<'_>) {
        self.close(ctx, CloseReason::NotFollowing);
    }

    /// Panics when the role contradicts itself or the state.
    pub(crate) fn check(&self, state: &crate::context::State) {
        match &self.phase {
            Phase::Connecting(_) | Phase::Discovery(_) => {
                assert_eq!(state.flushed, state.history.last(), "nothing is appended before synchronization");
            }
            Phase::Synchronization(sync) => sync.check(state),
            Phase::Broadcast(broadcast) => broadcast.check(state),
        }
        assert!(
            self.line.is_some() || matches!(self.phase, Phase::Connecting(_)),
            "{:?} without a link",
            self.phase
        );
    }

    fn connect(&mut self, ctx: &mut Context<'_>) {
        let link = ctx.link();
        self.line = Some(Line {
            link,
            leader: self.leader,
            kind: self.kind,
            heard: ctx.now,
            limit: init_limit(ctx.options),
        });
        ctx.out.push(Output::Connect { link, leader: self.leader });
    }

    fn line_of(&mut self, link: LinkId) -> Option<&mut Line> {
        self.line.as_mut().filter(|line| line.link == link)
    }

    fn step(&mut self, ctx: &mut Context<'_>, stepped: Stepped) -> Verdict {
        match stepped {
            Ok(Step::Stay) => Verdict::Stay,
            Ok(Step::Enter(phase)) => {
                self.phase = phase;
                Verdict::Stay
            }
            Ok(Step::Reconnect(why)) => {
                self.close(ctx, why);
                self.phase = Phase::Connecting(Connecting::begin(ctx));
                self.connect(ctx);
                Verdict::Stay
            }
            Err(why) => {
                self.close(ctx, why);
                Verdict::LEAVE
            }
        }
    }

    fn close(&mut self, ctx: &mut Context<'_>, why: CloseReason) {
        if let Some(line) = self.line.take() {
            ctx.close(line.link, why);
        }
    }
}

/// The transaction of a PROPOSAL or INFORM.
fn body(data: Option<Bytes>) -> Result<Bytes, CloseReason> {
    data.ok_or(CloseReason::Malformed("a proposal without a transaction"))
}

/// The transaction of an INFORMANDACTIVATE. Memberships do not change here, so the leader's opinion who should lead then
/// says nothing.
fn body_behind_leader(data: Option<Bytes>) -> Result<Bytes, CloseReason> {
    let data = body(data)?;
    if data.len() < size_of::<i64>() {
        return Err(CloseReason::Malformed("an INFORMANDACTIVATE without a transaction"));
    }
    Ok(data.slice(size_of::<i64>()..))
}

fn init_limit(options: &Options) -> Duration {
    options.tick * options.init_limit
}

fn sync_limit(options: &Options) -> Duration {
    options.tick * options.sync_limit
}
