//! Inputs and outputs as lines for readers.

use alloc::format;
use alloc::string::{String, ToString};

use zabra_proto::{AckEpochData, PacketKind, QuorumPacket};
use zabra_types::Zxid;

use crate::{Input, Output, Role, StoreOp};

/// A zxid as epoch and counter.
pub(crate) fn zxid(zxid: Zxid) -> String {
    if zxid == Zxid::NONE { "none".to_string() } else { format!("{}:{}", zxid.epoch(), zxid.counter()) }
}

/// What a server wants done; nothing about elections.
pub(crate) fn output(output: &Output) -> Option<String> {
    Some(match output {
        Output::Notify { .. } | Output::DialPeers => return None,
        Output::Connect { leader, .. } => format!("connects to {leader}"),
        Output::Send { packet: said, .. } => format!("says {}", packet(said)),
        Output::SendLog { after, before, .. } => {
            format!("sends its log between {} and {}", zxid(*after), zxid(*before))
        }
        Output::SendSnapshot { .. } => "sends its database".to_string(),
        Output::Close { why, .. } => format!("closes: {why}"),
        Output::Append { zxid: at, .. } => format!("appends {}", zxid(*at)),
        Output::Store { op, .. } => format!("orders {}", store(op)),
        Output::FindInLog { at, .. } => format!("looks for {} in its log", zxid(*at)),
        Output::Apply { zxid: at, .. } => format!("applies {}", zxid(*at)),
        Output::AdoptSnapshot { zxid: at, .. } => format!("adopts the database at {}", zxid(*at)),
        Output::Became(role) => format!("is {}", self::role(role)),
        Output::FromLearner { packet: said, .. } => format!("is told by a learner: {}", packet(said)),
        Output::FromLeader { packet: said, .. } => format!("is told by its leader: {}", packet(said)),
        Output::Synced(_) => "answers a sync".to_string(),
        Output::LearnerGone(_) => "loses a learner".to_string(),
        Output::Fatal(why) => format!("ends: {why}"),
    })
}

/// What happened to a server; nothing about elections.
pub(crate) fn input(input: &Input) -> Option<String> {
    Some(match input {
        Input::Notified { .. } | Input::PeerUp(_) | Input::PeerDown(_) => return None,
        Input::Packet { packet: said, .. } => format!("hears {}", packet(said)),
        Input::Accepted(_) => "accepts a learner".to_string(),
        Input::Connected(_) => "is connected".to_string(),
        Input::NotConnected(_) => "is not connected".to_string(),
        Input::Closed(_) => "loses a link".to_string(),
        Input::SnapshotProgress(_) => "receives a part of a database".to_string(),
        Input::SnapshotReceived(_) => "has received the database".to_string(),
        Input::HistorySent(_) => "has sent it".to_string(),
        Input::Flushed(at) => format!("has flushed {}", zxid(*at)),
        Input::Stored(_) => "has done what it ordered".to_string(),
        Input::CannotTruncate(_) => "cannot truncate".to_string(),
        Input::FoundInLog { floor, .. } => match floor {
            Some(floor) => format!("finds {}", zxid(*floor)),
            None => "finds nothing".to_string(),
        },
        Input::Propose { zxid: at, .. } => format!("proposes {}", zxid(*at)),
        Input::Sync { .. } => "is asked to sync".to_string(),
        Input::Send { packet: said, .. } => format!("shall say {}", packet(said)),
        Input::StepDown => "shall step down".to_string(),
    })
}

/// A packet.
pub(crate) fn packet(packet: &QuorumPacket) -> String {
    let kind = packet.kind;
    let data = packet.data.as_deref();
    match packet.kind {
        PacketKind::AckEpoch => match AckEpochData::decode(data) {
            Ok(AckEpochData(Some(epoch))) => format!("{kind} {} epoch={epoch}", zxid(packet.zxid)),
            _ => format!("{kind} {} promised before", zxid(packet.zxid)),
        },
        PacketKind::UpToDate | PacketKind::Request | PacketKind::Revalidate | PacketKind::Sync => {
            kind.to_string()
        }
        _ => format!("{kind} {}", zxid(packet.zxid)),
    }
}

/// A role.
pub(crate) fn role(role: &Role) -> String {
    match role {
        Role::Looking => "looking".to_string(),
        Role::PreparingToLead => "preparing to lead".to_string(),
        Role::Leading(epoch) => format!("leading epoch {epoch}"),
        Role::Synchronizing(leader) => format!("synchronizing with {leader}"),
        Role::Following { leader, epoch, .. } => format!("following {leader} in epoch {epoch}"),
        Role::Observing { leader, epoch, .. } => format!("observing {leader} in epoch {epoch}"),
    }
}

fn store(op: &StoreOp) -> String {
    match op {
        StoreOp::AcceptedEpoch(epoch) => format!("accepted epoch {epoch}"),
        StoreOp::CurrentEpoch(epoch) => format!("current epoch {epoch}"),
        StoreOp::Flush => "a flush".to_string(),
        StoreOp::Truncate(last) => format!("truncation to {}", zxid(*last)),
        StoreOp::Snapshot(at) => format!("a snapshot at {}", zxid(*at)),
    }
}
