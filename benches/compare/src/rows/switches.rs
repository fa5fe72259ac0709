//! Row 14: what syncs and metrics cost.

use super::Part;
use crate::Failure;
use crate::side::{HEAP_MIB, Side};
use crate::table::{Case, Effort, Round, Runner, Target};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use zabra_load::{Drive, Op, Process, Row, Shape, drive, micros_exact, prepare};
use zabra_testkit::{ServerProcess, ServerSpec, free_port};

/// The part of the table.
pub(super) const PART: Part = Part { name: "Syncs and metrics, on and off", rows: &[14], takes, run };

/// What exports metrics, under the name both servers know it by.
const PROVIDER: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
/// More processor time for an operation with metrics, in percent.
const METRICS_MAX: f64 = 2.0;
/// How often metrics are fetched, and how long that may take.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);
/// Times each of two servers is measured in a round, in turn.
const TURNS: usize = 2;

/// Two servers of one side that differ in one setting.
struct Pair {
    with: ServerProcess,
    without: ServerProcess,
}

fn takes(effort: &Effort) -> Duration {
    effort.contests(2 + 2 * TURNS as u32, 2) + effort.warm_up * 4 + Duration::from_secs(10)
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    if let Err(failure) = syncs(runner) {
        runner.failed("syncs on and off", &failure);
    }
    metrics(runner)
}

fn load(effort: &Effort, op: Op, (connections, depth): (usize, usize)) -> Drive {
    Drive { shape: Shape::of(op), connections, depth, warm_up: effort.settle, measure: effort.measure }
}

fn measure(server: &ServerProcess, load: &Drive) -> Result<Row, Failure> {
    let process = Process::new(server.pid().ok_or("the server does not run")?);
    let row = drive(server.addr(), &[process], load)?;
    if row.errors > 0 { Err(format!("{} answers were errors", row.errors).into()) } else { Ok(row) }
}

/// Starts both servers of a side and warms them up.
fn pair(
    runner: &Runner<'_>,
    side: Side,
    set: impl FnOnce(ServerSpec) -> ServerSpec,
    load: &Drive,
) -> Result<Pair, Failure> {
    let effort = runner.effort();
    runner.doing(&format!("warming {}", side.name()));
    let without = side.spec(HEAP_MIB, &effort.data_root)?;
    let pair = Pair { with: set(without.clone()).start()?, without: without.start()? };
    for server in [&pair.with, &pair.without] {
        prepare(server.addr(), load.shape)?;
        drive(server.addr(), &[], &Drive { measure: effort.warm_up_of(side), ..*load })?;
    }
    Ok(pair)
}

fn syncs(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let load = load(runner.effort(), Op::Set, (64, 1));
    let mut pairs = BTreeMap::new();
    for side in runner.sides(&Side::SERVERS) {
        let off = |spec: ServerSpec| spec.with_property("zookeeper.forceSync", "no");
        pairs.insert(side, pair(runner, side, off, &load)?);
    }
    let cases = [
        Case::more(14, "set 100 B 64x1, forceSync on", "op/s", Target::Shown),
        Case::more(14, "set 100 B 64x1, forceSync off", "op/s", Target::Shown),
        Case::more(14, "what forceSync off gains", "x", Target::Shown),
    ];
    runner.contest(&cases, &Side::SERVERS, |side| {
        let pair = pairs.get(&side).ok_or("it was not started")?;
        let on = measure(&pair.without, &load)?;
        let off = measure(&pair.with, &load)?;
        Ok(Round {
            values: vec![on.throughput, off.throughput, off.throughput / on.throughput],
            cpu_us_per_op: on.cpu_per_op.map(micros_exact),
            foreign_cpus: Some(on.foreign_cpus.max(off.foreign_cpus)),
            details: json!({ "on": on.json(), "off": off.json() }),
        })
    })
}

fn metrics(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let load = load(runner.effort(), Op::Mix, (16, 8));
    let mut pairs = BTreeMap::new();
    for side in runner.sides(&Side::SERVERS) {
        let port = free_port()?;
        let on = |spec: ServerSpec| {
            spec.with("metricsProvider.className", PROVIDER)
                .with("metricsProvider.httpHost", "127.0.0.1")
                .with("metricsProvider.httpPort", &port.to_string())
        };
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        pairs.insert(side, (addr, pair(runner, side, on, &load)?));
    }
    let cases = [
        Case::less(14, "9:1 get:set 16x8, metrics off: CPU", "us/op", Target::Shown),
        Case::less(14, "9:1 get:set 16x8, metrics on: CPU", "us/op", Target::Shown),
        Case::less(14, "more CPU with metrics", "%", Target::AtMost(METRICS_MAX)),
    ];
    runner.contest(&cases, &Side::SERVERS, |side| {
        let (addr, pair) = pairs.get(&side).ok_or("it was not started")?;
        let (mut on, mut off, mut foreign) = (0.0, 0.0, 0.0_f64);
        for _ in 0..TURNS {
            let row = measure(&pair.without, &load)?;
            off += row.cpu_per_op.map_or(f64::NAN, micros_exact) / TURNS as f64;
            foreign = foreign.max(row.foreign_cpus);
            let row = scraped(*addr, || measure(&pair.with, &load))?;
            on += row.cpu_per_op.map_or(f64::NAN, micros_exact) / TURNS as f64;
            foreign = foreign.max(row.foreign_cpus);
        }
        Ok(Round {
            values: vec![off, on, (on / off - 1.0) * 100.0],
            cpu_us_per_op: Some(on),
            foreign_cpus: Some(foreign),
            details: json!({}),
        })
    })
}

/// Does something while metrics are fetched, once at the beginning and then each second.
fn scraped<T>(addr: SocketAddr, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    std::thread::scope(|scope| {
        let (done, waits) = channel::<()>();
        let scraper = scope.spawn(move || -> io::Result<()> {
            loop {
                scrape(addr)?;
                if waits.recv_timeout(SCRAPE_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return Ok(());
                }
            }
        });
        let result = act();
        drop(done);
        scraper.join().map_err(|_| "the thread that fetches metrics failed")??;
        result
    })
}

/// Fetches the metrics of a server.
fn scrape(addr: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&addr, SCRAPE_TIMEOUT)?;
    stream.set_read_timeout(Some(SCRAPE_TIMEOUT))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    check_metrics(&String::from_utf8_lossy(&answer)).map_err(io::Error::other)
}

/// Whether an answer has metrics of a server in it.
fn check_metrics(answer: &str) -> Result<(), String> {
    let status = answer.lines().next().unwrap_or("nothing");
    if status.contains(" 200 ") && answer.contains("znode_count") {
        Ok(())
    } else {
        Err(format!("{status:?} instead of metrics"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_told_from_other_answers() {
        assert_eq!(check_metrics("HTTP/1.1 200 OK\r\n\r\n# TYPE znode_count gauge\nznode_count 5\n"), Ok(()));
        assert!(check_metrics("HTTP/1.1 404 Not Found\r\n\r\nznode_count").is_err());
        assert!(check_metrics("HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(check_metrics("").is_err());
    }

    #[test]
    fn what_scrapes_ends_with_what_it_accompanies() {
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        assert!(scraped(nobody, || Ok(1)).is_err());
    }
}
