//! Following and observing an established leader (`Follower.processPacket`, `Observer.processPacket`).

use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::{Epoch, Zxid};

use super::continuity::{Place, place};
use super::decisions::Decisions;
use super::{LearnerKind, Line, Step, Stepped, body, body_behind_leader};
use crate::context::{Context, State};
use crate::{CloseReason, Output, Role};

/// The broadcast phase of a learner.
#[derive(Debug)]
pub(super) struct Broadcast {
    decisions: Decisions,
}

impl Broadcast {
    /// UPTODATE is acknowledged. What is decided is applied before anybody is served.
    pub(super) fn begin(ctx: &mut Context<'_>, line: &Line, decisions: Decisions) -> Self {
        let mut broadcast = Self { decisions };
        ctx.apply_upto(broadcast.decisions.committed());
        ctx.out.push(Output::Became(broadcast.role(line)));
        broadcast.acknowledge(ctx, line);
        broadcast
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.decisions.epoch()
    }

    pub(super) fn role(&self, line: &Line) -> Role {
        let (leader, epoch, link) = (line.leader, self.epoch(), line.link);
        match line.kind {
            LearnerKind::Follower => Role::Following { leader, epoch, link },
            LearnerKind::Observer => Role::Observing { leader, epoch, link },
        }
    }

    /// Acknowledges what is flushed.
    pub(super) fn acknowledge(&mut self, ctx: &mut Context<'_>, line: &Line) {
        self.decisions.acknowledge(ctx, line);
    }

    pub(super) fn handle_packet(
        &mut self,
        ctx: &mut Context<'_>,
        line: &Line,
        packet: QuorumPacket,
    ) -> Stepped {
        let QuorumPacket { kind, zxid, .. } = packet;
        match (line.kind, kind) {
            (LearnerKind::Follower, PacketKind::Proposal) => {
                self.log(ctx, line, zxid, packet)?;
            }
            (LearnerKind::Follower, PacketKind::Commit | PacketKind::CommitAndActivate) => {
                self.commit(ctx, zxid)?;
            }
            (LearnerKind::Observer, PacketKind::Inform | PacketKind::InformAndActivate) => {
                self.log(ctx, line, zxid, packet)?;
                self.commit(ctx, zxid)?;
            }
            (_, PacketKind::Ping | PacketKind::Revalidate | PacketKind::Sync) => {
                ctx.out.push(Output::FromLeader { link: line.link, packet });
            }
            (_, PacketKind::UpToDate) => {}
            (_, kind) => return Err(CloseReason::Unexpected(kind)),
        }
        Ok(Step::Stay)
    }

    fn log(
        &mut self,
        ctx: &mut Context<'_>,
        line: &Line,
        zxid: Zxid,
        packet: QuorumPacket,
    ) -> Result<(), CloseReason> {
        let payload = match packet.kind {
            PacketKind::InformAndActivate => body_behind_leader(packet.data)?,
            _ => body(packet.data)?,
        };
        let place = place(self.epoch(), ctx.state.history.last(), zxid)?;
        self.decisions.owe(zxid);
        match place {
            Place::Next => {
                self.decisions.propose(zxid);
                ctx.append(zxid, payload);
            }
            Place::Again => self.acknowledge(ctx, line),
        }
        Ok(())
    }

    fn commit(&mut self, ctx: &mut Context<'_>, zxid: Zxid) -> Result<(), CloseReason> {
        self.decisions.commit(zxid)?;
        ctx.apply_upto(self.decisions.committed());
        Ok(())
    }

    pub(super) fn check(&self, state: &State) {
        self.decisions.check(state.history.last());
        assert!(state.applied >= self.decisions.committed(), "what is committed is applied");
    }
}
