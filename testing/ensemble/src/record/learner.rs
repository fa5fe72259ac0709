//! A learner that keeps nothing and acknowledges everything, to hear what a leader says.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zabra_proto::{
    AckEpochData, FieldLimit, LearnerInfo, PROTOCOL_VERSION, PacketKind, QuorumPacket, ReceivedPacket,
    SessionTouch, split_packet,
};
use zabra_types::{Epoch, ServerId};

use crate::Failure;
use crate::tap::{Capture, Port, Side};

/// What the leader is to take it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Follower,
    Observer,
}

/// A connection to a leader.
#[derive(Debug)]
pub(super) struct Learner {
    id: u8,
    stream: TcpStream,
    inbox: BytesMut,
    chunks: Vec<(Side, Vec<u8>)>,
}

impl Learner {
    /// Joins, up to UPTODATE, a leader that has not proposed anything yet.
    pub(super) fn join(port: u16, id: u8, kind: Kind) -> Result<Self, Failure> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        let mut learner = Self { id, stream, inbox: BytesMut::new(), chunks: Vec::new() };
        let info = LearnerInfo {
            server: Some(ServerId::new(id.into())),
            protocol_version: PROTOCOL_VERSION,
            config_version: 0,
        };
        let kind = match kind {
            Kind::Follower => PacketKind::FollowerInfo,
            Kind::Observer => PacketKind::ObserverInfo,
        };
        learner.say(&QuorumPacket::introduction(kind, Epoch::new(0), &info))?;
        learner.listen_until("UPTODATE")?;
        Ok(learner)
    }

    /// Listens, and answers as a learner would, up to and including a packet of this kind.
    pub(super) fn listen_until(&mut self, last: &str) -> Result<(), Failure> {
        loop {
            let packet = self.hear()?;
            match packet.kind {
                // It claims to have the leader's history, so that no database is sent.
                PacketKind::LeaderInfo => {
                    self.say(&QuorumPacket::ack_epoch(packet.zxid, AckEpochData(Some(Epoch::new(0)))))?;
                }
                PacketKind::NewLeader | PacketKind::Proposal => {
                    self.say(&QuorumPacket::bare(PacketKind::Ack, packet.zxid))?;
                }
                PacketKind::Ping => self.say(&SessionTouch::ping_reply(packet.zxid, []))?,
                PacketKind::Snap => return Err("a database for one who has everything".into()),
                _ => {}
            }
            if packet.kind.to_string() == last {
                return Ok(());
            }
        }
    }

    fn say(&mut self, packet: &QuorumPacket) -> io::Result<()> {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.stream.write_all(&bytes)?;
        self.chunks.push((Side::Dialler, bytes));
        Ok(())
    }

    fn hear(&mut self) -> Result<QuorumPacket, Failure> {
        let limit = FieldLimit::default();
        loop {
            if let Some(len) = split_packet(&self.inbox, limit)? {
                let bytes: Bytes = self.inbox.split_to(len).freeze();
                self.chunks.push((Side::Acceptor, bytes.to_vec()));
                match QuorumPacket::decode(&bytes, limit)? {
                    ReceivedPacket::Known(packet) => return Ok(packet),
                    ReceivedPacket::Unknown { code } => return Err(format!("a packet of kind {code}").into()),
                }
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk)? {
                0 => return Err("the leader closed the connection".into()),
                len => self.inbox.extend_from_slice(&chunk[..len]),
            }
        }
    }

    /// What has been said.
    pub(super) fn into_capture(self, leader: u8) -> Capture {
        Capture { port: Port::Quorum, dialler: self.id, acceptor: leader, chunks: self.chunks }
    }
}
