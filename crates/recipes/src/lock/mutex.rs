//! The exclusive lock.

use bytes::Bytes;
use zabra_client::Client;
use zabra_types::CreateMode;

use super::{Lock, Waiting};
use crate::common::path::checked;
use crate::common::{
    Entry, Guard, NameStyle, Participant, Patience, Result, Rule, enter, local_address, name, participants,
};

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
    client: Client,
    path: String,
    style: NameStyle,
    data: Option<Bytes>,
    base: &'static str,
}

impl Mutex {
    /// The lock at this path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`](crate::Error::BadPath).
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        let path = checked(path.into())?;
        Ok(Self { client: client.clone(), path, style: NameStyle::default(), data: None, base: "lock-" })
    }

    /// What contenders write into their nodes, for people and tools who ask who holds it.
    #[must_use]
    pub fn with_data(self, data: impl Into<Bytes>) -> Self {
        Self { data: Some(data.into()), ..self }
    }

    /// How contenders call their nodes.
    #[must_use]
    pub fn with_style(self, style: NameStyle) -> Self {
        Self { style, ..self }
    }

    /// With another word before the sequence number, as recipes built on this one have it.
    pub(crate) fn with_base(self, base: &'static str) -> Self {
        Self { base, ..self }
    }

    /// The path of the lock.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Who holds it (the first) and who waits, in order.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub async fn participants(&self) -> Result<Vec<Participant>> {
        participants(&self.client, &self.path).await
    }
}

impl Lock for Mutex {
    fn enter(&self, patience: Patience) -> Waiting<Option<Guard>> {
        let (style, base) = (self.style, self.base);
        let entry = Entry {
            client: self.client.clone(),
            dir: self.path.clone(),
            name: Box::new(move || match style {
                NameStyle::Curator => name::protected(base),
                NameStyle::Kazoo => name::kazoo("__lock__"),
            }),
            data: self.data.clone().unwrap_or_else(|| local_address(&self.client)),
            mode: CreateMode::EphemeralSequential,
            rule: Rule::Exclusive,
            leases: None,
            fence: None,
        };
        Box::pin(enter(entry, patience))
    }
}
