//! Commands that change one node: create, set, delete.

use std::time::Duration;

use serde_json::json;
use zabra_types::{Acl, CreateMode, KeeperError, Perms};

use super::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::Shell;
use crate::shell::fault::{Fault, keeper_message};
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "create",
        usage: "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
        about: "Create a node: -s sequential, -e ephemeral, -c container, -t living MS without change",
        grammar: Grammar {
            options: &[
                Opt::flag("e", "ephemeral"),
                Opt::flag("s", "sequential"),
                Opt::flag("c", "container"),
                Opt::valued("t", "MS", "ttl"),
            ],
            ..Grammar::NONE
        },
        arguments: &[Argument::Path, Argument::Free],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: create,
    },
    Command {
        name: "set",
        usage: "path data [-s] [-v version] [-b]",
        about: "Set the data of a node",
        grammar: Grammar {
            options: &[
                Opt::flag("s", "Print znode stats additionally"),
                Opt::valued("v", "VERSION", "Set with an expected version"),
                Opt::flag("b", "Supply data in base64 format"),
            ],
            destructive: true,
            ..Grammar::NONE
        },
        arguments: &[Argument::Path, Argument::Free],
        arguments_min: 2,
        origin: Origin::ZkCliWithOptions,
        session: Session::Needed,
        run: set,
    },
    Command {
        name: "delete",
        usage: "[-v version] path",
        about: "Delete a node without children",
        grammar: Grammar {
            options: &[Opt::valued("v", "VERSION", "version")],
            destructive: true,
            ..Grammar::NONE
        },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: delete,
    },
];

/// The longest life a node can be given, with extended types as servers have them (`EphemeralType.TTL`).
const TTL_MAX: i64 = 0xff_ffff_ffff;

fn create<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let (mode, ttl) = mode_of(call)?;
        let path = call.argument(1);
        let data = call.optional(2);
        let acl = match call.optional(3) {
            Some(text) => format::parse_acl(text, |line| call.out.note(line)),
            None => vec![Acl::world(Perms::ALL)],
        };
        if mode.is_sequential() { path::check_sequential(path) } else { path::check(path) }?;
        if acl.is_empty() {
            // The client refuses these, with no path.
            call.out.note(keeper_message("InvalidACL", None));
            return Err(Fault::keeper(KeeperError::InvalidAcl, None));
        }
        let client = shell.client()?;
        let mut request = client.create(path, data.unwrap_or_default()).mode(mode).acl(acl);
        if data.is_none() {
            request = request.null();
        }
        if let Some(ttl) = ttl {
            request = request.ttl(ttl);
        }
        match request.await {
            Ok(created) => {
                if mode.is_ephemeral() {
                    shell.note_ephemeral();
                }
                if !call.out.is_json() {
                    call.out.note(format!("Created {}", created.path));
                }
                call.out.json(&json!({ "created": created.path }))
            }
            Err(error) => {
                match error.keeper() {
                    Some(KeeperError::EphemeralOnLocalSession) => {
                        call.out.note("Unable to create ephemeral node on a local session");
                    }
                    Some(KeeperError::InvalidAcl) => call.out.note(keeper_message("InvalidACL", Some(path))),
                    _ => {}
                }
                Err(fault_of(&error, Some(path)))
            }
        }
    })
}

/// The kind of node the options ask for, and how long it is to live.
fn mode_of(call: &Call) -> Result<(CreateMode, Option<Duration>), Fault> {
    let (ephemeral, sequential, container) = (call.has("e"), call.has("s"), call.has("c"));
    if container && (ephemeral || sequential) {
        return Err(Fault::new(
            "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.",
        ));
    }
    let ttl: Option<i64> = call
        .number("t", "long")
        .map_err(|fault| Fault { text: "-t argument must be a long value".to_owned(), ..fault })?;
    if ttl.is_some() && ephemeral {
        return Err(Fault::new("TTLs cannot be used with Ephemeral znodes"));
    }
    if ttl.is_some() && container {
        return Err(Fault::new("TTLs cannot be used with Container znodes"));
    }
    let mode = match (ephemeral, sequential, container, ttl.is_some()) {
        (true, true, ..) => CreateMode::EphemeralSequential,
        (true, false, ..) => CreateMode::Ephemeral,
        (false, true, _, true) => CreateMode::PersistentSequentialWithTtl,
        (false, true, _, false) => CreateMode::PersistentSequential,
        (false, false, true, _) => CreateMode::Container,
        (false, false, false, true) => CreateMode::PersistentWithTtl,
        (false, false, false, false) => CreateMode::Persistent,
    };
    let Some(ttl) = ttl else { return Ok((mode, None)) };
    if !(1..=TTL_MAX).contains(&ttl) {
        return Err(Fault::new(format!("ttl must be positive and cannot be larger than: {TTL_MAX}")));
    }
    Ok((mode, Some(Duration::from_millis(ttl.unsigned_abs()))))
}

fn set<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let (path, data) = (call.argument(1), call.argument(2));
        let data = if call.has("b") {
            format::from_base64(data)
                .map_err(|error| Fault::new(format!("the data is no base64: {error}")).at(2))?
        } else {
            data.as_bytes().to_vec()
        };
        let version = call.number::<i32>("v", "int")?.unwrap_or(-1);
        path::check(path)?;
        let client = shell.client()?;
        let failed = |error| fault_of(&error, Some(path));
        if call.has("dry-run") {
            let stat = existing(&client, path, version).await?;
            return call.out.either(
                format!("would set {path} from {} to {} bytes", stat.data_length, data.len()),
                || json!({ "wouldSet": path, "dataLength": data.len(), "stat": format::stat_json(&stat) }),
            );
        }
        let stat = client.set(path, data).version(version).await.map_err(failed)?;
        if call.has("s") {
            call.out.text(format::stat(&stat))?;
        }
        call.out.json(&json!({ "path": path, "stat": format::stat_json(&stat) }))
    })
}

fn delete<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        if call.optional(2).is_some() {
            call.out.note(
                "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.",
            );
        }
        let path = call.argument(1);
        let version = call.number::<i32>("v", "int")?.unwrap_or(-1);
        path::check(path)?;
        let client = shell.client()?;
        if call.has("dry-run") {
            let stat = existing(&client, path, version).await?;
            if stat.num_children > 0 {
                return Err(Fault::keeper(KeeperError::NotEmpty, Some(path)));
            }
            return call.out.either(
                format!("would delete {path}"),
                || json!({ "wouldDelete": path, "stat": format::stat_json(&stat) }),
            );
        }
        client.delete(path).version(version).await.map_err(|error| fault_of(&error, Some(path)))?;
        call.out.json(&json!({ "deleted": path }))
    })
}

/// The Stat of a node that a change with this version would succeed on, as far as one can tell.
async fn existing(
    client: &zabra_client::Client,
    path: &str,
    version: i32,
) -> Result<zabra_types::Stat, Fault> {
    let stat = client.exists(path).await.map_err(|error| fault_of(&error, Some(path)))?;
    let stat = stat.ok_or_else(|| Fault::keeper(KeeperError::NoNode, Some(path)))?;
    if version != -1 && version != stat.version {
        return Err(Fault::keeper(KeeperError::BadVersion, Some(path)));
    }
    Ok(stat)
}
