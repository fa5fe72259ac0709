//! Commands on quotas: setquota, listquota, delquota.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::json;
use zabra_client::Client;
use zabra_types::KeeperError;

use super::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::Shell;
use crate::shell::fault::Fault;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;
use crate::shell::walk::Walk;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "setquota",
        usage: "-n|-b|-N|-B val path",
        about: "Limit a subtree: -n nodes, -b bytes, in capitals as hard limits",
        grammar: Grammar {
            options: &[
                Opt::valued("n", "COUNT", "num soft quota"),
                Opt::valued("b", "BYTES", "bytes soft quota"),
                Opt::valued("N", "COUNT", "num hard quota"),
                Opt::valued("B", "BYTES", "bytes hard quota"),
            ],
            exclusive: true,
            required: true,
            ..Grammar::NONE
        },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: set_quota,
    },
    Command {
        name: "listquota",
        usage: "path",
        about: "Show the limits of a subtree and how much of them is used",
        grammar: Grammar::NONE,
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: list_quota,
    },
    Command {
        name: "delquota",
        usage: "[-n|-b|-N|-B] path",
        about: "Lift the limits of a subtree, all of them or one kind",
        grammar: Grammar {
            options: &[
                Opt::flag("n", "num soft quota"),
                Opt::flag("b", "bytes soft quota"),
                Opt::flag("N", "num hard quota"),
                Opt::flag("B", "bytes hard quota"),
            ],
            exclusive: true,
            destructive: true,
            ..Grammar::NONE
        },
        arguments: &[Argument::Path],
        arguments_min: 1,
        origin: Origin::ZkCli,
        session: Session::Needed,
        run: delete_quota,
    },
];

const QUOTAS: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

const COUNT: &str = "count";
const BYTES: &str = "bytes";
const COUNT_HARD: &str = "countHardLimit";
const BYTES_HARD: &str = "byteHardLimit";

/// Limits or use of a subtree, as the data of their nodes (`StatsTrack`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Track(BTreeMap<String, i64>);

impl Track {
    fn parse(data: &[u8]) -> Result<Self, Fault> {
        let text = String::from_utf8_lossy(data);
        let mut values = BTreeMap::new();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            // The number of bytes is followed by one more `=`, for the sake of old readers.
            let mut parts = pair.split('=');
            let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let value = if value.is_empty() { Ok(-1) } else { value.parse() };
            let value = value.map_err(|_| Fault::new(format!("this is no quota: {text}")))?;
            values.insert(key.to_owned(), value);
        }
        Ok(Self(values))
    }

    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    fn set(&mut self, key: &str, value: i64) {
        self.0.insert(key.to_owned(), value);
    }

    fn json(&self) -> serde_json::Value {
        self.0
            .iter()
            .map(|(key, value)| (key.clone(), (*value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{COUNT}={},{BYTES}={}", self.get(COUNT), self.get(BYTES))?;
        let others: Vec<_> =
            self.0.iter().filter(|(key, _)| ![COUNT, BYTES].contains(&key.as_str())).collect();
        if !others.is_empty() {
            f.write_str("=")?;
        }
        others.iter().try_for_each(|(key, value)| write!(f, ";{key}={value}"))
    }
}

fn set_quota<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        // zkCli ends these three well, although nothing was done.
        if path.starts_with(QUOTAS) {
            call.out.note(format!("cannot set a quota under the path: {QUOTAS}"));
            return call.out.json(&json!({ "path": path, "set": false }));
        }
        let (key, value) = match limit(call) {
            Ok(limit) => limit,
            Err(text) => {
                call.out.note(text);
                return call.out.json(&json!({ "path": path, "set": false }));
            }
        };
        path::check(path)?;
        let client = shell.client()?;
        if client.exists(path).await.map_err(|error| fault_of(&error, Some(path)))?.is_none() {
            return Err(Fault::new(format!("{path} does not exist.")));
        }
        refuse_below(&client, path).await?;
        refuse_above(&client, path).await?;
        let (limits, used) = store(&client, path, key, value).await?;
        warn(call, &limits, &used)?;
        call.out.json(&json!({ "path": path, "set": true, "quota": limits.json(), "used": used.json() }))
    })
}

/// The one limit that the options name.
fn limit(call: &Call) -> Result<(&'static str, i64), &'static str> {
    const NO_NUMBER: &str = "NumberFormatException happens when parsing the option value";
    for (option, key, count) in
        [("n", COUNT, true), ("b", BYTES, false), ("N", COUNT_HARD, true), ("B", BYTES_HARD, false)]
    {
        let Some(text) = call.parsed.value(option) else { continue };
        if count {
            let value: i32 = text.parse().map_err(|_| NO_NUMBER)?;
            let positive = (value > 0).then_some((key, value.into()));
            return positive.ok_or("the num quota must be greater than zero");
        }
        let value: i64 = text.parse().map_err(|_| NO_NUMBER)?;
        return (value >= 0)
            .then_some((key, value))
            .ok_or("the bytes quota must be greater than or equal to zero");
    }
    Err(NO_NUMBER)
}

/// No subtree with a quota may lie in another one.
async fn refuse_below(client: &Client, path: &str) -> Result<(), Fault> {
    let own = format!("{QUOTAS}{path}");
    if client.exists(&own).await.map_err(|error| fault_of(&error, Some(&own)))?.is_none() {
        return Ok(());
    }
    let mut walk = Walk::new(client.clone(), &own, None).await?;
    while let Some(node) = walk.next().await? {
        let Some(limited) = node.strip_suffix(LIMITS).and_then(|node| node.strip_suffix('/')) else {
            continue;
        };
        if limited != own {
            let below = &limited[QUOTAS.len()..];
            return Err(Fault::new(format!("{path} has a child {below} which has a quota")));
        }
    }
    Ok(())
}

async fn refuse_above(client: &Client, path: &str) -> Result<(), Fault> {
    let ends = path.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at);
    for above in ends.map(|at| &path[..at]) {
        let limits = format!("{QUOTAS}{above}/{LIMITS}");
        if client.exists(&limits).await.map_err(|error| fault_of(&error, Some(&limits)))?.is_some() {
            return Err(Fault::new(format!("{path} has a parent {above} which has a quota")));
        }
    }
    Ok(())
}

/// Writes the limit beside those there are; gives all limits and what is used of them.
async fn store(client: &Client, path: &str, key: &str, value: i64) -> Result<(Track, Track), Fault> {
    let parent = if path == "/" { QUOTAS.to_owned() } else { format!("{QUOTAS}{path}") };
    let (limits_path, stats_path) = (format!("{parent}/{LIMITS}"), format!("{parent}/{STATS}"));
    let failed = |path: &str| {
        let path = path.to_owned();
        move |error: zabra_client::Error| fault_of(&error, Some(&path))
    };
    make(client, &parent).await?;
    let there = match client.get(&limits_path).await {
        Ok((data, _)) => Some(Track::parse(&data)?),
        Err(error) if error.is_no_node() => None,
        Err(error) => return Err(failed(&limits_path)(error)),
    };
    if let Some(mut limits) = there {
        limits.set(key, value);
        let (data, _) = client.get(&stats_path).await.map_err(failed(&stats_path))?;
        let used = Track::parse(&data)?;
        client.set(&limits_path, limits.to_string()).await.map_err(failed(&limits_path))?;
        return Ok((limits, used));
    }
    let mut limits = Track::default();
    for none in [COUNT, BYTES, COUNT_HARD, BYTES_HARD] {
        limits.set(none, -1);
    }
    limits.set(key, value);
    client.create(&limits_path, limits.to_string()).await.map_err(failed(&limits_path))?;
    let mut nothing = Track::default();
    nothing.set(COUNT, 0);
    nothing.set(BYTES, 0);
    client.create(&stats_path, nothing.to_string()).await.map_err(failed(&stats_path))?;
    // The server has counted by now.
    let (data, _) = client.get(&stats_path).await.map_err(failed(&stats_path))?;
    Ok((limits, Track::parse(&data)?))
}

/// Creates what is missing of a path, one node after the other, and only what is missing: a create that is refused is a
/// transaction, too.
async fn make(client: &Client, path: &str) -> Result<(), Fault> {
    let ends = path.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at).chain([path.len()]);
    for node in ends.map(|at| &path[..at]) {
        let failed = |error| fault_of(&error, Some(node));
        if client.exists(node).await.map_err(failed)?.is_none() {
            match client.create(node, "").null().await {
                Err(error) if !error.is_node_exists() => return Err(failed(error)),
                _ => {}
            }
        }
    }
    Ok(())
}

fn warn(call: &Call, limits: &Track, used: &Track) -> Result<(), Fault> {
    for (what, soft, hard) in [(COUNT, COUNT, COUNT_HARD), (BYTES, BYTES, BYTES_HARD)] {
        let now = used.get(what);
        if [soft, hard].iter().any(|limit| limits.get(limit) > -1 && limits.get(limit) < now) {
            call.out.text(format!(
                "[Warning]: the {what} quota you create is less than the existing {what}:{now}"
            ))?;
        }
    }
    Ok(())
}

fn list_quota<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        let limits_path = format!("{QUOTAS}{path}/{LIMITS}");
        call.out.note(format!("absolute path is {limits_path}"));
        path::check(&limits_path)?;
        let client = shell.client()?;
        let mut tracks = Vec::new();
        for of in [limits_path, format!("{QUOTAS}{path}/{STATS}")] {
            match client.get(&of).await {
                Ok((data, _)) => tracks.push(Track::parse(&data)?),
                Err(error) if error.is_no_node() => {
                    call.out.note(format!("quota for {path} does not exist."));
                    return call.out.json(&json!({ "path": path, "quota": null }));
                }
                Err(error) => return Err(fault_of(&error, Some(&of))),
            }
        }
        if let [limits, used] = &tracks[..] {
            call.out.text(format!("Output quota for {path} {limits}\nOutput stat for {path} {used}"))?;
            call.out.json(&json!({ "path": path, "quota": limits.json(), "used": used.json() }))?;
        }
        Ok(())
    })
}

fn delete_quota<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        let parent = format!("{QUOTAS}{path}");
        let limits_path = format!("{parent}/{LIMITS}");
        path::check(&limits_path)?;
        let client = shell.client()?;
        let failed = |path: &str| {
            let path = path.to_owned();
            move |error: zabra_client::Error| fault_of(&error, Some(&path))
        };
        let mut limits = match client.get(&limits_path).await {
            Ok((data, _)) => Track::parse(&data)?,
            Err(error) if error.is_no_node() => {
                return call.out.either(
                    format!("Quota does not exist for {path}"),
                    || json!({ "path": path, "quota": null }),
                );
            }
            Err(error) => return Err(failed(&limits_path)(error)),
        };
        let kinds = [("n", COUNT), ("b", BYTES), ("N", COUNT_HARD), ("B", BYTES_HARD)];
        let one = kinds.into_iter().find(|(option, _)| call.has(option));
        if call.has("dry-run") {
            let what = one.map_or("all limits", |(_, kind)| kind);
            return call.out.either(
                format!("would lift {what} of {path}: {limits}"),
                || json!({ "path": path, "wouldLift": what, "quota": limits.json() }),
            );
        }
        if let Some((_, kind)) = one {
            limits.set(kind, -1);
            client.set(&limits_path, limits.to_string()).await.map_err(failed(&limits_path))?;
            return call.out.json(&json!({ "path": path, "quota": limits.json() }));
        }
        for name in client.children(&parent).await.map_err(failed(&parent))? {
            let child = path::child(&parent, &name);
            client.delete(&child).await.map_err(failed(&child))?;
        }
        trim(&client, parent).await?;
        call.out.json(&json!({ "path": path, "quota": null }))
    })
}

/// Deletes what a quota needed above it and nothing needs any more.
async fn trim(client: &Client, mut path: String) -> Result<(), Fault> {
    while path != QUOTAS {
        match client.delete(&path).await {
            Ok(()) => {}
            Err(error) if error.keeper() == Some(KeeperError::NotEmpty) => break,
            Err(error) => return Err(fault_of(&error, Some(&path))),
        }
        path.truncate(path.rfind('/').unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_read_and_written() {
        for (text, shown) in [
            ("count=5,bytes=-1", "count=5,bytes=-1"),
            (
                "count=-1,bytes=7=;byteHardLimit=-1;countHardLimit=9",
                "count=-1,bytes=7=;byteHardLimit=-1;countHardLimit=9",
            ),
            ("", "count=-1,bytes=-1"),
            ("bytes=1,count=2", "count=2,bytes=1"),
        ] {
            assert_eq!(Track::parse(text.as_bytes()).unwrap().to_string(), shown);
        }
        assert!(Track::parse(b"count=many").is_err());
    }
}
