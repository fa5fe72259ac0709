//! `watch`: changes as they happen.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};
use zabra_client::{AddWatchMode, Client, EventType, SessionState, WatchEvent};
use zabra_types::KeeperError;

use super::show::{self, Paint};
use super::tree::number;
use crate::java_time;
use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "watch",
    usage: "[--quiet] [--count N] [--seconds N] [path]",
    about: "Show every change of a node and below it as it happens, until Ctrl-C",
    grammar: Grammar {
        options: &[
            Opt::long("quiet", "Do not read the data of what changed"),
            Opt::long_valued("count", "N", "Stop after N changes"),
            Opt::long_valued("seconds", "N", "Stop after N seconds"),
        ],
        ..Grammar::NONE
    },
    arguments: &[Argument::Path],
    arguments_min: 0,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: watch,
}];

/// How much of the data is shown.
const PREVIEW: usize = 60;

fn watch<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.optional(1).unwrap_or("/");
        path::check(path)?;
        let count = number(call, "count")?.unwrap_or(usize::MAX);
        let seconds = number(call, "seconds")?.map(|seconds| Duration::from_secs(seconds as u64));
        let end = seconds.and_then(|seconds| Instant::now().checked_add(seconds));
        let client = shell.client()?;
        let mut states = client.states();
        let watch = client.add_watch(path, AddWatchMode::PersistentRecursive).await;
        let mut events = watch.map_err(|error| fault_of(&error, Some(path)))?;
        // How it came to be connected is of no interest.
        while states.try_next().is_some() {}
        call.out.note(format!("watching {path}; Ctrl-C stops"));
        let mut seen = 0;
        while seen < count {
            tokio::select! {
                // Before the events that come after it.
                biased;
                state = states.next() => match state {
                    Some(SessionState::Disconnected) => {
                        call.out.note("the connection is lost; changes until it is back are not seen");
                    }
                    Some(SessionState::Connected) => {
                        // The watch is set again ahead of any request: with its answer it is there.
                        if client.exists(path).await.is_ok() {
                            call.out.note("connected; changes are seen again");
                        }
                    }
                    Some(state) if state.is_over() => return Err(over(path)),
                    Some(_) => {}
                    None => return Err(over(path)),
                },
                event = events.next() => {
                    let event = event.filter(|event| !event.kind.is_end()).ok_or_else(|| over(path))?;
                    tell(&client, call, &event).await?;
                    call.out.screen().flush()?;
                    seen += 1;
                }
                () = at(end) => return Ok(()),
            }
        }
        Ok(())
    })
}

fn over(path: &str) -> Fault {
    Fault::keeper(KeeperError::SessionExpired, Some(path)).hint("`connect` begins another session")
}

/// At some time, or never.
async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

async fn tell(client: &Client, call: &Call, event: &WatchEvent) -> Result<(), Fault> {
    let path = &event.path;
    let paint = Paint::of(call);
    let (word, shown) = match event.kind {
        EventType::NodeCreated => ("created", paint.good("created")),
        EventType::NodeDeleted => ("deleted", paint.bad("deleted")),
        EventType::NodeDataChanged => ("changed", paint.middling("changed")),
        _ => return Ok(()),
    };
    // What is there by now; a later change may have come between.
    let read = if event.kind == EventType::NodeDeleted || call.has("quiet") {
        None
    } else {
        match client.get(path).or_null().await {
            Ok(read) => Some(read),
            Err(error) if error.keeper().is_some() => None,
            Err(error) => return Err(fault_of(&error, Some(path))),
        }
    };
    let now = show::now();
    let zxid = event.zxid.map(|zxid| format!("{:#x}", zxid.raw()));
    if call.out.is_json() {
        let mut value = json!({ "time": java_time::iso(now), "event": word, "path": path, "zxid": zxid });
        if let Some((data, stat)) = &read {
            format::put_data(&mut value, data.as_deref());
            value["stat"] = format::stat_json(stat);
        }
        return call.out.json(&value);
    }
    let mut line = format!("{} {shown} {path}", paint.dim(&java_time::time_of_day(now)));
    if let Some((data, stat)) = &read {
        let mut details = vec![format!("v{}", stat.version)];
        details.extend(show::details(stat));
        line.push_str(&paint.dim(&format!("  ({})", details.join(", "))));
        if let Some(data) = data.as_deref().filter(|data| !data.is_empty()) {
            line.push_str(&format!("  {}", show::preview(data, PREVIEW)));
        }
    }
    call.out.text(line)
}
