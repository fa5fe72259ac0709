//! A server that can only elect, for tests.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zabra_proto::Notification;
use zabra_types::{Epoch, Now, ServerId, Zxid};

use super::Election;
use crate::context::{Context, State};
use crate::{Durable, Members, Options, Output, QuorumRule};

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

pub(super) fn options(id: ServerId) -> Options {
    Options {
        id,
        tick: Duration::from_millis(2000),
        init_limit: 10,
        sync_limit: 5,
        connect_limit: 10,
        notification_min: Duration::from_millis(200),
        notification_max: Duration::from_secs(60),
        finalize_wait: Duration::from_millis(200),
        connect_retry: Duration::from_millis(100),
        connect_attempts: 10,
        observer_delay: Duration::from_millis(200),
        history_len: 500,
        history_bytes: 1 << 20,
        log_sync: true,
        force_snapshot: false,
        snap_syncs_max: 10,
        diff_syncs_max: 100,
    }
}

pub(super) fn id(number: i64) -> ServerId {
    ServerId::new(number)
}

pub(super) fn members(
    voters: impl IntoIterator<Item = i64>,
    observers: impl IntoIterator<Item = i64>,
) -> Members {
    Members {
        voters: voters.into_iter().map(id).collect(),
        observers: observers.into_iter().map(id).collect(),
        rule: QuorumRule::Majority,
        version: 0,
        text: String::from("version=0"),
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
