//! Measures what requests cost a client: `throughput host:port`, against a server that runs elsewhere.
//!
//! Each row gives requests a second and the processor time of this process for each request. The last rows are the floor:
//! the same bytes written and read without a client.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zabra_client::{Client, Error, Pending};

const NODE: &str = "/zabra-throughput";
const MEASURE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:2181".to_owned());
    let client = Client::connect(&servers).await?;
    client.create(NODE, vec![b'x'; 100]).await?;
    println!("{:<28} {:>12} {:>12}", "", "requests/s", "cpu us each");
    for depth in [1, 16, 128, 1024] {
        let client = client.clone();
        measure(&format!("get, {depth} ahead"), pipelined(depth, move || client.get(NODE).send())).await;
    }
    let other = client.clone();
    measure("set, 128 ahead", pipelined(128, move || other.set(NODE, vec![b'y'; 100]).send())).await;
    for tasks in [16, 128] {
        measure(&format!("get, {tasks} tasks"), side_by_side(client.clone(), tasks)).await;
    }
    for depth in [1, 128, 1024] {
        measure(&format!("floor, get, {depth} ahead"), floor(servers.clone(), depth)).await;
    }
    client.delete(NODE).await?;
    client.close().await
}

async fn measure(name: &str, work: impl Future<Output = u64> + Send + 'static) {
    let (begin, cpu) = (Instant::now(), cpu_time());
    let count = tokio::spawn(work).await.unwrap() as f64;
    let (wall, cpu) = (begin.elapsed(), cpu_time() - cpu);
    println!("{name:<28} {:>12.0} {:>12.2}", count / wall.as_secs_f64(), cpu.as_secs_f64() * 1e6 / count);
}

/// One caller who does not wait for answers until so many are due.
async fn pipelined<T: Send + 'static>(depth: usize, send: impl Fn() -> Pending<T> + Send) -> u64 {
    let begin = Instant::now();
    let mut ahead = VecDeque::new();
    let mut count = 0;
    while begin.elapsed() < MEASURE {
        while ahead.len() < depth {
            ahead.push_back(send());
        }
        // Half of them at a time, as a program that reads lists would.
        for answer in ahead.drain(..depth.div_ceil(2)) {
            answer.await.map(drop).unwrap();
            count += 1;
        }
    }
    for answer in ahead {
        answer.await.map(drop).unwrap();
        count += 1;
    }
    count
}

/// Many callers who each wait for their answer.
async fn side_by_side(client: Client, tasks: usize) -> u64 {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while begin.elapsed() < MEASURE {
                    client.get(NODE).await.unwrap();
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap();
    }
    count
}

/// The bytes of a get, so many times in one write, and their answers.
async fn floor(servers: String, depth: usize) -> u64 {
    let mut stream = tokio::net::TcpStream::connect(servers).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut connect = vec![0, 0, 0, 45];
    connect.extend_from_slice(&[0; 12]);
    connect.extend_from_slice(&30_000_i32.to_be_bytes());
    connect.extend_from_slice(&[0; 8]);
    connect.extend_from_slice(&16_i32.to_be_bytes());
    connect.extend_from_slice(&[0; 17]);
    stream.write_all(&connect).await.unwrap();
    let mut answer = [0; 41];
    stream.read_exact(&mut answer).await.unwrap();
    let mut one = Vec::new();
    let len = 8 + 4 + NODE.len() + 1;
    for word in [len as i32, 1, 4, NODE.len() as i32] {
        one.extend_from_slice(&word.to_be_bytes());
    }
    one.extend_from_slice(NODE.as_bytes());
    one.push(0);
    let all = one.repeat(depth);
    let mut answers = vec![0; (4 + 16 + 4 + 100 + 68) * depth];
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < MEASURE {
        stream.write_all(&all).await.unwrap();
        stream.read_exact(&mut answers).await.unwrap();
        count += depth as u64;
    }
    count
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
