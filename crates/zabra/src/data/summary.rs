//! `zabra data summary`: how much is below a node of a snapshot. Mirrors `SnapshotRecursiveSummary`.

use zabra_tree::Tree;

use super::arguments::SummaryArguments;
use super::java_order;
use super::open::{child_path, open};
use crate::exit::{Code, Failure};
use crate::stdio::Page;

/// Prints a block for each node that has children, those of the upper levels only if told so.
pub(super) fn run(arguments: &SummaryArguments) -> Result<(), Failure> {
    let (tree, _) = open(&arguments.file)?;
    let subtrees = measure(&tree, &arguments.path);
    if subtrees.is_empty() {
        return Err(Failure::new(Code::Invocation, format!("the snapshot has no node {}", arguments.path)));
    }
    let mut page = Page::new();
    for subtree in &subtrees {
        let is_leaf = subtree.nodes == 1;
        if is_leaf || (arguments.depth != 0 && subtree.level > arguments.depth) {
            continue;
        }
        let indent = "--".repeat(subtree.level);
        page.line(format_args!("{indent} {}", subtree.path))?;
        page.line(format_args!("{indent}   children: {}", subtree.nodes - 1))?;
        page.line(format_args!("{indent}   data: {}", subtree.bytes))?;
    }
    page.line(format_args!(""))?;
    page.finish()
}

/// A node and what is below it.
struct Subtree {
    path: String,
    level: usize,
    parent: Option<usize>,
    nodes: u64,
    bytes: u64,
}

/// All nodes from one on, in the order of printing, with what is below each.
fn measure(tree: &Tree, from: &str) -> Vec<Subtree> {
    let mut subtrees: Vec<Subtree> = Vec::new();
    let mut to_visit = vec![(from.to_owned(), 0, None)];
    while let Some((path, level, parent)) = to_visit.pop() {
        let Some(node) = tree.get(&path) else { continue };
        let at = subtrees.len();
        let children = java_order::of_names(node.children());
        to_visit
            .extend(children.into_iter().rev().map(|name| (child_path(&path, name), level + 1, Some(at))));
        let bytes = node.data().unwrap_or_default().len() as u64;
        subtrees.push(Subtree { path, level, parent, nodes: 1, bytes });
    }
    // Children come after their parents, so going backwards each is complete when it is added.
    for at in (0..subtrees.len()).rev() {
        let Subtree { parent, nodes, bytes, .. } = subtrees[at];
        if let Some(parent) = parent {
            subtrees[parent].nodes += nodes;
            subtrees[parent].bytes += bytes;
        }
    }
    subtrees
}
