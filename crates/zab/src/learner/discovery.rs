//! From the first word to the beginning of synchronization (`Learner.registerWithLeader`).

use zabra_proto::{
    AckEpochData, LearnerInfo, PROTOCOL_VERSION, PROTOCOL_VERSION_SNAPSHOT_REPLACES_LOG, PacketKind,
    QuorumPacket, read_protocol_version,
};
use zabra_types::{Epoch, Zxid};

use super::synchronization::Synchronization;
use super::{LearnerKind, Line, Phase, Step, Stepped};
use crate::context::{Context, EPOCH_BELIEVED_MAX};
use crate::{CloseReason, StoreOp, Ticket};

/// Discovery, and the waiting for what follows it.
#[derive(Debug)]
pub(super) enum Discovery {
    /// FOLLOWERINFO or OBSERVERINFO is sent; LEADERINFO is to come.
    Introduced,
    /// The epoch offered is being written down; only then may it be promised.
    Promising { epoch: Epoch, ticket: Ticket },
    /// ACKEPOCH is sent; DIFF, TRUNC or SNAP is to come. With `last` there was nothing to continue or to cut when it is
    /// [`Zxid::NONE`].
    Promised { epoch: Epoch, last: Zxid },
    /// SNAP came, and its database is coming.
    ReceivingSnapshot { epoch: Epoch, zxid: Zxid },
}

impl Discovery {
    /// Introduces this server.
    pub(super) fn begin(ctx: &mut Context<'_>, line: &Line) -> Self {
        let info = LearnerInfo {
            server: Some(ctx.options.id),
            protocol_version: PROTOCOL_VERSION_SNAPSHOT_REPLACES_LOG,
            config_version: ctx.members.version,
        };
        let kind = match line.kind {
            LearnerKind::Follower => PacketKind::FollowerInfo,
            LearnerKind::Observer => PacketKind::ObserverInfo,
        };
        // Not the last transaction: the epoch that must be exceeded.
        let zxid = Zxid::new(ctx.state.accepted_epoch, 0);
        ctx.send_packet(line.link, QuorumPacket { kind, zxid, data: info.to_bytes(), identities: None });
        Self::Introduced
    }

    pub(super) fn handle_packet(
        &mut self,
        ctx: &mut Context<'_>,
        line: &Line,
        packet: QuorumPacket,
    ) -> Stepped {
        match (&*self, packet.kind) {
            (Self::Introduced, PacketKind::LeaderInfo) => self.handle_leader_info(ctx, line, &packet),
            (Self::Promised { epoch, .. }, PacketKind::Snap) => {
                let (epoch, zxid) = (*epoch, packet.zxid);
                check_point(epoch, zxid)?;
                *self = Self::ReceivingSnapshot { epoch, zxid };
                Ok(Step::Stay)
            }
            // Nothing can be continued that is not there.
            (Self::Promised { epoch, last }, PacketKind::Diff | PacketKind::Trunc) if *last != Zxid::NONE => {
                check_point(*epoch, packet.zxid)?;
                match packet.kind {
                    PacketKind::Diff => continue_history(ctx, line, *epoch, packet.zxid),
                    _ => truncate(ctx, line, *epoch, packet.zxid),
                }
            }
            (_, kind) => Err(CloseReason::Unexpected(kind)),
        }
    }

    fn handle_leader_info(&mut self, ctx: &mut Context<'_>, line: &Line, packet: &QuorumPacket) -> Stepped {
        let version = read_protocol_version(packet.data.as_deref())
            .map_err(|_| CloseReason::Malformed("the protocol version of LEADERINFO"))?;
        if version < PROTOCOL_VERSION {
            return Err(CloseReason::Malformed("a protocol before 3.4"));
        }
        let epoch = epoch_of(packet.zxid)?;
        let accepted = ctx.state.accepted_epoch;
        if epoch < accepted {
            return Err(CloseReason::OldEpoch(epoch));
        }
        *self = if epoch > accepted {
            Self::Promising { epoch, ticket: ctx.store(StoreOp::AcceptedEpoch(epoch)) }
        } else {
            // Promised before, perhaps to another leader: it must not be counted again. So it is here that nothing but
            // a snapshot can be asked for without holding up an election that needs this server.
            let last = if ctx.state.snapshot_needed { Zxid::NONE } else { ctx.state.last_zxid() };
            ack_epoch(ctx, line, last, None);
            Self::Promised { epoch, last }
        };
        Ok(Step::Stay)
    }

    pub(super) fn handle_stored(&mut self, ctx: &mut Context<'_>, line: &Line, stored: Ticket) {
        if let Self::Promising { epoch, ticket } = *self
            && ticket == stored
        {
            let (last, current) = (ctx.state.last_zxid(), ctx.state.current_epoch);
            ack_epoch(ctx, line, last, Some(current));
            *self = Self::Promised { epoch, last };
        }
    }

    pub(super) fn handle_snapshot_received(&self, line: &Line) -> Stepped {
        match *self {
            Self::ReceivingSnapshot { epoch, zxid } => {
                Ok(Step::Enter(Phase::Synchronization(Synchronization::replace_history(line, epoch, zxid))))
            }
            _ => Err(CloseReason::Malformed("a database nobody announced")),
        }
    }
}

fn continue_history(ctx: &Context<'_>, line: &Line, epoch: Epoch, committed: Zxid) -> Stepped {
    let sync = Synchronization::continue_history(ctx, line, epoch, committed);
    Ok(Step::Enter(Phase::Synchronization(sync)))
}

fn truncate(ctx: &mut Context<'_>, line: &Line, epoch: Epoch, last: Zxid) -> Stepped {
    if last > ctx.state.history.last() {
        return Err(CloseReason::Malformed("a truncation to what is not there"));
    }
    if !ctx.state.history.can_end_at(last) {
        // A genuine leader does not ask whether this server has it.
        ctx.state.snapshot_needed = true;
        return Ok(Step::Reconnect(CloseReason::NotTruncatable));
    }
    let sync = Synchronization::truncate(ctx, line, epoch, last);
    Ok(Step::Enter(Phase::Synchronization(sync)))
}

/// Whether a leader of `epoch` can have this point in its history.
fn check_point(epoch: Epoch, zxid: Zxid) -> Result<(), CloseReason> {
    if epoch_of(zxid)? > epoch {
        return Err(CloseReason::Malformed("a synchronization point of an epoch to come"));
    }
    Ok(())
}

fn ack_epoch(ctx: &mut Context<'_>, line: &Line, last: Zxid, current: Option<Epoch>) {
    ctx.send_data(line.link, PacketKind::AckEpoch, last, AckEpochData(current).to_bytes());
}

/// The epoch of a zxid that a leader sent.
fn epoch_of(zxid: Zxid) -> Result<Epoch, CloseReason> {
    if zxid.raw() < 0 || zxid.epoch() > EPOCH_BELIEVED_MAX {
        return Err(CloseReason::Malformed("an epoch beyond all epochs"));
    }
    Ok(zxid.epoch())
}
