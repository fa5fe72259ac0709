//! The operations: one builder each, what it sends, and what it makes of the answer.
//!
//! A builder does nothing until it is sent or awaited. What it sends is in its [`Operation::attempt`]; repeating that
//! after failures is the same for all and happens in [`start`].

mod acl;
mod config;
mod create;
mod delete;
mod info;
mod mode;
mod protect;
mod read;
mod read_many;
mod set;
mod sync;
mod transaction;
mod tree;
mod watches;

pub use acl::{GetAcl, SetAcl};
pub use config::Reconfig;
pub use create::{Create, Created};
pub use delete::Delete;
pub use info::{AllChildrenNumber, ClientInfo, Ephemerals, WhoAmI};
pub use read::{ChildNames, ChildrenStat, Exists, Get, GetOrNull, Watched};
pub use read_many::{ReadMany, ReadResult};
pub use set::Set;
pub use sync::SyncRequest;
pub use transaction::{MultiResult, Transaction};
pub use watches::{AddWatch, CheckWatches, RemoveWatches};

use crate::core::WatchKind;
use crate::core::{WatchAsk, WatchEffect};
use crate::handle::NewCall;
use crate::pending::{Asked, Decode};
use crate::watch::{EventSender, Watcher};
use crate::{Client, Error, Outcome, Pending, RetryPolicy};
use std::time::{Duration, Instant};
use zabra_proto::{OpCode, Request};
use zabra_types::KeeperError;

/// The version that fits every node.
pub(crate) const ANY_VERSION: i32 = -1;

/// Room for what most requests are made of, in bytes.
const BODY_LEN_USUAL: usize = 128;

/// How operations are repeated that resolve an unknown outcome by themselves, unless the client says otherwise.
///
/// Each attempt waits for a connection anyway, and the end of the session ends it all.
const RESOLVING: RetryPolicy = RetryPolicy::exponential(Duration::from_millis(20), Duration::from_secs(1));

/// An operation that can be attempted several times.
pub(crate) trait Operation: Sized + Send + Sync + 'static {
    /// What it results in.
    type Output: Send + 'static;

    /// Whose operation it is.
    fn client(&self) -> &Client;

    /// Sends it once. `earlier` is the failure of an attempt before, if one may have happened all the same.
    fn attempt(&self, earlier: Option<&Error>) -> Pending<Self::Output>;

    /// Whether it may be attempted again when nobody knows whether it happened.
    fn is_repeatable(&self) -> bool {
        false
    }

    /// Whether this refusal of a later attempt tells that an earlier one did not happen.
    fn is_settled_by(&self, _refusal: KeeperError) -> bool {
        false
    }
}

/// Sends an operation, at once, and repeats it as its client says.
pub(crate) fn start<O: Operation>(operation: O) -> Pending<O::Output> {
    let client = operation.client();
    let policy = match &client.view.retry {
        Some(policy) => RetryPolicy::clone(policy),
        None if operation.is_repeatable() => RESOLVING,
        None => return operation.attempt(None),
    };
    let first = operation.attempt(None);
    Pending::steps(client.session.runtime(), repeat(operation, first, policy))
}

async fn repeat<O: Operation>(
    operation: O,
    first: Pending<O::Output>,
    policy: RetryPolicy,
) -> Result<O::Output, Error> {
    let begin = Instant::now();
    let mut attempt = first;
    let mut unknown: Option<Error> = None;
    for failed in 1.. {
        let error = match attempt.await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let again = may_pass(operation.client(), &error)
            && (error.outcome() == Outcome::DidNotHappen || operation.is_repeatable());
        let pause = policy.pause(failed, begin.elapsed(), fastrand::f64());
        if error.outcome() == Outcome::Unknown {
            unknown = Some(error.clone());
        }
        match pause {
            Some(pause) if again => tokio::time::sleep(pause).await,
            _ if error.keeper().is_some_and(|refusal| operation.is_settled_by(refusal)) => return Err(error),
            // What an earlier attempt did remains unknown, whatever became of the last.
            _ => return Err(unknown.unwrap_or(error)),
        }
        attempt = operation.attempt(unknown.as_ref());
    }
    unreachable!("the attempts are counted without end")
}

fn may_pass(client: &Client, error: &Error) -> bool {
    let renewed = client.view.pinned.is_none() && client.session.renews_expired();
    error.is_passing() || (renewed && matches!(error, Error::SessionExpired { .. }))
}

impl Client {
    /// Sends a request about one node, which the user named `path`.
    pub(crate) fn call<T>(&self, path: &str, request: &Request<'_>, decode: Decode<T>) -> Pending<T> {
        self.call_with(path, request, WatchEffect::None, None, Vec::new(), decode)
    }

    /// The same with a watch on the node `full`, as the server names it.
    pub(crate) fn call_watching<T>(
        &self,
        path: &str,
        full: &str,
        kind: WatchKind,
        request: &Request<'_>,
        decode: Decode<T>,
    ) -> Pending<T> {
        let (watcher, events) = Watcher::new(&self.session, &self.view, path);
        let ask = WatchAsk { watcher: watcher.id(), path: full.to_owned(), kind };
        let effect = WatchEffect::Add(Box::new(ask));
        self.call_with(path, request, effect, Some((watcher, events)), Vec::new(), decode)
    }

    /// Several requests, one after another.
    pub(crate) fn steps<T>(
        self,
        future: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Pending<T> {
        Pending::steps(self.session.runtime(), future)
    }

    /// Sends a request made of several, which the user named as `steps`.
    pub(crate) fn call_transaction<T>(
        &self,
        request: &Request<'_>,
        steps: Vec<(OpCode, String)>,
        decode: Decode<T>,
    ) -> Pending<T> {
        self.call_with("", request, WatchEffect::None, None, steps, decode)
    }

    fn call_with<T>(
        &self,
        path: &str,
        request: &Request<'_>,
        effect: WatchEffect,
        watcher: Option<(Watcher, EventSender)>,
        steps: Vec<(OpCode, String)>,
        decode: Decode<T>,
    ) -> Pending<T> {
        let mut body = Vec::with_capacity(BODY_LEN_USUAL);
        request.encode(&mut body);
        let (watcher, events) = watcher.unzip();
        let op = request.op();
        let answer = self.session.submit(NewCall { op, body, effect, pinned: self.view.pinned, events });
        let asked = Asked { op, path: path.to_owned(), view: self.view.clone(), watcher, steps };
        Pending::call(answer, asked, decode)
    }
}

/// What every builder can do at last.
macro_rules! sendable {
    ($builder:ty => $output:ty) => {
        impl $builder {
            /// Puts the request into the session's queue. The order of these calls is the order in which the server
            /// executes them; nothing needs to be awaited in between.
            pub fn send(self) -> crate::Pending<$output> {
                crate::ops::start(self)
            }

            /// Sends the request and blocks this thread until its result is there.
            ///
            /// # Errors
            /// Those of the request.
            ///
            /// # Panics
            /// In asynchronous code, where it would block others: await this instead.
            pub fn wait(self) -> Result<$output, crate::Error> {
                self.send().wait()
            }
        }

        impl IntoFuture for $builder {
            type Output = Result<$output, crate::Error>;
            type IntoFuture = crate::Pending<$output>;

            fn into_future(self) -> Self::IntoFuture {
                self.send()
            }
        }
    };
}
pub(crate) use sendable;
