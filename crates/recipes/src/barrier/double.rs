//! A gate that a group passes together, in and out.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use uuid::Uuid;
use zabra_client::{Client, EventType, OneShot};
use zabra_types::{CreateMode, KeeperError, Zxid};

use crate::common::node::{create_with_parents, delete_for_certain};
use crate::common::path::{join, name_of};
use crate::common::retry::{Backoff, through_cuts};
use crate::common::{Acquiring, Loss, NameStyle, local_address};
use crate::{Error, Result};

/// The znode that says that everybody is there.
const READY: &str = "ready";

/// A group of a given size enters together and leaves together. Curator's `DistributedDoubleBarrier`, kazoo's
/// `DoubleBarrier`.
///
/// - **Guarantee.** Nobody gets in before that many have come; nobody is let out before all have come to leave, or are gone.
/// - **Connection loss.** Entering and leaving go on with the next connection.
/// - **Session expiry.** The member is gone for the others: `enter` and `leave` fail with [`Error::Lost`]. The others are
///   not held up: who waits to leave does not wait for it; who waits to enter waits for another in its place.
/// - A dropped `enter` withdraws, and a dropped [`Entered`] leaves without waiting; both in the background.
///
/// The group may come again at the same path, without waiting: who is through with leaving enters the next round, even
/// while others still find out that they may leave. (Curator's members can get stuck then.)
///
/// Curator's members remove `ready` after they have left, kazoo's before, so that neither can share a group with the other:
/// choose by [`with_style`](Self::with_style). In a group of kazoo's, a member that has no connection from before the last
/// one comes until the first one leaves never gets in.
#[derive(Clone, Debug)]
pub struct DoubleBarrier {
    client: Client,
    path: String,
    members: usize,
    identifier: Bytes,
    style: NameStyle,
}

impl DoubleBarrier {
    /// The barrier at this path for a group of this size.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for a group of none.
    pub fn new(client: &Client, path: impl Into<String>, members: usize) -> Result<Self> {
        if members == 0 {
            return Err(Error::BadArgument("a group has members"));
        }
        Ok(Self {
            client: client.clone(),
            path: path.into(),
            members,
            identifier: local_address(client),
            style: NameStyle::Curator,
        })
    }

    /// What this member's znode holds, for people to read: the address of this machine if not given, as with Curator.
    #[must_use]
    pub fn with_identifier(mut self, identifier: impl Into<Bytes>) -> Self {
        self.identifier = identifier.into();
        self
    }

    /// With whom the group is shared: all members have to be of one style, as they leave differently.
    #[must_use]
    pub fn with_style(mut self, style: NameStyle) -> Self {
        self.style = style;
        self
    }

    /// Waits until the group is complete.
    ///
    /// # Errors
    /// See [`DoubleBarrier`].
    pub async fn enter(&self) -> Result<Entered> {
        let member = Member::new(self);
        let ready = member.enter(self).await.map_err(lost)?;
        Ok(Entered { member, ready })
    }

    /// Waits at most this long, and withdraws then. The others may have got in at that very moment.
    ///
    /// # Errors
    /// See [`DoubleBarrier`].
    pub async fn enter_within(&self, time: Duration) -> Result<Option<Entered>> {
        let member = Member::new(self);
        if let Ok(entered) = tokio::time::timeout(time, member.enter(self)).await {
            let ready = entered.map_err(lost)?;
            return Ok(Some(Entered { member, ready }));
        }
        // It may have been complete before we noticed.
        if let Some(stat) = through_cuts(|| member.session.exists(&member.ready)).await.map_err(lost)? {
            return Ok(Some(Entered { ready: Some(Zxid::from_raw(stat.czxid)), member }));
        }
        member.withdraw().await.map_err(lost)?;
        Ok(None)
    }

    /// Enters in the background, and tells when the group is complete.
    pub fn when_entered(&self, told: impl FnOnce(Result<Entered>) + Send + 'static) -> Acquiring {
        let barrier = self.clone();
        Acquiring::start(async move { barrier.enter().await }, told)
    }
}

/// Membership of a complete group.
#[derive(Debug)]
#[must_use = "dropping it leaves without waiting for the others"]
pub struct Entered {
    member: Member,
    /// The transaction that made `ready`, if it was still there to be asked.
    ready: Option<Zxid>,
}

impl Entered {
    /// This member's znode.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.member.path
    }

    /// Waits until everybody has come to leave, or is gone.
    ///
    /// # Errors
    /// See [`DoubleBarrier`].
    pub async fn leave(mut self) -> Result<()> {
        self.member.leave(self.ready).await
    }

    /// Waits at most this long; whether everybody has come to leave. This member has left in any case.
    ///
    /// # Errors
    /// See [`DoubleBarrier`].
    pub async fn leave_within(mut self, time: Duration) -> Result<bool> {
        match tokio::time::timeout(time, self.member.leave(self.ready)).await {
            Ok(left) => left.map(|()| true),
            Err(_) => {
                self.member.withdraw().await.map_err(lost)?;
                Ok(false)
            }
        }
    }
}

/// One member's znode. Dropped, it goes in the background.
#[derive(Debug)]
struct Member {
    /// Pinned: when this session is over, the member is.
    session: Client,
    barrier: String,
    path: String,
    ready: String,
    style: NameStyle,
    /// Whether there may be a znode to delete.
    present: bool,
    /// Where to delete it when dropped, also on a thread that is none of the runtime's.
    runtime: Handle,
}

impl Member {
    fn new(barrier: &DoubleBarrier) -> Self {
        Self {
            session: barrier.client.pinned(),
            barrier: barrier.path.clone(),
            path: join(&barrier.path, &Uuid::new_v4().hyphenated().to_string()),
            ready: join(&barrier.path, READY),
            style: barrier.style,
            present: true,
            runtime: Handle::current(),
        }
    }

    /// Returns the transaction that made `ready`.
    async fn enter(&self, barrier: &DoubleBarrier) -> Result<Option<Zxid>, zabra_client::Error> {
        // Before we count: whoever completes the group makes `ready` after that.
        let mut watch = match self.watch_ready().await? {
            Ok(made) => {
                self.create(barrier).await?;
                return Ok(Some(made));
            }
            Err(watch) => watch,
        };
        self.create(barrier).await?;
        if self.others_and_us().await?.len() >= barrier.members {
            let made = through_cuts(|| {
                create_with_parents(
                    &self.session,
                    &self.ready,
                    barrier.identifier.clone(),
                    CreateMode::Persistent,
                )
            });
            match made.await {
                Err(error) if !error.is_node_exists() => return Err(error),
                _ => return self.made_ready().await,
            }
        }
        loop {
            let event = watch.await;
            if event.kind == EventType::NodeCreated {
                // That it has been there is enough: it may be gone again.
                return self.made_ready().await;
            }
            watch = match self.watch_ready().await? {
                Ok(made) => return Ok(Some(made)),
                Err(watch) => watch,
            };
        }
    }

    async fn create(&self, barrier: &DoubleBarrier) -> Result<(), zabra_client::Error> {
        let create = || {
            create_with_parents(&self.session, &self.path, barrier.identifier.clone(), CreateMode::Ephemeral)
        };
        match through_cuts(create).await {
            // Nobody else has this name: the reply to an earlier attempt was lost.
            Err(error) if !error.is_node_exists() => Err(error),
            _ => Ok(()),
        }
    }

    /// The transaction that made `ready`, or else a watch for it.
    async fn watch_ready(&self) -> Result<Result<Zxid, OneShot>, zabra_client::Error> {
        let (stat, watch) = through_cuts(|| self.session.exists(&self.ready).watch()).await?;
        Ok(stat.map(|stat| Zxid::from_raw(stat.czxid)).ok_or(watch))
    }

    async fn made_ready(&self) -> Result<Option<Zxid>, zabra_client::Error> {
        let stat = through_cuts(|| self.session.exists(&self.ready)).await?;
        Ok(stat.map(|stat| Zxid::from_raw(stat.czxid)))
    }

    async fn leave(&mut self, ready: Option<Zxid>) -> Result<()> {
        if self.style == NameStyle::Kazoo {
            // The lowest of kazoo's members may be waiting for it to go.
            delete_for_certain(&self.session, &self.ready).await.map_err(lost)?;
        }
        let own = String::from(name_of(&self.path));
        // Whoever is there later belongs to the next group, which waits for us.
        let group: BTreeSet<String> = self.others_and_us().await.map_err(lost)?.into_iter().collect();
        loop {
            let mut members = self.others_and_us().await.map_err(lost)?;
            members.retain(|name| group.contains(name));
            if self.present && !members.contains(&own) {
                return Err(Error::Lost(Loss::NodeDeleted));
            }
            let watched = match members.as_slice() {
                [] => break,
                [last] if *last == own => return self.delete_with_ready().await.map_err(lost),
                // The lowest stays until it is the last, so that the others have one to watch.
                [lowest, .., highest] if *lowest == own => highest,
                [lowest, ..] => lowest,
            };
            let watched_path = join(&self.barrier, watched);
            let gone = match through_cuts(|| self.session.get(&watched_path).watch()).await {
                Err(error) if error.is_no_node() => None,
                answer => Some(answer.map_err(lost)?.1),
            };
            if self.present && members.first() != Some(&own) {
                delete_for_certain(&self.session, &self.path).await.map_err(lost)?;
                self.present = false;
            }
            if let Some(gone) = gone {
                gone.await;
            }
        }
        self.delete_stale_ready(ready).await.map_err(lost)
    }

    /// The last one out removes `ready` with itself, so that the next group finds neither.
    async fn delete_with_ready(&mut self) -> Result<(), zabra_client::Error> {
        let mut in_doubt = false;
        let mut backoff = Backoff::default();
        loop {
            let transaction = self.session.transaction().delete(&self.ready, -1).delete(&self.path, -1);
            let error = match transaction.commit().await {
                Ok(_) => break,
                Err(error) => error,
            };
            match error {
                zabra_client::Error::Multi(refused) if refused.error == KeeperError::NoNode => {
                    // There is no `ready`, or a lost attempt has removed both.
                    if !(in_doubt && self.is_gone().await?) {
                        delete_for_certain(&self.session, &self.path).await?;
                    }
                    break;
                }
                error if error.is_passing() => {
                    in_doubt = true;
                    backoff.pause().await;
                }
                error => return Err(error),
            }
        }
        self.present = false;
        Ok(())
    }

    async fn is_gone(&self) -> Result<bool, zabra_client::Error> {
        Ok(through_cuts(|| self.session.exists(&self.path)).await?.is_none())
    }

    /// Removes `ready` if the last one out has not, but not that of the next group.
    async fn delete_stale_ready(&self, ready: Option<Zxid>) -> Result<(), zabra_client::Error> {
        let Some(ours) = ready else { return Ok(()) };
        let found = through_cuts(|| self.session.exists(&self.ready)).await?;
        if found.is_some_and(|stat| Zxid::from_raw(stat.czxid) == ours) {
            delete_for_certain(&self.session, &self.ready).await?;
        }
        Ok(())
    }

    /// The members that are there, in order.
    async fn others_and_us(&self) -> Result<Vec<String>, zabra_client::Error> {
        let mut members = match through_cuts(|| self.session.children(&self.barrier)).await {
            Err(error) if error.is_no_node() => Vec::new(),
            members => members?,
        };
        members.retain(|name| name != READY);
        members.sort();
        Ok(members)
    }

    async fn withdraw(mut self) -> Result<(), zabra_client::Error> {
        delete_for_certain(&self.session, &self.path).await?;
        self.present = false;
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.present {
            return;
        }
        let (session, path) = (self.session.clone(), std::mem::take(&mut self.path));
        // When the runtime is gone, the session and the znode soon are.
        self.runtime.spawn(async move {
            if let Err(error) = delete_for_certain(&session, &path).await {
                tracing::debug!(path, %error, "a member of a barrier goes with its session");
            }
        });
    }
}

fn lost(error: zabra_client::Error) -> Error {
    if error.is_session_over() { Error::Lost(Loss::SessionExpired) } else { Error::Client(error) }
}
