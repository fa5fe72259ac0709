//! Rows 8 and 14: sessions that come at once, come back after a restart, and do nothing.

use super::Part;
use crate::Failure;
use crate::side::{HEAP_MIB, Side};
use crate::storm::{come, ping, restart};
use crate::table::{Case, Effort, Round, Runner, Target};
use serde_json::json;
use std::time::{Duration, Instant};
use zabra_load::{Engine, Handshake, Process, connect, micros_exact, require_connections};
use zabra_testkit::ServerProcess;
use zabra_types::SessionId;

/// The part of the table.
pub(super) const PART: Part = Part { name: "Sessions", rows: &[8, 14], takes, run };

/// Memory of a session.
const BYTES_MAX: f64 = 4096.0;
/// Of one processor, in percent.
const IDLE_MAX: f64 = 1.0;
/// As long as any measurement.
const SESSION_TIMEOUT_MS: i32 = 3_600_000;
/// Clients that may knock before they are let in, for both servers. With the 50 of the genuine server as shipped it is the
/// system that is measured: who does not fit comes again after 1, 3, 7, 15 and 31 seconds.
const BACKLOG: &str = "4096";
/// Rounds of storms at most: each needs a fresh server and a warm one.
const ROUNDS_MAX: usize = 3;
/// How often clients ping whose timeout is 30 s.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Sessions that come and go before any that are measured, as the code of a genuine server is compiled while it runs; few
/// at a time, so that none meets the end of a backlog.
const WARM_UP_TIMES: usize = 3;
const FEW: Handshake = Handshake { timeout_ms: SESSION_TIMEOUT_MS, at_once: 32 };
/// A server needs a moment to see that connections are gone.
const AFTER_STORM: Duration = Duration::from_millis(300);

fn takes(effort: &Effort) -> Duration {
    let round = Duration::from_secs(if effort.quick { 8 } else { 25 });
    round * 2 * effort.rounds.min(ROUNDS_MAX) as u32 + idle_span(effort) * 4 + Duration::from_secs(10)
}

fn idle_span(effort: &Effort) -> Duration {
    Duration::from_secs(if effort.quick { 5 } else { 15 })
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    require_connections(runner.effort().sessions)?;
    if runner.wants(8)
        && let Err(failure) = come_and_come_back(runner)
    {
        runner.failed("sessions that come and come back", &failure);
    }
    if runner.wants(14) {
        idle(runner)?;
    }
    Ok(())
}

fn process(server: &ServerProcess) -> Result<Process, Failure> {
    Ok(Process::new(server.pid().ok_or("the server does not run")?))
}

/// Each round on a fresh server: none has sessions of the one before to expire.
fn come_and_come_back(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    let sessions = effort.sessions;
    let name = |what: &str| format!("{sessions} sessions {what}");
    let cases = [
        Case::less(8, name("connect, all at once"), "ms", Target::Times(8.0)),
        Case::less(8, name("connect, 32 at once"), "ms", Target::Shown),
        Case::less(8, name("connect, CPU"), "us/session", Target::Shown),
        Case::less(8, name("held, memory"), "B/session", Target::AtMost(BYTES_MAX)),
        Case::less(8, name("come back, all at once"), "ms", Target::Times(8.0)),
        Case::less(8, name("come back, CPU"), "us/session", Target::Shown),
        Case::less(8, "from the restart to the first of them", "ms", Target::Shown),
    ];
    runner.contest_of(effort.rounds.min(ROUNDS_MAX), &cases, &Side::SERVERS, |side, _| {
        let spec = side.spec(HEAP_MIB, &effort.data_root)?;
        let mut server = spec.with("clientPortListenBacklog", BACKLOG).start()?;
        let (addr, process) = (server.addr(), process(&server)?);
        let new = vec![SessionId::NONE; sessions];
        let empty = process.resident()? as f64;
        let held = connect(addr, sessions, FEW)?;
        let bytes = (process.resident()? as f64 - empty) / sessions as f64;
        drop(held);
        for _ in 0..WARM_UP_TIMES {
            std::thread::sleep(AFTER_STORM);
            connect(addr, sessions, FEW)?;
        }
        std::thread::sleep(AFTER_STORM);
        let (begun, cpu) = (Instant::now(), process.cpu()?);
        let held = connect(addr, sessions, FEW)?;
        let few = begun.elapsed();
        let few_cpu = process.cpu()?.saturating_sub(cpu).div_f64(sessions as f64);
        drop(held);
        std::thread::sleep(AFTER_STORM);
        let (came, held) = come(addr, process, &new, SESSION_TIMEOUT_MS)?;
        let sessions = held.sessions;
        drop(held.streams);
        let back = restart(&mut server, &sessions, SESSION_TIMEOUT_MS)?;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Ok(Round {
            values: vec![
                ms(came.elapsed),
                ms(few),
                micros_exact(few_cpu),
                bytes,
                ms(back.rest.elapsed),
                micros_exact(back.rest.cpu_per_session),
                ms(back.first),
            ],
            cpu_us_per_op: Some(micros_exact(came.cpu_per_session)),
            foreign_cpus: None,
            details: json!({
                "sent_away": came.sent_away,
                "sent_away_after_restart": back.rest.sent_away,
                // Where some were, the time is a lower bound.
                "given_up": came.given_up,
                "given_up_after_restart": back.rest.given_up,
            }),
        })
    })
}

fn idle(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    let (sessions, span) = (effort.sessions, idle_span(effort));
    let cases = [
        Case::less(14, format!("{sessions} sessions, idle"), "% of a core", Target::AtMost(IDLE_MAX)),
        Case::less(14, format!("{sessions} sessions, pings only"), "% of a core", Target::AtMost(IDLE_MAX)),
    ];
    runner.contest_of(1, &cases, &Side::SERVERS, |side, _| {
        let server = side.spec(HEAP_MIB, &effort.data_root)?.start()?;
        let process = process(&server)?;
        let mut held = Engine::over(connect(server.addr(), sessions, FEW)?, 1)?;
        std::thread::sleep(AFTER_STORM);
        let idle = share(process, || {
            std::thread::sleep(span);
            Ok(())
        })?;
        let pinging = share(process, || Ok(ping(&mut held, sessions, PING_INTERVAL, span)?))?;
        Ok(Round {
            values: vec![idle, pinging],
            cpu_us_per_op: None,
            foreign_cpus: None,
            details: json!({ "seconds": span.as_secs() }),
        })
    })
}

/// How much of a processor a server uses meanwhile, in percent.
fn share(process: Process, meanwhile: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (cpu, begun) = (process.cpu()?, Instant::now());
    meanwhile()?;
    let used = process.cpu()?.saturating_sub(cpu);
    Ok(used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}
