//! Commands on whole subtrees: deleteall, and its former name rmr.

use std::collections::VecDeque;

use serde_json::json;
use zabra_client::{Client, Pending};

use super::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::Shell;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;
use crate::shell::walk::Walk;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "deleteall",
        usage: "path [-b batch size]",
        about: "Delete a node and everything below it",
        grammar: Grammar {
            options: &[Opt::valued("b", "N", "batch size")],
            destructive: true,
            ..Grammar::NONE
        },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: delete_all,
    },
    Command {
        name: "rmr",
        usage: "path",
        about: "Former name of deleteall",
        grammar: Grammar { destructive: true, ..Grammar::NONE },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::OtherZkCli,
        session: Session::Needed,
        run: delete_all,
    },
];

/// How many nodes a transaction deletes unless told otherwise.
const BATCH: i32 = 1000;
/// How many transactions may be under way.
const BATCHES_PENDING: usize = 10;

fn delete_all<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        if call.command.name == "rmr" {
            call.out.note("The command 'rmr' has been deprecated. Please use 'deleteall' instead.");
        }
        let batch = call.number::<i32>("b", "int")?.unwrap_or(BATCH);
        let path = call.argument(1);
        path::check(path)?;
        let client = shell.client()?;
        let mut walk = Walk::new(client.clone(), path, None).await?;
        // Parents before their children.
        let mut tree = Vec::new();
        while let Some(node) = walk.next().await? {
            tree.push(node);
        }
        if call.has("dry-run") {
            for node in tree.iter().rev() {
                call.out.either(format!("would delete {node}"), || json!({ "wouldDelete": node }))?;
            }
            return Ok(());
        }
        // Zero and less mean one node at a time, without transactions.
        let whole = match usize::try_from(batch) {
            Ok(batch) if batch > 0 => in_batches(&client, &tree, batch).await,
            _ => {
                for node in tree.iter().rev() {
                    client.delete(node).await.map_err(|error| fault_of(&error, Some(node)))?;
                }
                true
            }
        };
        if !whole {
            call.out.note("Failed to delete some node(s) in the subtree!");
        }
        call.out.json(&json!({ "path": path, "nodes": tree.len(), "deleted": whole }))
    })
}

/// Deletes children before parents, in transactions of `batch` nodes, several of them under way at a time. Gives up at
/// the first that fails; then some nodes are gone and others are not.
async fn in_batches(client: &Client, tree: &[String], batch: usize) -> bool {
    let mut pending: VecDeque<Pending<_>> = VecDeque::new();
    let mut whole = true;
    for nodes in tree.rchunks(batch) {
        if pending.len() == BATCHES_PENDING
            && let Some(first) = pending.pop_front()
        {
            whole &= first.await.is_ok();
        }
        if !whole {
            break;
        }
        let transaction =
            nodes.iter().rev().fold(client.transaction(), |transaction, node| transaction.delete(node, -1));
        pending.push_back(transaction.commit());
    }
    for rest in pending {
        whole &= rest.await.is_ok();
    }
    whole
}
