//! `export`: a subtree to a file.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use zabra_types::{EphemeralOwner, SessionId};

use super::exchange::{TAIL, head, is_system, node_line};
use super::progress::Progress;
use super::show;
use super::subtree::{Node, Step, Subtree, Want};
use crate::java_time;
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::output::Out;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "export",
    usage: "[--force] path [file]",
    about: "Write a node and everything below it as JSON, to a file or to standard output",
    grammar: Grammar { options: &[Opt::long("force", "Replace the file if it is there")], ..Grammar::NONE },
    arguments: &[Argument::Path, Argument::Free],
    arguments_min: 1,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: export,
}];

fn export<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let root = call.argument(1);
        path::check(root)?;
        let file = call.optional(2).filter(|file| *file != "-").map(PathBuf::from);
        let mut sink = match &file {
            Some(file) => Sink::file(file, call.has("force"))?,
            None => Sink::Screen(call.out.clone()),
        };
        let want = Want { data: true, acl: true, ..Want::default() };
        let client = shell.client()?;
        let progress = Progress::below(&client, root, "exporting").await;
        let mut subtree = Subtree::new(client, root, want);
        sink.line(&head(root, &java_time::iso(show::now())))?;
        let mut nodes = 0_u64;
        while let Some(step) = subtree.next().await? {
            let Step::Node(node) = step else { continue };
            if is_system(&node.path, root) {
                continue;
            }
            if let Some(error) = &node.refused {
                return Err(fault_of(error, Some(&node.path)).hint("`addauth` proves who you are"));
            }
            // The comma belongs to the line before, whose end is written with the next.
            sink.put(if nodes == 0 { "" } else { ",\n" })?;
            sink.put(&line(&node))?;
            nodes += 1;
            progress.advance(1);
        }
        sink.put("\n")?;
        sink.line(TAIL)?;
        sink.finish()?;
        drop(progress);
        match &file {
            Some(file) => call.out.either(
                format!("exported {nodes} nodes to {}", file.display()),
                || json!({ "exported": nodes, "file": file.display().to_string() }),
            ),
            None => Ok(()),
        }
    })
}

fn line(node: &Node) -> String {
    let owner = match node.stat.ephemeral_owner {
        0 => EphemeralOwner::Persistent,
        owner => EphemeralOwner::Session(SessionId::from_raw(owner)),
    };
    node_line(&node.path, node.data.as_deref(), &node.acl, &node.stat, owner)
}

/// Where it goes.
#[derive(Debug)]
enum Sink {
    /// Standard output, which a program reads whatever `--json` says.
    Screen(Out),
    /// A file beside the one wanted, until it is whole.
    File { out: BufWriter<File>, unfinished: Unfinished, target: PathBuf },
}

/// Removed unless it was finished.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already when it was finished.
        let _ = fs::remove_file(&self.0);
    }
}

impl Sink {
    fn file(target: &Path, force: bool) -> Result<Self, Fault> {
        if target.exists() && !force {
            return Err(Fault::new(format!("{} is there already", target.display()))
                .at(2)
                .hint("--force replaces it"));
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = target.with_file_name(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&part);
        let file =
            file.map_err(|error| Fault::new(format!("cannot write {}: {error}", part.display())).at(2))?;
        Ok(Self::File { out: BufWriter::new(file), unfinished: Unfinished(part), target: target.to_owned() })
    }

    fn put(&mut self, text: &str) -> Result<(), Fault> {
        match self {
            Self::Screen(out) => out.screen().begin(text),
            Self::File { out, target, .. } => {
                out.write_all(text.as_bytes()).map_err(|error| unwritable(target, &error))
            }
        }
    }

    fn line(&mut self, text: &str) -> Result<(), Fault> {
        self.put(text)?;
        self.put("\n")
    }

    fn finish(self) -> Result<(), Fault> {
        let Self::File { out, unfinished, target } = self else { return Ok(()) };
        let file = out.into_inner().map_err(|error| unwritable(&target, error.error()))?;
        let renamed = file.sync_all().and_then(|()| fs::rename(&unfinished.0, &target));
        renamed.map_err(|error| unwritable(&target, &error))
    }
}

fn unwritable(file: &Path, error: &std::io::Error) -> Fault {
    Fault::new(format!("cannot write {}: {error}", file.display()))
}
