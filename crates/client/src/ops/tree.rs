//! Operations on several nodes, made of many requests.

use crate::{Client, CreateMode, Error};
use zabra_types::parent_of;

/// Makes sure that a node is there and all nodes above it.
///
/// Begins with the node itself, as most of the time little is missing.
pub(crate) async fn ensure_path(client: &Client, path: &str, mode: CreateMode) -> Result<(), Error> {
    let mut missing = vec![path];
    while let Some(&deepest) = missing.last() {
        let error = match client.create(deepest, []).mode(mode).send().await {
            Ok(_) => {
                missing.pop();
                continue;
            }
            Err(error) => error,
        };
        if error.is_node_exists() {
            missing.pop();
        } else if let Some(parent) = parent_of(deepest).filter(|_| error.is_no_node()) {
            missing.push(parent);
        } else if error.is_no_auth() && client.exists(deepest).send().await?.is_some() {
            // Whoever may not create here is told so even of a node that is there.
            missing.pop();
        } else {
            return Err(error);
        }
    }
    Ok(())
}
