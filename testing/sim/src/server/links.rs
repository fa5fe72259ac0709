//! The quorum port: links, and what is sent over them in order, snapshots and stretches of the log included.

use std::collections::VecDeque;
use std::rc::Rc;

use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::{ServerId, Zxid};
use zabra_zab::{Input, LinkId};

use super::Machine;
use super::driver::Process;
use super::{boot, database};
use crate::env::{Env, Stop};
use crate::nemesis::Moment;
use crate::network::{Arrival, ConnId, Kind, Node, Side, Wire, read_packet};
use crate::properties::Observation;
use crate::schedule::Event;

/// Links that others asked for have this bit.
const ACCEPTED: u64 = 1 << 63;

/// A connection of the quorum port.
#[derive(Debug)]
pub(super) struct Link {
    conn: ConnId,
    side: Side,
    /// What is not sent yet. While something long is being sent, everything behind it waits.
    queue: VecDeque<Outgoing>,
    /// The first in the queue is being sent.
    busy: bool,
}

#[derive(Debug)]
enum Outgoing {
    Packet(QuorumPacket),
    Log { after: Zxid, before: Zxid },
    Snapshot(Option<Box<database::Sending>>),
}

impl Process {
    pub(super) fn connect(&mut self, machine: &Machine, env: &mut Env, link: LinkId, leader: ServerId) {
        let Some(to) = env.ensemble.server(leader) else {
            return self.inputs.push_back(Input::NotConnected(link));
        };
        let from = (Node::Server(machine.index), machine.boot);
        let conn = env.network.dial(&mut env.schedule, Kind::Quorum, from, Node::Server(to));
        self.add_link(link, conn, Side::Dialler);
    }

    pub(super) fn link_accepted(&mut self, conn: ConnId) {
        self.links_accepted += 1;
        let link = LinkId(ACCEPTED | self.links_accepted);
        self.add_link(link, conn, Side::Acceptor);
        self.inputs.push_back(Input::Accepted(link));
    }

    fn add_link(&mut self, link: LinkId, conn: ConnId, side: Side) {
        self.conns.insert(conn, link);
        self.links.insert(link, Link { conn, side, queue: VecDeque::new(), busy: false });
    }

    fn remove_link(&mut self, link: LinkId) -> Option<Link> {
        let removed = self.links.remove(&link)?;
        self.conns.remove(&removed.conn);
        self.databases.remove(&link);
        Some(removed)
    }

    pub(super) fn close(&mut self, env: &mut Env, link: LinkId) {
        if let Some(link) = self.remove_link(link) {
            env.network.close(&mut env.schedule, link.conn, link.side);
        }
    }

    pub(super) fn link_arrived(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        link: LinkId,
        arrival: Arrival,
    ) -> Result<(), Stop> {
        match arrival {
            Arrival::Connected => self.inputs.push_back(Input::Connected(link)),
            Arrival::Refused => {
                self.remove_link(link);
                self.inputs.push_back(Input::NotConnected(link));
            }
            Arrival::Closed => {
                self.remove_link(link);
                self.inputs.push_back(Input::Closed(link));
            }
            Arrival::Message(Wire::Packet(bytes)) => {
                let Ok(Some(packet)) = read_packet(&bytes) else {
                    return Err(Stop::violation("codec", format!("a packet that cannot be read: {bytes:?}")));
                };
                self.inputs.push_back(Input::Packet { link, packet });
            }
            Arrival::Message(Wire::Database(database)) => {
                self.databases.insert(link, database);
                self.inputs.push_back(Input::SnapshotReceived(link));
                env.moment(machine.index, Moment::SnapshotReceived)?;
            }
            Arrival::Message(_) => {}
        }
        Ok(())
    }

    /// What a learner says that does not wait for its turn.
    pub(super) fn acknowledge_to_leader(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        zxid: Zxid,
    ) -> Result<(), Stop> {
        let link = self.links.iter().find(|(_, link)| link.side == Side::Dialler);
        let Some((&link, _)) = link else { return Ok(()) };
        self.enqueue(machine, env, link, Outgoing::Packet(QuorumPacket::bare(PacketKind::Ack, zxid)))
    }

    /// `Output::Send`.
    pub(super) fn send(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        link: LinkId,
        packet: QuorumPacket,
    ) -> Result<(), Stop> {
        if matches!(packet.kind, PacketKind::Proposal | PacketKind::Commit)
            && self.forgotten.contains(&packet.zxid)
        {
            return Ok(());
        }
        let moment = Moment::of_packet(&packet);
        self.enqueue(machine, env, link, Outgoing::Packet(packet))?;
        match moment {
            Some(moment) => env.moment(machine.index, moment),
            None => Ok(()),
        }
    }

    pub(super) fn send_log(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        link: LinkId,
        after: Zxid,
        before: Zxid,
    ) -> Result<(), Stop> {
        self.enqueue(machine, env, link, Outgoing::Log { after, before })
    }

    pub(super) fn send_snapshot(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        link: LinkId,
    ) -> Result<(), Stop> {
        env.counts.snaps += 1;
        self.enqueue(machine, env, link, Outgoing::Snapshot(None))
    }

    fn enqueue(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        link: LinkId,
        outgoing: Outgoing,
    ) -> Result<(), Stop> {
        let Some(known) = self.links.get_mut(&link) else { return Ok(()) };
        known.queue.push_back(outgoing);
        if known.busy { Ok(()) } else { self.send_on(machine, env, link) }
    }

    /// Sends packets until something long is at the front, and begins that.
    fn send_on(&mut self, machine: &Machine, env: &mut Env, link: LinkId) -> Result<(), Stop> {
        let Some(known) = self.links.get_mut(&link) else { return Ok(()) };
        let (conn, side) = (known.conn, known.side);
        while let Some(next) = known.queue.front_mut() {
            match next {
                Outgoing::Packet(packet) => {
                    let packet = packet.clone();
                    known.queue.pop_front();
                    env.observe(&Observation::Sent {
                        conn: conn.0,
                        by_dialler: side == Side::Dialler,
                        packet: &packet,
                    })?;
                    env.network.send(&mut env.schedule, conn, side, Wire::packet(&packet));
                }
                Outgoing::Snapshot(progress) => {
                    *progress = Some(Box::new(database::Sending::begin(&self.tree, &self.history)));
                    known.busy = true;
                    break;
                }
                Outgoing::Log { .. } => {
                    known.busy = true;
                    break;
                }
            }
        }
        if known.busy {
            plan(machine, env, link);
        }
        Ok(())
    }

    /// Something long gets on.
    pub(super) fn sent(&mut self, machine: &Machine, env: &mut Env, link: LinkId) -> Result<(), Stop> {
        let Some(known) = self.links.get_mut(&link) else { return Ok(()) };
        let (conn, side) = (known.conn, known.side);
        let pairs = match known.queue.front_mut() {
            Some(Outgoing::Snapshot(Some(progress))) => {
                let Some(database) = progress.step(&self.tree) else {
                    plan(machine, env, link);
                    return Ok(());
                };
                env.network.send(&mut env.schedule, conn, side, Wire::Database(Rc::new(database)));
                Vec::new()
            }
            Some(&mut Outgoing::Log { after, before }) => match boot::log_between(machine, after, before) {
                Some(pairs) => pairs,
                None => {
                    // The log was purged meanwhile.
                    self.close(env, link);
                    self.inputs.push_back(Input::HistorySent(link));
                    self.inputs.push_back(Input::Closed(link));
                    return Ok(());
                }
            },
            _ => Vec::new(),
        };
        known.queue.pop_front();
        known.busy = false;
        for (zxid, payload) in pairs {
            for packet in [
                QuorumPacket::with_data(PacketKind::Proposal, zxid, payload),
                QuorumPacket::bare(PacketKind::Commit, zxid),
            ] {
                env.observe(&Observation::Sent { conn: conn.0, by_dialler: false, packet: &packet })?;
                env.network.send(&mut env.schedule, conn, side, Wire::packet(&packet));
            }
        }
        self.inputs.push_back(Input::HistorySent(link));
        self.send_on(machine, env, link)
    }
}

fn plan(machine: &Machine, env: &mut Env, link: LinkId) {
    let (from, to) = env.scenario.disk;
    let delay = env.schedule.between(from, to) + machine.disk_delay;
    env.schedule.after(delay, Event::Sent { server: machine.index, boot: machine.boot, link: link.0 });
}
