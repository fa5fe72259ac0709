//! One interface to both kinds of servers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use zabra_proto::Notification;
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::super::Election;
use super::super::fixture::{Server, notifications};
use super::super::genuine::Genuine;
use crate::Output;
use crate::context::Context;
use crate::history::History;
use crate::role::Elected;

/// A server's election, of either kind.
pub(super) enum Elector {
    Ours(Box<Server>),
    Genuine(Box<Genuine>),
}

/// What came of it, and what is to be said to whom.
pub(super) type Heard = (Option<Elected>, Vec<(ServerId, Notification)>);

impl Elector {
    fn ours(
        server: &mut Server,
        now: Now,
        call: impl FnOnce(&mut Election, &mut Context<'_>) -> Option<Elected>,
    ) -> Heard {
        let (elected, outputs): (_, Vec<Output>) = server.call(now, call);
        (elected, notifications(&outputs))
    }

    fn genuine(server: &mut Genuine, call: impl FnOnce(&mut Genuine) -> Option<Elected>) -> Heard {
        let elected = call(server);
        (elected, core::mem::take(&mut server.said))
    }

    pub(super) fn begin(&mut self, now: Now) -> Heard {
        match self {
            Self::Ours(server) => Self::ours(server, now, |election, ctx| election.begin(ctx)),
            Self::Genuine(server) => Self::genuine(server, |server| server.begin(now)),
        }
    }

    pub(super) fn hear(&mut self, now: Now, from: ServerId, said: &Notification) -> Heard {
        match self {
            Self::Ours(server) => Self::ours(server, now, |election, ctx| election.handle(ctx, from, said)),
            Self::Genuine(server) => Self::genuine(server, |server| server.hear(now, from, said)),
        }
    }

    pub(super) fn handle_deadline(&mut self, now: Now) -> Heard {
        match self {
            Self::Ours(server) => Self::ours(server, now, |election, ctx| election.handle_deadline(ctx)),
            Self::Genuine(server) => Self::genuine(server, |server| server.handle_deadline(now)),
        }
    }

    /// Genuine servers do not notice connections.
    pub(super) fn peer(&mut self, now: Now, peer: ServerId, is_up: bool) -> Heard {
        match self {
            Self::Ours(server) if is_up => Self::ours(server, now, |election, ctx| {
                election.peer_up(ctx, peer);
                None
            }),
            Self::Ours(server) => Self::ours(server, now, |election, ctx| election.peer_down(ctx, peer)),
            Self::Genuine(_) => (None, Vec::new()),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Now> {
        match self {
            Self::Ours(server) => server.election.next_deadline(),
            Self::Genuine(server) => server.next_deadline(),
        }
    }

    /// Who may still come to this leader; a genuine one does not ask itself.
    pub(super) fn expected(&self) -> Option<Vec<ServerId>> {
        match self {
            Self::Ours(server) => Some(server.election.expected().collect()),
            Self::Genuine(_) => None,
        }
    }

    pub(super) fn leader_looks(&self) -> bool {
        matches!(self, Self::Ours(server) if server.election.leader_looks())
    }

    pub(super) fn suspect(&mut self, leader: ServerId) {
        if let Self::Ours(server) = self {
            server.election.suspect(leader);
        }
    }

    pub(super) fn settle_in(&mut self, epoch: Epoch, zxid: Zxid) {
        match self {
            Self::Ours(server) => {
                server.state.current_epoch = epoch;
                server.state.history = History::after(zxid);
                server.state.data_missing = false;
                server.election.settled(epoch);
            }
            Self::Genuine(server) => {
                server.epoch = epoch;
                server.zxid = zxid;
                server.settle_in(epoch);
            }
        }
    }
}
