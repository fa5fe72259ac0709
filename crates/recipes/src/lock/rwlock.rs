//! The lock that readers share.

use bytes::Bytes;
use zabra_client::{Acl, Client};
use zabra_types::CreateMode;

use super::place::Place;
use super::{Lock, Waiting};
use crate::common::path::name_of;
use crate::common::{Entry, Error, Guard, NameStyle, Participant, Patience, Result, Rule, enter, name};

/// A fair lock between processes that many readers or one writer may hold.
///
/// A contender waits for those that came before it and exclude it: a reader for the writers, a writer for all. So
/// writers are not starved: readers that come after a waiting writer wait for it.
///
/// A writer may become a reader without letting another writer in ([`downgrade`](Self::downgrade)); a reader cannot
/// become a writer, since two that tried would wait for each other.
///
/// Mirrors and shares its path with Curator's `InterProcessReadWriteLock` and, in the matching [`NameStyle`], kazoo's
/// `ReadLock` and `WriteLock`. Neither side is reentrant.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = zabra_embedded::Server::start().await.unwrap();
/// # let client = zabra_client::Client::connect(&server.connect_string()).await?;
/// use zabra_recipes::lock::{Lock, RwLock};
///
/// let lock = RwLock::new(&client, "/app/table")?;
/// let (one, other) = (lock.read().acquire().await?, lock.read().acquire().await?);
/// assert!(lock.write().try_acquire().await?.is_none());
/// one.release().await?;
/// other.release().await?;
/// let write = lock.write().acquire().await?;
/// let read = lock.downgrade(write).await?;
/// # Ok::<(), zabra_recipes::Error>(())
/// # }).unwrap();
/// ```
///
/// *Layout.* `<path>/_c_<uuid>-__READ__<sequence>` and `<path>/_c_<uuid>-__WRIT__<sequence>`, ephemeral. The node of a
/// downgraded writer is not sequential: it carries the writer's number, which keeps its place.
///
/// *Fencing.* The token of a writer is greater than those of all readers and writers before it; readers at the same
/// time have different tokens, all smaller than the next writer's.
///
/// *Guarantees, connection loss, session expiry*: see [the module](super).
#[derive(Clone, Debug)]
pub struct RwLock {
    place: Place,
}

impl RwLock {
    /// The lock at this path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self { place: Place::new(client, path.into())? })
    }

    /// What contenders write into their nodes, for people and tools who ask who holds it.
    #[must_use]
    pub fn with_data(self, data: impl Into<Bytes>) -> Self {
        Self { place: Place { data: Some(data.into()), ..self.place } }
    }

    /// How contenders call their nodes.
    #[must_use]
    pub fn with_style(self, style: NameStyle) -> Self {
        Self { place: Place { style, ..self.place } }
    }

    /// Who may do what with the nodes of contenders; everybody everything unless given. Parents that are missing are made
    /// open to all: make them before if that matters, since whoever may delete below the parent may delete contenders.
    #[must_use]
    pub fn with_acl(self, acl: impl Into<Vec<Acl>>) -> Self {
        Self { place: Place { acl: Some(acl.into()), ..self.place } }
    }

    /// The side that is shared.
    pub fn read(&self) -> ReadLock {
        ReadLock { lock: self.clone() }
    }

    /// The side that excludes.
    pub fn write(&self) -> WriteLock {
        WriteLock { lock: self.clone() }
    }

    /// Takes the read side for a holder of the write side, at once; both are then held.
    ///
    /// The token is that of the writer: a token of its own would be greater than that of the writer who waits next.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when the write side is or becomes lost; [`Error::BadArgument`] when the guard is not of the
    /// write side of this lock.
    pub async fn share(&self, write: &Guard) -> Result<Guard> {
        let sequence = self.write_sequence(write)?.to_owned();
        let style = self.place.style;
        let name = move || format!("{}{sequence}", Side::Read.name(style));
        let entry = Entry {
            mode: CreateMode::Ephemeral,
            fence: Some(write.fence()),
            ..self.place.entry(name, Rule::Granted)
        };
        let read = write.protect(enter(entry, Patience::Endless)).await??.ok_or(Error::Closed)?;
        match write.state() {
            crate::HoldState::Lost(loss) => Err(Error::Lost(loss)),
            _ => Ok(read),
        }
    }

    /// Turns the write side into the read side, with no writer in between.
    ///
    /// # Errors
    ///
    /// As [`share`](Self::share); the write side is given back in any case.
    pub async fn downgrade(&self, write: Guard) -> Result<Guard> {
        let read = self.share(&write).await?;
        write.release().await?;
        Ok(read)
    }

    /// Who holds and who waits, in order.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub async fn participants(&self) -> Result<Vec<Participant>> {
        self.place.participants().await
    }

    fn write_sequence<'a>(&self, write: &'a Guard) -> Result<&'a str> {
        let name = name_of(write.path());
        let ours =
            zabra_types::parent_of(write.path()) == Some(self.place.path.as_str()) && !name::is_shared(name);
        match name::sequence(name) {
            Some(sequence) if ours => Ok(sequence),
            _ => Err(Error::BadArgument("the guard is not of the write side of this lock")),
        }
    }

    fn entry(&self, side: Side) -> Entry {
        let style = self.place.style;
        self.place.entry(move || side.name(style), side.rule())
    }
}

#[derive(Clone, Copy)]
enum Side {
    Read,
    Write,
}

impl Side {
    fn name(self, style: NameStyle) -> String {
        match (style, self) {
            (NameStyle::Curator, Self::Read) => name::protected("__READ__"),
            (NameStyle::Curator, Self::Write) => name::protected("__WRIT__"),
            (NameStyle::Kazoo, Self::Read) => name::kazoo("__rlock__"),
            (NameStyle::Kazoo, Self::Write) => name::kazoo("__lock__"),
        }
    }

    const fn rule(self) -> Rule {
        match self {
            Self::Read => Rule::Shared,
            Self::Write => Rule::Exclusive,
        }
    }
}

/// The shared side of a [`RwLock`].
#[derive(Clone, Debug)]
pub struct ReadLock {
    lock: RwLock,
}

impl Lock for ReadLock {
    fn enter(&self, patience: Patience) -> Waiting<Option<Guard>> {
        Box::pin(enter(self.lock.entry(Side::Read), patience))
    }
}

/// The excluding side of a [`RwLock`].
#[derive(Clone, Debug)]
pub struct WriteLock {
    lock: RwLock,
}

impl Lock for WriteLock {
    fn enter(&self, patience: Patience) -> Waiting<Option<Guard>> {
        Box::pin(enter(self.lock.entry(Side::Write), patience))
    }
}
