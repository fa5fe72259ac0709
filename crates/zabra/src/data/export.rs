//! `zabra data export`: a subtree of a snapshot, in the form of the shell's `export`.

use std::time::SystemTime;

use zabra_tree::NodeAcl;
use zabra_types::{Acl, Perms};

use super::arguments::ExportArguments;
use super::open::{child_path, open};
use crate::exit::{Code, Failure};
use crate::java_time;
use crate::shell::extra::exchange::{TAIL, head, is_system, node_line};
use crate::stdio::Page;

/// Writes it to standard output.
pub(super) fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let root = &arguments.path;
    let (tree, _) = open(&arguments.file)?;
    if tree.get(root).is_none() {
        return Err(Failure::new(Code::Invocation, format!("the snapshot has no node {root}")));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let mut page = Page::new();
    page.line(format_args!("{}", head(root, &java_time::iso(now))))?;
    let mut separator = "";
    let mut to_write = vec![root.clone()];
    while let Some(path) = to_write.pop() {
        let Some(node) = tree.get(&path).filter(|_| !is_system(&path, root)) else { continue };
        if page.is_closed() {
            break;
        }
        let acl = match node.acl() {
            NodeAcl::Open => vec![Acl::world(Perms::ALL)],
            NodeAcl::List(list) => list.to_acls(),
            // Nobody may do anything there, until a log says who may.
            NodeAcl::Dangling => Vec::new(),
        };
        let line = node_line(&path, node.data(), &acl, &node.stat(), node.owner());
        page.put(format_args!("{separator}{line}"))?;
        separator = ",\n";
        let mut names: Vec<_> = node.children().collect();
        names.sort_unstable();
        to_write.extend(names.into_iter().rev().map(|name| child_path(&path, name)));
    }
    page.line(format_args!("\n{TAIL}"))?;
    page.finish()
}
