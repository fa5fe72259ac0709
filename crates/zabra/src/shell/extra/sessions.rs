//! `sessions`: who is connected, and which ephemeral nodes are whose.

use std::collections::BTreeMap;

use serde_json::json;

use super::show::{self, Paint};
use super::subtree::{Step, Subtree, Want};
use crate::probe;
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::parse::{Grammar, Opt};

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "sessions",
    usage: "[--all] [session]",
    about: "Show the sessions and their ephemeral nodes",
    grammar: Grammar {
        options: &[Opt::long("all", "All nodes of each session, not the first 10")],
        ..Grammar::NONE
    },
    arguments: &[Argument::Free],
    arguments_min: 0,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: sessions,
}];

/// How many nodes of a session are shown.
const NODES_MAX: usize = 10;

/// What is known of a session.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    client: Option<String>,
    server: Option<String>,
    timeout_ms: Option<u64>,
    ephemerals: Vec<String>,
}

fn sessions<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let client = shell.client()?;
        let mut known: BTreeMap<i64, Known> = BTreeMap::new();
        let mut subtree = Subtree::new(client.clone(), "/", Want::default());
        while let Some(step) = subtree.next().await? {
            let Step::Node(node) = step else { continue };
            if node.stat.ephemeral_owner != 0 {
                known.entry(node.stat.ephemeral_owner).or_default().ephemerals.push(node.path);
            }
        }
        let mut silent = Vec::new();
        for server in servers(shell.server()) {
            match probe::answer_to(&server, "cons").await {
                Ok(answer) if answer.contains("not executed") => {
                    silent.push(format!("{server} does not answer cons: see 4lw.commands.whitelist"));
                }
                Ok(answer) => add_connections(&mut known, &server, &answer),
                Err(error) => silent.push(format!("{server}: {error}")),
            }
        }
        let own = client.session_id().raw();
        known.entry(own).or_default();
        if let Some(wanted) = call.optional(1) {
            let wanted = wanted.trim_start_matches("0x").to_lowercase();
            known.retain(|session, _| format!("{session:x}") == wanted);
            if known.is_empty() {
                return Err(Fault::new(format!("Nothing is known of the session 0x{wanted}")).at(1));
            }
        }
        for (session, known) in &known {
            print(call, *session, known, *session == own)?;
        }
        for line in &silent {
            call.out.note(format!("({line}; sessions without ephemeral nodes are missing)"));
        }
        Ok(())
    })
}

fn print(call: &Call, session: i64, known: &Known, own: bool) -> Result<(), Fault> {
    if call.out.is_json() {
        return call.out.json(&json!({
            "session": show::session(session),
            "client": known.client,
            "server": known.server,
            "timeoutMs": known.timeout_ms,
            "own": own,
            "ephemerals": known.ephemerals,
        }));
    }
    let paint = Paint::of(call);
    let mut details = Vec::new();
    details.extend(known.client.clone());
    details.extend(known.server.as_ref().map(|server| format!("at {server}")));
    details.extend(known.timeout_ms.map(|timeout| format!("time-out {timeout} ms")));
    details.extend(own.then(|| "this shell".to_owned()));
    let details =
        if details.is_empty() { String::new() } else { paint.dim(&format!("  ({})", details.join(", "))) };
    call.out.text(format!("{}{details}", paint.name(&show::session(session))))?;
    let shown = if call.has("all") { usize::MAX } else { NODES_MAX };
    for path in known.ephemerals.iter().take(shown) {
        call.out.text(format!("  {path}"))?;
    }
    match known.ephemerals.len().saturating_sub(shown) {
        0 => Ok(()),
        more => call.out.text(paint.dim(&format!("  … {more} more"))),
    }
}

/// The addresses in a connect string.
fn servers(connect: &str) -> Vec<String> {
    let hosts = connect.split('/').next().unwrap_or_default();
    let with_port = |host: &str| {
        let has_port = host.rsplit_once(':').is_some_and(|(before, port)| {
            port.parse::<u16>().is_ok() && (!before.contains(':') || before.ends_with(']'))
        });
        if has_port { host.to_owned() } else { format!("{host}:2181") }
    };
    hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).map(with_port).collect()
}

/// Reads the lines of `cons`: ` /127.0.0.1:5[1](queued=0,recved=1,sent=1,sid=0x1,lop=PING,est=1,to=30000,…)`.
fn add_connections(known: &mut BTreeMap<i64, Known>, server: &str, answer: &str) {
    for line in answer.lines() {
        let Some((address, fields)) = line.trim().trim_start_matches('/').split_once('[') else { continue };
        let value = |key: &str| {
            let fields = fields.split_once('(').map_or(fields, |(_, fields)| fields).trim_end_matches(')');
            fields.split(',').find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
        };
        let session = value("sid").and_then(|sid| u64::from_str_radix(sid.trim_start_matches("0x"), 16).ok());
        // Connections without a session have 0 or none: a question such as this one.
        let Some(session) = session.filter(|session| *session != 0) else { continue };
        let entry = known.entry(session.cast_signed()).or_default();
        entry.client = Some(address.to_owned());
        entry.server = Some(server.to_owned());
        entry.timeout_ms = value("to").and_then(|timeout| timeout.parse().ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_read() {
        let answer = " /127.0.0.1:41318[1](queued=0,recved=3,sent=3,sid=0x100003d0d970000,lop=PING,est=1795,to=30000,lcxid=0x1)\n \
                      /0:0:0:0:0:0:0:1:5[0](queued=0,recved=1,sent=0)\n\n";
        let mut known = BTreeMap::new();
        add_connections(&mut known, "a:1", answer);
        let expected = Known {
            client: Some("127.0.0.1:41318".to_owned()),
            server: Some("a:1".to_owned()),
            timeout_ms: Some(30_000),
            ephemerals: Vec::new(),
        };
        assert_eq!(known.into_iter().collect::<Vec<_>>(), [(0x0100_003d_0d97_0000, expected)]);
    }

    #[test]
    fn servers_are_those_of_the_connect_string() {
        assert_eq!(servers("a:1, b,[::1]:3/app"), ["a:1", "b:2181", "[::1]:3"]);
        assert_eq!(servers("[::1]/x"), ["[::1]:2181"]);
    }
}
