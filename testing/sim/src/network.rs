//! The network: connections that keep order in each direction, and everything that can become of them.
//!
//! A direction between two machines may be blocked: then what is sent waits, as TCP does, and the connection stands. A
//! connection ends when a side closes it, a process dies, or a reset strikes; some of what was under way is lost then,
//! always from its end. A machine that loses power says nothing until it is back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use zabra_proto::{DecodeError, FieldLimit, Notification, QuorumPacket, ReceivedPacket, split_notification};
use zabra_testkit::Rng;

use crate::Time;
use crate::messages::{Ask, Database, Tell};
use crate::schedule::{Event, Schedule, between};

/// How long nothing is heard of a machine that is out of reach before dialling it is given up.
const DIAL_TIMEOUT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(2000));

/// A connection. Numbers never come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) u64);

/// A machine on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Server(usize),
    Client(usize),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Election,
    Quorum,
    Client,
}

/// The ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Dialler,
    Acceptor,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    Vote(Bytes),
    Packet(Bytes),
    Database(Rc<Database>),
    Ask(Ask),
    Tell(Tell),
}

impl Wire {
    pub(crate) fn vote(vote: &Notification) -> Self {
        let mut bytes = Vec::new();
        vote.encode(&mut bytes);
        Self::Vote(bytes.into())
    }

    pub(crate) fn packet(packet: &QuorumPacket) -> Self {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        Self::Packet(bytes.into())
    }
}

/// A vote out of its bytes; none when there is none in them.
pub(crate) fn read_vote(bytes: &[u8]) -> Result<Option<Notification>, DecodeError> {
    let frame = split_notification(bytes)?.filter(|(_, rest)| rest.is_empty());
    frame.map(|(frame, _)| Notification::decode(frame)).transpose()
}

/// A packet out of its bytes; none when it is of no known kind.
pub(crate) fn read_packet(bytes: &Bytes) -> Result<Option<QuorumPacket>, DecodeError> {
    Ok(match QuorumPacket::decode(bytes, FieldLimit::default())? {
        ReceivedPacket::Known(packet) => Some(packet),
        ReceivedPacket::Unknown { .. } => None,
    })
}

/// What came to an end of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// The connection that was asked for stands.
    Connected,
    /// It could not be made.
    Refused,
    /// A message.
    Message(Wire),
    /// The other side is gone.
    Closed,
}

/// Whether a machine can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A process listens.
    Up,
    /// The machine answers that nobody listens.
    Refusing,
    /// Nobody answers.
    Off,
}

/// An end of a connection, as its process knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) node: Node,
    /// The start of the process that has it.
    pub(crate) boot: u64,
    alive: bool,
}

#[derive(Debug)]
struct Conn {
    kind: Kind,
    /// Dialler, acceptor.
    ends: [End; 2],
    /// What is on its way to each.
    lanes: [Lane; 2],
    open: bool,
}

#[derive(Debug, Default)]
struct Lane {
    items: VecDeque<(Time, Arrival)>,
    /// Whether the arrival of the first item is planned. Not when the direction is blocked.
    planned: bool,
}

/// All machines and connections.
#[derive(Debug)]
pub(crate) struct Network {
    conns: BTreeMap<ConnId, Conn>,
    made: u64,
    reach: BTreeMap<Node, Reach>,
    /// From, to.
    blocked: BTreeSet<(Node, Node)>,
    slow: BTreeMap<(Node, Node), Duration>,
    latency: (Duration, Duration),
    /// Once in so many messages one is late by up to the time.
    spikes: (usize, Duration),
    /// Whether an end may lose what was under way.
    lossy: bool,
}

impl Network {
    pub(crate) fn new(latency: (Duration, Duration), spikes: (usize, Duration)) -> Self {
        Self {
            conns: BTreeMap::new(),
            made: 0,
            reach: BTreeMap::new(),
            blocked: BTreeSet::new(),
            slow: BTreeMap::new(),
            latency,
            spikes,
            lossy: true,
        }
    }

    pub(crate) fn set_reach(&mut self, node: Node, reach: Reach) {
        self.reach.insert(node, reach);
    }

    /// What was sent before an end comes from now on.
    pub(crate) fn end_losses(&mut self) {
        self.lossy = false;
    }

    /// No message is late any more.
    pub(crate) fn end_spikes(&mut self) {
        self.spikes.1 = Duration::ZERO;
    }

    /// Messages from one machine to the other take so much longer.
    pub(crate) fn slow(&mut self, from: Node, to: Node, extra: Duration) {
        self.slow.insert((from, to), extra);
    }

    /// All messages take their usual time again.
    pub(crate) fn end_slowness(&mut self) {
        self.slow.clear();
    }

    /// Nothing gets from one machine to the other.
    pub(crate) fn block(&mut self, from: Node, to: Node) {
        self.blocked.insert((from, to));
    }

    /// Everything gets everywhere; what waited goes on.
    pub(crate) fn unblock(&mut self, schedule: &mut Schedule, directions: &[(Node, Node)]) {
        for direction in directions {
            self.blocked.remove(direction);
        }
        for (&id, conn) in &mut self.conns {
            for side in [Side::Dialler, Side::Acceptor] {
                let lane = &mut conn.lanes[side as usize];
                if !lane.planned && !lane.items.is_empty() {
                    lane.planned = true;
                    let delay = between(&mut schedule.rng, self.latency.0, self.latency.1);
                    schedule.after(delay, Event::Arrive(id, side));
                }
            }
        }
    }

    /// Asks for a connection. [`Arrival::Connected`] or [`Arrival::Refused`] comes of it.
    pub(crate) fn dial(
        &mut self,
        schedule: &mut Schedule,
        kind: Kind,
        (from, boot): (Node, u64),
        to: Node,
    ) -> ConnId {
        self.made += 1;
        let id = ConnId(self.made);
        let ends = [End { node: from, boot, alive: true }, End { node: to, boot: 0, alive: true }];
        self.conns.insert(id, Conn { kind, ends, lanes: Default::default(), open: false });
        let delay = self.delay(&mut schedule.rng, from, to);
        schedule.after(delay, Event::Knock(id));
        id
    }

    /// The question has come to the other machine. If its process of this boot takes the connection: who asks, and what
    /// for. The acceptor has the connection from now on.
    pub(crate) fn knock(&mut self, schedule: &mut Schedule, id: ConnId, boot: u64) -> Option<(Kind, Node)> {
        let conn = self.conns.get_mut(&id)?;
        let [from, to] = [conn.ends[0].node, conn.ends[1].node];
        let away = self.blocked.contains(&(from, to)) || self.blocked.contains(&(to, from));
        let reach = self.reach.get(&to).copied().unwrap_or(Reach::Off);
        if !conn.ends[0].alive {
            self.conns.remove(&id);
            return None;
        }
        if away || reach != Reach::Up {
            conn.ends[1].alive = false;
            let delay = if away || reach == Reach::Off {
                between(&mut schedule.rng, DIAL_TIMEOUT.0, DIAL_TIMEOUT.1)
            } else {
                self.latency.0
            };
            self.enqueue(schedule, id, Side::Dialler, Arrival::Refused, delay);
            return None;
        }
        conn.ends[1].boot = boot;
        conn.open = true;
        let kind = conn.kind;
        let delay = self.delay(&mut schedule.rng, to, from);
        self.enqueue(schedule, id, Side::Dialler, Arrival::Connected, delay);
        Some((kind, from))
    }

    /// The machine that is dialled.
    pub(crate) fn dialled(&self, id: ConnId) -> Option<Node> {
        self.conns.get(&id).map(|conn| conn.ends[1].node)
    }

    /// Sends from one side to the other. Of votes that have to wait only the newest is kept.
    pub(crate) fn send(&mut self, schedule: &mut Schedule, id: ConnId, from: Side, wire: Wire) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let to = from.other();
        let [sender, receiver] = [conn.ends[from as usize].node, conn.ends[to as usize].node];
        let lane = &mut conn.lanes[to as usize];
        if conn.kind == Kind::Election && !lane.planned {
            lane.items.retain(|(_, item)| !matches!(item, Arrival::Message(_)));
        }
        let delay = self.delay(&mut schedule.rng, sender, receiver);
        self.enqueue(schedule, id, to, Arrival::Message(wire), delay);
    }

    /// What has come to this side, and whose it is; nothing when the direction is blocked or nobody is there any more.
    pub(crate) fn arrive(
        &mut self,
        schedule: &mut Schedule,
        id: ConnId,
        side: Side,
    ) -> Option<(End, Arrival)> {
        let conn = self.conns.get_mut(&id)?;
        let end = conn.ends[side as usize];
        let sender = conn.ends[side.other() as usize].node;
        let lane = &mut conn.lanes[side as usize];
        lane.planned = false;
        let refused = matches!(lane.items.front(), Some((_, Arrival::Refused)));
        if !refused && self.blocked.contains(&(sender, end.node)) {
            return None;
        }
        let (_, item) = lane.items.pop_front()?;
        if let Some(&(next, _)) = lane.items.front() {
            lane.planned = true;
            schedule.at(next, Event::Arrive(id, side));
        }
        if matches!(item, Arrival::Closed | Arrival::Refused) {
            conn.ends[side as usize].alive = false;
            self.forget_if_dead(id);
        }
        end.alive.then_some((end, item))
    }

    /// One side closes. The other is told behind what was under way, of which the end may be lost.
    pub(crate) fn close(&mut self, schedule: &mut Schedule, id: ConnId, side: Side) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.ends[side as usize].alive = false;
        conn.lanes[side as usize].items.clear();
        if conn.open && conn.ends[side.other() as usize].alive {
            self.cut(schedule, id, side.other());
        }
        self.forget_if_dead(id);
    }

    /// Ends an open connection under both sides. Says whether there was one.
    pub(crate) fn reset_any(&mut self, schedule: &mut Schedule) -> Option<(Kind, Node, Node)> {
        let open: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.open && conn.ends[0].alive && conn.ends[1].alive)
            .map(|(&id, _)| id)
            .collect();
        if open.is_empty() {
            return None;
        }
        let id = *schedule.rng.pick(&open);
        for side in [Side::Dialler, Side::Acceptor] {
            self.cut(schedule, id, side);
        }
        let conn = &self.conns[&id];
        Some((conn.kind, conn.ends[0].node, conn.ends[1].node))
    }

    /// The process on a machine is gone. Unless the machine went with it, the other sides are told.
    pub(crate) fn process_died(&mut self, schedule: &mut Schedule, node: Node, silently: bool) {
        self.set_reach(node, if silently { Reach::Off } else { Reach::Refusing });
        for (id, side) in self.ends_of(node) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            if !conn.open && side == Side::Acceptor {
                // The question is still on its way, and may find the next process.
                continue;
            }
            conn.ends[side as usize].alive = false;
            conn.lanes[side as usize].items.clear();
            if !conn.open {
                continue;
            }
            if silently {
                lose_some(&mut conn.lanes[side.other() as usize], self.lossy, &mut schedule.rng);
            } else {
                self.cut(schedule, id, side.other());
            }
            self.forget_if_dead(id);
        }
    }

    /// A machine is back, and tells those who still hold connections to it that it knows nothing of them.
    pub(crate) fn machine_came_back(&mut self, schedule: &mut Schedule, node: Node) {
        for (id, side) in self.ends_of(node) {
            let Some(conn) = self.conns.get(&id) else { continue };
            let told = conn.lanes[side.other() as usize].items.iter().any(|(_, item)| is_end(item));
            if conn.open && !conn.ends[side as usize].alive && !told {
                self.cut(schedule, id, side.other());
            }
        }
    }

    fn ends_of(&self, node: Node) -> Vec<(ConnId, Side)> {
        let side_of = |conn: &Conn| {
            [Side::Dialler, Side::Acceptor].into_iter().find(|&side| conn.ends[side as usize].node == node)
        };
        self.conns.iter().filter_map(|(&id, conn)| Some((id, side_of(conn)?))).collect()
    }

    /// Loses some of what is on its way to a side, from the end, and puts the end of the connection there.
    fn cut(&mut self, schedule: &mut Schedule, id: ConnId, side: Side) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let [here, there] = [conn.ends[side as usize].node, conn.ends[side.other() as usize].node];
        let lane = &mut conn.lanes[side as usize];
        if lane.items.iter().any(|(_, item)| is_end(item)) {
            return;
        }
        lose_some(lane, self.lossy, &mut schedule.rng);
        let delay = self.delay(&mut schedule.rng, there, here);
        self.enqueue(schedule, id, side, Arrival::Closed, delay);
    }

    fn enqueue(&mut self, schedule: &mut Schedule, id: ConnId, to: Side, item: Arrival, delay: Duration) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !conn.ends[to as usize].alive {
            return;
        }
        let lane = &mut conn.lanes[to as usize];
        if lane.items.back().is_some_and(|(_, item)| is_end(item)) {
            return;
        }
        let time = lane.items.back().map_or(Time::ZERO, |&(time, _)| time).max(schedule.now() + delay);
        let first = lane.items.is_empty();
        lane.items.push_back((time, item));
        if first && !lane.planned {
            lane.planned = true;
            schedule.at(time, Event::Arrive(id, to));
        }
    }

    fn delay(&self, rng: &mut Rng, from: Node, to: Node) -> Duration {
        let mut delay = between(rng, self.latency.0, self.latency.1);
        if let Some(&extra) = self.slow.get(&(from, to)) {
            delay += between(rng, extra / 2, extra);
        }
        if !self.spikes.1.is_zero() && rng.one_in(self.spikes.0) {
            delay += between(rng, Duration::ZERO, self.spikes.1);
        }
        delay
    }

    fn forget_if_dead(&mut self, id: ConnId) {
        if self.conns.get(&id).is_some_and(|conn| !conn.ends[0].alive && !conn.ends[1].alive) {
            self.conns.remove(&id);
        }
    }
}

fn is_end(item: &Arrival) -> bool {
    matches!(item, Arrival::Closed | Arrival::Refused)
}

/// Most often everything under way still comes, else some of it.
fn lose_some(lane: &mut Lane, lossy: bool, rng: &mut Rng) {
    if lossy && rng.one_in(3) {
        let kept = rng.below(lane.items.len() + 1);
        lane.items.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zabra_proto::PacketKind;
    use zabra_types::Zxid;

    const A: Node = Node::Server(0);
    const B: Node = Node::Server(1);

    fn world() -> (Network, Schedule) {
        let ms = Duration::from_millis;
        let mut network = Network::new((ms(1), ms(3)), (1, Duration::ZERO));
        network.set_reach(A, Reach::Up);
        network.set_reach(B, Reach::Up);
        (network, Schedule::new(Rng::new(7)))
    }

    fn packet(number: i64) -> Wire {
        Wire::packet(&QuorumPacket::bare(PacketKind::Ack, Zxid::from_raw(number)))
    }

    /// What comes to a side until nothing happens any more: numbers of packets, `c`onnected, `r`efused, `x` closed.
    fn run(network: &mut Network, schedule: &mut Schedule, at: Side) -> String {
        let mut seen = String::new();
        while let Some(event) = schedule.next() {
            match event {
                Event::Knock(id) => {
                    network.knock(schedule, id, 1);
                }
                Event::Arrive(id, side) => {
                    let Some((_, item)) = network.arrive(schedule, id, side) else { continue };
                    let text = match item {
                        Arrival::Connected => "c".to_owned(),
                        Arrival::Refused => "r".to_owned(),
                        Arrival::Message(Wire::Packet(bytes)) => {
                            read_packet(&bytes).unwrap().unwrap().zxid.raw().to_string()
                        }
                        Arrival::Message(_) => "?".to_owned(),
                        Arrival::Closed => "x".to_owned(),
                    };
                    if side == at {
                        seen += &text;
                    }
                }
                _ => {}
            }
        }
        seen
    }

    fn connected() -> (Network, Schedule, ConnId) {
        let (mut network, mut schedule) = world();
        let id = network.dial(&mut schedule, Kind::Quorum, (A, 1), B);
        assert_eq!(run(&mut network, &mut schedule, Side::Dialler), "c");
        (network, schedule, id)
    }

    #[test]
    fn packets_keep_their_order() {
        let (mut network, mut schedule, id) = connected();
        for number in 1..=9 {
            network.send(&mut schedule, id, Side::Dialler, packet(number));
        }
        assert_eq!(run(&mut network, &mut schedule, Side::Acceptor), "123456789");
    }

    #[test]
    fn a_blocked_direction_holds_what_is_sent_and_the_other_does_not() {
        let (mut network, mut schedule, id) = connected();
        network.block(A, B);
        network.send(&mut schedule, id, Side::Dialler, packet(1));
        network.send(&mut schedule, id, Side::Dialler, packet(2));
        network.send(&mut schedule, id, Side::Acceptor, packet(3));
        assert_eq!(run(&mut network, &mut schedule, Side::Dialler), "3");
        network.unblock(&mut schedule, &[(A, B)]);
        assert_eq!(run(&mut network, &mut schedule, Side::Acceptor), "12");
        assert_eq!(network.conns.len(), 1);
    }

    #[test]
    fn the_end_of_a_process_is_told_behind_a_beginning_of_what_it_said() {
        for seed in 0..50 {
            let (mut network, mut schedule, id) = connected();
            schedule.rng = Rng::new(seed);
            for number in 1..=4 {
                network.send(&mut schedule, id, Side::Dialler, packet(number));
            }
            network.process_died(&mut schedule, A, false);
            let seen = run(&mut network, &mut schedule, Side::Acceptor);
            assert!(["x", "1x", "12x", "123x", "1234x"].contains(&&*seen), "{seen}");
            assert!(network.conns.is_empty());
        }
    }

    #[test]
    fn a_dead_machine_says_nothing_until_it_is_back() {
        let (mut network, mut schedule, id) = connected();
        network.process_died(&mut schedule, A, true);
        assert_eq!(run(&mut network, &mut schedule, Side::Acceptor), "");
        assert_eq!(network.dialled(id), Some(B));
        network.machine_came_back(&mut schedule, A);
        assert_eq!(run(&mut network, &mut schedule, Side::Acceptor), "x");
    }

    #[test]
    fn dialling_fails_when_nobody_listens() {
        for reach in [Reach::Refusing, Reach::Off] {
            let (mut network, mut schedule) = world();
            network.set_reach(B, reach);
            network.dial(&mut schedule, Kind::Quorum, (A, 1), B);
            assert_eq!(run(&mut network, &mut schedule, Side::Dialler), "r");
            assert!(network.conns.is_empty());
        }
    }
}
