//! The lock with several places.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use zabra_client::{Acl, Client};
use zabra_types::CreateMode;

use super::place::Place;
use super::{Lock, Mutex, Waiting};
use crate::common::node::create_with_parents;
use crate::common::path::{checked, join};
use crate::common::retry::through_cuts;
use crate::common::{
    Entry, Error, Guard, NameStyle, Participant, Patience, Result, Rule, enter, holders, name,
};

/// How many leases a semaphore has.
#[derive(Clone, Debug)]
pub enum LeaseCount {
    /// Always this many. All processes must agree on it: the path does not tell.
    Fixed(usize),
    /// As many as this says at the moment, for instance fed by a shared count. When it falls, nobody is thrown out: no
    /// lease is granted before enough have been given back.
    Shared(watch::Receiver<usize>),
}

impl LeaseCount {
    fn now(&self) -> usize {
        match self {
            Self::Fixed(count) => *count,
            Self::Shared(count) => *count.borrow(),
        }
    }
}

impl From<usize> for LeaseCount {
    fn from(count: usize) -> Self {
        Self::Fixed(count)
    }
}

/// A semaphore between processes: at most so many leases are held at a time.
///
/// Mirrors and shares its path with Curator's `InterProcessSemaphoreV2` and, in the matching [`NameStyle`], kazoo's
/// `Semaphore`. Fair: who wants a lease takes a lock first, and
/// with it the right to the next lease that comes free; only that one watches the leases.
///
/// A lease is a [`Guard`]: it may be given back by another task, and it tells when it is lost.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = zabra_embedded::Server::start().await.unwrap();
/// # let client = zabra_client::Client::connect(&server.connect_string()).await?;
/// use zabra_recipes::lock::{Lock, Semaphore};
///
/// let connections = Semaphore::new(&client, "/app/connections", 3)?;
/// let lease = connections.acquire().await?;
/// let two_more = connections.acquire_many(2).await?;
/// assert!(connections.try_acquire().await?.is_none());
/// lease.release().await?;
/// # Ok::<(), zabra_recipes::Error>(())
/// # }).unwrap();
/// ```
///
/// *Layout.* `<path>/locks` as a [`Mutex`], `<path>/leases/_c_<uuid>-lease-<sequence>`, ephemeral. Every child of
/// `leases` counts. In kazoo's style: `<path>-__lock__` as a [`Mutex`], `<path>/<uuid>`, ephemeral, and the number of leases
/// as the data of `<path>`.
///
/// *Connection loss and session expiry*: see [the module](super). Between the expiry of a session and its being noticed,
/// one holder more than allowed may believe to have a lease. *Fencing*: tokens grow with the grants, but since several
/// leases are out at a time, a smaller token is not an outdated one.
#[derive(Clone, Debug)]
pub struct Semaphore {
    path: String,
    lock: Mutex,
    leases: Place,
    count: LeaseCount,
}

impl Semaphore {
    /// The semaphore at this path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn new(client: &Client, path: impl Into<String>, count: impl Into<LeaseCount>) -> Result<Self> {
        let path = checked(path.into())?;
        let lock = Mutex::new(client, join(&path, "locks"))?;
        let leases = Place::new(client, join(&path, "leases"))?;
        Ok(Self { path, lock, leases, count: count.into() })
    }

    /// Where and how it keeps its nodes. In kazoo's style the path shows the number of leases, and who comes with another
    /// number is refused.
    #[must_use]
    pub fn with_style(self, style: NameStyle) -> Self {
        let (lock, leases) = match style {
            NameStyle::Curator => (join(&self.path, "locks"), join(&self.path, "leases")),
            NameStyle::Kazoo => (format!("{}-__lock__", self.path), self.path.clone()),
        };
        let place = |path| Place { path, style, ..self.leases.clone() };
        Self { lock: Mutex::at(place(lock)), leases: place(leases), ..self }
    }

    /// What holders write into the nodes of their leases.
    #[must_use]
    pub fn with_data(self, data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self {
            lock: self.lock.with_data(data.clone()),
            leases: Place { data: Some(data), ..self.leases },
            ..self
        }
    }

    /// Who may do what with the nodes of contenders and leases, as [`Mutex::with_acl`].
    #[must_use]
    pub fn with_acl(self, acl: impl Into<Vec<Acl>>) -> Self {
        let acl = acl.into();
        Self {
            lock: self.lock.with_acl(acl.clone()),
            leases: Place { acl: Some(acl), ..self.leases },
            ..self
        }
    }

    /// Who holds a lease, or is just getting one, the oldest first.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub async fn holders(&self) -> Result<Vec<Participant>> {
        holders(&self.leases.client, &self.leases.path).await
    }

    /// Waits until so many leases are ours. They are acquired one by one; dropping the future gives back those that
    /// were.
    ///
    /// Two processes that each want several of the last leases can wait for each other for ever, as with any locks.
    ///
    /// # Errors
    ///
    /// What the client fails with; no lease is held then.
    pub async fn acquire_many(&self, leases: usize) -> Result<Vec<Guard>> {
        self.enter_many(leases, Patience::Endless).await?.ok_or(Error::Closed)
    }

    /// As [`acquire_many`](Self::acquire_many), at most for this time over all; `None`, and no lease held, when it is
    /// over.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub async fn acquire_many_within(&self, leases: usize, time: Duration) -> Result<Option<Vec<Guard>>> {
        self.enter_many(leases, Patience::Within(time)).await
    }

    async fn enter_many(&self, leases: usize, patience: Patience) -> Result<Option<Vec<Guard>>> {
        let mut held = Vec::new();
        let started = Instant::now();
        for _ in 0..leases {
            let Some(lease) = self.clone().enter_one(left(patience, started)).await? else { return Ok(None) };
            held.push(lease);
        }
        Ok(Some(held))
    }

    async fn enter_one(self, patience: Patience) -> Result<Option<Guard>> {
        let started = Instant::now();
        if self.leases.style == NameStyle::Kazoo {
            self.agree().await?;
        }
        loop {
            let Some(turn) = self.lock.enter(left(patience, started)).await? else { return Ok(None) };
            let lease = enter(self.entry(), left(patience, started));
            match turn.protect(lease).await {
                // The lock is for acquiring only. That others may acquire now need not be waited for.
                Ok(lease) => return lease,
                // Others may count the leases now: get in line again.
                Err(Error::Lost(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes sure that all agree on the number of leases, which kazoo keeps at the path.
    async fn agree(&self) -> Result<()> {
        let Place { client, path, .. } = &self.leases;
        let count = self.count.now();
        let kept = loop {
            match through_cuts(|| client.get(path)).await {
                Ok((kept, _)) => break kept,
                Err(error) if error.is_no_node() => {}
                Err(error) => return Err(error.into()),
            }
            let data = Bytes::from(count.to_string());
            match through_cuts(|| create_with_parents(client, path, data.clone(), CreateMode::Persistent))
                .await
            {
                Err(error) if !error.is_node_exists() => return Err(error.into()),
                _ => {}
            }
        };
        // What is no number is somebody else's and means nothing, as for kazoo.
        let kept: Option<usize> = std::str::from_utf8(&kept).ok().and_then(|kept| kept.trim().parse().ok());
        match (kept, &self.count) {
            (Some(kept), LeaseCount::Fixed(count)) if kept != *count => {
                let reason = format!("it has {kept} leases, not {count}");
                Err(Error::Malformed { path: path.clone(), reason })
            }
            _ => Ok(()),
        }
    }

    fn entry(&self) -> Entry {
        let leases = match &self.count {
            LeaseCount::Fixed(count) => watch::channel(*count).1,
            LeaseCount::Shared(count) => count.clone(),
        };
        let (name, mode): (fn() -> String, _) = match self.leases.style {
            NameStyle::Curator => (|| name::protected("lease-"), CreateMode::EphemeralSequential),
            NameStyle::Kazoo => (|| name::kazoo(""), CreateMode::Ephemeral),
        };
        Entry { mode, leases: Some(leases), ..self.leases.entry(name, Rule::AtMost(0)) }
    }
}

fn left(patience: Patience, started: Instant) -> Patience {
    match patience {
        Patience::Within(time) => Patience::Within(time.saturating_sub(started.elapsed())),
        other => other,
    }
}

impl Lock for Semaphore {
    /// One lease.
    ///
    /// Without patience it is also refused while somebody else is just acquiring one.
    fn enter(&self, patience: Patience) -> Waiting<Option<Guard>> {
        Box::pin(self.clone().enter_one(patience))
    }
}

/// An exclusive lock made of a semaphore with one lease.
///
/// Mirrors and shares its path with Curator's `InterProcessSemaphoreMutex`. [`Mutex`] excludes just as well with fewer
/// nodes and requests; this one is for paths that others use in this way.
#[derive(Clone, Debug)]
pub struct SemaphoreMutex {
    semaphore: Semaphore,
}

impl SemaphoreMutex {
    /// The lock at this path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self { semaphore: Semaphore::new(client, path, 1)? })
    }
}

impl Lock for SemaphoreMutex {
    fn enter(&self, patience: Patience) -> Waiting<Option<Guard>> {
        self.semaphore.enter(patience)
    }
}
