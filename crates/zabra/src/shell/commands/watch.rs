//! Commands on watches: addWatch, removewatches, printwatches.

use serde_json::json;
use zabra_types::{AddWatchMode, WatcherType};

use super::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::Shell;
use crate::shell::fault::Fault;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "addWatch",
        usage: "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is \
                PERSISTENT_RECURSIVE",
        about: "Show every change of a node, and of all below it unless -m PERSISTENT",
        grammar: Grammar { options: &[Opt::valued("m", "MODE", "")], ..Grammar::NONE },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: add_watch,
    },
    Command {
        name: "removewatches",
        usage: "path [-c|-d|-a] [-l]",
        about: "Remove watches: -c of children, -d of data, -p persistent, -r persistent recursive, or all",
        grammar: Grammar {
            options: &[
                Opt::flag("c", "child watcher type"),
                Opt::flag("d", "data watcher type"),
                Opt::flag("p", "persistent watcher type"),
                Opt::flag("r", "persistent recursive watcher type"),
                Opt::flag("a", "any watcher type"),
                Opt::flag("l", "remove locally when there is no server connection"),
            ],
            ..Grammar::NONE
        },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: remove_watches,
    },
    Command {
        name: "printwatches",
        usage: "on|off",
        about: "Show events, or do not",
        grammar: Grammar::ANYTHING,
        arguments: &[Argument::Word(&["on", "off"])],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Reported,
        run: print_watches,
    },
];

fn add_watch<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let mode = match call.parsed.value("m").map(str::to_uppercase).as_deref() {
            None | Some("PERSISTENT_RECURSIVE") => AddWatchMode::PersistentRecursive,
            Some("PERSISTENT") => AddWatchMode::Persistent,
            Some(_) => {
                let fault =
                    Fault { place: call.parsed.place("m").into(), ..Fault::new(call.command.usage_text()) };
                return Err(fault.hint("PERSISTENT or PERSISTENT_RECURSIVE"));
            }
        };
        if call.optional(2).is_some() {
            return Err(Fault::new(call.command.usage_text()));
        }
        let path = call.argument(1);
        path::check(path)?;
        let client = shell.client()?;
        let events = client.add_watch(path, mode).await.map_err(|error| fault_of(&error, Some(path)))?;
        shell.watches.lasting(events);
        call.out.json(&json!({ "watched": path, "recursive": mode == AddWatchMode::PersistentRecursive }))
    })
}

fn remove_watches<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        let kinds = [
            ("c", WatcherType::Children),
            ("d", WatcherType::Data),
            ("p", WatcherType::Persistent),
            ("r", WatcherType::PersistentRecursive),
        ];
        let chosen = kinds.into_iter().find(|(option, _)| call.has(option));
        let kind = chosen.map_or(WatcherType::Any, |(_, kind)| kind);
        path::check(path)?;
        let client = shell.client()?;
        client.remove_watches(path, kind).await.map_err(|error| fault_of(&error, Some(path)))?;
        call.out.json(&json!({ "path": path, "removed": true }))
    })
}

fn print_watches<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        match call.optional(1) {
            Some(word) => shell.watches.print(word == "on"),
            None => {
                let on = shell.watches.printed();
                call.out.text(format!("printwatches is {}", if on { "on" } else { "off" }))?;
            }
        }
        call.out.json(&json!({ "printwatches": shell.watches.printed() }))
    })
}
