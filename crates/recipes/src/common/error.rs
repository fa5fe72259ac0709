//! What recipes fail with.

use zabra_types::PathError;

use super::Loss;

/// The result of a recipe's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a recipe could not do what it was asked.
#[derive(Debug, thiserror::Error)]
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
}
