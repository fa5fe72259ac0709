//! Whether the role that an election gave this server can still come to something, or goes on coming to something.
//!
//! As long as a leader without a quorum does not give up, nobody who has lost its link to it or comes late can join it: for
//! that a quorum would have to say that there is a leader. And without it there may be too few to elect another. A genuine
//! server waits for `initLimit` before it is established, and then looks around once a tick.

use zabra_types::Now;

use super::{Own, Part};
use crate::election::Election;

/// How long there has been none.
#[derive(Debug, Default)]
pub(super) struct Hope {
    lost: Option<Now>,
}

impl Hope {
    /// Looks again whether there is any. Those who are missing may come back within the time that a vote is waited for.
    /// Says whether the role is to be given up.
    pub(super) fn is_gone(&mut self, now: Now, own: &Own, part: &Part, election: &Election) -> bool {
        match part {
            Part::Learning(learner) => learner.established().is_none() && election.leader_looks(),
            Part::Leading(leader) => {
                // Asked after every input, so nothing is gathered for it.
                let may_come = |server| {
                    let mut others = leader.voters().chain(election.expected());
                    server == own.options.id || others.any(|other| other == server)
                };
                if own.members.is_quorum_of(may_come) {
                    self.lost = None;
                    return false;
                }
                now >= *self.lost.get_or_insert(now) + own.options.finalize_wait
            }
            Part::Looking | Part::Leaving(_) => false,
        }
    }

    /// When to look again.
    pub(super) fn next_deadline(&self, own: &Own) -> Option<Now> {
        self.lost.map(|lost| lost + own.options.finalize_wait)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::time::Duration;

    use zabra_proto::{
        AckEpochData, LearnerInfo, Notification, PROTOCOL_VERSION, PacketKind, QuorumPacket, ServerState,
    };
    use zabra_types::{Epoch, ServerId, Zxid};

    use super::*;
    use crate::testing::{id, members, options};
    use crate::{CloseReason, Durable, Input, LinkId, Output, Peer, Role};

    const LINK: LinkId = LinkId(1 << 63);

    /// Server 2 of three, in simulated time.
    struct Server {
        peer: Peer,
        now: Now,
        out: Vec<Output>,
    }

    impl Server {
        fn start() -> Self {
            let durable = Durable {
                accepted_epoch: Epoch::default(),
                current_epoch: Epoch::default(),
                last_zxid: Zxid::ZERO,
            };
            let mut peer = Peer::new(options(id(2)), members(1..=3, []), durable, Vec::new(), 1);
            let (now, mut out) = (Now::default(), Vec::new());
            peer.start(now, &mut out);
            let mut server = Self { peer, now, out };
            server.handle(Input::PeerUp(id(1)));
            server.handle(Input::PeerDown(id(3)));
            server
        }

        fn handle(&mut self, input: Input) {
            self.peer.handle(self.now, input, &mut self.out);
            self.peer.check();
        }

        fn hear(&mut self, from: i64, leader: i64, round: i64) {
            let notification = Notification {
                state: ServerState::Looking,
                leader: id(leader),
                zxid: Zxid::ZERO,
                election_epoch: round,
                peer_epoch: 0,
                version: Notification::VERSION,
                config: None,
            };
            self.handle(Input::Notified { from: id(from), notification });
        }

        fn pass(&mut self, millis: u64) {
            let until = self.now + Duration::from_millis(millis);
            while let Some(at) = self.peer.next_deadline().filter(|at| *at <= until) {
                self.now = self.now.max(at);
                self.peer.handle_deadline(self.now, &mut self.out);
                self.peer.check();
            }
            self.now = until;
        }

        /// The disk does everything that was ordered.
        fn store(&mut self) {
            for output in core::mem::take(&mut self.out) {
                if let Output::Store { ticket, .. } = output {
                    self.handle(Input::Stored(ticket));
                }
            }
        }

        fn introduce(&mut self, from: ServerId) {
            let info =
                LearnerInfo { server: Some(from), protocol_version: PROTOCOL_VERSION, config_version: 0 };
            let packet = QuorumPacket {
                kind: PacketKind::FollowerInfo,
                zxid: Zxid::ZERO,
                data: info.to_bytes(),
                identities: None,
            };
            self.handle(Input::Accepted(LINK));
            self.handle(Input::Packet { link: LINK, packet });
        }
    }

    #[test]
    fn a_leader_whose_electors_turn_away_gives_up() {
        let mut server = Server::start();
        server.hear(1, 2, 1);
        assert_eq!(server.peer.role(), Role::PreparingToLead);
        server.pass(1000);
        assert_eq!(server.peer.role(), Role::PreparingToLead, "the elector may be slow");
        server.hear(1, 3, 1);
        server.pass(199);
        assert_eq!(server.peer.role(), Role::PreparingToLead);
        server.pass(1);
        assert_eq!(server.peer.role(), Role::Looking);
    }

    #[test]
    fn a_leader_whose_electors_are_gone_gives_up_unless_they_come_back() {
        let mut server = Server::start();
        server.hear(1, 2, 1);
        server.handle(Input::PeerDown(id(1)));
        server.pass(150);
        server.handle(Input::PeerUp(id(1)));
        server.pass(1000);
        assert_eq!(server.peer.role(), Role::PreparingToLead);
        server.handle(Input::PeerDown(id(1)));
        server.pass(200);
        assert_eq!(server.peer.role(), Role::Looking);
    }

    #[test]
    fn a_learner_that_has_come_need_not_be_expected() {
        let mut server = Server::start();
        server.hear(1, 2, 1);
        server.introduce(id(1));
        server.handle(Input::PeerDown(id(1)));
        server.pass(1000);
        assert_eq!(server.peer.role(), Role::PreparingToLead);
        server.handle(Input::Closed(LINK));
        server.pass(200);
        assert_eq!(server.peer.role(), Role::Looking);
    }

    /// Until then it is on the beat that it would notice, half a tick apart.
    #[test]
    fn an_established_leader_without_a_quorum_gives_up() {
        let mut server = Server::start();
        server.hear(1, 2, 1);
        server.introduce(id(1));
        server.store();
        let packet = |kind, zxid| Input::Packet { link: LINK, packet: QuorumPacket::bare(kind, zxid) };
        let epoch = Epoch::new(1);
        let current = Some(AckEpochData(Some(Epoch::default())).to_bytes());
        let promise = QuorumPacket { data: current, ..QuorumPacket::bare(PacketKind::AckEpoch, Zxid::ZERO) };
        server.handle(Input::Packet { link: LINK, packet: promise });
        server.store();
        server.handle(packet(PacketKind::Ack, Zxid::new(epoch, 0)));
        assert_eq!(server.peer.role(), Role::Leading(epoch));
        server.handle(Input::PeerDown(id(1)));
        server.pass(300);
        assert_eq!(server.peer.role(), Role::Leading(epoch), "its link stands");
        server.handle(Input::Closed(LINK));
        server.pass(199);
        assert_eq!(server.peer.role(), Role::Leading(epoch));
        server.pass(1);
        assert_eq!(server.peer.role(), Role::Looking);
    }

    #[test]
    fn a_learner_whose_leader_looks_again_does_so_too() {
        let mut server = Server::start();
        server.hear(3, 3, 1);
        server.hear(1, 3, 1);
        assert_eq!(server.peer.role(), Role::Synchronizing(id(3)));
        server.hear(3, 3, 1);
        assert_eq!(server.peer.role(), Role::Synchronizing(id(3)), "it says its vote late");
        server.hear(3, 3, 2);
        assert_eq!(server.peer.role(), Role::Looking);
    }

    /// It may have come because of an election that this server has given up, and this server may need its vote.
    #[test]
    fn a_learner_does_not_wait_long_for_a_server_that_looks() {
        let mut server = Server::start();
        server.handle(Input::Accepted(LINK));
        server.pass(999);
        let closed = Output::Close { link: LINK, why: CloseReason::NotLeading };
        assert!(!server.out.contains(&closed));
        server.pass(1);
        assert!(server.out.contains(&closed));
    }
}
