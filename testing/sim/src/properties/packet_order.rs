//! What may be said when over the quorum port: each side says only what the other is ready for.
//!
//! A genuine leader closes the connection of a learner that says anything before it acknowledges NEWLEADER
//! (ZOOKEEPER-4685), and a genuine learner that of a leader whose history has a gap (ZOOKEEPER-4925).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::Zxid;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PacketOrder {
    conns: BTreeMap<u64, Conn>,
}

/// What has been said over a connection.
#[derive(Debug, Default)]
struct Conn {
    learner: Learner,
    observer: bool,
    acked: Zxid,
    leader: Leader,
    new_leader: Zxid,
    /// The end of the history that the learner has or was sent.
    last: Zxid,
    uncommitted: VecDeque<Zxid>,
    proposed: BTreeSet<Zxid>,
}

/// How far the learner has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Learner {
    #[default]
    Dialled,
    Introduced,
    Promised,
    Synchronized,
}

/// How far the leader has come with the learner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Leader {
    #[default]
    Silent,
    Offered,
    Synchronizing,
    Synchronized,
    Broadcasting,
}

impl Property for PacketOrder {
    fn name(&self) -> &'static str {
        "packet_order"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        let &Observation::Sent { conn, by_dialler, packet } = seen else { return Ok(()) };
        let state = self.conns.entry(conn).or_default();
        let right = if by_dialler { state.learner_says(packet) } else { state.leader_says(packet) };
        if right {
            Ok(())
        } else {
            let who = if by_dialler { "learner" } else { "leader" };
            Err(format!("a {who} sends {:?} {} where that has no place: {state:?}", packet.kind, packet.zxid))
        }
    }
}

impl Conn {
    fn learner_says(&mut self, packet: &QuorumPacket) -> bool {
        match (self.learner, packet.kind) {
            (Learner::Dialled, PacketKind::FollowerInfo | PacketKind::ObserverInfo) => {
                self.learner = Learner::Introduced;
                self.observer = packet.kind == PacketKind::ObserverInfo;
                true
            }
            (Learner::Introduced, PacketKind::AckEpoch) => {
                self.learner = Learner::Promised;
                self.last = packet.zxid;
                self.leader >= Leader::Offered
            }
            (Learner::Promised, PacketKind::Ack) => {
                self.learner = Learner::Synchronized;
                self.leader >= Leader::Synchronized && packet.zxid == self.new_leader
            }
            (Learner::Synchronized, PacketKind::Ack) if packet.zxid.counter() == 0 => {
                self.leader == Leader::Broadcasting && packet.zxid == self.new_leader
            }
            (Learner::Synchronized, PacketKind::Ack) => {
                let before = std::mem::replace(&mut self.acked, packet.zxid);
                self.proposed.remove(&packet.zxid) && before < packet.zxid && !self.observer
            }
            (Learner::Synchronized, PacketKind::Ping) => true,
            (Learner::Synchronized, PacketKind::Request | PacketKind::Revalidate) => {
                self.leader == Leader::Broadcasting
            }
            _ => false,
        }
    }

    fn leader_says(&mut self, packet: &QuorumPacket) -> bool {
        let zxid = packet.zxid;
        match (self.leader, packet.kind) {
            (Leader::Silent, PacketKind::LeaderInfo) => {
                self.leader = Leader::Offered;
                self.learner >= Learner::Introduced
            }
            (Leader::Offered, PacketKind::Diff | PacketKind::Trunc | PacketKind::Snap) => {
                self.leader = Leader::Synchronizing;
                if packet.kind != PacketKind::Diff {
                    self.last = zxid;
                }
                self.learner >= Learner::Promised
            }
            (Leader::Synchronizing, PacketKind::NewLeader) => {
                self.leader = Leader::Synchronized;
                self.new_leader = zxid;
                zxid.counter() == 0
            }
            (Leader::Synchronized, PacketKind::UpToDate) => {
                self.leader = Leader::Broadcasting;
                self.learner == Learner::Synchronized
            }
            (Leader::Synchronizing | Leader::Synchronized | Leader::Broadcasting, kind) => match kind {
                PacketKind::Proposal => {
                    self.uncommitted.push_back(zxid);
                    self.proposed.insert(zxid);
                    let in_time = !self.observer || self.leader == Leader::Synchronizing;
                    self.goes_on(zxid) && in_time
                }
                PacketKind::Commit => self.uncommitted.pop_front() == Some(zxid),
                PacketKind::Inform => self.goes_on(zxid) && self.observer && self.uncommitted.is_empty(),
                PacketKind::Ping => self.leader > Leader::Synchronizing,
                PacketKind::Sync | PacketKind::Revalidate => self.leader == Leader::Broadcasting,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a transaction is the next one, as far as can be told.
    fn goes_on(&mut self, zxid: Zxid) -> bool {
        let last = std::mem::replace(&mut self.last, zxid);
        last.next() == Some(zxid) || (zxid.epoch() > last.epoch() && zxid.counter() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::facts;
    use super::*;
    use PacketKind::{
        Ack, AckEpoch, Commit, Diff, FollowerInfo, LeaderInfo, NewLeader, Ping, Proposal, UpToDate,
    };

    const EPOCH: i64 = 2 << 32;

    /// Whether the last of the packets has its place behind the others.
    fn fits(packets: &[(bool, PacketKind, i64)]) -> bool {
        let mut property = PacketOrder::default();
        let mut verdicts = packets.iter().map(|&(by_dialler, kind, zxid)| {
            let packet = QuorumPacket::bare(kind, Zxid::from_raw(zxid));
            property.observe(&Observation::Sent { conn: 1, by_dialler, packet: &packet }, &facts()).is_ok()
        });
        let before = packets.len() - 1;
        assert!(verdicts.by_ref().take(before).all(|right| right), "all but the last fit: {packets:?}");
        verdicts.next().unwrap_or(false)
    }

    #[test]
    fn a_synchronization_by_the_book() {
        let book = [
            (true, FollowerInfo, 1 << 32),
            (false, LeaderInfo, EPOCH),
            (true, AckEpoch, 5),
            (false, Diff, 6),
            (false, Proposal, 6),
            (false, Commit, 6),
            (false, Proposal, EPOCH + 1),
            (false, NewLeader, EPOCH),
            (true, Ack, EPOCH),
            (false, UpToDate, -1),
            (true, Ack, EPOCH),
            (true, Ack, EPOCH + 1),
            (false, Commit, EPOCH + 1),
        ];
        for upto in 1..=book.len() {
            assert!(fits(&book[..upto]));
        }
        let instead = |at: usize, packet| {
            let mut packets = book[..at].to_vec();
            packets.push(packet);
            fits(&packets)
        };
        assert!(!instead(4, (false, Proposal, 7)), "a gap");
        assert!(!instead(6, (false, Commit, 7)), "never proposed");
        assert!(!instead(8, (true, Ack, 6)), "a proposal before NEWLEADER (ZOOKEEPER-4685)");
        assert!(!instead(8, (true, Ping, 0)), "an answer before the acknowledgement");
        assert!(!instead(8, (false, UpToDate, -1)), "nobody has acknowledged");
        assert!(!instead(12, (true, Ack, EPOCH + 1)), "twice");
    }
}
