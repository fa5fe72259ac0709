//! A shared number.

use bytes::Bytes;
use zabra_client::Client;

use super::value::{SharedValue, Versioned};
use crate::atomic::{Format, Int32};
use crate::{Error, Result};

/// A number that several processes share: a [`SharedValue`] of four bytes, big-endian. Curator's `SharedCount`, and kazoo's
/// `Counter` with `support_curator=True`.
///
/// Its guarantees are those of [`SharedValue`]. For counting, an [`AtomicInteger`](crate::atomic::AtomicInteger) at the same
/// path is quicker.
#[derive(Clone, Debug)]
pub struct SharedCount {
    value: SharedValue,
}

impl SharedCount {
    /// The number at this path; `seed` if there is none.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open(client: &Client, path: impl Into<String>, seed: i32) -> Result<Self> {
        Ok(Self { value: SharedValue::open(client, path, Int32::encode(seed)).await? })
    }

    /// The number at hand.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the node holds something else.
    pub fn get(&self) -> Result<i32> {
        self.decode(&self.value.get())
    }

    /// The number at hand, for a later [`try_set`](Self::try_set).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn versioned(&self) -> Result<Versioned<i32>> {
        self.value.versioned().try_map(|bytes| self.decode(&bytes))
    }

    /// Sets the number, whatever it is.
    ///
    /// # Errors
    /// As [`SharedValue::set`].
    pub async fn set(&self, count: i32) -> Result<()> {
        self.value.set(Int32::encode(count)).await
    }

    /// Sets the number if it still is `previous`. Returns whether it did.
    ///
    /// # Errors
    /// As [`SharedValue::try_set`].
    pub async fn try_set(&self, previous: &Versioned<i32>, count: i32) -> Result<bool> {
        let previous = Versioned {
            value: Int32::encode(previous.value),
            version: previous.version,
            zxid: previous.zxid,
        };
        self.value.try_set(&previous, Int32::encode(count)).await
    }

    /// The value behind it, to follow its changes.
    #[must_use]
    pub fn value(&self) -> &SharedValue {
        &self.value
    }

    fn decode(&self, bytes: &Bytes) -> Result<i32> {
        Int32::decode(bytes).ok_or_else(|| Error::Malformed {
            path: self.value.path().to_owned(),
            reason: format!("{} bytes are no number of four", bytes.len()),
        })
    }
}
