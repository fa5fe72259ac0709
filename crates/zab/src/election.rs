//! Fast leader election, as Apache ZooKeeper does it (`FastLeaderElection`), and ended sooner where that is possible.
//!
//! Every server tells every voter its vote, at first itself, and takes over better ones as it hears of them: a higher
//! epoch, then a longer history, then the greater id. A vote that a quorum shares wins. Servers that have a leader answer
//! those who look with what they know, so that late ones join instead of disturbing.
//!
//! Nothing here is about safety: any server may be elected by mistake, and discovery then fails. This is about ending
//! soon, with the server that has the longest history of a quorum.
//!
//! What is done differently from a genuine server, none of which it could mistake:
//!
//! * It waits 200 ms of silence for a better vote whenever a vote has a quorum. Here the election ends at once when no
//!   voter is left who could have one: all that can be reached have voted the same.
//! * A looking server tells a looking one not only that its round is behind, but also that its vote is: the voter may
//!   have been settled still when the better vote was first told, and have dropped it.
//! * Who can end the election by taking over a vote does not say that vote any more, but the result. A genuine server that
//!   is elected by it leads at once then, without its 200 ms.
//! * While it waits for better votes it counts what it hears; a genuine server drops that. What it drops all the same is
//!   answered when it has settled.
//! * A server that joins an established leader says so to those who count on its vote, and a vote is taken back when its
//!   server has settled in another round. A genuine server is asked again only when they have settled on it in vain.
//! * Servers that do not vote are answered only while they look, and observers answer nobody. Two genuine servers can
//!   answer each other for ever.
//! * It is remembered who elected this server, and noticed when they turn away before its epoch is established: the peer
//!   then does not wait for them. A genuine server waits, for `initLimit`, while nobody can join and nobody can be elected.

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod genuine;
mod round;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod vote;

use alloc::collections::{BTreeMap, BTreeSet};

use zabra_proto::{Notification, ServerState};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use crate::context::Context;
use crate::role::Elected;
use crate::sabotage::Sabotage;
use crate::{Durable, Output};
use round::{Round, agreeing, says_it_leads};
use vote::CastVote;
pub use vote::Vote;

/// Servers without a vote that are remembered while this server looks.
const OUTSIDERS_MAX: usize = 256;

/// One server's part in all elections, from its start to its end.
#[derive(Debug)]
pub(crate) struct Election {
    state: ServerState,
    /// The round this server is in or was in last (`logicalclock`). Not monotonic: joining an established leader takes
    /// over the round in which that was elected.
    clock: i64,
    /// The result of the last election; before the first one, this server itself (`currentVote`).
    vote: Vote,
    /// Present while an election runs.
    round: Option<Round>,
    /// What is known of connections; absent when a server has neither been reached nor found unreachable yet.
    reachable: BTreeMap<ServerId, bool>,
    /// Voters whose connections may stand although they are gone. Their votes count, but are not waited for.
    suspects: BTreeSet<ServerId>,
    /// Who is to be told the result, and when it was told last that there is none.
    owed: BTreeMap<ServerId, Now>,
    /// From being elected leader to establishing an epoch: who has elected this server and not turned away.
    electors: BTreeSet<ServerId>,
    /// Until this server is established with the leader it settled on: that one looks in a later round, so it will not
    /// lead.
    leader_looks: bool,
    /// Whether it is.
    is_established: bool,
    /// Votes of a later round that came while this server was settled. Those who lose a leader do not all notice at the same
    /// moment, and say their votes once.
    early: BTreeMap<ServerId, (Now, Notification)>,
}

impl Election {
    pub(crate) fn new(id: ServerId, durable: &Durable) -> Self {
        Self {
            state: ServerState::Looking,
            clock: 0,
            vote: Vote::new(id, durable.last_zxid, durable.current_epoch),
            round: None,
            reachable: BTreeMap::new(),
            suspects: BTreeSet::new(),
            owed: BTreeMap::new(),
            electors: BTreeSet::new(),
            leader_looks: false,
            is_established: false,
            early: BTreeMap::new(),
        }
    }

    /// What this server tells others that it is.
    pub(crate) fn state(&self) -> ServerState {
        self.state
    }

    /// The result of the last election, or the vote in the one that runs.
    pub(crate) fn vote(&self) -> Vote {
        self.round.as_ref().map_or(self.vote, |round| round.proposal)
    }

    /// Who may still come to this leader: those who elected it, have not turned away and are not unreachable. Nobody any
    /// more once it is established.
    pub(crate) fn expected(&self) -> impl Iterator<Item = ServerId> {
        self.electors.iter().copied().filter(|elector| self.reachable.get(elector) != Some(&false))
    }

    /// Whether the leader that this server settled on does not lead and will not: it has begun another election. Once this
    /// server is established with it, the link says what becomes of it.
    pub(crate) fn leader_looks(&self) -> bool {
        self.leader_looks
    }

    /// The role is over. Until [`Self::begin`], votes are not counted.
    pub(crate) fn leave(&mut self) {
        self.state = ServerState::Looking;
        self.reset_doubts(false);
    }

    /// Begins a new round. What `ctx.state` says about the history is on the disk.
    pub(crate) fn begin(&mut self, ctx: &mut Context<'_>) -> Option<Elected> {
        self.leave();
        self.clock = self.clock.wrapping_add(1);
        self.round = Some(Round::new(self.own_vote(ctx), ctx.now, ctx.options));
        ctx.out.push(Output::DialPeers);
        self.tell_voters(ctx);
        for (from, (at, notification)) in core::mem::take(&mut self.early) {
            // Older ones may be of an election long over.
            if ctx.now.since(at) <= ctx.options.finalize_wait
                && notification.election_epoch >= self.clock
                && let Some(elected) = self.count(ctx, from, &notification)
            {
                return Some(elected);
            }
        }
        self.conclude(ctx)
    }

    /// A server said what it votes for, or whom it follows (`WorkerReceiver`).
    pub(crate) fn handle(
        &mut self,
        ctx: &mut Context<'_>,
        from: ServerId,
        notification: &Notification,
    ) -> Option<Elected> {
        if from == ctx.options.id {
            return None;
        }
        self.suspects.remove(&from);
        let participates = is_participant(ctx, ctx.options.id);
        if !is_participant(ctx, from) {
            if participates && notification.state == ServerState::Looking {
                self.answer_outsider(ctx, from);
            }
            return None;
        }
        self.early.remove(&from);
        match (&self.round, notification.state) {
            (Some(_), _) => self.count(ctx, from, notification),
            (None, ServerState::Looking) if self.state != ServerState::Looking => {
                if participates {
                    self.answer(ctx, from, self.vote);
                }
                self.note_looking(from, &Vote::of(notification));
                if notification.election_epoch > self.clock {
                    self.early.insert(from, (ctx.now, notification.clone()));
                }
                None
            }
            (None, ServerState::Following | ServerState::Leading) => {
                if notification.leader != self.vote.leader {
                    self.electors.remove(&from);
                }
                None
            }
            (None, _) => None,
        }
    }

    /// A connection stands. What was said before may be lost, so the vote is said again.
    pub(crate) fn peer_up(&mut self, ctx: &mut Context<'_>, server: ServerId) {
        self.reachable.insert(server, true);
        self.suspects.remove(&server);
        if let Some(round) = &mut self.round
            && is_participant(ctx, server)
            && server != ctx.options.id
        {
            round.hurry(ctx.now, ctx.options);
            let proposal = round.proposal;
            self.answer(ctx, server, proposal);
        }
    }

    /// A connection is gone, or none could be made.
    pub(crate) fn peer_down(&mut self, ctx: &mut Context<'_>, server: ServerId) -> Option<Elected> {
        self.reachable.insert(server, false);
        self.early.remove(&server);
        self.conclude(ctx)
    }

    /// A server was lost by silence: though connections to it stand, its vote is not waited for. Until it is heard again.
    pub(crate) fn suspect(&mut self, server: ServerId) {
        self.suspects.insert(server);
    }

    /// The role this server was elected for is established in an epoch, and others who were late may learn of it
    /// (`updateElectionVote`). Without it they would see votes that differ by when their voters settled, and never a
    /// quorum (ZOOKEEPER-1732).
    pub(crate) fn settled(&mut self, epoch: Epoch) {
        self.vote.peer_epoch = i64::from(epoch.get());
        self.reset_doubts(true);
    }

    pub(crate) fn next_deadline(&self) -> Option<Now> {
        self.round.as_ref().map(Round::next_deadline)
    }

    pub(crate) fn handle_deadline(&mut self, ctx: &mut Context<'_>) -> Option<Elected> {
        let round = self.round.as_mut()?;
        if round.finalize_due(ctx.now) {
            let (winner, electors) = (round.proposal, round.supporters(None));
            return Some(self.settle(ctx, winner, electors));
        }
        if round.resend_due(ctx.now) {
            round.back_off(ctx.options);
            ctx.out.push(Output::DialPeers);
            self.tell_voters(ctx);
        }
        self.conclude(ctx)
    }

    /// What this server votes for before it has heard of others.
    fn own_vote(&self, ctx: &Context<'_>) -> Vote {
        let own = if is_participant(ctx, ctx.options.id) {
            Vote::new(ctx.options.id, ctx.state.last_zxid(), ctx.state.current_epoch)
        } else {
            Vote::NOBODY
        };
        own.in_round(self.clock)
    }

    /// Tells every voter the proposal, this server among them.
    fn tell_voters(&mut self, ctx: &mut Context<'_>) {
        self.cast_own(ctx);
        let Some(round) = &mut self.round else { return };
        round.told(ctx.now);
        let proposal = round.proposal;
        for &voter in ctx.members.voters.iter().filter(|&&voter| voter != ctx.options.id) {
            self.answer(ctx, voter, proposal);
        }
    }

    /// Votes for another server. Others are told when it is clear that this does not end the election: see
    /// [`Self::settle`].
    fn propose(&mut self, ctx: &Context<'_>, vote: Vote) {
        let clock = self.clock;
        let Some(round) = &mut self.round else { return };
        round.proposal = vote.in_round(clock);
        round.is_untold = true;
        round.reopen();
        round.hurry(ctx.now, ctx.options);
        self.cast_own(ctx);
    }

    fn cast_own(&mut self, ctx: &Context<'_>) {
        let Some(round) = &mut self.round else { return };
        if counts_votes(ctx) && is_participant(ctx, ctx.options.id) {
            round.votes.insert(ctx.options.id, CastVote::looking(round.proposal));
        }
    }

    fn answer(&self, ctx: &mut Context<'_>, to: ServerId, vote: Vote) {
        let notification = Notification {
            state: self.state,
            leader: vote.leader,
            zxid: vote.zxid,
            election_epoch: vote.election_epoch,
            peer_epoch: vote.peer_epoch,
            version: Notification::VERSION,
            config: Some(ctx.members.text.clone()),
        };
        ctx.out.push(Output::Notify { to, notification });
    }

    /// A server without a vote asks. As long as this server looks it can only say whom it followed before; so it says
    /// that rarely, and again when it knows better. Two servers could otherwise go on answering each other.
    fn answer_outsider(&mut self, ctx: &mut Context<'_>, from: ServerId) {
        if self.state == ServerState::Looking {
            let known = self.owed.get(&from);
            let too_soon = known.is_some_and(|told| ctx.now.since(*told) < ctx.options.notification_min);
            if too_soon || (known.is_none() && self.owed.len() >= OUTSIDERS_MAX) {
                return;
            }
            self.owed.insert(from, ctx.now);
        }
        self.answer(ctx, from, self.vote.in_round(self.clock));
    }

    /// A voter spoke while this server looks.
    fn count(&mut self, ctx: &mut Context<'_>, from: ServerId, said: &Notification) -> Option<Elected> {
        let vote = Vote::of(said);
        match said.state {
            ServerState::Looking => {
                if vote.election_epoch < self.clock {
                    self.correct(ctx, from);
                }
                if !ctx.members.is_voter(vote.leader) || vote.zxid == Zxid::NONE || !counts_votes(ctx) {
                    return None;
                }
                self.count_looking(ctx, from, vote)
            }
            ServerState::Following | ServerState::Leading if ctx.members.is_voter(vote.leader) => {
                self.count_settled(ctx, from, CastVote { vote, state: said.state, version: said.version })
            }
            ServerState::Following | ServerState::Leading | ServerState::Observing => None,
        }
    }

    /// A looking voter is behind: it is told what this server votes for.
    fn correct(&mut self, ctx: &mut Context<'_>, from: ServerId) {
        let Some(round) = &mut self.round else { return };
        round.hurry(ctx.now, ctx.options);
        // Voters cannot take an observer's vote, and would answer that.
        if is_participant(ctx, ctx.options.id) {
            let proposal = round.proposal;
            self.answer(ctx, from, proposal);
        }
    }

    fn count_looking(&mut self, ctx: &mut Context<'_>, from: ServerId, vote: Vote) -> Option<Elected> {
        let round = self.round.as_mut()?;
        let better = beats(ctx, &vote, &round.proposal);
        if vote.election_epoch < self.clock {
            return None;
        }
        if vote.election_epoch > self.clock {
            if round.is_finalizing() && !better && ctx.members.is_quorum(&round.supporters(Some(from))) {
                // Nearly settled, and it is no better: it is told the result and joins.
                self.owed.insert(from, ctx.now);
                return None;
            }
            self.clock = vote.election_epoch;
            round.votes.clear();
            let own = self.own_vote(ctx);
            self.propose(ctx, if beats(ctx, &vote, &own) { vote } else { own });
            return self.record_looking(ctx, from, vote);
        }
        if better {
            self.propose(ctx, vote);
        } else if beats(ctx, &round.proposal, &vote) {
            // What it was told before its first vote in this round it may have dropped. After that it has heard
            // everything, unless it says the same again.
            let before = round.votes.get(&from);
            if before.is_none_or(|before| before.vote == vote) {
                self.correct(ctx, from);
            }
        }
        self.record_looking(ctx, from, vote)
    }

    fn record_looking(&mut self, ctx: &mut Context<'_>, from: ServerId, vote: Vote) -> Option<Elected> {
        let round = self.round.as_mut()?;
        let cast = CastVote::looking(vote);
        if round.votes.insert(from, cast) != Some(cast) {
            round.hurry(ctx.now, ctx.options);
        }
        let elected = self.conclude(ctx);
        if self.round.as_ref().is_some_and(|round| round.is_untold) {
            self.tell_voters(ctx);
        }
        elected
    }

    /// A settled server answered. Those that settled in this round count with those that still look; those of any round
    /// count with each other, and their leader must have said that it leads.
    fn count_settled(&mut self, ctx: &mut Context<'_>, from: ServerId, cast: CastVote) -> Option<Elected> {
        let clock = self.clock;
        let round = self.round.as_mut()?;
        let leader = cast.vote.leader;
        let leads = |votes: &BTreeMap<_, _>| {
            if leader == ctx.options.id {
                clock == cast.vote.election_epoch
            } else {
                says_it_leads(votes, leader)
            }
        };
        if cast.vote.election_epoch == clock {
            // Of these the layout is forgotten: they count with the leader's id alone.
            round.votes.insert(from, CastVote { version: 0, ..cast });
            let electors = agreeing(&round.votes, &cast);
            if ctx.members.is_quorum(&electors) && leads(&round.votes) {
                return Some(self.settle(ctx, cast.vote, electors));
            }
        } else {
            // It is not in this round any more.
            round.votes.remove(&from);
        }
        round.settled.insert(from, cast);
        let electors = agreeing(&round.settled, &cast);
        if ctx.members.is_quorum(&electors) && leads(&round.settled) {
            self.clock = cast.vote.election_epoch;
            return Some(self.settle(ctx, cast.vote, electors));
        }
        self.conclude(ctx)
    }

    /// Ends the election if the proposal has a quorum and nobody is left who could know a better one; otherwise sees to it
    /// that it ends in time.
    fn conclude(&mut self, ctx: &mut Context<'_>) -> Option<Elected> {
        let round = self.round.as_ref()?;
        let supporters = round.supporters(None);
        let has_quorum = ctx.members.is_quorum(&supporters);
        let winner = round.proposal;
        if has_quorum && self.nobody_is_missing(ctx, round) {
            return Some(self.settle(ctx, winner, supporters));
        }
        let round = self.round.as_mut()?;
        if has_quorum {
            round.finalize(ctx.now, ctx.options);
        } else {
            round.reopen();
        }
        None
    }

    /// Whether every voter has agreed, or cannot be heard anyway. What observers get from looking voters is whom those
    /// followed before, so they wait for settled ones.
    fn nobody_is_missing(&self, ctx: &Context<'_>, round: &Round) -> bool {
        is_participant(ctx, ctx.options.id)
            && ctx.members.voters.iter().all(|voter| {
                round.has_agreed(*voter, ctx.members)
                    || self.suspects.contains(voter)
                    || self.reachable.get(voter) == Some(&false)
            })
    }

    fn settle(&mut self, ctx: &mut Context<'_>, winner: Vote, electors: BTreeSet<ServerId>) -> Elected {
        let participates = is_participant(ctx, ctx.options.id);
        let round = self.round.take();
        if round.as_ref().is_some_and(|round| round.is_untold) {
            // The vote that ended the election is told as its result. A genuine server that hears from a quorum that it
            // leads does so at once; after a vote of one that still looks it waits for others.
            let others = ctx.members.voters.iter().filter(|voter| **voter != ctx.options.id);
            self.owed.extend(others.map(|voter| (*voter, ctx.now)));
        }
        if let Some(round) = round
            && participates
            && (round.proposal.leader, round.proposal.election_epoch)
                != (winner.leader, winner.election_epoch)
        {
            // Others may still count this server's last vote.
            let looking = round.votes.iter().filter(|(_, cast)| cast.state == ServerState::Looking);
            let others = looking.map(|(from, _)| *from).filter(|from| *from != ctx.options.id);
            self.owed.extend(others.map(|from| (from, ctx.now)));
        }
        self.vote = winner;
        let leader = winner.leader;
        let elected = if leader == ctx.options.id {
            self.state = ServerState::Leading;
            self.electors = electors;
            Elected::Leading
        } else if participates {
            self.state = ServerState::Following;
            Elected::Following(leader)
        } else {
            self.state = ServerState::Observing;
            Elected::Observing(leader)
        };
        for to in core::mem::take(&mut self.owed).into_keys().filter(|_| participates) {
            let told = if is_participant(ctx, to) { winner } else { winner.in_round(self.clock) };
            self.answer(ctx, to, told);
        }
        elected
    }

    /// A voter looks although this server has settled. One that elected it may say its vote late; anything else says that
    /// it has turned away, or begun anew and forgotten.
    fn note_looking(&mut self, from: ServerId, vote: &Vote) {
        if self.is_established {
            return;
        }
        if (vote.leader, vote.election_epoch) != (self.vote.leader, self.vote.election_epoch) {
            self.electors.remove(&from);
        }
        // Of earlier rounds its last words may be heard again at any time.
        self.leader_looks |= from == self.vote.leader && vote.election_epoch > self.vote.election_epoch;
    }

    fn reset_doubts(&mut self, is_established: bool) {
        self.electors.clear();
        self.leader_looks = false;
        self.is_established = is_established;
    }
}

fn beats(ctx: &Context<'_>, vote: &Vote, other: &Vote) -> bool {
    if ctx.state.has(Sabotage::WrongVoteOrder) {
        return vote.leader > other.leader;
    }
    vote.beats(other, ctx.members)
}

fn is_participant(ctx: &Context<'_>, server: ServerId) -> bool {
    ctx.members.is_voter(server)
}

/// Whether this server may settle on the votes of looking ones. One whose data may be missing must only join a leader
/// that others have established.
fn counts_votes(ctx: &Context<'_>) -> bool {
    !(ctx.state.data_missing && is_participant(ctx, ctx.options.id))
}
