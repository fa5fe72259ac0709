//! What recipes fail with.

use bytes::Bytes;
use zabra_client::Outcome;
use zabra_types::PathError;

use super::Loss;
use crate::queue::{MessageError, NotPut};

/// The result of a recipe's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a recipe could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client failed; its error tells whether the request happened.
    #[error(transparent)]
    Client(#[from] zabra_client::Error),
    /// What was held is no longer: the protection ended before this call. See [`Loss`] for what others may have done.
    #[error("no longer held: {0}")]
    Lost(Loss),
    /// The text is no path of a znode.
    #[error("{path:?} is no path of a znode")]
    BadPath {
        /// The text.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// An argument makes no sense; the text says which and why.
    #[error("{0}")]
    BadArgument(&'static str),
    /// A node does not hold what this recipe writes: another program uses the path, or another version of the format.
    #[error("the data of {path} is not of this recipe: {reason}")]
    Malformed {
        /// The node.
        path: String,
        /// What was expected.
        reason: String,
    },
    /// It is unknown whether the item was taken by this call, whose connection was lost, or by another consumer; or, when
    /// no server could be asked since, whether it was taken at all. A queue with a receipt does not fail so.
    #[error("{path} was taken by this call, or was gone")]
    TakenOrGone {
        /// The item's node.
        path: String,
        /// Its data: what nobody else may have, if it was this call.
        data: Bytes,
    },
    /// What was taken from a queue is no item. It is no longer in the queue.
    #[error("{path} holds no item: {reason}")]
    BadItem {
        /// The node.
        path: String,
        /// Its data.
        data: Bytes,
        /// What is wrong with it.
        reason: MessageError,
    },
    /// There was no room in the queue in time.
    #[error("the queue is full")]
    Full,
    /// Not everything that was handed to the background was put.
    #[error("{} items were not put, or perhaps not", .0.len())]
    NotPut(Vec<NotPut>),
    /// Another process uses the same receipt: it is unknown whether the change was made.
    #[error("the receipt {path} is used by another process")]
    ReceiptTaken {
        /// The receipt.
        path: String,
    },
    /// The recipe was closed while, or before, it was asked.
    #[error("closed")]
    Closed,
}

impl Error {
    /// Whether the session of the client is over, by expiry or by being closed.
    pub const fn is_session_over(&self) -> bool {
        match self {
            Self::Client(error) => error.is_session_over(),
            Self::Lost(loss) => matches!(loss, Loss::SessionExpired | Loss::SessionClosed),
            _ => false,
        }
    }

    /// Whether no further attempt can succeed, because the client's last session is over or what was asked is closed.
    pub fn is_final(&self) -> bool {
        self.is_session_over() || matches!(self, Self::Closed)
    }

    /// What the failed call has done to what it was to change.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Client(error) => error.outcome(),
            Self::TakenOrGone { .. } | Self::NotPut(_) | Self::ReceiptTaken { .. } | Self::Closed => {
                Outcome::Unknown
            }
            Self::BadItem { .. } => Outcome::Happened,
            _ => Outcome::DidNotHappen,
        }
    }
}
