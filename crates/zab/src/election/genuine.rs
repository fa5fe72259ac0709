//! A model of how a genuine server elects, for simulating ensembles of both kinds. It does what the protocol's
//! description says and nothing of what [`super::Election`] does better.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zabra_proto::{Notification, ServerState};
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::round::{agreeing, says_it_leads};
use super::vote::{CastVote, Vote};
use crate::role::Elected;
use crate::{Durable, Members};

const FINALIZE_WAIT: Duration = Duration::from_millis(200);
const NOTIFICATION_MIN: Duration = Duration::from_millis(200);
const NOTIFICATION_MAX: Duration = Duration::from_secs(60);

pub(super) struct Genuine {
    id: ServerId,
    members: Members,
    pub(super) zxid: Zxid,
    pub(super) epoch: Epoch,
    state: ServerState,
    clock: i64,
    current: Vote,
    proposal: Vote,
    votes: BTreeMap<ServerId, CastVote>,
    settled: BTreeMap<ServerId, CastVote>,
    /// What the receiving thread has handed to the electing one.
    queue: VecDeque<(ServerId, Notification)>,
    silence: Duration,
    is_draining: bool,
    poll_until: Now,
    pub(super) said: Vec<(ServerId, Notification)>,
}

impl Genuine {
    pub(super) fn new(id: ServerId, members: &Members, durable: Durable) -> Self {
        let current = Vote::new(id, durable.last_zxid, durable.current_epoch);
        Self {
            id,
            members: members.clone(),
            zxid: durable.last_zxid,
            epoch: durable.current_epoch,
            state: ServerState::Looking,
            clock: 0,
            current,
            proposal: current,
            votes: BTreeMap::new(),
            settled: BTreeMap::new(),
            queue: VecDeque::new(),
            silence: NOTIFICATION_MIN,
            is_draining: false,
            poll_until: Now::default(),
            said: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, now: Now) -> Option<Elected> {
        self.state = ServerState::Looking;
        self.votes.clear();
        self.settled.clear();
        self.queue.clear();
        self.silence = NOTIFICATION_MIN;
        self.is_draining = false;
        self.clock += 1;
        self.proposal = self.own_vote();
        self.poll(now);
        self.broadcast();
        self.run(now)
    }

    pub(super) fn settle_in(&mut self, epoch: Epoch) {
        self.current.peer_epoch = i64::from(epoch.get());
    }

    pub(super) fn next_deadline(&self) -> Option<Now> {
        (self.state == ServerState::Looking).then_some(self.poll_until)
    }

    pub(super) fn handle_deadline(&mut self, now: Now) -> Option<Elected> {
        if self.next_deadline().is_none_or(|at| at > now) {
            return None;
        }
        if self.is_draining {
            return Some(self.elect(self.proposal.in_round(self.clock)));
        }
        self.silence = (self.silence * 2).min(NOTIFICATION_MAX);
        self.poll(now);
        self.broadcast();
        self.run(now)
    }

    /// The receiving thread, in every state.
    pub(super) fn hear(&mut self, now: Now, from: ServerId, said: &Notification) -> Option<Elected> {
        if !self.members.is_voter(from) {
            self.tell(from, self.current.in_round(self.clock));
            return None;
        }
        if self.state == ServerState::Looking {
            if said.state == ServerState::Looking && said.election_epoch < self.clock {
                self.tell(from, self.proposal.in_round(self.clock));
            }
            self.queue.push_back((from, said.clone()));
            return self.run(now);
        }
        if said.state == ServerState::Looking {
            self.tell(from, self.current);
        }
        None
    }

    fn run(&mut self, now: Now) -> Option<Elected> {
        while let Some((from, said)) = self.queue.pop_front() {
            self.poll(now);
            let vote = Vote::of(&said);
            if self.is_draining {
                if !vote.beats(&self.proposal, &self.members) {
                    continue;
                }
                self.is_draining = false;
                self.poll(now);
            }
            if !self.members.is_voter(vote.leader) {
                continue;
            }
            let elected = match said.state {
                ServerState::Looking => self.count_looking(from, vote),
                ServerState::Following | ServerState::Leading => {
                    self.count_settled(from, CastVote { vote, state: said.state, version: said.version })
                }
                ServerState::Observing => None,
            };
            if elected.is_some() {
                self.queue.clear();
                return elected;
            }
            self.poll(now);
        }
        None
    }

    fn count_looking(&mut self, from: ServerId, vote: Vote) -> Option<Elected> {
        if (self.is_participant() && self.zxid == Zxid::NONE) || vote.zxid == Zxid::NONE {
            return None;
        }
        if vote.election_epoch > self.clock {
            self.clock = vote.election_epoch;
            self.votes.clear();
            let own = self.own_vote();
            self.proposal = if vote.beats(&own, &self.members) { vote } else { own };
            self.broadcast();
        } else if vote.election_epoch < self.clock {
            return None;
        } else if vote.beats(&self.proposal, &self.members) {
            self.proposal = vote;
            self.broadcast();
        }
        self.votes.insert(from, CastVote::looking(vote));
        let proposal = CastVote::looking(self.proposal.in_round(self.clock));
        self.is_draining = self.members.is_quorum(&agreeing(&self.votes, &proposal));
        None
    }

    fn count_settled(&mut self, from: ServerId, cast: CastVote) -> Option<Elected> {
        let (leader, round) = (cast.vote.leader, cast.vote.election_epoch);
        if round == self.clock {
            self.votes.insert(from, CastVote { version: 0, ..cast });
            let is_quorum = self.members.is_quorum(&agreeing(&self.votes, &cast));
            if is_quorum && (leader == self.id || says_it_leads(&self.votes, leader)) {
                return Some(self.elect(cast.vote));
            }
        }
        self.settled.insert(from, cast);
        let is_quorum = self.members.is_quorum(&agreeing(&self.settled, &cast));
        let leads =
            if leader == self.id { round == self.clock } else { says_it_leads(&self.settled, leader) };
        (is_quorum && leads).then(|| {
            self.clock = round;
            self.elect(cast.vote)
        })
    }

    fn elect(&mut self, vote: Vote) -> Elected {
        self.current = vote;
        self.is_draining = false;
        if vote.leader == self.id {
            self.state = ServerState::Leading;
            Elected::Leading
        } else if self.is_participant() {
            self.state = ServerState::Following;
            Elected::Following(vote.leader)
        } else {
            self.state = ServerState::Observing;
            Elected::Observing(vote.leader)
        }
    }

    fn poll(&mut self, now: Now) {
        self.poll_until = now + if self.is_draining { FINALIZE_WAIT } else { self.silence };
    }

    fn is_participant(&self) -> bool {
        self.members.is_voter(self.id)
    }

    fn own_vote(&self) -> Vote {
        if self.is_participant() { Vote::new(self.id, self.zxid, self.epoch) } else { Vote::NOBODY }
    }

    fn broadcast(&mut self) {
        let vote = self.proposal.in_round(self.clock);
        for voter in self.members.voters.clone() {
            if voter == self.id {
                self.queue.push_back((voter, self.notification(vote)));
            } else {
                self.tell(voter, vote);
            }
        }
    }

    fn tell(&mut self, to: ServerId, vote: Vote) {
        let notification = self.notification(vote);
        self.said.push((to, notification));
    }

    fn notification(&self, vote: Vote) -> Notification {
        Notification {
            state: self.state,
            leader: vote.leader,
            zxid: vote.zxid,
            election_epoch: vote.election_epoch,
            peer_epoch: vote.peer_epoch,
            version: Notification::VERSION,
            config: Some(String::new()),
        }
    }
}
