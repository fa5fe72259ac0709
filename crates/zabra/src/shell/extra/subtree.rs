//! Reading a subtree, many nodes at a time.

use bytes::Bytes;
use zabra_client::{Client, Error, Pending};
use zabra_types::{Acl, Stat};

use super::progress::Progress;
use crate::shell::fault::Fault;
use crate::shell::path;
use crate::shell::session::fault_of;

/// How many nodes are asked for ahead of need, with and without their data, which may be a megabyte each.
const AHEAD_WITH_DATA: usize = 128;
const AHEAD: usize = 512;

/// What is wanted of each node besides its Stat and the names of its children.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Want {
    /// Its data.
    pub(super) data: bool,
    /// Its access control list.
    pub(super) acl: bool,
    /// Only what is at most so deep below the node where it begins.
    pub(super) depth_max: Option<usize>,
    /// Only so many children of each node, the first by name.
    pub(super) children_max: Option<usize>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it is.
    pub(super) path: String,
    /// How far below the node where the reading began.
    pub(super) depth: usize,
    /// Whether no sibling follows.
    pub(super) is_last: bool,
    /// The Stat.
    pub(super) stat: Stat,
    /// The data, if it was wanted; null is not the same as empty.
    pub(super) data: Option<Bytes>,
    /// The access control list, if it was wanted.
    pub(super) acl: Vec<Acl>,
    /// Why some of this is missing.
    pub(super) refused: Option<Error>,
}

/// What a reading gives.
#[derive(Debug)]
pub(super) enum Step {
    /// A node; those below it follow, then its siblings.
    Node(Box<Node>),
    /// So many siblings were left out, at this depth.
    More {
        /// How far below.
        depth: usize,
        /// How many.
        count: usize,
    },
}

/// A node and everything below it, parents before children and children by name. Nodes that come or go meanwhile may be
/// missed, but never is a node given without its parent before it.
#[derive(Debug)]
pub(super) struct Subtree {
    client: Client,
    want: Want,
    /// What is to come, the next one last.
    stack: Vec<Entry>,
    /// The first node has to be there.
    begun: bool,
    /// So many nodes may be taken before more are asked for.
    credit: usize,
}

#[derive(Debug)]
enum Entry {
    Node { path: String, depth: usize, is_last: bool, asked: Option<Box<Asked>> },
    More { depth: usize, count: usize },
}

#[derive(Debug)]
struct Asked {
    children: Pending<(Vec<String>, Stat)>,
    data: Option<Pending<(Option<Bytes>, Stat)>>,
    acl: Option<Pending<(Vec<Acl>, Stat)>>,
}

impl Subtree {
    /// Begins at a node.
    pub(super) fn new(client: Client, root: &str, want: Want) -> Self {
        let root = Entry::Node { path: root.to_owned(), depth: 0, is_last: true, asked: None };
        Self { client, want, stack: vec![root], begun: false, credit: 0 }
    }

    /// The next node.
    pub(super) async fn next(&mut self) -> Result<Option<Step>, Fault> {
        loop {
            self.ask_ahead();
            let Some(entry) = self.stack.pop() else { return Ok(None) };
            match entry {
                Entry::More { depth, count } => return Ok(Some(Step::More { depth, count })),
                Entry::Node { path, depth, is_last, asked } => {
                    let asked = asked.unwrap_or_else(|| self.ask(&path));
                    let first = !std::mem::replace(&mut self.begun, true);
                    match self.take(path, depth, is_last, asked).await {
                        Ok(node) => return Ok(Some(Step::Node(Box::new(node)))),
                        // Gone since its parent was listed.
                        Err((_, error)) if error.is_no_node() && !first => {}
                        Err((path, error)) => return Err(fault_of(&error, Some(&path))),
                    }
                }
            }
        }
    }

    fn ask(&self, path: &str) -> Box<Asked> {
        Box::new(Asked {
            children: self.client.children_stat(path).send(),
            data: self.want.data.then(|| self.client.get(path).or_null().send()),
            acl: self.want.acl.then(|| self.client.acl(path).send()),
        })
    }

    /// Waits for the answers on a node.
    async fn take(
        &mut self,
        path: String,
        depth: usize,
        is_last: bool,
        asked: Box<Asked>,
    ) -> Result<Node, (String, Error)> {
        let mut node =
            Node { path, depth, is_last, stat: Stat::default(), data: None, acl: Vec::new(), refused: None };
        match asked.children.await {
            Ok((names, stat)) => {
                node.stat = stat;
                if self.want.depth_max.is_none_or(|max| depth < max) {
                    self.push(&node.path, depth + 1, names);
                }
            }
            Err(error) if error.is_no_auth() => {
                // Everybody may see the Stat.
                match self.client.exists(&node.path).await {
                    Ok(Some(stat)) => node.stat = stat,
                    Ok(None) => return Err((node.path, gone(error))),
                    Err(error) => return Err((node.path, error)),
                }
                node.refused = Some(error);
            }
            Err(error) => return Err((node.path, error)),
        }
        if let Some(data) = asked.data {
            match data.await {
                Ok((data, stat)) => (node.data, node.stat) = (data, stat),
                Err(error) if error.is_no_auth() => node.refused = Some(error),
                Err(error) => return Err((node.path, error)),
            }
        }
        if let Some(acl) = asked.acl {
            match acl.await {
                Ok((acl, _)) => node.acl = acl,
                Err(error) if error.is_no_auth() => node.refused = Some(error),
                Err(error) => return Err((node.path, error)),
            }
        }
        Ok(node)
    }

    fn push(&mut self, parent: &str, depth: usize, mut names: Vec<String>) {
        let max = self.want.children_max.unwrap_or(usize::MAX);
        let count = names.len().saturating_sub(max);
        if count > 0 {
            names.truncate(max);
            self.stack.push(Entry::More { depth, count });
        }
        let last = names.len().wrapping_sub(1);
        self.stack.extend(names.iter().enumerate().rev().map(|(at, name)| Entry::Node {
            path: path::child(parent, name),
            depth,
            is_last: at == last && count == 0,
            asked: None,
        }));
        self.credit = 0;
    }

    /// Sees that some of the nodes that come next have been asked for.
    fn ask_ahead(&mut self) {
        if self.credit > 0 {
            self.credit -= 1;
            return;
        }
        let ahead = if self.want.data { AHEAD_WITH_DATA } else { AHEAD };
        self.credit = ahead / 2;
        // From the top of the stack downwards: that is the order in which they are needed.
        let mut stack = std::mem::take(&mut self.stack);
        for entry in stack.iter_mut().rev().take(ahead) {
            if let Entry::Node { path, asked, .. } = entry
                && asked.is_none()
            {
                *asked = Some(self.ask(path));
            }
        }
        self.stack = stack;
    }
}

/// A refusal for a node that went away while it was asked about: the walk passes over it.
fn gone(error: Error) -> Error {
    match error {
        Error::Keeper { op, path, .. } => Error::Keeper { error: zabra_types::KeeperError::NoNode, op, path },
        other => other,
    }
}

/// Everything below a node at once, for commands that must know all before they begin.
pub(super) async fn read_all(
    client: &Client,
    root: &str,
    want: Want,
    progress: &Progress,
) -> Result<Vec<Node>, Fault> {
    let mut subtree = Subtree::new(client.clone(), root, want);
    let mut nodes = Vec::new();
    while let Some(step) = subtree.next().await? {
        if let Step::Node(node) = step {
            nodes.push(*node);
            progress.advance(1);
        }
    }
    Ok(nodes)
}
