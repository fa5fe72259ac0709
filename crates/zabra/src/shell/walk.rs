//! Going through a subtree.

use std::collections::VecDeque;

use zabra_client::{Client, Pending};

use super::fault::Fault;
use super::path;
use super::session::fault_of;
use super::watches::{Kind, Watches};

/// How many nodes are asked for their children ahead of need.
const AHEAD: usize = 32;

/// A node and everything below it, in zkCli's order (`ZKUtil.visitSubTreeDFS`): all children of a node in the order of
/// their names, then what is below the first of them, and so on.
///
/// Nodes that come and go meanwhile may be missed or named although they are gone.
#[derive(Debug)]
pub(crate) struct Walk {
    client: Client,
    /// Where watches go that are to be left behind.
    watches: Option<Watches>,
    /// To be named next.
    ready: VecDeque<String>,
    /// To be asked for their children, the last one first.
    parents: Vec<Parent>,
}

#[derive(Debug)]
struct Parent {
    path: String,
    asked: Option<Pending<Vec<String>>>,
}

impl Walk {
    /// Begins at a node, which has to be there and readable.
    pub(crate) async fn new(client: Client, root: &str, watches: Option<Watches>) -> Result<Self, Fault> {
        let failed = |error| fault_of(&error, Some(root));
        if let Some(watches) = &watches {
            let (_, watch) = client.get(root).watch().await.map_err(failed)?;
            watches.once(root, Kind::Data, watch);
        } else {
            client.get(root).await.map_err(failed)?;
        }
        let parents = vec![Parent { path: root.to_owned(), asked: None }];
        Ok(Self { client, watches, ready: VecDeque::from([root.to_owned()]), parents })
    }

    /// The next node.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Fault> {
        loop {
            if let Some(path) = self.ready.pop_front() {
                return Ok(Some(path));
            }
            let Some(parent) = self.parents.pop() else {
                return Ok(None);
            };
            let path = parent.path.clone();
            for name in children(&self.client, self.watches.as_ref(), parent).await? {
                self.ready.push_back(path::child(&path, &name));
            }
            self.parents
                .extend(self.ready.iter().rev().map(|path| Parent { path: path.clone(), asked: None }));
            self.ask_ahead();
        }
    }

    fn ask_ahead(&mut self) {
        if self.watches.is_some() {
            return;
        }
        for parent in self.parents.iter_mut().rev().take(AHEAD).filter(|parent| parent.asked.is_none()) {
            parent.asked = Some(self.client.children(&parent.path).send());
        }
    }
}

async fn children(client: &Client, watches: Option<&Watches>, parent: Parent) -> Result<Vec<String>, Fault> {
    let path = &parent.path;
    let answer = match (watches, parent.asked) {
        (_, Some(asked)) => asked.await,
        (None, None) => client.children(path).await,
        (Some(watches), None) => client.children(path).watch().await.map(|(children, watch)| {
            watches.once(path, Kind::Child, watch);
            children
        }),
    };
    match answer {
        // Gone since its parent was listed.
        Err(error) if error.is_no_node() => Ok(Vec::new()),
        answer => answer.map_err(|error| fault_of(&error, Some(path))),
    }
}
