//! Row 7: one change that many hear of, and a million watches held.

use super::Part;
use crate::Failure;
use crate::audience::Audience;
use crate::side::{Alone, HEAP_MIB, Side};
use crate::table::{Case, Effort, Round, Runner, Target};
use crate::waves::{WAVE_DEPTH, in_waves};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};
use zabra_load::requests::get;
use zabra_load::{
    Class, Engine, Handshake, Process, Workload, connect, connections_max, fill, filled_node, put_request,
};

/// The part of the table.
pub(super) const PART: Part = Part { name: "Watches", rows: &[7], takes, run };

/// Watchers of one node, twice the sessions of other rows.
const WATCHERS_PER_SESSION: usize = 2;
/// Connections that hold the watches of the second case.
const HOLDERS: usize = 10;

fn takes(effort: &Effort) -> Duration {
    let rounds = Duration::from_secs(if effort.quick { 1 } else { 8 }) * effort.rounds as u32;
    rounds * 2 + effort.warm_up + Duration::from_secs(if effort.quick { 15 } else { 60 })
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    if let Err(failure) = one_change(runner) {
        runner.failed("one set that all hear of", &failure);
    }
    held(runner)
}

/// One set that all hear of, again and again on the same connections.
fn one_change(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    let sides = runner.sides(&Side::SERVERS);
    // This program has its ends of the connections to both servers.
    let possible = connections_max().saturating_sub(100) / sides.len().max(1);
    let count = (effort.sessions * WATCHERS_PER_SESSION).min(possible);
    let mut audiences = BTreeMap::new();
    for side in sides {
        runner.doing(&format!("gathering {count} watchers at {}", side.name()));
        let server = Alone::start(side, HEAP_MIB, &effort.data_root, 0)?;
        let mut audience = Audience::gather(server.addr(), count, 1)?;
        let warm_up = effort.warm_up_of(side);
        let begun = Instant::now();
        while begun.elapsed() < warm_up {
            audience.watch()?;
            audience.fire(server.process()?)?;
        }
        audiences.insert(side, (server, audience));
    }
    let name = format!("one set, {count} watchers: last event");
    let cases = [
        Case::less(7, &name, "ms", Target::Times(2.5)),
        Case::less(7, format!("one set, {count} watchers: CPU"), "us/event", Target::Times(3.0)),
    ];
    runner.contest(&cases, &Side::SERVERS, |side| {
        let (server, audience) = audiences.get_mut(&side).ok_or("it was not started")?;
        audience.watch()?;
        let heard = audience.fire(server.process()?)?;
        let cpu = heard.cpu.as_secs_f64() * 1e6 / count as f64;
        Ok(Round {
            values: vec![heard.elapsed.as_secs_f64() * 1e3, cpu],
            cpu_us_per_op: Some(cpu),
            foreign_cpus: None,
            details: json!({ "watchers": count }),
        })
    })
}

/// Watches of many paths on few connections, on a fresh server each time.
fn held(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    let paths = effort.nodes / HOLDERS;
    let name = format!("{} watches held", paths * HOLDERS);
    let cases = [
        Case::less(7, format!("{name}: memory"), "B/watch", Target::Times(7.0)),
        Case::less(7, format!("{name}: setting them, CPU"), "us/watch", Target::Shown),
    ];
    runner.note("watches held: of the genuine server, what its heap holds after a collection; of Zabra, resident memory")?;
    runner.contest_of(1, &cases, &Side::SERVERS, |side, _| {
        let server = side.spec(HEAP_MIB, &effort.data_root)?.start()?;
        let pid = server.pid().ok_or("the server does not run")?;
        let process = Process::new(pid);
        fill(server.addr(), paths, 0)?;
        let handshake = Handshake { timeout_ms: 3_600_000, at_once: HOLDERS };
        let mut holders = Engine::over(connect(server.addr(), HOLDERS, handshake)?, WAVE_DEPTH)?;
        let (before, cpu) = (memory(side, pid)?, process.cpu()?);
        let mut watches = Watches { paths, sent: [0; HOLDERS] };
        in_waves(&mut holders, HOLDERS, &mut watches)?;
        let cpu = process.cpu()?.saturating_sub(cpu);
        let bytes = memory(side, pid)? - before;
        let each = |total: f64| total / (paths * HOLDERS) as f64;
        Ok(Round {
            values: vec![each(bytes), each(cpu.as_secs_f64() * 1e6)],
            cpu_us_per_op: Some(each(cpu.as_secs_f64() * 1e6)),
            foreign_cpus: None,
            details: json!({ "paths": paths, "connections": HOLDERS, "resident": process.resident()? }),
        })
    })
}

/// Memory in use, in bytes: what the heap of a genuine server holds once everything is collected, which is the least it could
/// do with; of any other what is resident.
fn memory(side: Side, pid: u32) -> Result<f64, Failure> {
    if side != Side::Genuine {
        return Ok(Process::new(pid).resident()? as f64);
    }
    jcmd(pid, "GC.run")?;
    let told = jcmd(pid, "GC.heap_info")?;
    Ok(heap_used(&told).ok_or_else(|| format!("no heap in {told:?}"))? as f64)
}

/// Asks a Java machine.
fn jcmd(pid: u32, command: &str) -> Result<String, Failure> {
    let output = Command::new("jcmd").args([&pid.to_string(), command]).output();
    let output = output.map_err(|error| format!("jcmd, a part of the JDK: {error}"))?;
    if !output.status.success() {
        return Err(format!("jcmd {command}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Bytes of the heap that are in use, from `garbage-first heap   total 1048576K, used 2048K [...`.
fn heap_used(told: &str) -> Option<u64> {
    let heap = told.lines().find(|line| line.contains("heap") && line.contains("used "))?;
    let (kib, _) = heap.split_once("used ")?.1.split_once('K')?;
    Some(kib.parse::<u64>().ok()? * 1024)
}

/// Each connection watches every path.
struct Watches {
    paths: usize,
    sent: [usize; HOLDERS],
}

impl Workload for Watches {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        let sent = &mut self.sent[connection];
        if *sent == self.paths {
            return None;
        }
        put_request(out, xid, &get(filled_node(*sent), true));
        *sent += 1;
        Some(Class::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_tells_of_its_heap() {
        let told = "4711:\n garbage-first heap   total 1048576K, used 2048K [0xc0, 0x100)\n  region size 1024K, 1 young\n \
                    Metaspace       used 9000K, committed 9200K\n";
        assert_eq!(heap_used(told), Some(2048 * 1024));
        assert_eq!(heap_used("4711:\nCommand not supported"), None);
    }

    #[test]
    fn each_connection_watches_every_path_once() {
        let mut watches = Watches { paths: 3, sent: [0; HOLDERS] };
        let mut out = Vec::new();
        let asked = |at| std::iter::from_fn(|| watches.next(at, 1, &mut out)).count();
        assert_eq!([0, 0, 9].map(asked), [3, 0, 3]);
    }
}
