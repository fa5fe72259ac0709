//! One server's part in the ensemble: its state, its election, and its role.

mod hope;
#[cfg(test)]
mod noise;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use zabra_proto::{Notification, QuorumPacket, ServerState};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use crate::context::{Context, State};
use crate::election::{Election, Vote};
use crate::leader::{Leader, LearnerStatus};
use crate::learner::{Learner, LearnerKind};
use crate::role::{Elected, Verdict};
use crate::{CloseReason, Durable, Input, LinkId, Members, Options, Output, Role, StoreOp, Ticket};

use hope::Hope;

/// Links from learners that wait for this server's election to end. Beyond it, new ones are closed.
const WAITING_MAX: usize = 256;
/// How long they may wait, in times of what a better vote is waited for: who is right to come here will soon see this
/// server elected. Others came because of an election that this server has given up; they must look again, and it may need
/// their votes.
const WAITING_FACTOR: u32 = 5;

/// A server of an ensemble.
///
/// ```text
///            ┌────────────────────── Leave ◄─────────────────────┐
///            ▼                                                   │
///  start ► Looking ── elected ──► PreparingToLead ► Leading      │ what was appended is flushed, then
///            ▲    └─ elected ──► Synchronizing ► Following ──────┤ the next election begins
///            └────── flushed ◄──────────── or Observing ─────────┘
/// ```
///
/// The caller hands in what happens ([`Self::handle`]), calls [`Self::handle_deadline`] when [`Self::next_deadline`] has
/// come, and carries out the outputs in order. Inputs that come from other servers may be anything. Those that answer
/// outputs must be true: a transaction reported as flushed that was never appended is a fault that stops the server.
#[derive(Debug)]
pub struct Peer {
    own: Own,
    election: Election,
    part: Part,
    /// Learners that came before this server leads: they may have heard of the result first.
    waiting: BTreeMap<LinkId, Waiting>,
    /// Whether the election knows that the role is established.
    settled: bool,
    /// Whether it can be.
    hope: Hope,
    chance: Chance,
}

/// What is lent to a role for one input.
#[derive(Debug)]
struct Own {
    options: Options,
    members: Members,
    state: State,
}

#[derive(Debug)]
enum Part {
    Looking,
    /// A role is over. The vote to come is about what is on the disk, so it waits for that.
    Leaving(Leaving),
    Leading(Leader),
    Learning(Learner),
}

#[derive(Debug)]
struct Leaving {
    /// The flush that is waited for; none when it is done.
    ticket: Option<Ticket>,
    /// An observer does not look at once: there may be many, and they all lost the same leader.
    not_before: Now,
    /// The last word of each voter in the meantime. Voters say a thing once.
    heard: BTreeMap<ServerId, Notification>,
}

/// A link that waits, with the first thing it said: a learner says no more before it is answered.
#[derive(Debug)]
struct Waiting {
    until: Now,
    said: Option<QuorumPacket>,
}

impl Own {
    fn context<'a>(&'a mut self, now: Now, out: &'a mut Vec<Output>) -> Context<'a> {
        Context { now, options: &self.options, members: &self.members, state: &mut self.state, out }
    }
}

impl Peer {
    /// A server as it is found after a start.
    ///
    /// `recent` is the end of the history in the log: ascending, without gaps, up to `durable.last_zxid`. It may be empty; then
    /// learners that lack more are served from the disk. All of the log is applied. `seed` is for waits that chance decides.
    pub fn new(
        options: Options,
        members: Members,
        durable: Durable,
        recent: Vec<(Zxid, Bytes)>,
        seed: u64,
    ) -> Self {
        let election = Election::new(options.id, &durable);
        let state = State::new(&durable, recent);
        Self {
            own: Own { options, members, state },
            election,
            part: Part::Looking,
            waiting: BTreeMap::new(),
            settled: false,
            hope: Hope::default(),
            chance: Chance(seed),
        }
    }

    /// Puts a mistake back, before anything else happens.
    #[cfg(feature = "testing")]
    pub fn sabotage(&mut self, sabotage: crate::Sabotage) {
        self.own.state.sabotage(sabotage);
    }

    /// Begins to look for a leader. Once, before the first input.
    pub fn start(&mut self, now: Now, out: &mut Vec<Output>) {
        self.look(now, BTreeMap::new(), out);
    }

    /// Something happened.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        let verdict = match input {
            Input::Notified { from, notification } => self.handle_notified(now, from, notification, out),
            Input::PeerUp(server) => {
                self.election.peer_up(&mut self.own.context(now, out), server);
                Verdict::Stay
            }
            Input::PeerDown(server) => {
                let elected = self.election.peer_down(&mut self.own.context(now, out), server);
                self.take_part(now, elected, out)
            }
            Input::Accepted(link) => {
                self.handle_accepted(now, link, out);
                Verdict::Stay
            }
            Input::Packet { link, packet } => self.handle_packet(now, link, packet, out),
            Input::Closed(link) => match self.waiting.remove(&link) {
                Some(_) => Verdict::Stay,
                None => self.handle_closed(now, link, out),
            },
            Input::Flushed(zxid) => {
                self.own.state.note_flushed(zxid);
                self.handle_flushed(now, out)
            }
            Input::Stored(ticket) => self.handle_stored(now, ticket, out),
            Input::CannotTruncate(ticket) => {
                self.own.state.note_cannot_truncate(ticket);
                match &mut self.part {
                    Part::Learning(learner) => {
                        learner.handle_cannot_truncate(&mut self.own.context(now, out), ticket)
                    }
                    _ => Verdict::Stay,
                }
            }
            Input::StepDown => match self.part {
                Part::Leading(_) | Part::Learning(_) => Verdict::LEAVE,
                Part::Looking | Part::Leaving(_) => Verdict::Stay,
            },
            Input::Connected(_)
            | Input::NotConnected(_)
            | Input::SnapshotProgress(_)
            | Input::SnapshotReceived(_) => self.handle_as_learner(now, input, out),
            Input::HistorySent(_) | Input::FoundInLog { .. } | Input::Propose { .. } | Input::Sync { .. } => {
                self.handle_as_leader(now, input, out)
            }
            Input::Send { link, packet } => {
                let ctx = &mut self.own.context(now, out);
                match &mut self.part {
                    Part::Leading(leader) => leader.send(ctx, link, packet),
                    Part::Learning(learner) => learner.send(ctx, link, packet),
                    Part::Looking | Part::Leaving(_) => {}
                }
                Verdict::Stay
            }
        };
        self.follow(now, verdict, out);
        self.keep_hope(now, out);
    }

    /// When [`Self::handle_deadline`] is to be called, unless something happens before.
    pub fn next_deadline(&self) -> Option<Now> {
        let part = match &self.part {
            Part::Looking => None,
            Part::Leaving(leaving) => leaving.ticket.is_none().then_some(leaving.not_before),
            Part::Leading(leader) => leader.next_deadline(),
            Part::Learning(learner) => learner.next_deadline(),
        };
        let waiting = self.waiting.values().map(|waiting| waiting.until).min();
        let hope = self.hope.next_deadline(&self.own);
        [self.election.next_deadline(), part, waiting, hope].into_iter().flatten().min()
    }

    /// A deadline has come. Does nothing when none has.
    pub fn handle_deadline(&mut self, now: Now, out: &mut Vec<Output>) {
        self.waiting.retain(|link, waiting| {
            let patient = now < waiting.until;
            if !patient {
                out.push(Output::Close { link: *link, why: CloseReason::NotLeading });
            }
            patient
        });
        let verdict = match &mut self.part {
            Part::Looking => Verdict::Stay,
            Part::Leaving(_) => {
                self.look_when_ready(now, out);
                Verdict::Stay
            }
            Part::Leading(leader) => leader.handle_deadline(&mut self.own.context(now, out)),
            Part::Learning(learner) => learner.handle_deadline(&mut self.own.context(now, out)),
        };
        self.follow(now, verdict, out);
        let elected = self.election.handle_deadline(&mut self.own.context(now, out));
        let verdict = self.take_part(now, elected, out);
        self.follow(now, verdict, out);
        self.keep_hope(now, out);
    }

    /// The part this server has.
    pub fn role(&self) -> Role {
        match &self.part {
            Part::Looking | Part::Leaving(_) => Role::Looking,
            Part::Leading(leader) => leader.established().map_or(Role::PreparingToLead, Role::Leading),
            Part::Learning(learner) => learner.role(),
        }
    }

    /// Whom this server votes for, or has voted for.
    pub fn vote(&self) -> Vote {
        self.election.vote()
    }

    /// What this server tells others that it is.
    pub fn server_state(&self) -> ServerState {
        self.election.state()
    }

    /// The highest epoch promised, as far as it has been ordered.
    pub fn accepted_epoch(&self) -> Epoch {
        self.own.state.accepted_epoch
    }

    /// The epoch whose history is complete here, as far as it has been ordered.
    pub fn current_epoch(&self) -> Epoch {
        self.own.state.current_epoch
    }

    /// The last transaction appended; [`Zxid::NONE`] when data may be missing.
    pub fn last_zxid(&self) -> Zxid {
        self.own.state.last_zxid()
    }

    /// Everything up to here is on this server's disk.
    pub fn flushed(&self) -> Zxid {
        self.own.state.flushed
    }

    /// Everything up to here is in the tree.
    pub fn applied(&self) -> Zxid {
        self.own.state.applied
    }

    /// The learners of this leader; none of any other.
    pub fn learners(&self) -> impl Iterator<Item = LearnerStatus> {
        let leader = match &self.part {
            Part::Leading(leader) => Some(leader),
            _ => None,
        };
        leader.into_iter().flat_map(Leader::learners)
    }

    /// Panics when this server contradicts itself. For simulators and tests, after any input.
    pub fn check(&self) {
        let Own { state, .. } = &self.own;
        state.check();
        match &self.part {
            Part::Looking => state.check_settled(),
            Part::Leaving(leaving) => assert!(leaving.ticket.is_none() || state.is_storing()),
            Part::Leading(leader) => leader.check(state),
            Part::Learning(learner) => learner.check(state),
        }
        assert!(matches!(self.part, Part::Looking | Part::Leaving(_)) || self.waiting.is_empty());
        assert!(self.waiting.len() <= WAITING_MAX);
    }

    fn handle_notified(
        &mut self,
        now: Now,
        from: ServerId,
        notification: Notification,
        out: &mut Vec<Output>,
    ) -> Verdict {
        match &mut self.part {
            Part::Leaving(leaving) if self.own.members.is_voter(from) => {
                leaving.heard.insert(from, notification);
                Verdict::Stay
            }
            _ => {
                let elected = self.election.handle(&mut self.own.context(now, out), from, &notification);
                self.take_part(now, elected, out)
            }
        }
    }

    fn handle_accepted(&mut self, now: Now, link: LinkId, out: &mut Vec<Output>) {
        let limit = self.own.options.finalize_wait * WAITING_FACTOR;
        let ctx = &mut self.own.context(now, out);
        match &mut self.part {
            Part::Leading(leader) => leader.handle_accepted(ctx, link),
            Part::Looking | Part::Leaving(_) if self.waiting.len() < WAITING_MAX => {
                self.waiting.insert(link, Waiting { until: now + limit, said: None });
            }
            Part::Looking | Part::Leaving(_) | Part::Learning(_) => ctx.close(link, CloseReason::NotLeading),
        }
    }

    fn handle_packet(
        &mut self,
        now: Now,
        link: LinkId,
        packet: QuorumPacket,
        out: &mut Vec<Output>,
    ) -> Verdict {
        let ctx = &mut self.own.context(now, out);
        match (&mut self.part, self.waiting.get_mut(&link)) {
            (_, Some(waiting)) if waiting.said.is_some() => {
                ctx.close(link, CloseReason::Unexpected(packet.kind));
                self.waiting.remove(&link);
                Verdict::Stay
            }
            (_, Some(waiting)) => {
                waiting.said = Some(packet);
                Verdict::Stay
            }
            (Part::Leading(leader), None) => leader.handle_packet(ctx, link, packet),
            (Part::Learning(learner), None) => learner.handle_packet(ctx, link, packet),
            (Part::Looking | Part::Leaving(_), None) => Verdict::Stay,
        }
    }

    fn handle_closed(&mut self, now: Now, link: LinkId, out: &mut Vec<Output>) -> Verdict {
        let ctx = &mut self.own.context(now, out);
        match &mut self.part {
            Part::Leading(leader) => leader.handle_closed(ctx, link),
            Part::Learning(learner) => learner.handle_closed(ctx, link),
            Part::Looking | Part::Leaving(_) => Verdict::Stay,
        }
    }

    fn handle_flushed(&mut self, now: Now, out: &mut Vec<Output>) -> Verdict {
        let ctx = &mut self.own.context(now, out);
        match &mut self.part {
            Part::Leading(leader) => leader.handle_flushed(ctx),
            Part::Learning(learner) => learner.handle_flushed(ctx),
            Part::Looking | Part::Leaving(_) => Verdict::Stay,
        }
    }

    fn handle_stored(&mut self, now: Now, ticket: Ticket, out: &mut Vec<Output>) -> Verdict {
        if self.own.state.note_stored(ticket) {
            let verdict = self.handle_flushed(now, out);
            self.follow(now, verdict, out);
        }
        let ctx = &mut self.own.context(now, out);
        match &mut self.part {
            Part::Leading(leader) => leader.handle_stored(ctx, ticket),
            Part::Learning(learner) => learner.handle_stored(ctx, ticket),
            Part::Leaving(leaving) => {
                leaving.ticket.take_if(|awaited| *awaited == ticket);
                self.look_when_ready(now, out);
                Verdict::Stay
            }
            Part::Looking => Verdict::Stay,
        }
    }

    /// Inputs for a learner. One that left has closed its link.
    fn handle_as_learner(&mut self, now: Now, input: Input, out: &mut Vec<Output>) -> Verdict {
        let ctx = &mut self.own.context(now, out);
        match (&mut self.part, input) {
            (Part::Learning(learner), Input::Connected(link)) => learner.handle_connected(ctx, link),
            (Part::Learning(learner), Input::NotConnected(link)) => learner.handle_not_connected(ctx, link),
            (Part::Learning(learner), Input::SnapshotProgress(link)) => {
                learner.handle_snapshot_progress(ctx, link);
                Verdict::Stay
            }
            (Part::Learning(learner), Input::SnapshotReceived(link)) => {
                learner.handle_snapshot_received(ctx, link)
            }
            (_, Input::Connected(link)) => {
                ctx.close(link, CloseReason::NotFollowing);
                Verdict::Stay
            }
            _ => Verdict::Stay,
        }
    }

    /// Inputs for a leader. What was asked for another reign, or proposed in it, is gone with it.
    fn handle_as_leader(&mut self, now: Now, input: Input, out: &mut Vec<Output>) -> Verdict {
        let Part::Leading(leader) = &mut self.part else { return Verdict::Stay };
        let ctx = &mut self.own.context(now, out);
        match input {
            Input::HistorySent(link) => leader.handle_history_sent(ctx, link),
            Input::FoundInLog { ticket, floor } => {
                leader.handle_found(ctx, ticket, floor);
                Verdict::Stay
            }
            Input::Propose { zxid, payload } => leader.propose(ctx, zxid, payload),
            Input::Sync { learner, token } => {
                leader.sync(ctx, learner, token);
                Verdict::Stay
            }
            _ => Verdict::Stay,
        }
    }

    /// Does what a role wants.
    fn follow(&mut self, now: Now, verdict: Verdict, out: &mut Vec<Output>) {
        match verdict {
            Verdict::Stay => self.tell_election(),
            Verdict::Leave { suspect } => {
                if let Some(suspect) = suspect {
                    self.election.suspect(suspect);
                }
                self.leave(now, out);
            }
        }
    }

    /// Gives up a role that cannot be established any more.
    fn keep_hope(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.hope.is_gone(now, &self.own, &self.part, &self.election) {
            self.follow(now, Verdict::LEAVE, out);
        }
    }

    fn tell_election(&mut self) {
        let established = match &self.part {
            Part::Leading(leader) => leader.established(),
            Part::Learning(learner) => learner.established(),
            Part::Looking | Part::Leaving(_) => None,
        };
        if let Some(epoch) = established.filter(|_| !self.settled) {
            self.election.settled(epoch);
            self.settled = true;
        }
    }

    fn leave(&mut self, now: Now, out: &mut Vec<Output>) {
        self.hope = Hope::default();
        let observed =
            matches!(self.part, Part::Learning(_)) && !self.own.members.is_voter(self.own.options.id);
        let wait = if observed { self.chance.below(self.own.options.observer_delay) } else { Duration::ZERO };
        let leaving = Leaving { ticket: None, not_before: now + wait, heard: BTreeMap::new() };
        let ctx = &mut self.own.context(now, out);
        match core::mem::replace(&mut self.part, Part::Leaving(leaving)) {
            Part::Leading(leader) => leader.end(ctx),
            Part::Learning(learner) => learner.end(ctx),
            Part::Looking | Part::Leaving(_) => {}
        }
        self.election.leave();
        self.settled = false;
        ctx.out.push(Output::Became(Role::Looking));
        // A synchronization that broke off may have brought transactions of an epoch later than the current one. They came
        // in order from a leader of a later epoch still, so all before them is here too (as at a start).
        let epoch = ctx.state.history.last().epoch();
        if epoch > ctx.state.current_epoch {
            ctx.store(StoreOp::CurrentEpoch(epoch));
        }
        let ticket = ctx.store(StoreOp::Flush);
        if let Part::Leaving(leaving) = &mut self.part {
            leaving.ticket = Some(ticket);
        }
    }

    fn look_when_ready(&mut self, now: Now, out: &mut Vec<Output>) {
        if let Part::Leaving(leaving) = &mut self.part
            && leaving.ticket.is_none()
            && leaving.not_before <= now
        {
            let heard = core::mem::take(&mut leaving.heard);
            self.look(now, heard, out);
        }
    }

    fn look(&mut self, now: Now, heard: BTreeMap<ServerId, Notification>, out: &mut Vec<Output>) {
        self.part = Part::Looking;
        let elected = self.election.begin(&mut self.own.context(now, out));
        let verdict = self.take_part(now, elected, out);
        self.follow(now, verdict, out);
        for (from, notification) in heard {
            let verdict = self.handle_notified(now, from, notification, out);
            self.follow(now, verdict, out);
        }
    }

    /// An election ended.
    fn take_part(&mut self, now: Now, elected: Option<Elected>, out: &mut Vec<Output>) -> Verdict {
        let Some(elected) = elected else { return Verdict::Stay };
        let ctx = &mut self.own.context(now, out);
        let (leader, kind) = match elected {
            // Others may still say that they follow this server, which has lost its data since.
            Elected::Leading if ctx.state.data_missing => return Verdict::LEAVE,
            Elected::Leading => return self.lead(now, out),
            Elected::Following(leader) => (leader, LearnerKind::Follower),
            Elected::Observing(leader) => (leader, LearnerKind::Observer),
        };
        for link in core::mem::take(&mut self.waiting).into_keys() {
            ctx.close(link, CloseReason::NotLeading);
        }
        self.part = Part::Learning(Learner::begin(ctx, leader, kind));
        Verdict::Stay
    }

    fn lead(&mut self, now: Now, out: &mut Vec<Output>) -> Verdict {
        self.part = Part::Leading(Leader::begin(&mut self.own.context(now, out)));
        let said: Vec<_> = core::mem::take(&mut self.waiting)
            .into_iter()
            .filter_map(|(link, waiting)| {
                self.handle_accepted(now, link, out);
                waiting.said.map(|packet| (link, packet))
            })
            .collect();
        for (link, packet) in said {
            let verdict = self.handle_packet(now, link, packet, out);
            self.follow(now, verdict, out);
        }
        Verdict::Stay
    }
}

/// Numbers by chance, the same for the same seed (splitmix64).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    /// A time shorter than `limit`.
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        limit.mul_f64((mixed >> 11) as f64 / (1u64 << 53) as f64)
    }
}
