//! Where the examples run: at the hosts given as the first argument, or on a server of their own.

use std::error::Error;

/// What may go wrong in an example.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The hosts to connect to, and the server to keep while they are used.
pub(crate) async fn hosts() -> Result<(String, Option<zabra_embedded::Server>), Failure> {
    if let Some(hosts) = std::env::args().nth(1) {
        return Ok((hosts, None));
    }
    let server = zabra_embedded::Server::start().await?;
    Ok((server.connect_string(), Some(server)))
}

/// A path that no earlier run has used.
pub(crate) fn fresh(name: &str) -> String {
    format!("/examples/{name}-{}", uuid::Uuid::new_v4().simple())
}
