//! Inputs and outputs in a line of a trace: what they are about, without the bytes.

use zabra_proto::{Notification, QuorumPacket};
use zabra_zab::{Input, Output};

pub(super) fn input(input: &Input) -> String {
    match input {
        Input::Notified { from, notification } => format!("from s{from}: {}", vote(notification)),
        Input::Packet { link, packet } => format!("from link {}: {}", number(link.0), self::packet(packet)),
        Input::Send { link, packet } => format!("say to link {}: {}", number(link.0), self::packet(packet)),
        Input::Propose { zxid, .. } => format!("propose {zxid}"),
        Input::Flushed(zxid) => format!("flushed {zxid}"),
        Input::FoundInLog { ticket, floor } => format!("found {floor:?} ({})", ticket.0),
        other => format!("{other:?}"),
    }
}

pub(super) fn output(output: &Output) -> String {
    match output {
        Output::Notify { to, notification } => format!("to s{to}: {}", vote(notification)),
        Output::Send { link, packet } => format!("to link {}: {}", number(link.0), self::packet(packet)),
        Output::SendLog { link, after, before } => {
            format!("to link {}: the log after {after} and before {before}", number(link.0))
        }
        Output::Append { zxid, .. } => format!("append {zxid}"),
        Output::Apply { zxid, .. } => format!("apply {zxid}"),
        Output::Store { ticket, op } => format!("store {op:?} ({})", ticket.0),
        Output::Close { link, why } => format!("close link {}: {why}", number(link.0)),
        Output::FromLearner { link, packet } => {
            format!("learner of link {} says {}", number(link.0), self::packet(packet))
        }
        Output::FromLeader { packet, .. } => format!("leader says {}", self::packet(packet)),
        other => format!("{other:?}"),
    }
}

fn packet(packet: &QuorumPacket) -> String {
    let data = packet.data.as_ref().map_or_else(String::new, |data| format!(" +{}", data.len()));
    format!("{:?} {}{data}", packet.kind, packet.zxid)
}

fn vote(vote: &Notification) -> String {
    let Notification { state, leader, zxid, election_epoch, peer_epoch, .. } = vote;
    format!("{state:?} for {leader}, zxid {zxid}, epoch {peer_epoch}, round {election_epoch}")
}

/// Links that others asked for are numbered from the top bit on.
fn number(link: u64) -> String {
    let own = link & !(1 << 63);
    if own == link { own.to_string() } else { format!("a{own}") }
}
