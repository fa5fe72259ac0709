//! `import`: a subtree from a file.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;

use serde_json::json;
use zabra_client::Client;
use zabra_types::{KeeperError, validate_path};

use super::copy::moved;
use super::exchange::Document;
use super::progress::Progress;
use super::write::{NewNode, create_all};
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "import",
    usage: "[--skip|--overwrite] [--parents] [--dry-run] file [path]",
    about: "Create the nodes of an export, at their old place or below another path",
    grammar: Grammar {
        options: &[
            Opt::long("skip", "Leave nodes alone that are there"),
            Opt::long("overwrite", "Set data and ACL of nodes that are there"),
            Opt::long("parents", "Create the parents of the path"),
        ],
        destructive: true,
        ..Grammar::NONE
    },
    arguments: &[Argument::Free, Argument::Path],
    arguments_min: 1,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: import,
}];

/// How many requests of one kind are under way.
const AHEAD: usize = 256;

fn import<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let file = call.argument(1);
        if call.has("skip") && call.has("overwrite") {
            return Err(Fault::new("--skip and --overwrite exclude each other"));
        }
        if file == "-" && shell.reads_commands() {
            return Err(Fault::new("Standard input is where the commands come from").at(1));
        }
        let document = read(file)?;
        let target = call.optional(2).unwrap_or(&document.path).to_owned();
        path::check(&target)?;
        let Wanted { nodes, ephemerals } = wanted(&document, &target).map_err(|why| bad_file(file, &why))?;
        let client = shell.client()?;
        let there = which_exist(&client, &nodes).await?;
        let (old, new): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| there.contains_key(&node.path));
        // The root is always there.
        let in_the_way = old.iter().find(|node| node.path != "/");
        if let Some(first) = in_the_way.filter(|_| !call.has("skip") && !call.has("overwrite")) {
            let fault = Fault::keeper(KeeperError::NodeExists, Some(&first.path));
            return Err(
                fault.hint(format!("{} of the nodes are there already: --skip or --overwrite", old.len()))
            );
        }
        if ephemerals > 0 {
            call.out.note(format!("{ephemerals} ephemeral nodes are left out: their sessions are not these"));
        }
        let old = if call.has("overwrite") { old } else { Vec::new() };
        if call.has("dry-run") {
            for node in &new {
                call.out
                    .either(format!("would create {}", node.path), || json!({ "wouldCreate": node.path }))?;
            }
            for node in &old {
                call.out.either(format!("would set {}", node.path), || json!({ "wouldSet": node.path }))?;
            }
            return Ok(());
        }
        let parent = target.rsplit_once('/').map_or("", |(parent, _)| parent);
        if call.has("parents") && !parent.is_empty() {
            client.ensure_path(parent).await.map_err(|error| fault_of(&error, Some(parent)))?;
        }
        let progress = Progress::of(new.len() + old.len(), "importing");
        create_all(&client, &new, &progress).await.map_err(|fault| match fault.keeper {
            Some((KeeperError::NoNode, _)) if !parent.is_empty() => {
                fault.hint(format!("--parents creates {parent}"))
            }
            _ => fault,
        })?;
        set_all(&client, &old, &progress).await?;
        drop(progress);
        let text = match (new.len(), old.len()) {
            (created, 0) => format!("created {created} nodes below {target}"),
            (created, set) => format!("created {created} nodes and set {set} below {target}"),
        };
        call.out.either(
            text,
            || json!({ "created": new.len(), "set": old.len(), "leftOut": ephemerals, "path": target }),
        )
    })
}

fn read(file: &str) -> Result<Document, Fault> {
    let mut text = Vec::new();
    let read = match file {
        "-" => std::io::stdin().lock().read_to_end(&mut text),
        file => std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut text)),
    };
    read.map_err(|error| Fault::new(format!("cannot read {file}: {error}")).at(1))?;
    Document::read(&text).map_err(|why| bad_file(file, &why))
}

fn bad_file(file: &str, why: &str) -> Fault {
    Fault::new(format!("{file} is no export that can be used: {why}")).at(1)
}

#[derive(Debug)]
struct Wanted {
    /// Parents before children.
    nodes: Vec<NewNode>,
    ephemerals: usize,
}

/// The nodes that a file asks for, at their new places.
fn wanted(document: &Document, target: &str) -> Result<Wanted, String> {
    let root = &document.path;
    let mut nodes = BTreeMap::new();
    let mut ephemerals = 0;
    for saved in &document.nodes {
        let path = &saved.path;
        let wrong = |why: String| format!("{path}: {why}");
        validate_path(path).map_err(|error| wrong(error.to_string()))?;
        let is_below = path == root
            || root == "/"
            || path.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if !is_below {
            return Err(wrong(format!("it is not below {root}")));
        }
        if saved.ephemeral_owner.is_some() {
            ephemerals += 1;
            continue;
        }
        let node = NewNode {
            path: moved(path, root, target),
            data: saved.bytes().map_err(wrong)?.map(Into::into),
            acl: saved.acl().map_err(wrong)?,
            kind: saved.kind().map_err(wrong)?,
        };
        // Sorted by depth, then by name.
        let key = (node.path.matches('/').count() * usize::from(node.path != "/"), node.path.clone());
        if nodes.insert(key, node).is_some() {
            return Err(wrong("it is there twice".to_owned()));
        }
    }
    Ok(Wanted { nodes: nodes.into_values().collect(), ephemerals })
}

/// Those that are there already, with their versions.
async fn which_exist(client: &Client, nodes: &[NewNode]) -> Result<BTreeMap<String, i32>, Fault> {
    let mut there = BTreeMap::new();
    for nodes in nodes.chunks(AHEAD) {
        let asked: Vec<_> = nodes.iter().map(|node| (&node.path, client.exists(&node.path).send())).collect();
        for (path, answer) in asked {
            if let Some(stat) = answer.await.map_err(|error| fault_of(&error, Some(path)))? {
                there.insert(path.clone(), stat.version);
            }
        }
    }
    Ok(there)
}

/// Sets data and lists of nodes that are there.
async fn set_all(client: &Client, nodes: &[NewNode], progress: &Progress) -> Result<(), Fault> {
    let mut pending = VecDeque::new();
    let mut rest = nodes.iter();
    loop {
        let next = rest.next();
        if let Some(node) = next {
            let set = client.set(&node.path, node.data.clone().unwrap_or_default());
            let set = if node.data.is_none() { set.null() } else { set };
            pending.push_back((node, set.send(), client.set_acl(&node.path, node.acl.clone()).send()));
        }
        if next.is_none() || pending.len() == AHEAD {
            let Some((node, set, acl)) = pending.pop_front() else { return Ok(()) };
            let failed = |error| fault_of(&error, Some(&node.path));
            set.await.map_err(failed)?;
            acl.await.map_err(failed)?;
            progress.advance(1);
        }
    }
}
