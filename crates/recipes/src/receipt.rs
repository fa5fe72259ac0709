//! Finding out what a transaction has done whose reply was lost.

use bytes::Bytes;
use tokio::sync::Mutex;
use uuid::Uuid;
use zabra_client::{Client, Transaction};
use zabra_types::{CreateMode, KeeperError};

use crate::common::node::{create_with_parents, delete_for_certain};
use crate::common::retry::{Backoff, Doubt, EXPIRIES_MAX, through_sessions};
use crate::{Error, Result};

/// A znode in which one process notes, within the same transaction, each change it makes elsewhere: so that every change
/// happens exactly once, whatever happens to connections and sessions.
///
/// A sequential creation whose reply was lost, a conditional write, a deletion that others attempt too: none of them can
/// be told afterwards from what others did, and repeating it blindly doubles it. With a receipt it becomes a transaction
/// `[set receipt, change]`, conditional on the receipt's version. Repeated after a lost reply it fails if it had
/// happened, and the receipt then tells so. The znode is persistent: it answers after a session's end too.
///
/// - Give each process (or each queue handle) a path of its own, the same one after a restart. Two processes that share
///   one receipt double nothing, but a lost reply makes one fail with [`Error::ReceiptTaken`] if the other has used the
///   receipt since.
/// - Changes under one receipt are made one at a time. Use several for more at once.
/// - The price is a second operation in each transaction, not a second round trip.
#[derive(Debug)]
pub struct Receipt {
    client: Client,
    path: String,
    /// Tells this process's notes from those of others.
    owner: Uuid,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The version to expect; unknown before the first use.
    version: Option<i32>,
    /// The number of the latest attempt.
    attempt: u64,
}

impl Receipt {
    /// A receipt at this path, which is made when it is missing (its parents as containers).
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open(client: &Client, path: impl Into<String>) -> Result<Self> {
        let receipt = Self {
            client: client.clone(),
            path: path.into(),
            owner: Uuid::new_v4(),
            state: Mutex::default(),
        };
        receipt.make().await?;
        Ok(receipt)
    }

    /// The znode.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Deletes the znode, when it is not needed again. Otherwise leave it: it is small.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn remove(self) -> Result<()> {
        delete_for_certain(&self.client, &self.path).await?;
        Ok(())
    }

    async fn make(&self) -> Result<()> {
        let made = through_sessions(|| {
            create_with_parents(&self.client, &self.path, Bytes::new(), CreateMode::Persistent)
        });
        match made.await {
            Err(error) if !error.is_node_exists() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Does what `add` appends to a transaction, exactly once.
    ///
    /// # Errors
    /// [`zabra_client::Error::Multi`] when the server refuses an operation of `add`, counted from zero: then nothing has
    /// happened. [`Error::ReceiptTaken`] when it is unknown whether it has.
    pub(crate) async fn commit(&self, add: impl Fn(Transaction) -> Transaction) -> Result<()> {
        let mut state = self.state.lock().await;
        state.attempt += 1;
        let note = self.note(state.attempt);
        let mut sent = false;
        let mut doubt = Doubt::default();
        let mut backoff = Backoff::default();
        let mut expiries = 0;
        loop {
            let version = match state.version {
                Some(version) => version,
                None => self.read().await?.1,
            };
            let transaction = self.client.transaction().set(&self.path, note.clone(), version);
            // A dropped future leaves the version unknown to be right: the next commit finds that out by itself.
            state.version = Some(version);
            let error = match add(transaction).commit().await {
                Ok(_) => {
                    state.version = Some(version.wrapping_add(1));
                    return Ok(());
                }
                Err(error) => error,
            };
            match error {
                zabra_client::Error::Multi(refused) if refused.index == 0 => {
                    if refused.error != KeeperError::BadVersion {
                        return Err(zabra_client::Error::Multi(refused).into());
                    }
                    let (found, version) = self.read().await.map_err(|error| doubt.told(error))?;
                    state.version = Some(version);
                    if found == note {
                        return Ok(());
                    }
                    // Another's note may have covered ours; an earlier one of our own, of a commit whose future was
                    // dropped, has not.
                    if sent && !found.starts_with(self.owner.as_bytes()) {
                        return Err(Error::ReceiptTaken { path: self.path.clone() });
                    }
                }
                zabra_client::Error::Multi(mut refused) => {
                    refused.index -= 1;
                    return Err(zabra_client::Error::Multi(refused).into());
                }
                error if error.is_passing() => {
                    sent |= error.outcome() != zabra_client::Outcome::DidNotHappen;
                    doubt.note(&error);
                    backoff.pause().await;
                }
                zabra_client::Error::SessionExpired { .. } if expiries < EXPIRIES_MAX => {
                    sent = true;
                    expiries += 1;
                    backoff.pause().await;
                }
                error => return Err(doubt.told(error).into()),
            }
        }
    }

    /// What the receipt holds as of now, and its version.
    async fn read(&self) -> Result<(Bytes, i32), zabra_client::Error> {
        through_sessions(|| self.client.sync(&self.path)).await?;
        let (data, stat) = through_sessions(|| self.client.get(&self.path)).await?;
        Ok((data, stat.version))
    }

    fn note(&self, attempt: u64) -> Bytes {
        let mut note = self.owner.as_bytes().to_vec();
        note.extend_from_slice(&attempt.to_be_bytes());
        note.into()
    }
}
