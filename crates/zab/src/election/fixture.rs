//! A server that can only elect, for tests.

use alloc::vec::Vec;

use zabra_proto::Notification;
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::Election;
use crate::context::{Context, State};
pub(super) use crate::testing::{id, members, options};
use crate::{Durable, Members, Options, Output};

pub(super) struct Server {
    pub(super) options: Options,
    pub(super) members: Members,
    pub(super) state: State,
    pub(super) election: Election,
}

impl Server {
    pub(super) fn new(id: ServerId, members: &Members, durable: Durable) -> Self {
        Self {
            options: options(id),
            members: members.clone(),
            state: State::new(&durable, Vec::new()),
            election: Election::new(id, &durable),
        }
    }

    /// Calls the election, and returns what it wants done.
    pub(super) fn call<T>(
        &mut self,
        now: Now,
        call: impl FnOnce(&mut Election, &mut Context<'_>) -> T,
    ) -> (T, Vec<Output>) {
        let mut out = Vec::new();
        let mut context = Context {
            now,
            options: &self.options,
            members: &self.members,
            state: &mut self.state,
            out: &mut out,
        };
        let result = call(&mut self.election, &mut context);
        (result, out)
    }
}

pub(super) fn durable(epoch: u32, zxid: Zxid) -> Durable {
    let epoch = Epoch::new(epoch);
    Durable { accepted_epoch: epoch, current_epoch: epoch, last_zxid: zxid }
}

/// The notifications among the outputs, in order.
pub(super) fn notifications(outputs: &[Output]) -> Vec<(ServerId, Notification)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Notify { to, notification } => Some((*to, notification.clone())),
            _ => None,
        })
        .collect()
}
