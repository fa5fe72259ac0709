//! `zabra ensemble up`: a local ensemble, from nothing, until it is told to stop.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::children::{Server, State, shown};
use super::layout::{Layout, Wanted, running};
use super::report::{self, Row};
use crate::cli::UpArguments;
use crate::exit::{Code, Failure};
use crate::probe;
use crate::stdio::{print, tell};

/// How often servers are asked while one of them does not serve.
const ASK_UNSETTLED: Duration = Duration::from_millis(150);

/// How often they are asked once all do.
const ASK_SETTLED: Duration = Duration::from_secs(1);

/// Makes or finds the ensemble, runs its servers, and shows them until told to stop.
pub(super) async fn run(arguments: &UpArguments) -> Result<(), Failure> {
    // Before anything starts, so that none is lost.
    let mut signals = Signals::catch()?;
    let wanted =
        Wanted { servers: arguments.servers, observers: arguments.observers, port_base: arguments.port_base };
    let layout = Layout::open_or_make(&arguments.dir, wanted)?;
    refuse_second_run(&layout)?;
    tell(&format!("starting {} servers in {}", layout.members.len(), layout.dir.display()));
    let mut servers = Vec::new();
    let mut outcome = Ok(());
    for member in &layout.members {
        match Server::start(member.clone()) {
            Ok(server) => servers.push(server),
            Err(failure) => outcome = outcome.and(Err(failure)),
        }
    }
    if outcome.is_ok() {
        outcome = tokio::select! {
            outcome = watch(&layout, &mut servers, arguments.json) => outcome,
            () = signals.any() => Ok(()),
        };
    }
    stop(&mut servers).await;
    outcome
}

/// Shows the servers whenever something about them has changed, until none is left.
async fn watch(layout: &Layout, servers: &mut [Server], json: bool) -> Result<(), Failure> {
    let mut shown: Option<Vec<Row>> = None;
    let mut served = false;
    loop {
        for told in servers.iter_mut().filter_map(Server::look) {
            tell(&told);
        }
        let rows = rows(servers).await;
        if shown.as_ref() != Some(&rows) {
            print(&if json {
                report::json(layout, &rows).to_string()
            } else {
                report::table(layout, &rows)
            })?;
        }
        let serves = report::serves(layout, &rows);
        if serves != served {
            tell(if serves {
                "the ensemble serves clients; Ctrl-C stops it"
            } else {
                "the ensemble does not serve clients: no leader has a majority of the servers"
            });
            served = serves;
        }
        if servers.iter().all(|server| server.pid().is_none()) {
            return Err(Failure::new(Code::Unexpected, "no server is left"));
        }
        let settled = rows.iter().all(|row| row.serves || row.pid.is_none());
        shown = Some(rows);
        sleep(if settled { ASK_SETTLED } else { ASK_UNSETTLED }).await;
    }
}

/// How each server is, all asked at the same time.
async fn rows(servers: &[Server]) -> Vec<Row> {
    let asked: Vec<_> = servers
        .iter()
        .map(|server| {
            let address = server.pid().map(|_| server.member.address());
            tokio::spawn(async move {
                match address {
                    Some(address) => Some(probe::ask(&address).await),
                    None => None,
                }
            })
        })
        .collect();
    let mut rows = Vec::new();
    for (server, answer) in servers.iter().zip(asked) {
        let answer = answer.await.ok().flatten();
        let member = server.member.clone();
        rows.push(match (&server.state, answer) {
            (State::Running { pid, .. }, Some(answer)) => Row::of(&member, Some(*pid), &answer),
            (State::Running { pid, .. }, None) => {
                Row { member, pid: Some(*pid), state: "starting".to_owned(), serves: false }
            }
            (State::Ended(status), _) => {
                Row { member, pid: None, state: format!("ended, {}", shown(*status)), serves: false }
            }
        });
    }
    rows
}

/// Two sets of servers on the same data would damage nothing, but none of the second would find its ports free.
fn refuse_second_run(layout: &Layout) -> Result<(), Failure> {
    let running = running(layout);
    if running.is_empty() {
        return Ok(());
    }
    let list = |text: &dyn Fn((&i64, &u32)) -> String| running.iter().map(text).collect::<Vec<_>>();
    let text = format!(
        "servers of {} run already ({}); stop the `zabra ensemble up` that they belong to, or, if it is gone: kill {}",
        layout.dir.display(),
        list(&|(id, pid)| format!("{id} as process {pid}")).join(", "),
        list(&|(_, pid)| pid.to_string()).join(" ")
    );
    Err(Failure::new(Code::Invocation, text))
}

/// Stops what runs: all are told at once, then waited for.
async fn stop(servers: &mut [Server]) {
    let running = servers.iter().filter(|server| server.pid().is_some()).count();
    if running == 0 {
        return;
    }
    tell(&format!("stopping {running} servers"));
    for server in &*servers {
        server.terminate();
    }
    for server in servers {
        if let Some(told) = server.stopped().await {
            tell(&told);
        }
    }
    tell("stopped; `zabra ensemble up` with the same directory goes on where they were");
}

/// The signals that end the program in order.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let catch = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Code::Unexpected, format!("cannot catch signals: {error}")))
        };
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
