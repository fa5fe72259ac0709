//! The exclusive lock.

use bytes::Bytes;
use zabra_client::{Acl, Client};

use super::place::Place;
use super::{Lock, Waiting};
use crate::common::{Guard, NameStyle, Participant, Patience, Result, Rule, enter, name};

/// A fair exclusive lock between processes: at most one contender holds it at a time.
///
/// Not reentrant: who holds it and acquires it again waits for itself. See [`super::ReentrantMutex`].
///
/// Mirrors and shares its path with Curator's `InterProcessMutex` and, in the matching [`NameStyle`], kazoo's `Lock`.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = zabra_embedded::Server::start().await.unwrap();
/// # let client = zabra_client::Client::connect(&server.connect_string()).await?;
/// use std::time::Duration;
/// use zabra_recipes::lock::{Lock, Mutex};
///
/// let lock = Mutex::new(&client, "/app/lock")?.with_data("worker 7");
/// let guard = lock.acquire().await?;
/// let token = guard.fence(); // goes with every request to what the lock protects
/// let work = async move { format!("done under {token}") };
/// let done = guard.protect(work).await?; // dropped midway if the lock is lost
/// guard.release().await?;
///
/// if let Some(guard) = lock.acquire_within(Duration::from_secs(5)).await? {
///     // Dropped here, it is given back in the background.
/// }
/// # Ok::<(), zabra_recipes::Error>(())
/// # }).unwrap();
/// ```
///
/// *Layout.* `<path>/_c_<uuid>-lock-<sequence>`, ephemeral; its data are the address of this host unless told
/// otherwise. Missing parents are made as container nodes.
///
/// *Guarantees, connection loss, session expiry, fencing*: see [the module](super).
#[derive(Clone, Debug)]
pub struct Mutex {
    place: Place,
    base: &'static str,
}

impl Mutex {
    /// The lock at this path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`](crate::Error::BadPath).
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self::at(Place::new(client, path.into())?))
    }

    pub(crate) const fn at(place: Place) -> Self {
        Self { place, base: "lock-" }
    }

    /// What contenders write into their nodes, for people and tools who ask who holds it.
    #[must_use]
    pub fn with_data(self, data: impl Into<Bytes>) -> Self {
        Self { place: Place { data: Some(data.into()), ..self.place }, ..self }
    }

    /// How contenders call their nodes.
    #[must_use]
    pub fn with_style(self, style: NameStyle) -> Self {
        Self { place: Place { style, ..self.place }, ..self }
    }

    /// Who may do what with the nodes of contenders; everybody everything unless given. Parents that are missing are made
    /// open to all: make them before if that matters, since whoever may delete below the parent may delete contenders.
    #[must_use]
    pub fn with_acl(self, acl: impl Into<Vec<Acl>>) -> Self {
        Self { place: Place { acl: Some(acl.into()), ..self.place }, ..self }
    }

    /// With another word before the sequence number, as recipes built on this one have it.
    pub(crate) fn with_base(self, base: &'static str) -> Self {
        Self { base, ..self }
    }

    /// The path of the lock.
    pub fn path(&self) -> &str {
        &self.place.path
    }

    /// Who holds it (the first) and who waits, in order.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub async fn participants(&self) -> Result<Vec<Participant>> {
        self.place.participants().await
    }
}

impl Lock for Mutex {
    fn enter(&self, patience: Patience) -> Waiting<Option<Guard>> {
        let (style, base) = (self.place.style, self.base);
        let name = move || match style {
            NameStyle::Curator => name::protected(base),
            NameStyle::Kazoo => name::kazoo("__lock__"),
        };
        Box::pin(enter(self.place.entry(name, Rule::Exclusive), patience))
    }
}
