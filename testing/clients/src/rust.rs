//! The two Rust clients, at the same work in the same way: a task for each session, which keeps so many requests in
//! flight and waits for the oldest.

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::work::{DATA, Load, Op, node};

type Failure = Box<dyn Error + Send + Sync>;

/// An answer that somebody waits for.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// A client library.
pub(crate) trait Library: Send + Sync + Sized + 'static {
    /// A session.
    fn connect(hosts: &str) -> impl Future<Output = Result<Self, Failure>> + Send;
    /// Sends a request, now.
    fn send(&self, op: Op, path: &str) -> Answer<'_>;
}

/// Ours.
pub(crate) struct Zabra(zabra_client::Client);

impl Library for Zabra {
    async fn connect(hosts: &str) -> Result<Self, Failure> {
        let builder = zabra_client::Client::builder().session_timeout(Duration::from_secs(30));
        Ok(Self(builder.connect(hosts).await?))
    }

    fn send(&self, op: Op, path: &str) -> Answer<'_> {
        match op {
            Op::Set => {
                let answer = self.0.set(path, DATA).send();
                Box::pin(async { answer.await.map(|_| ()).map_err(Failure::from) })
            }
            _ => {
                let answer = self.0.get(path).send();
                Box::pin(async { answer.await.map(|_| ()).map_err(Failure::from) })
            }
        }
    }
}

/// The crate `zookeeper-client`.
pub(crate) struct Other(zookeeper_client::Client);

impl Library for Other {
    async fn connect(hosts: &str) -> Result<Self, Failure> {
        let connector = zookeeper_client::Client::connector().with_session_timeout(Duration::from_secs(30));
        Ok(Self(connector.connect(hosts).await?))
    }

    fn send(&self, op: Op, path: &str) -> Answer<'_> {
        match op {
            Op::Set => {
                let answer = self.0.set_data(path, &DATA, None);
                Box::pin(async { answer.await.map(|_| ()).map_err(Failure::from) })
            }
            _ => {
                let answer = self.0.get_data(path);
                Box::pin(async { answer.await.map(|_| ()).map_err(Failure::from) })
            }
        }
    }
}

const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// Does the work and returns the line to print.
pub(crate) fn run<L: Library>(hosts: &str, load: Load) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut sessions = Vec::new();
        let mut rss_one = 0;
        for _ in 0..load.sessions {
            sessions.push(L::connect(hosts).await?);
            if sessions.len() == 1 {
                rss_one = rss()?;
            }
        }
        if load.op == Op::Idle {
            tokio::time::sleep(load.measured).await;
            return Ok(line(0, load.measured, Duration::ZERO, &mut [], [rss_one, rss()?]));
        }
        let phase = Arc::new(AtomicU8::new(WARMING_UP));
        let tasks = sessions.into_iter().enumerate().map(|(number, session)| {
            let phase = Arc::clone(&phase);
            tokio::spawn(async move { work(&session, load, number, &phase).await })
        });
        let tasks: Vec<_> = tasks.collect();
        tokio::time::sleep(load.warm_up).await;
        let (began, cpu) = (Instant::now(), cpu()?);
        phase.store(MEASURING, Relaxed);
        tokio::time::sleep(load.measured).await;
        phase.store(OVER, Relaxed);
        let (took, cpu) = (began.elapsed(), self::cpu()?.saturating_sub(cpu));
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await??);
        }
        Ok(line(latencies.len(), took, cpu, &mut latencies, [rss_one, rss()?]))
    })
}

/// One session's work; the latencies in nanoseconds.
async fn work<L: Library>(
    session: &L,
    load: Load,
    mut at: usize,
    phase: &AtomicU8,
) -> Result<Vec<u32>, Failure> {
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut flying = VecDeque::new();
    let mut send = || {
        at += 1;
        (Instant::now(), session.send(load.op, &node(at)))
    };
    for _ in 0..load.depth {
        flying.push_back(send());
    }
    while let Some((sent, answer)) = flying.pop_front() {
        answer.await?;
        match phase.load(Relaxed) {
            OVER => break,
            MEASURING => latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX)),
            _ => {}
        }
        flying.push_back(send());
    }
    Ok(latencies)
}

fn line(ops: usize, took: Duration, cpu: Duration, latencies: &mut [u32], rss: [u64; 2]) -> String {
    latencies.sort_unstable();
    let at = |share: f64| {
        let last = latencies.len().saturating_sub(1);
        let at = (last as f64 * share) as usize;
        latencies.get(at).map_or(0.0, |&nanos| f64::from(nanos) / 1000.0)
    };
    json!({
        "ops": ops, "seconds": took.as_secs_f64(), "cpu": cpu.as_secs_f64(), "p50": at(0.5), "p99": at(0.99),
        "rss_one": rss[0], "rss_all": rss[1],
    })
    .to_string()
}

/// The memory of this process in KiB.
fn rss() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The time that this process has used. The kernel counts it in hundredths of a second.
fn cpu() -> Result<Duration, Failure> {
    const PER_SECOND: u64 = 100;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name, which may have spaces: user and system time are the 12th and 13th words.
    let (_, after) = stat.rsplit_once(')').ok_or("a name in /proc/self/stat")?;
    let words = after.split_whitespace().skip(11).take(2).map(str::parse);
    let ticks: u64 = words.collect::<Result<Vec<u64>, _>>()?.into_iter().sum();
    Ok(Duration::from_millis(ticks * 1000 / PER_SECOND))
}
