//! `cp` and `mv`: subtrees to another place.

use serde_json::json;
use zabra_client::Client;
use zabra_types::KeeperError;

use super::exchange::is_system;
use super::progress::Progress;
use super::subtree::{Node, Want, read_all};
use super::write::{Kind, NewNode, create_all, delete_all, path_of};
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "cp",
        usage: "[--parents] [--dry-run] source target",
        about: "Copy a node and everything below it, with data and ACLs; target must not be there",
        grammar: Grammar { options: &[PARENTS], destructive: true, ..Grammar::NONE },
        arguments: &[Argument::Path],
        arguments_min: 2,
        origin: Origin::Zabra,
        session: Session::Needed,
        run: copy,
    },
    Command {
        name: "mv",
        usage: "[--parents] [--dry-run] source target",
        about: "Move a node and everything below it; in one transaction unless it is large",
        grammar: Grammar { options: &[PARENTS], destructive: true, ..Grammar::NONE },
        arguments: &[Argument::Path],
        arguments_min: 2,
        origin: Origin::Zabra,
        session: Session::Needed,
        run: copy,
    },
];

const PARENTS: Opt = Opt::long("parents", "Create the parents of the target");

/// What is done at once, so that others see all of it or nothing. Servers take a megabyte in a packet.
const AT_ONCE_WEIGHT_MAX: usize = 512 << 10;
const AT_ONCE_NODES_MAX: usize = 1000;

fn copy<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let moving = call.command.name == "mv";
        let (source, target) = (call.argument(1), call.argument(2));
        path::check(source)?;
        path::check(target)?;
        check_places(source, target, moving)?;
        let client = shell.client()?;
        let nodes = {
            let progress = Progress::below(&client, source, "reading").await;
            let want = Want { data: true, acl: true, ..Want::default() };
            read_all(&client, source, want, &progress).await?
        };
        let plan = Plan::of(nodes, source, target, moving)?;
        check_target(&client, target, call.has("parents")).await?;
        for path in &plan.left_out {
            call.out.note(format!("{path} is ephemeral: left out"));
        }
        if call.has("dry-run") {
            for node in &plan.new {
                call.out
                    .either(format!("would create {}", node.path), || json!({ "wouldCreate": node.path }))?;
            }
            for (path, _) in plan.old.iter().rev().filter(|_| moving) {
                call.out.either(format!("would delete {path}"), || json!({ "wouldDelete": path }))?;
            }
            return Ok(());
        }
        if let (true, Some((parent, _))) =
            (call.has("parents"), target.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()))
        {
            client.ensure_path(parent).await.map_err(|error| fault_of(&error, Some(parent)))?;
        }
        let at_once = plan.fits_at_once();
        if at_once {
            plan.do_at_once(&client, moving).await?;
        } else {
            call.out.note("too large for one transaction: others see it coming");
            create_all(&client, &plan.new, &Progress::of(plan.new.len(), "creating")).await?;
            if moving {
                let progress = Progress::of(plan.old.len(), "deleting");
                delete_all(&client, &plan.old, &progress).await?;
            }
        }
        let did = if moving { "moved" } else { "copied" };
        call.out.either(format!("{did} {} nodes to {target}", plan.new.len()), || {
            json!({ did: plan.new.len(), "from": source, "to": target, "leftOut": plan.left_out, "atOnce": at_once })
        })
    })
}

/// What is to be done.
#[derive(Debug)]
struct Plan {
    new: Vec<NewNode>,
    /// What was copied, with its versions.
    old: Vec<(String, i32)>,
    left_out: Vec<String>,
}

impl Plan {
    fn of(nodes: Vec<Node>, source: &str, target: &str, moving: bool) -> Result<Self, Fault> {
        let mut plan = Self { new: Vec::new(), old: Vec::new(), left_out: Vec::new() };
        for node in nodes {
            if let Some(error) = node.refused {
                return Err(fault_of(&error, Some(&node.path)));
            }
            if is_system(&node.path, source) {
                continue;
            }
            if node.stat.ephemeral_owner != 0 {
                if moving {
                    let text = format!(
                        "{} is ephemeral and stays with its session: {:#x}",
                        node.path, node.stat.ephemeral_owner
                    );
                    return Err(Fault::new(text).hint("`cp` leaves such nodes out"));
                }
                plan.left_out.push(node.path);
                continue;
            }
            let path = moved(&node.path, source, target);
            plan.old.push((node.path, node.stat.version));
            plan.new.push(NewNode { path, data: node.data, acl: node.acl, kind: Kind::Persistent });
        }
        if plan.new.is_empty() {
            return Err(Fault::new(format!("{source} is ephemeral: there is nothing to copy")));
        }
        Ok(plan)
    }

    fn fits_at_once(&self) -> bool {
        let weight: usize = self.new.iter().map(|node| node.weight() + node.path.len() + 32).sum();
        self.new.len() <= AT_ONCE_NODES_MAX && weight <= AT_ONCE_WEIGHT_MAX
    }

    /// One transaction, which also sees that nothing was changed since it was read.
    async fn do_at_once(&self, client: &Client, moving: bool) -> Result<(), Fault> {
        let created =
            self.new.iter().fold(client.transaction(), |transaction, node| node.create_in(transaction));
        let whole = if moving {
            self.old
                .iter()
                .rev()
                .fold(created, |transaction, (path, version)| transaction.delete(path, *version))
        } else {
            self.old.iter().fold(created, |transaction, (path, version)| transaction.check(path, *version))
        };
        whole.commit().await.map_err(|error| {
            let fault = fault_of(&error, path_of(&error));
            match error.keeper() {
                Some(KeeperError::BadVersion | KeeperError::NotEmpty | KeeperError::NoNode) => {
                    fault.hint("it was changed while it was read; nothing was done")
                }
                _ => fault.hint("nothing was done"),
            }
        })?;
        Ok(())
    }
}

/// Where a node comes to.
pub(super) fn moved(path: &str, source: &str, target: &str) -> String {
    let below = if source == "/" { path } else { path.strip_prefix(source).unwrap_or(path) };
    match (below, target) {
        ("" | "/", _) => target.to_owned(),
        (below, "/") => below.to_owned(),
        (below, target) => format!("{target}{below}"),
    }
}

fn check_places(source: &str, target: &str, moving: bool) -> Result<(), Fault> {
    let is_below = |path: &str, above: &str| {
        above == "/" || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if source == "/" && moving {
        return Err(Fault::new("The root cannot be moved").at(1));
    }
    // A copy of the whole tree into itself would copy itself.
    if is_below(target, source) {
        return Err(Fault::new(format!("{target} is inside {source}")).at(2));
    }
    Ok(())
}

/// The target must not be there, its parent must.
async fn check_target(client: &Client, target: &str, parents: bool) -> Result<(), Fault> {
    let exists = |path: String| async move {
        let there = client.exists(&path).await;
        there.map_err(|error| fault_of(&error, Some(&path)))
    };
    if exists(target.to_owned()).await?.is_some() {
        return Err(Fault::keeper(KeeperError::NodeExists, Some(target)).at(2));
    }
    let parent = target.rsplit_once('/').map_or("", |(parent, _)| parent);
    if !parents && !parent.is_empty() && exists(parent.to_owned()).await?.is_none() {
        return Err(Fault::keeper(KeeperError::NoNode, Some(parent)).at(2).hint("--parents creates it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_to_their_places() {
        let cases = [
            ("/a", "/a", "/b", "/b"),
            ("/a/x/y", "/a", "/b/c", "/b/c/x/y"),
            ("/x", "/", "/b", "/b/x"),
            ("/a/x", "/a", "/", "/x"),
        ];
        for (path, source, target, place) in cases {
            assert_eq!(moved(path, source, target), place, "{path} {source} {target}");
        }
    }

    #[test]
    fn nothing_is_copied_into_itself() {
        for (source, target, moving, allowed) in [
            ("/a", "/b", true, true),
            ("/a", "/ab", true, true),
            ("/a", "/a", false, false),
            ("/a", "/a/b", false, false),
            ("/a/b", "/a", false, true),
            ("/", "/a", false, false),
            ("/", "/a", true, false),
        ] {
            assert_eq!(check_places(source, target, moving).is_ok(), allowed, "{source} {target}");
        }
    }
}
