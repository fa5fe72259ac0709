//! Operations on several nodes, made of many requests.

use crate::core::Reply;
use crate::ops::create::kind_of;
use crate::ops::delete::nothing;
use crate::ops::{Operation, start};
use crate::pending::Asked;
use crate::{Client, CreateMode, Error, Pending};
use std::collections::VecDeque;
use zabra_proto::Request;
use zabra_types::{KeeperError, parent_of};

/// How many requests of one operation are under way at once.
const WINDOW: usize = 256;

impl Client {
    /// Makes sure that a node is there and all nodes above it; those that are missing become persistent, without data and
    /// open to everybody. Doing it twice is as good as once, so it is repeated when the connection breaks.
    ///
    /// The first request is sent at once, the others while the result is awaited.
    ///
    /// # Errors
    /// As for create.
    pub fn ensure_path(&self, path: impl Into<String>) -> Pending<()> {
        let path = path.into();
        if let Err(error) = self.view.full(&path) {
            return Pending::failed(error);
        }
        let first =
            start(EnsureNode { client: self.clone(), path: path.clone(), mode: CreateMode::Persistent });
        let client = self.clone();
        self.clone().steps(async move {
            match first.await {
                Err(error) if error.is_no_node() || error.is_no_auth() => {
                    ensure_path(&client, &path, CreateMode::Persistent).await
                }
                result => result,
            }
        })
    }

    /// Deletes a node and everything below it; results in the number of nodes this deleted.
    ///
    /// The tree is read and deleted by many requests under way at once, from the leaves upwards, and not at one moment:
    /// what others create meanwhile is deleted too, and after a failure a part is left. A node that is not there is no
    /// error. A delete is repeated when the connection breaks, and then may count
    /// a node that somebody else deleted.
    ///
    /// # Errors
    /// `NoAuth`; `BadArguments` for nodes that servers keep for themselves.
    pub fn delete_recursive(&self, path: impl Into<String>) -> Pending<u64> {
        let path = path.into();
        if let Err(error) = self.view.full(&path) {
            return Pending::failed(error);
        }
        let client = self.clone();
        self.clone().steps(async move { delete_recursive(&client, path).await })
    }
}

/// Makes sure that a node is there and all nodes above it.
///
/// Begins with the node itself, as most of the time little is missing.
pub(crate) async fn ensure_path(client: &Client, path: &str, mode: CreateMode) -> Result<(), Error> {
    let mut missing = vec![path];
    while let Some(&deepest) = missing.last() {
        let node = EnsureNode { client: client.clone(), path: deepest.to_owned(), mode };
        match start(node).await {
            Ok(()) => {
                missing.pop();
            }
            Err(error) => match parent_of(deepest) {
                Some(parent) if error.is_no_node() => missing.push(parent),
                // Whoever may not create here is told so even of a node that is there.
                _ if error.is_no_auth() && client.exists(deepest).send().await?.is_some() => {
                    missing.pop();
                }
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// Creates a node that may be there already.
struct EnsureNode {
    client: Client,
    path: String,
    mode: CreateMode,
}

impl Operation for EnsureNode {
    type Output = ();

    fn client(&self) -> &Client {
        &self.client
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn is_settled_by(&self, refusal: KeeperError) -> bool {
        // It does not matter who made the node: these only ask for a closer look.
        matches!(refusal, KeeperError::NoNode | KeeperError::NoAuth)
    }

    fn attempt(&self, _: Option<&Error>) -> Pending<()> {
        let full = match self.client.view.full(&self.path) {
            Ok(full) => full,
            Err(error) => return Pending::failed(error),
        };
        let request = Request::Create(zabra_proto::Create {
            kind: kind_of(self.mode),
            path: Some(full),
            data: Some(&[]),
            acl: Some(self.client.view.acl_entries()),
            flags: self.mode.flags(),
            ttl_ms: None,
        });
        self.client.call(&self.path, &request, there)
    }
}

fn there(reply: &Reply, asked: &mut Asked) -> Result<(), Error> {
    if reply.err == KeeperError::NodeExists.code() { Ok(()) } else { nothing(reply, asked) }
}

async fn delete_recursive(client: &Client, path: String) -> Result<u64, Error> {
    let mut deleted = 0;
    loop {
        let found = descendants(client, &path).await?;
        let (gone, left) = delete_leaves_first(client, found).await?;
        deleted += gone;
        if !left {
            return Ok(deleted);
        }
    }
}

/// The node and everything below it, parents before their children; nothing when it is not there.
async fn descendants(client: &Client, path: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut listings = VecDeque::new();
    let mut to_list = VecDeque::from([path.to_owned()]);
    loop {
        while listings.len() < WINDOW
            && let Some(path) = to_list.pop_front()
        {
            let listing = client.children(&path).send();
            listings.push_back((path, listing));
        }
        let Some((path, listing)) = listings.pop_front() else { return Ok(found) };
        match listing.await {
            Ok(names) => {
                let parent = if path == "/" { "" } else { &path };
                to_list.extend(names.iter().map(|name| format!("{parent}/{name}")));
                found.push(path);
            }
            Err(error) if error.is_no_node() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Deletes nodes, the last of the list first; tells how many, and whether some got children meanwhile.
async fn delete_leaves_first(client: &Client, mut nodes: Vec<String>) -> Result<(u64, bool), Error> {
    let (mut gone, mut left) = (0, false);
    let mut deletes = VecDeque::new();
    loop {
        while deletes.len() < WINDOW
            && let Some(path) = nodes.pop()
        {
            deletes.push_back(client.delete(path).idempotent().send());
        }
        let Some(delete) = deletes.pop_front() else { return Ok((gone, left)) };
        match delete.await {
            Ok(()) => gone += 1,
            Err(error) if error.is_no_node() => {}
            Err(error) if error.is_not_empty() => left = true,
            Err(error) => return Err(error),
        }
    }
}
