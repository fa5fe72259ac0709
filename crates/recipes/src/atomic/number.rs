//! Numbers that many processes change at once.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use zabra_client::Client;

use super::format::{Format, Int32, Int64};
use super::tries::{Promotion, Tries};
use super::value::{AtomicValue, Change};
use crate::receipt::Receipt;
use crate::{Error, Result};

/// A number at a path that many processes change at once.
///
/// See the [module](super) for what is guaranteed. A number that is not there yet counts as zero.
///
/// Additions that are asked of one handle and its clones while another is under way are made together, in one change, each
/// with its own value before and after: hundreds of tasks can count without getting in one another's way. A dropped
/// addition may still be made.
#[derive(Debug)]
pub struct AtomicNumber<F: Format> {
    value: AtomicValue,
    additions: Arc<Mutex<Additions<F>>>,
}

/// Curator's `DistributedAtomicInteger`.
pub type AtomicInteger = AtomicNumber<Int32>;

/// Curator's `DistributedAtomicLong`.
pub type AtomicLong = AtomicNumber<Int64>;

/// What waits to be added.
#[derive(Debug)]
struct Additions<F: Format> {
    waiting: Vec<Addition<F>>,
    /// Whether a task makes them.
    running: bool,
}

#[derive(Debug)]
struct Addition<F: Format> {
    delta: F::Number,
    done: oneshot::Sender<Result<Change<F::Number>>>,
}

impl<F: Format> Clone for AtomicNumber<F> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), additions: Arc::clone(&self.additions) }
    }
}

impl<F: Format> AtomicNumber<F> {
    /// The number at this path. Nothing is created before the first change; missing parents are made as containers then.
    #[must_use]
    pub fn new(client: &Client, path: impl Into<String>) -> Self {
        Self::from(AtomicValue::new(client, path))
    }

    fn from(value: AtomicValue) -> Self {
        Self { value, additions: Arc::new(Mutex::new(Additions { waiting: Vec::new(), running: false })) }
    }

    /// How often changes are tried.
    #[must_use]
    pub fn with_tries(self, tries: Tries) -> Self {
        Self::from(self.value.with_tries(tries))
    }

    /// Takes a lock when these tries have failed.
    #[must_use]
    pub fn with_promotion(self, promotion: Promotion) -> Self {
        Self::from(self.value.with_promotion(promotion))
    }

    /// Notes changes in a receipt, so that lost replies leave nothing open.
    #[must_use]
    pub fn with_receipt(self, receipt: Receipt) -> Self {
        Self::from(self.value.with_receipt(receipt))
    }

    /// The number.
    ///
    /// # Errors
    /// When the client fails; [`Error::Malformed`] when the node holds something else.
    pub async fn get(&self) -> Result<F::Number> {
        let bytes = self.value.get().await?;
        bytes.map_or(Ok(F::ZERO), |bytes| decode::<F>(self.value.path(), &bytes))
    }

    /// Makes the number, unless there is one. Whether it did.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn initialize(&self, number: F::Number) -> Result<bool> {
        self.value.initialize(F::encode(number)).await
    }

    /// Sets the number, whatever it is. See [`AtomicValue::force_set`].
    ///
    /// # Errors
    /// When the client fails.
    pub async fn force_set(&self, number: F::Number) -> Result<()> {
        self.value.force_set(F::encode(number)).await
    }

    /// Sets the number if it is `expected`. See [`AtomicValue::compare_and_set`].
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn compare_and_set(&self, expected: F::Number, number: F::Number) -> Result<Change<F::Number>> {
        self.decoded(self.value.compare_and_set(F::encode(expected), F::encode(number)).await?)
    }

    /// Sets the number, as often as it takes to know the one before it.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn try_set(&self, number: F::Number) -> Result<Change<F::Number>> {
        self.decoded(self.value.try_set(F::encode(number)).await?)
    }

    /// Adds one such number.
    ///
    /// # Errors
    /// See the [module](super). [`Error::Malformed`] when the node holds something else.
    pub async fn add(&self, delta: F::Number) -> Result<Change<F::Number>> {
        let (done, added) = oneshot::channel();
        let starts = {
            let mut additions = self.additions.lock();
            additions.waiting.push(Addition { delta, done });
            !std::mem::replace(&mut additions.running, true)
        };
        if starts {
            tokio::spawn(make_additions(self.value.clone(), Arc::clone(&self.additions)));
        }
        // The task ends without an answer only when its runtime does.
        added.await.unwrap_or(Err(Error::Closed))
    }

    /// Subtracts one such number.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn subtract(&self, delta: F::Number) -> Result<Change<F::Number>> {
        self.add(F::negate(delta)).await
    }

    fn decoded(&self, change: Change<Bytes>) -> Result<Change<F::Number>> {
        change.try_map(|bytes| decode::<F>(self.value.path(), &bytes))
    }
}

/// One more and one less, for the whole numbers.
macro_rules! steps {
    ($format:ty) => {
        impl AtomicNumber<$format> {
            /// Adds one.
            ///
            /// # Errors
            /// As [`add`](Self::add).
            pub async fn increment(&self) -> Result<Change<<$format as Format>::Number>> {
                self.add(1).await
            }

            /// Subtracts one.
            ///
            /// # Errors
            /// As [`add`](Self::add).
            pub async fn decrement(&self) -> Result<Change<<$format as Format>::Number>> {
                self.add(-1).await
            }
        }
    };
}

steps!(Int32);
steps!(Int64);
steps!(super::format::DecimalInt);

/// Makes what waits, together, until nothing does.
async fn make_additions<F: Format>(value: AtomicValue, additions: Arc<Mutex<Additions<F>>>) {
    loop {
        let batch = {
            let mut additions = additions.lock();
            if additions.waiting.is_empty() {
                additions.running = false;
                return;
            }
            std::mem::take(&mut additions.waiting)
        };
        // Added one by one, so that each sees what it would have seen alone (wrapping, rounding).
        let change = value
            .update(|bytes| {
                let before = bytes.map_or(Ok(F::ZERO), |bytes| decode::<F>(value.path(), bytes))?;
                Ok(F::encode(batch.iter().fold(before, |sum, addition| F::add(sum, addition.delta))))
            })
            .await;
        let change = change.and_then(|change| change.try_map(|bytes| decode::<F>(value.path(), &bytes)));
        hand_out(batch, &change);
    }
}

fn hand_out<F: Format>(batch: Vec<Addition<F>>, change: &Result<Change<F::Number>>) {
    let mut sum = match change {
        Ok(change) => change.before.unwrap_or(F::ZERO),
        Err(_) => F::ZERO,
    };
    for Addition { delta, done } in batch {
        let part = change.clone().map(|mut change| {
            change.before = Some(sum);
            if change.succeeded {
                sum = F::add(sum, delta);
                change.after = Some(sum);
            }
            change
        });
        // Whoever does not listen does not want to know.
        let _ = done.send(part);
    }
}

fn decode<F: Format>(path: &str, bytes: &[u8]) -> Result<F::Number> {
    F::decode(bytes).ok_or_else(|| Error::Malformed {
        path: String::from(path),
        reason: format!("no number in {} bytes: {:02x?}", bytes.len(), &bytes[..bytes.len().min(16)]),
    })
}
