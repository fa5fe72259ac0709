//! Commands on access control lists and identities: getAcl, setAcl, addauth, whoami.

use serde_json::json;
use zabra_types::KeeperError;

use super::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::Shell;
use crate::shell::fault::{Fault, java_name, keeper_message};
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;
use crate::shell::walk::Walk;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "getAcl",
        usage: "[-s] path",
        about: "Show who may do what with a node",
        grammar: Grammar { options: &[Opt::flag("s", "stats")], ..Grammar::NONE },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: get_acl,
    },
    Command {
        name: "setAcl",
        usage: "[-s] [-v version] [-R] path acl",
        about: "Say who may do what with a node: scheme:id:perms,...",
        grammar: Grammar {
            options: &[
                Opt::flag("s", "stats"),
                Opt::valued("v", "VERSION", "version"),
                Opt::flag("R", "recursive"),
            ],
            destructive: true,
            ..Grammar::NONE
        },
        arguments: &[Argument::Path, Argument::Free],
        arguments_min: 2,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: set_acl,
    },
    Command {
        name: "addauth",
        usage: "scheme auth",
        about: "Add an identity to this session",
        grammar: Grammar::NONE,
        arguments: &[Argument::Word(&["digest", "ip", "x509", "sasl"]), Argument::Free],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: add_auth,
    },
    Command {
        name: "whoami",
        usage: "",
        about: "Show the identities of this session",
        grammar: Grammar::ANYTHING,
        arguments: &[],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: whoami,
    },
];

fn get_acl<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        path::check(path)?;
        let client = shell.client()?;
        let (acl, stat) = client.acl(path).await.map_err(|error| fault_of(&error, Some(path)))?;
        for entry in &acl {
            // An identity prints its own line end in the Java client.
            call.out.text(format!("'{},'{}\n: {}", entry.scheme, entry.id, entry.perms))?;
        }
        if call.has("s") {
            call.out.text(format::stat(&stat))?;
        }
        call.out
            .json(&json!({ "path": path, "acl": format::acl_json(&acl), "stat": format::stat_json(&stat) }))
    })
}

fn set_acl<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        let acl = format::parse_acl(call.argument(2), |line| call.out.note(line));
        let version = call.number::<i32>("v", "int")?.unwrap_or(-1);
        path::check(path)?;
        let client = shell.client()?;
        if call.has("R") || call.has("dry-run") {
            let recursive = call.has("R");
            if !recursive
                && client.exists(path).await.map_err(|error| fault_of(&error, Some(path)))?.is_none()
            {
                return Err(Fault::keeper(KeeperError::NoNode, Some(path)));
            }
            let mut paths = Walk::new(client.clone(), path, None).await?;
            let mut first = true;
            while let Some(node) = paths.next().await? {
                if !recursive && !std::mem::take(&mut first) {
                    break;
                }
                if call.has("dry-run") {
                    call.out
                        .either(format!("would set the ACL of {node}"), || json!({ "wouldSetAcl": node }))?;
                    continue;
                }
                let failure = if acl.is_empty() {
                    Some(keeper_message(java_name(KeeperError::InvalidAcl), None))
                } else {
                    let set = client.set_acl(&node, acl.clone()).version(version).await;
                    set.err().map(|error| match error.keeper() {
                        Some(refused) => keeper_message(java_name(refused), Some(&node)),
                        None => fault_of(&error, Some(&node)).text,
                    })
                };
                match failure {
                    // zkCli prints it as data, and glues it to whatever comes next.
                    Some(text) => call.out.either(text, || json!({ "path": node, "set": false }))?,
                    None => call.out.json(&json!({ "path": node, "set": true }))?,
                }
            }
            return Ok(());
        }
        if acl.is_empty() {
            return Err(Fault::keeper(KeeperError::InvalidAcl, None));
        }
        let stat =
            client.set_acl(path, acl).version(version).await.map_err(|error| fault_of(&error, Some(path)))?;
        if call.has("s") {
            call.out.text(format::stat(&stat))?;
        }
        call.out.json(&json!({ "path": path, "stat": format::stat_json(&stat) }))
    })
}

fn add_auth<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let (scheme, auth) = (call.argument(1), call.argument(2));
        if scheme == "digest" && auth.is_empty() {
            // zkCli sends it, and the server ends the session.
            return Err(Fault::new(call.command.usage_text()).at(2).hint("user:password"));
        }
        let client = shell.client()?;
        client.add_auth(scheme, auth.as_bytes()).await.map_err(|error| fault_of(&error, None))?;
        call.out.json(&json!({ "added": scheme }))
    })
}

fn whoami<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let client = shell.client()?;
        let identities = client.whoami().await.map_err(|error| fault_of(&error, None))?;
        call.out.text("Auth scheme: User")?;
        for identity in &identities {
            call.out.text(format!("{}: {}", identity.scheme, identity.user))?;
        }
        let all: Vec<_> = identities
            .iter()
            .map(|identity| json!({ "scheme": identity.scheme, "user": identity.user }))
            .collect();
        call.out.json(&json!({ "identities": all }))
    })
}
