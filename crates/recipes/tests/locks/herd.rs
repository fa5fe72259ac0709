//! How many watches there are, and how many fire.

use std::collections::HashMap;

use tokio::task::JoinSet;
use zabra_client::Client;
use zabra_embedded::Server;
use zabra_recipes::leader::LeaderLatch;
use zabra_recipes::lock::{Lock, Mutex};
use zabra_testkit::four_letter;

use crate::{LONG, connect, in_time};

const CONTENDERS: usize = 20;

/// The numbers of `mntr`.
async fn monitor(server: &Server) -> HashMap<String, i64> {
    let address = server.address();
    let asked = tokio::task::spawn_blocking(move || four_letter(address, "mntr", LONG)).await;
    let text = asked.expect("it does not panic").expect("the server answers");
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?))).collect()
}

async fn fired(server: &Server) -> i64 {
    let numbers = monitor(server).await;
    ["created", "deleted", "changed", "children"]
        .map(|kind| numbers.get(&format!("zk_sum_node_{kind}_watch_count")).copied().unwrap_or(0))
        .iter()
        .sum()
}

/// As `until_children` in the crate, but leaves no watch behind.
async fn until_children(client: &Client, path: &str, count: usize) {
    in_time(async {
        while client.children(path).await.expect("the server answers").len() != count {
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_wakes_one() {
    let server = Server::start().await.unwrap();
    let mut clients = Vec::new();
    let observer = connect(&server).await;
    let first = Mutex::new(&observer, "/lock").unwrap().acquire().await.unwrap();
    let mut waiting = JoinSet::new();
    for number in 0..CONTENDERS {
        let client = connect(&server).await;
        waiting.spawn(Mutex::new(&client, "/lock").unwrap().acquire());
        until_children(&observer, "/lock", number + 2).await;
        clients.push(client);
    }
    // One watch for each who waits, on the one before, and one of the holder on its own node.
    in_time(async {
        while monitor(&server).await["zk_watch_count"] != 1 + CONTENDERS as i64 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut guard = first;
    for _ in 0..CONTENDERS {
        let before = fired(&server).await;
        guard.release().await.unwrap();
        guard = in_time(waiting.join_next()).await.unwrap().unwrap().unwrap();
        let after = fired(&server).await;
        // That of the one who follows, and at most the former holder's own.
        assert!((1..=2).contains(&(after - before)), "{} watches fired", after - before);
    }
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_who_goes_wakes_one() {
    let server = Server::start().await.unwrap();
    let observer = connect(&server).await;
    observer.create("/leader", "").await.unwrap();
    let mut latches = Vec::new();
    for number in 0..CONTENDERS {
        latches.push(LeaderLatch::start(&connect(&server).await, "/leader", number.to_string()).unwrap());
        until_children(&observer, "/leader", number + 1).await;
    }
    let mut latches = latches.into_iter();
    let mut leader = latches.next().unwrap();
    in_time(leader.leading()).await.unwrap();
    for next in latches {
        let before = fired(&server).await;
        leader.close().await.unwrap();
        in_time(next.leading()).await.unwrap();
        let after = fired(&server).await;
        assert!((1..=2).contains(&(after - before)), "{} watches fired", after - before);
        leader = next;
    }
}
