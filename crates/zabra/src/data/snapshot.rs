//! `zabra data snapshot`: what a snapshot holds. Mirrors `SnapshotFormatter`.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zabra_tree::Tree;
use zabra_types::{StatPersisted, Zxid};

use super::arguments::SnapshotArguments;
use super::java_order;
use super::open::{child_path, open};
use crate::exit::Failure;
use crate::java_time;
use crate::stdio::Page;

/// Prints it.
pub(super) fn run(arguments: &SnapshotArguments) -> Result<(), Failure> {
    let (tree, named) = open(&arguments.file)?;
    let mut page = Page::new();
    if arguments.json {
        sizes(&tree, &mut page)?;
    } else {
        let last = nodes(&tree, arguments.data, &mut page)?;
        sessions(&tree, &mut page)?;
        page.line(format_args!("----"))?;
        page.line(format_args!("Last zxid: 0x{:x}", last.max(named.unwrap_or(Zxid::NONE)).raw()))?;
    }
    page.finish()
}

/// A block for each node. Returns the last transaction that any of them shows.
fn nodes(tree: &Tree, with_data: bool, page: &mut Page) -> Result<Zxid, Failure> {
    page.line(format_args!("ZNode Details (count={}):", tree.node_count()))?;
    let mut last = -1;
    // A stack of our own: a tree may be deeper than a thread's stack.
    let mut to_print = vec!["/".to_owned()];
    while let Some(path) = to_print.pop() {
        let Some(node) = tree.get(&path) else { continue };
        if page.is_closed() {
            break;
        }
        let stat = node.persisted();
        last = last.max(stat.mzxid).max(stat.pzxid);
        page.line(format_args!("----\n{path}"))?;
        put_stat(&stat, page)?;
        let data = node.data().unwrap_or_default();
        if with_data {
            page.line(format_args!("  data = {}", STANDARD.encode(data)))?;
        } else {
            page.line(format_args!("  dataLength = {}", data.len()))?;
        }
        let children = java_order::of_names(node.children());
        to_print.extend(children.into_iter().rev().map(|name| child_path(&path, name)));
    }
    page.line(format_args!("----"))?;
    Ok(Zxid::from_raw(last))
}

fn put_stat(stat: &StatPersisted, page: &mut Page) -> Result<(), Failure> {
    page.line(format_args!("  cZxid = {:#016x}", stat.czxid))?;
    page.line(format_args!("  ctime = {}", java_time::date(stat.ctime)))?;
    page.line(format_args!("  mZxid = {:#016x}", stat.mzxid))?;
    page.line(format_args!("  mtime = {}", java_time::date(stat.mtime)))?;
    page.line(format_args!("  pZxid = {:#016x}", stat.pzxid))?;
    page.line(format_args!("  cversion = {}", stat.cversion))?;
    page.line(format_args!("  dataVersion = {}", stat.version))?;
    page.line(format_args!("  aclVersion = {}", stat.aversion))?;
    page.line(format_args!("  ephemeralOwner = {:#016x}", stat.ephemeral_owner))
}

fn sessions(tree: &Tree, page: &mut Page) -> Result<(), Failure> {
    page.line(format_args!("Session Details (sid, timeout, ephemeralCount):"))?;
    let sessions = tree.sessions().map(|(session, timeout_ms)| (session.raw(), (session, timeout_ms)));
    for (number, (session, timeout_ms)) in java_order::of_numbers(sessions) {
        let ephemerals = tree.ephemerals_of(session).count();
        page.line(format_args!("{number:#016x}, {timeout_ms}, {ephemerals}"))?;
    }
    Ok(())
}

/// The form that ncdu reads: a node with children is an array that begins with the node itself.
fn sizes(tree: &Tree, page: &mut Page) -> Result<(), Failure> {
    enum Step {
        Node(String),
        End,
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    page.put(format_args!(
        "[1,0,{{\"progname\":\"zabra\",\"progver\":\"{}\",\"timestamp\":{}}}",
        env!("CARGO_PKG_VERSION"),
        now.as_millis()
    ))?;
    // Numbers tell ncdu that no two nodes are one file; they are given in the order of printing.
    let mut number = 1000;
    let mut to_print = vec![Step::Node("/".to_owned())];
    while let Some(step) = to_print.pop() {
        let Step::Node(path) = step else {
            page.put(format_args!("]"))?;
            continue;
        };
        let Some(node) = tree.get(&path) else { continue };
        if page.is_closed() {
            break;
        }
        number += 1;
        let name = if path == "/" { "/" } else { path.rsplit('/').next().unwrap_or_default() };
        let len = node.data().unwrap_or_default().len();
        let children = java_order::of_names(node.children());
        page.put(format_args!(
            ",{}{{\"name\":{},\"asize\":{len},\"dsize\":{len},\"dev\":0,\"ino\":{number}}}",
            if children.is_empty() { "" } else { "[" },
            serde_json::Value::from(name),
        ))?;
        if !children.is_empty() {
            to_print.push(Step::End);
            let steps = children.into_iter().rev();
            to_print.extend(steps.map(|name| Step::Node(child_path(&path, name))));
        }
    }
    page.put(format_args!("]"))
}
