//! Row 6: long lists of children, and what everybody else feels of them.
//!
//! Beside the lists, on connections of their own and by a timetable, so that it is the same on both servers: a writer that
//! sets, creates and deletes children of the listed node, and bystanders that read other nodes.

use super::Part;
use crate::Failure;
use crate::side::{Alone, HEAP_MIB, Side};
use crate::table::{Case, Effort, Round, Runner, Target};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zabra_load::paced::{self, Timetable};
use zabra_load::requests::{children, create, delete, get, multi_create, set};
use zabra_load::{
    Class, Drive, Engine, Op, Process, Queue, Row, Shape, Template, Until, Workload, drive_on,
    drive_paced_on, micros, micros_exact, node, prepare, put_request,
};
use zabra_proto::Request;

/// The part of the table.
pub(super) const PART: Part = Part { name: "Lists of children, writes beside", rows: &[6], takes, run };

/// Creates in one multi, and multis on their way, while filling.
const FILL_MULTI_LEN: usize = 100;
const FILL_DEPTH: usize = 8;
/// The first is the writer, the others are bystanders; requests a second on all of them.
const BESIDE_CONNECTIONS: usize = 10;
const BESIDE_RATE: f64 = 1000.0;
/// Nodes the bystanders read.
const BESIDE_NODES: usize = 1000;
/// While the bystanders' times are taken, so many children a second are listed: what the genuine server can do.
const CHILDREN_RATE: f64 = 2e6;
/// How much longer bystanders may wait beside lists.
const LONGER_MAX: f64 = 2.0;

/// A node with many children, and how it is listed.
#[derive(Clone, Copy, Debug)]
struct Listed {
    count: usize,
    connections: usize,
    /// Times less processor time for a list.
    cpu: f64,
}

fn listed(effort: &Effort) -> [Listed; 2] {
    let large = if effort.quick { 10_000 } else { 100_000 };
    [Listed { count: 1000, connections: 16, cpu: 5.0 }, Listed { count: large, connections: 2, cpu: 8.0 }]
}

fn takes(effort: &Effort) -> Duration {
    // Three measurements in each round.
    effort.contests(2 * 3, 2) + effort.warm_up * 2 + Duration::from_secs(25)
}

fn run(runner: &mut Runner<'_>) -> Result<(), Failure> {
    let effort = runner.effort();
    let mut servers = BTreeMap::new();
    for side in runner.sides(&Side::SERVERS) {
        let server = Alone::start(side, HEAP_MIB, &effort.data_root, 0)?;
        prepare(server.addr(), Shape { nodes: BESIDE_NODES, ..Shape::of(Op::Get) })?;
        for node in listed(effort) {
            runner.doing(&format!("warming {} with lists of {}", side.name(), node.count));
            node.fill(server.addr())?;
            let drive = node.drive(effort.warm_up_of(side), Duration::from_millis(1));
            node.lists(server.addr(), &[], &drive)?;
        }
        servers.insert(side, server);
    }
    for node in listed(effort) {
        let name = format!("list {} children {}x1", node.count, node.connections);
        let cases = [
            Case::more(6, &name, "op/s", Target::Shown),
            Case::less(6, format!("{name} CPU"), "us/op", Target::Times(node.cpu)),
            Case::less(6, format!("get p99 beside lists of {}", node.count), "us", Target::Shown),
            Case::less(
                6,
                format!("get p99 beside lists of {}, of idle", node.count),
                "times",
                Target::AtMost(LONGER_MAX),
            ),
        ];
        runner.contest(&cases, &Side::SERVERS, |side| {
            let server = servers.get(&side).ok_or("it was not started")?;
            node.round(server.addr(), server.process()?, effort)
        })?;
    }
    Ok(())
}

impl Listed {
    fn path(self) -> String {
        format!("/bench/listed-{}", self.count)
    }

    fn child(self, n: usize) -> String {
        format!("{}/n{n:07}", self.path())
    }

    fn fill(self, addr: SocketAddr) -> Result<(), Failure> {
        let multis = (0..self.count).step_by(FILL_MULTI_LEN).map(|from| {
            let nodes = from..(from + FILL_MULTI_LEN).min(self.count);
            Request::Multi(nodes.map(|n| multi_create(self.child(n), b"")).collect())
        });
        let requests = std::iter::once(create(self.path(), b"", 0)).chain(multis);
        let sample =
            Engine::connect(addr, 1, FILL_DEPTH)?.run(&mut Queue { requests }, Until::Done, || ())?;
        if sample.errors > 0 { Err("the children were not made".into()) } else { Ok(()) }
    }

    fn drive(self, warm_up: Duration, measure: Duration) -> Drive {
        Drive { shape: Shape::of(Op::Children), connections: self.connections, depth: 1, warm_up, measure }
    }

    /// Bystanders alone, beside lists by a timetable, and beside as many lists as the server can do.
    fn round(self, addr: SocketAddr, server: Process, effort: &Effort) -> Result<Round, Failure> {
        let beside = Timetable {
            connections: BESIDE_CONNECTIONS,
            rate: BESIDE_RATE,
            warm_up: effort.settle,
            measure: effort.measure,
        };
        let idle = drive_paced_on(addr, &[server], beside, &mut Beside::of(self))?;
        let lists =
            Timetable { connections: self.connections, rate: CHILDREN_RATE / self.count as f64, ..beside };
        let amid = while_doing(
            || paced::run(addr, lists, &mut self.requests(), || ()),
            || drive_paced_on(addr, &[server], beside, &mut Beside::of(self)),
        )?;
        let most = while_doing(
            || paced::run(addr, beside, &mut Beside::of(self), || ()),
            || self.lists(addr, &[server], &self.drive(effort.settle, effort.measure)),
        )?;
        if let Some(row) = [&idle, &amid, &most].into_iter().find(|row| row.errors > 0) {
            return Err(format!("{} answers were errors", row.errors).into());
        }
        let cpu = cpu_us_per_list(&most, &idle);
        let p99 = |row: &Row| micros(row.reads.p99);
        Ok(Round {
            values: vec![most.throughput, cpu.unwrap_or(f64::NAN), p99(&amid), p99(&amid) / p99(&idle)],
            cpu_us_per_op: cpu,
            foreign_cpus: Some(idle.foreign_cpus.max(amid.foreign_cpus).max(most.foreign_cpus)),
            details: json!({ "bystanders_alone": idle.json(), "beside_lists": amid.json(), "lists": most.json() }),
        })
    }

    fn lists(self, addr: SocketAddr, servers: &[Process], drive: &Drive) -> io::Result<Row> {
        drive_on(&[addr], servers, drive, &mut self.requests())
    }

    fn requests(self) -> Lists {
        Lists(Template::new(&children(self.path())))
    }
}

/// What a list takes, without what the server does for the writer and the bystanders in the same time.
fn cpu_us_per_list(lists: &Row, idle: &Row) -> Option<f64> {
    let idle_cpus = idle.cpu_per_op?.as_secs_f64() * idle.throughput;
    Some(micros_exact(lists.cpu_per_op?) - idle_cpus / lists.throughput * 1e6)
}

/// Does one thing on another thread while it does the other.
fn while_doing<A: Send, B>(
    beside: impl FnOnce() -> io::Result<A> + Send,
    act: impl FnOnce() -> io::Result<B>,
) -> io::Result<B> {
    std::thread::scope(|scope| {
        let beside = scope.spawn(beside);
        let result = act();
        beside.join().map_err(|_| io::Error::other("the load beside failed"))??;
        result
    })
}

/// The same list again and again.
struct Lists(Template);

impl Workload for Lists {
    fn next(&mut self, _: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        self.0.put(xid, out);
        Some(Class::Read)
    }
}

/// The writer and the bystanders.
struct Beside {
    listed: Listed,
    /// Of names no earlier writer has used.
    prefix: String,
    writes: usize,
    reads: usize,
}

impl Beside {
    fn of(listed: Listed) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let prefix = format!("{}/w{:x}", listed.path(), now.as_micros());
        Self { listed, prefix, writes: 0, reads: 0 }
    }
}

impl Workload for Beside {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        if connection != 0 {
            self.reads += 1;
            put_request(out, xid, &get(node(self.reads % BESIDE_NODES), false));
            return Some(Class::Read);
        }
        let (turn, n) = (self.writes % 3, self.writes / 3);
        let request = match turn {
            0 => set(self.listed.child(n % self.listed.count), b"changed"),
            1 => create(format!("{}-{n}", self.prefix), b"", 0),
            _ => delete(format!("{}-{n}", self.prefix)),
        };
        self.writes += 1;
        put_request(out, xid, &request);
        Some(Class::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zabra_load::Percentiles;

    fn row(throughput: f64, cpu_us: u64) -> Row {
        let none = Percentiles {
            p50: Duration::ZERO,
            p99: Duration::ZERO,
            p999: Duration::ZERO,
            max: Duration::ZERO,
        };
        Row {
            throughput,
            latency: none,
            reads: none,
            writes: none,
            errors: 0,
            cpu_per_op: Some(Duration::from_micros(cpu_us)),
            foreign_cpus: 0.0,
            resident: None,
        }
    }

    #[test]
    fn what_goes_on_beside_is_not_the_lists_cost() {
        // A tenth of a second in each second goes to the others.
        let cpu = cpu_us_per_list(&row(100.0, 5000), &row(1000.0, 100)).unwrap();
        assert!((cpu - 4000.0).abs() < 1.0, "{cpu}");
    }
}
