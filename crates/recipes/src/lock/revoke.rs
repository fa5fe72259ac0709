//! Asking a holder to let go.

use zabra_client::Client;

use crate::common::retry::through_cuts;
use crate::common::{REVOKE_MESSAGE, Result};

/// Asks the contender that owns this node to let go. Nothing forces it; see [`Guard::revocation`](super::Guard).
///
/// The node's path is that of a [`Participant`](crate::common::Participant). Mirrors Curator's `Revoker`, with whose
/// revocable locks it works both ways: `__REVOKE__` is written into the contender's node. A node that is gone already
/// is no error.
///
/// # Errors
///
/// What the client fails with.
pub async fn revoke(client: &Client, path: &str) -> Result<()> {
    match through_cuts(|| client.set(path, REVOKE_MESSAGE)).await {
        Err(error) if !error.is_no_node() => Err(error.into()),
        _ => Ok(()),
    }
}
