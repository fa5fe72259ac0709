//! Commands on the configuration of the ensemble: config, reconfig.

use serde_json::json;
use zabra_server::config::properties::Properties;

use super::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::Shell;
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::session::fault_of;
use crate::shell::watches::Kind;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "config",
        usage: "[-c] [-w] [-s]",
        about: "Show the servers of the ensemble; -c as a connect string",
        grammar: Grammar {
            options: &[
                Opt::flag("s", "stats"),
                Opt::flag("w", "watch"),
                Opt::flag("c", "client connection string"),
            ],
            ..Grammar::NONE
        },
        arguments: &[],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: config,
    },
    Command {
        name: "reconfig",
        usage: "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | [-add \
                serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
        about: "Change the servers of the ensemble",
        grammar: Grammar {
            options: &[
                Opt::flag("s", "stats"),
                Opt::valued("v", "VERSION", "required current config version"),
                Opt::valued("file", "FILE", "path of config file to parse for membership"),
                Opt::valued(
                    "members",
                    "LIST",
                    "comma-separated list of config strings for non-incremental reconfig",
                ),
                Opt::valued("add", "LIST", "comma-separated list of config strings for new servers"),
                Opt::valued("remove", "LIST", "comma-separated list of server IDs to remove"),
            ],
            ..Grammar::NONE
        },
        arguments: &[Argument::Free],
        arguments_min: 0,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: reconfig,
    },
];

fn config<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let client = shell.client()?;
        let failed = |error| fault_of(&error, Some("/zookeeper/config"));
        let (data, stat) = if call.has("w") {
            let (read, watch) = client.config().watch().await.map_err(failed)?;
            shell.watches.once("/zookeeper/config", Kind::Data, watch);
            read
        } else {
            client.config().await.map_err(failed)?
        };
        let text = String::from_utf8_lossy(&data);
        call.out.text(if call.has("c") { connect_string(&text) } else { text.clone().into_owned() })?;
        if call.has("s") {
            call.out.text(format::stat(&stat))?;
        }
        call.out.json(&json!({
            "config": text,
            "client": connect_string(&text).trim(),
            "stat": format::stat_json(&stat),
        }))
    })
}

/// The version, a space, and the addresses for clients (`ConfigUtils.getClientConfigStr`), in the order of the text.
fn connect_string(config: &str) -> String {
    let mut version = "";
    let mut servers = Vec::new();
    for line in config.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key.trim() {
            "version" => version = value.trim(),
            key if key.starts_with("server.") => servers.push(client_address(value.trim())),
            _ => {}
        }
    }
    format!("{version} {}", servers.join(","))
}

/// The part behind the semicolon; any address if there is only a port, nothing if there is no such part.
fn client_address(server: &str) -> String {
    match server.rsplit_once(';') {
        None => String::new(),
        Some((_, address)) if address.contains(':') => address.to_owned(),
        Some((_, port)) => format!("0.0.0.0:{port}"),
    }
}

/// What a reconfiguration changes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    joining: Option<String>,
    leaving: Option<String>,
    members: Option<String>,
    version: Option<i64>,
}

fn change_of(call: &Call) -> Result<Change, Fault> {
    let value = |name: &str| call.parsed.value(name);
    let (whole, part) = (call.has("file") || call.has("members"), call.has("add") || call.has("remove"));
    if !whole && !part {
        return Err(Fault::new(call.command.usage_text()));
    }
    let version = match value("v") {
        None => None,
        Some(version) => Some(
            i64::from_str_radix(version, 16)
                .map_err(|_| Fault::new("-v must be followed by a long (configuration version)"))?,
        ),
    };
    if whole && part {
        return Err(Fault::new(
            "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes \
             is not allowed)",
        ));
    }
    if call.has("file") && call.has("members") {
        return Err(Fault::new("Can't use -file and -members together (conflicting non-incremental modes)"));
    }
    let members = match value("file") {
        Some(file) => Some(members_of(file)?),
        None => value("members").map(str::to_lowercase),
    };
    Ok(Change {
        joining: value("add").map(str::to_lowercase),
        leaving: value("remove").map(str::to_lowercase),
        members,
        version,
    })
}

/// The servers, groups and weights of a file. The leader judges them.
fn members_of(file: &str) -> Result<String, Fault> {
    let failed = |why: String| Fault::new(format!("Error processing {file}: {why}"));
    let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    let properties = Properties::parse(&bytes)
        .map_err(|malformed| failed(malformed.first().map_or_else(String::new, ToString::to_string)))?;
    let mut lines = Vec::new();
    for (entry, _) in properties.effective() {
        if ["server.", "group.", "weight."].iter().any(|kind| entry.key.starts_with(kind)) {
            lines.push(format!("{}={}", entry.key, entry.value));
        } else if entry.key != "version" {
            return Err(failed(format!("Unrecognised parameter: {}", entry.key)));
        }
    }
    if lines.is_empty() {
        return Err(failed("it names no servers".to_owned()));
    }
    Ok(lines.join("\n"))
}

fn reconfig<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let change = change_of(call)?;
        let client = shell.client()?;
        let mut request = client.reconfig();
        if let Some(joining) = change.joining {
            request = request.joining(joining);
        }
        if let Some(leaving) = change.leaving {
            request = request.leaving(leaving);
        }
        if let Some(members) = change.members {
            request = request.members(members);
        }
        if let Some(version) = change.version {
            request = request.version(version);
        }
        let (config, stat) = request.await.map_err(|error| fault_of(&error, Some("")))?;
        let text = String::from_utf8_lossy(&config);
        call.out.text(format!("Committed new configuration:\n{text}"))?;
        if call.has("s") {
            call.out.text(format::stat(&stat))?;
        }
        call.out.json(&json!({ "config": text, "stat": format::stat_json(&stat) }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_strings_name_clients_addresses() {
        let config = "server.1=a:1:2:participant;10.0.0.1:2181\nserver.2=b:1:2:observer;2182\nserver.3=c:1:2\nversion=1a";
        assert_eq!(connect_string(config), "1a 10.0.0.1:2181,0.0.0.0:2182,");
        assert_eq!(connect_string(""), " ");
    }
}
