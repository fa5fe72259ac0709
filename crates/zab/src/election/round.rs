//! One run of the election: the votes so far, and until when to wait for more.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use zabra_proto::ServerState;
use zabra_types::{Now, ServerId};

use super::vote::{CastVote, Vote};
use crate::{Members, Options};

/// What a looking server knows (the locals of `lookForLeader`).
#[derive(Debug)]
pub(super) struct Round {
    /// What this server votes for at present.
    pub(super) proposal: Vote,
    /// Whether that has changed since it was told.
    pub(super) is_untold: bool,
    /// The last vote of each server in this round, by those who look and those who settled in it (`recvset`).
    pub(super) votes: BTreeMap<ServerId, CastVote>,
    /// The last vote of each settled server, of whatever round (`outofelection`).
    pub(super) settled: BTreeMap<ServerId, CastVote>,
    /// How long to wait before the proposal is told again.
    resend_after: Duration,
    resend_at: Now,
    /// When a proposal that has a quorum wins, if nothing better comes.
    finalize_at: Option<Now>,
}

impl Round {
    pub(super) fn new(proposal: Vote, now: Now, options: &Options) -> Self {
        Self {
            proposal,
            is_untold: false,
            votes: BTreeMap::new(),
            settled: BTreeMap::new(),
            resend_after: options.notification_min,
            resend_at: now + options.notification_min,
            finalize_at: None,
        }
    }

    /// The proposal has just been told.
    pub(super) fn told(&mut self, now: Now) {
        self.is_untold = false;
        self.resend_at = now + self.resend_after;
    }

    /// It was told in vain: wait longer, as long as nothing new is heard.
    pub(super) fn back_off(&mut self, options: &Options) {
        self.resend_after = self.resend_after.saturating_mul(2).min(options.notification_max);
    }

    /// Something moves: what is said now may be heard, so it is soon said again. A genuine server goes on with long waits
    /// after a long time without a quorum.
    pub(super) fn hurry(&mut self, now: Now, options: &Options) {
        self.resend_after = options.notification_min;
        self.resend_at = self.resend_at.min(now + self.resend_after);
    }

    pub(super) fn next_deadline(&self) -> Now {
        self.finalize_at.map_or(self.resend_at, |at| at.min(self.resend_at))
    }

    pub(super) fn resend_due(&self, now: Now) -> bool {
        self.resend_at <= now
    }

    pub(super) fn finalize_due(&self, now: Now) -> bool {
        self.finalize_at.is_some_and(|at| at <= now)
    }

    pub(super) fn is_finalizing(&self) -> bool {
        self.finalize_at.is_some()
    }

    /// The proposal has a quorum: from now on it waits for better ones, unless it does already.
    pub(super) fn finalize(&mut self, now: Now, options: &Options) {
        self.finalize_at.get_or_insert(now + options.finalize_wait);
    }

    /// The proposal has no quorum any more, or a better one is about.
    pub(super) fn reopen(&mut self) {
        self.finalize_at = None;
    }

    /// Who, besides `without`, has voted for the proposal in this round.
    pub(super) fn supporters(&self, without: Option<ServerId>) -> BTreeSet<ServerId> {
        let mut supporters = agreeing(&self.votes, &CastVote::looking(self.proposal));
        if let Some(server) = without {
            supporters.remove(&server);
        }
        supporters
    }

    /// Whether a server has nothing better to say in this round: it votes for the proposal, or for a server that cannot
    /// be elected.
    pub(super) fn has_agreed(&self, server: ServerId, members: &Members) -> bool {
        self.votes.get(&server).is_some_and(|cast| {
            cast.vote.leader == self.proposal.leader || !members.is_electable(cast.vote.leader)
        })
    }
}

/// Those whose vote counts together with this one.
pub(super) fn agreeing(votes: &BTreeMap<ServerId, CastVote>, cast: &CastVote) -> BTreeSet<ServerId> {
    votes.iter().filter(|(_, other)| cast.agrees(other)).map(|(server, _)| *server).collect()
}

/// Whether a server says of itself that it leads (`checkLeader`). Without this, servers would go on electing one that is
/// dead because others have not noticed yet.
pub(super) fn says_it_leads(votes: &BTreeMap<ServerId, CastVote>, leader: ServerId) -> bool {
    votes.get(&leader).is_some_and(|cast| cast.state == ServerState::Leading)
}
