//! An ensemble whose leaders die while clients write: what settles itself has to settle right.

use std::time::Duration;
use tokio::task::JoinSet;
use zabra_client::{Client, Error, Outcome, Pending};
use zabra_embedded::Ensemble;

const CLIENTS: usize = 4;
const FAILOVERS: usize = 3;

async fn connect(hosts: &str) -> Client {
    Client::builder().session_timeout(Duration::from_secs(10)).connect(hosts).await.unwrap()
}

/// Counts up until told to stop; the data names who made a step. Tells how many steps were made, and how many may have been:
/// those whose answer was lost, and that others covered up before it could be looked.
async fn count(client: Client, stop: tokio::sync::watch::Receiver<bool>) -> Result<(u64, u64), Error> {
    let (mut done, mut unknown) = (0, 0);
    while !*stop.borrow() {
        let (data, stat) = again(|| client.get("/count").send()).await?;
        let number: u64 = std::str::from_utf8(&data).unwrap().split(' ').next().unwrap().parse().unwrap();
        let next = format!("{} {} {}", number + 1, client.session_id(), done + unknown);
        let set = again(|| client.set("/count", &next).version(stat.version).idempotent().send());
        match set.await {
            Ok(_) => done += 1,
            Err(error) if error.is_bad_version() => {}
            Err(error) if error.outcome() == Outcome::Unknown => unknown += 1,
            Err(error) => return Err(error),
        }
    }
    Ok((done, unknown))
}

/// Queues nodes until told to stop, each made once whatever breaks. Tells their names.
async fn queue(client: Client, stop: tokio::sync::watch::Receiver<bool>) -> Result<Vec<String>, Error> {
    let mut made = Vec::new();
    while !*stop.borrow() {
        let create = || client.create("/queue/item-", []).sequential().protected().send();
        made.push(again(create).await?.path);
    }
    Ok(made)
}

/// Repeats what certainly did not happen.
async fn again<T>(attempt: impl Fn() -> Pending<T>) -> Result<T, Error> {
    loop {
        match attempt().await {
            Err(error) if error.is_connection_lost() && error.outcome() == Outcome::DidNotHappen => {}
            result => return result,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_happens_twice_or_is_lost_when_leaders_die() {
    let ensemble = Ensemble::start(3).await.unwrap();
    let hosts = ensemble.connect_string();
    let client = connect(&hosts).await;
    client.create("/count", "0 nobody 0").await.unwrap();
    client.create("/queue", []).await.unwrap();

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (mut counters, mut queues) = (JoinSet::new(), JoinSet::new());
    for _ in 0..CLIENTS {
        counters.spawn(count(connect(&hosts).await, stopped.clone()));
        queues.spawn(queue(connect(&hosts).await, stopped.clone()));
    }
    for _ in 0..FAILOVERS {
        let leader = ensemble.leader().await.unwrap();
        let before = again(|| client.exists("/queue").send()).await.unwrap().unwrap().cversion;
        ensemble.kill(leader).await;
        // Some work is done without it, and some more when it is back.
        for wanted in [before + 50, before + 100] {
            while again(|| client.exists("/queue").send()).await.unwrap().unwrap().cversion < wanted {
                tokio::task::yield_now().await;
            }
            if wanted == before + 50 {
                ensemble.restart(leader).await.unwrap();
            }
        }
    }
    stop.send_replace(true);

    let (mut counted, mut unknown) = (0, 0);
    for result in counters.join_all().await {
        let (done, perhaps) = result.unwrap();
        (counted, unknown) = (counted + done, unknown + perhaps);
    }
    let mut made: Vec<String> = Vec::new();
    for result in queues.join_all().await {
        made.extend(result.unwrap());
    }
    client.sync("/").await.unwrap();
    let (data, stat) = client.get("/count").await.unwrap();
    let data = String::from_utf8(data.to_vec()).unwrap();
    let steps = u64::try_from(stat.version).unwrap();
    assert!(data.starts_with(&format!("{steps} ")), "{data}, {steps} steps");
    assert!(
        (counted..=counted + unknown).contains(&steps),
        "{steps} steps, {counted} known, {unknown} unknown"
    );
    made.sort_unstable();
    let names = client.children("/queue").await.unwrap();
    let found: Vec<String> = names.iter().map(|name| format!("/queue/{name}")).collect();
    assert_eq!(found, made, "each once, and none that nobody knows of");
}
