//! Writing a value, and with it what it was.

use bytes::Bytes;
use zabra_client::{Client, CreateMode, Error as ClientError, MultiResult, Stat};

use crate::common::reads::get_all;
use crate::common::retry::through_cuts;
use crate::common::{name, path};

/// What the names of the entries begin with; the server appends a number.
const ENTRY: &str = "v-";

/// Writes one node, and keeps what was written if it is told to.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    client: Client,
    path: String,
    /// How many entries are kept; none when zero.
    keep: usize,
}

impl Writer {
    pub(super) fn new(client: &Client, path: &str) -> Self {
        Self { client: client.clone(), path: path.to_owned(), keep: 0 }
    }

    /// The same, keeping this many entries.
    pub(super) fn keeping(self, keep: usize) -> Self {
        Self { keep, ..self }
    }

    /// Creates the node, and missing parents.
    pub(super) async fn create(&self, data: &Bytes) -> Result<Stat, ClientError> {
        if self.keep == 0 {
            return Ok(self.client.create(&self.path, data).parents().await?.stat);
        }
        self.ensure_places().await?;
        let done = self.client.transaction().create(&self.path, data);
        self.with_entry(done, data).await
    }

    /// Sets the data if the node has this version; -1 for any.
    pub(super) async fn set(&self, data: &Bytes, version: i32) -> Result<Stat, ClientError> {
        if self.keep == 0 {
            return self.client.set(&self.path, data).version(version).await;
        }
        let set = || self.client.transaction().set(&self.path, data, version);
        match self.with_entry(set(), data).await {
            // The node itself may be missing, or the place of the entries.
            Err(ClientError::Multi(refused)) if refused.index == 1 => {
                self.ensure_places().await?;
                self.with_entry(set(), data).await
            }
            result => result,
        }
    }

    /// The entries with their stats, the oldest first.
    pub(super) async fn entries(&self) -> Result<Vec<(Bytes, Stat)>, ClientError> {
        let paths = self.entry_paths().await?;
        Ok(get_all(&self.client, &paths).await?.into_iter().flatten().collect())
    }

    /// The value and its entry at once or not at all; the stat of the node.
    async fn with_entry(&self, write: zabra_client::Transaction, data: &Bytes) -> Result<Stat, ClientError> {
        let entry = path::join(&self.place(), ENTRY);
        let write = write.create_mode(entry, data, CreateMode::PersistentSequential);
        let done = write.commit().await?;
        self.forget_oldest().await;
        match done.into_iter().next() {
            Some(MultiResult::Created(created)) => Ok(created.stat),
            Some(MultiResult::Set(stat)) => Ok(stat),
            other => unreachable!("the first operation is a create or a set, not {other:?}"),
        }
    }

    /// What is too much goes. When it cannot be deleted now it is after the next change.
    async fn forget_oldest(&self) {
        let Ok(paths) = self.entry_paths().await else { return };
        let surplus = paths.len().saturating_sub(self.keep);
        let deletions: Vec<_> =
            paths.iter().take(surplus).map(|path| self.client.delete(path).send()).collect();
        for deletion in deletions {
            // Another may have been faster.
            let _ = deletion.await;
        }
    }

    /// The oldest first.
    async fn entry_paths(&self) -> Result<Vec<String>, ClientError> {
        let place = self.place();
        let mut names = match through_cuts(|| self.client.children(&place)).await {
            Err(error) if error.is_no_node() => return Ok(Vec::new()),
            names => names?,
        };
        names.retain(|name| name.starts_with(ENTRY));
        name::sort_by_sequence(&mut names);
        Ok(names.iter().map(|name| path::join(&place, name)).collect())
    }

    /// Where the entries are: beside the node, so that they outlive it.
    fn place(&self) -> String {
        format!("{}.history", self.path)
    }

    async fn ensure_places(&self) -> Result<(), ClientError> {
        through_cuts(|| self.client.ensure_path(self.place())).await
    }
}
