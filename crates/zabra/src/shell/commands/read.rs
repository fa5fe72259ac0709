//! Commands that look: get, ls, stat, sync, getAllChildrenNumber, getEphemerals.

use serde_json::json;
use zabra_client::Error;
use zabra_types::KeeperError;

use super::{Argument, Call, Command, Origin, Running, Session, options_text};
use crate::shell::Shell;
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;
use crate::shell::walk::Walk;
use crate::shell::watches::Kind;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        usage: "[-s] [-w] [-b] [-x] path",
        about: "Show the data of a node",
        grammar: Grammar {
            options: &[
                Opt::flag("s", "Print znode stats additionally"),
                Opt::flag("w", "Watch for changes on the znode"),
                Opt::flag("b", "Output data in base64 format"),
                Opt::flag("x", "Output data in hexdump format"),
            ],
            ..Grammar::NONE
        },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCliWithOptions,
        session: Session::Needed,
        run: get,
    },
    Command {
        name: "ls",
        usage: "[-s] [-w] [-R] path",
        about: "List the children of a node, or with -R everything below it",
        grammar: LS,
        arguments: &[Argument::Path],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: ls,
    },
    Command {
        name: "ls2",
        usage: "path [watch]",
        about: "Former name of ls -s",
        grammar: Grammar::NONE,
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::OtherZkCli,
        session: Session::Needed,
        run: ls2,
    },
    Command {
        name: "stat",
        usage: "[-w] path",
        about: "Show the Stat of a node",
        grammar: Grammar { options: &[Opt::flag("w", "watch")], ..Grammar::NONE },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: stat,
    },
    Command {
        name: "sync",
        usage: "path",
        about: "Have the server catch up with the leader",
        grammar: Grammar::NONE,
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: sync,
    },
    Command {
        name: "getAllChildrenNumber",
        usage: "path",
        about: "Count all nodes below a node",
        grammar: Grammar::NONE,
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: all_children_number,
    },
    Command {
        name: "getEphemerals",
        usage: "path",
        about: "List the ephemeral nodes of this session, all of them or those below a path",
        grammar: Grammar::NONE,
        arguments: &[Argument::Path],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: ephemerals,
    },
];

const LS: Grammar = Grammar {
    options: &[
        Opt::flag("?", "help"),
        Opt::flag("s", "stat"),
        Opt::flag("w", "watch"),
        Opt::flag("R", "recurse"),
    ],
    ..Grammar::NONE
};

/// Says that a word stood where an option belongs.
fn tell_legacy(call: &Call, old: &str, new: &str) {
    if call.parsed.legacy {
        call.out.note(format!("'{old} path [watch]' has been deprecated. Please use '{new}' instead."));
    }
}

fn get<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        tell_legacy(call, "get", "get [-s] [-w] path");
        let path = call.argument(1);
        path::check(path)?;
        let client = shell.client()?;
        let (data, stat) = if call.has("w") {
            let (read, watch) =
                client.get(path).or_null().watch().await.map_err(|error| fault_of(&error, Some(path)))?;
            shell.watches.once(path, Kind::Data, watch);
            read
        } else {
            client.get(path).or_null().await.map_err(|error| fault_of(&error, Some(path)))?
        };
        if call.out.is_json() {
            let mut object = json!({ "path": path, "stat": format::stat_json(&stat) });
            format::put_data(&mut object, data.as_deref());
            return call.out.json(&object);
        }
        let data = data.as_deref().unwrap_or(b"null");
        call.out.text(if call.has("x") {
            format::hex_dump(data)
        } else if call.has("b") {
            format::base64(data)
        } else {
            String::from_utf8_lossy(data).into_owned()
        })?;
        if call.has("s") { call.out.text(format::stat(&stat)) } else { Ok(()) }
    })
}

fn ls<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        if call.has("?") {
            call.out.text(format!("usage: ls [options] path\n{}", options_text(LS.options)))?;
        }
        tell_legacy(call, "ls", "ls [-w] path");
        let Some(path) = call.optional(1) else {
            let fault = Fault::new(call.command.usage_text()).at(usize::MAX);
            return Err(fault.hint("a path is missing here"));
        };
        path::check(path)?;
        if call.has("R") { ls_recursive(shell, call, path).await } else { ls_one(shell, call, path).await }
    })
}

fn ls2<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        call.out.note("'ls2' has been deprecated. Please use 'ls [-s] path' instead.");
        let path = call.argument(1);
        path::check(path)?;
        ls_one(shell, call, path).await
    })
}

async fn ls_one(shell: &mut Shell, call: &Call, path: &str) -> Result<(), Fault> {
    let client = shell.client()?;
    let failed = |error| fault_of(&error, Some(path));
    let (old_form, watching) = (call.command.name == "ls2", call.has("w"));
    let (children, stat) = if watching || (old_form && call.optional(2).is_some()) {
        let (read, watch) = client.children_stat(path).watch().await.map_err(failed)?;
        shell.watches.once(path, Kind::Child, watch);
        read
    } else {
        client.children_stat(path).await.map_err(failed)?
    };
    call.out.either(
        format!("[{}]", children.join(", ")),
        || json!({ "path": path, "children": children, "stat": format::stat_json(&stat) }),
    )?;
    if call.has("s") || old_form { call.out.text(format::stat(&stat)) } else { Ok(()) }
}

async fn ls_recursive(shell: &mut Shell, call: &Call, path: &str) -> Result<(), Fault> {
    let client = shell.client()?;
    let watches = call.has("w").then(|| shell.watches.clone());
    let mut walk = Walk::new(client, path, watches).await?;
    while let Some(node) = walk.next().await? {
        call.out.either(&node, || json!({ "path": node }))?;
    }
    Ok(())
}

fn stat<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        tell_legacy(call, "stat", "stat [-w] path");
        let path = call.argument(1);
        path::check(path)?;
        let client = shell.client()?;
        let failed = |error| fault_of(&error, Some(path));
        let stat = if call.has("w") {
            let (stat, watch) = client.exists(path).watch().await.map_err(failed)?;
            shell.watches.once(path, Kind::Data, watch);
            stat
        } else {
            client.exists(path).await.map_err(failed)?
        };
        let stat = stat.ok_or_else(|| Fault::keeper(KeeperError::NoNode, Some(path)))?;
        call.out.either(format::stat(&stat), || json!({ "path": path, "stat": format::stat_json(&stat) }))
    })
}

fn sync<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        path::check(path)?;
        let client = shell.client()?;
        match client.sync(path).await {
            Ok(()) => call.out.either("Sync is OK", || json!({ "path": path, "synced": true })),
            Err(error) => {
                let Some((code, name)) = code_of(&error) else { return Err(fault_of(&error, Some(path))) };
                call.out.either(
                    format!("Sync has failed. rc={code}"),
                    || json!({ "path": path, "synced": false, "code": code, "name": name }),
                )
            }
        }
    })
}

/// The code the Java client gives for a failure, and its name.
fn code_of(error: &Error) -> Option<(i32, &'static str)> {
    match error {
        // Codes of the client, which no server sends.
        Error::ConnectionLost { .. } => Some((-4, "ConnectionLoss")),
        Error::SessionExpired { .. } | Error::SessionClosed { .. } => {
            Some((KeeperError::SessionExpired.code(), KeeperError::SessionExpired.name()))
        }
        other => other.keeper().map(|refused| (refused.code(), refused.name())),
    }
}

fn all_children_number<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        path::check(path)?;
        let client = shell.client()?;
        let number = client.all_children_number(path).await.map_err(|error| fault_of(&error, Some(path)))?;
        call.out.either(number, || json!({ "path": path, "allChildrenNumber": number }))
    })
}

fn ephemerals<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.optional(1).unwrap_or("/");
        path::check(path)?;
        let client = shell.client()?;
        let mut paths = client.ephemerals(path).await.map_err(|error| fault_of(&error, Some(path)))?;
        paths.sort();
        call.out.either(format!("[{}]", paths.join(", ")), || json!({ "path": path, "ephemerals": paths }))
    })
}
