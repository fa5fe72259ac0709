//! Waiting for a session that can be used.

use zabra_client::{Client, Error, StateStream};

/// Waits until there is a connection. False when there will be none any more: the client is closed, or its session is
/// over and not to be renewed.
///
/// `states` is a stream of this client that was asked for before whatever made the caller wait.
pub(crate) async fn connected(client: &Client, states: &mut StateStream) -> bool {
    while !client.state().is_connected() {
        if states.next().await.is_none() {
            return false;
        }
    }
    true
}

/// Whether a request failed because of the connection or the session, and not because of what it asked for: to be made
/// again when [`connected`].
pub(crate) const fn is_outage(error: &Error) -> bool {
    error.is_passing() || error.is_session_over() || matches!(error, Error::NotConnected { .. })
}
