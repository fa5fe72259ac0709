//! The leader latch.

use std::time::Duration;

use zabra_client::{Client, SessionState};
use zabra_embedded::Server;
use zabra_recipes::leader::{LatchChange, LeaderLatch};

use crate::support::hasty;
use crate::{connect, in_time, until_children};

#[tokio::test]
async fn one_leads_and_another_follows_it() {
    let server = Server::start().await.unwrap();
    let (client, observer) = (connect(&server).await, connect(&server).await);
    let first = LeaderLatch::start(&client, "/app/leader", "first").unwrap();
    let term = in_time(first.leading()).await.unwrap();
    let second = LeaderLatch::start(&observer, "/app/leader", "second").unwrap();
    let names = until_children(&observer, "/app/leader", 2).await;
    assert!(names.iter().all(|name| name.starts_with("_c_") && &name[39..46] == "-latch-"), "{names:?}");
    let ids = |latch: Vec<zabra_recipes::Participant>| latch.iter().map(|who| who.id()).collect::<Vec<_>>();
    assert_eq!(ids(second.participants().await.unwrap()), ["first", "second"]);
    assert_eq!(second.leader().await.unwrap().unwrap().fence, term);
    assert!(first.is_leader() && !second.is_leader());

    let (mut ours, mut theirs) = (first.changes(), second.changes());
    first.close().await.unwrap();
    assert_eq!(in_time(ours.next()).await, Some(LatchChange::Leader(term)));
    assert_eq!(in_time(ours.next()).await, Some(LatchChange::NotLeader));
    assert_eq!(in_time(ours.next()).await, None);
    let Some(LatchChange::Leader(next)) = in_time(theirs.next()).await else { panic!("the second leads") };
    assert!(next > term);
    drop(second);
    until_children(&observer, "/app/leader", 0).await;
}

#[tokio::test]
async fn a_cut_suspends_leadership_and_expiry_ends_it() {
    let server = Server::start().await.unwrap();
    let (client, other) = (connect(&server).await, connect(&server).await);
    let latch = LeaderLatch::start(&client, "/leader", "one").unwrap();
    let term = in_time(latch.leading()).await.unwrap();
    let mut changes = latch.changes();
    assert_eq!(in_time(changes.next()).await, Some(LatchChange::Leader(term)));
    server.cut(client.session_id()).await.unwrap();
    assert_eq!(in_time(changes.next()).await, Some(LatchChange::NotLeader));
    assert_eq!(in_time(changes.next()).await, Some(LatchChange::Leader(term)));

    let heir = LeaderLatch::start(&other, "/leader", "two").unwrap();
    until_children(&other, "/leader", 2).await;
    server.expire(client.session_id()).await.unwrap();
    assert_eq!(in_time(changes.next()).await, Some(LatchChange::NotLeader));
    assert!(in_time(heir.leading()).await.unwrap() > term);
    // The former leader is a participant again.
    until_children(&other, "/leader", 2).await;
    heir.close().await.unwrap();
    let Some(LatchChange::Leader(again)) = in_time(changes.next()).await else { panic!("it leads again") };
    assert!(again > term);
}

#[tokio::test]
async fn leadership_may_be_kept_in_doubt() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let latch = LeaderLatch::options(&client, "/leader").unwrap().keep_in_doubt(true).start();
    let term = in_time(latch.leading()).await.unwrap();
    let mut changes = latch.changes();
    let mut states = client.states();
    server.cut(client.session_id()).await.unwrap();
    in_time(async { while states.next().await != Some(SessionState::Connected) {} }).await;
    assert_eq!(latch.fence(), Some(term));
    latch.close().await.unwrap();
    assert_eq!(in_time(changes.next()).await, Some(LatchChange::Leader(term)));
    assert_eq!(in_time(changes.next()).await, Some(LatchChange::NotLeader));
}

#[tokio::test]
async fn closing_the_client_closes_the_latch() {
    let server = Server::start().await.unwrap();
    let (client, other) = (connect(&server).await, connect(&server).await);
    let leader = LeaderLatch::start(&client, "/leader", "one").unwrap();
    in_time(leader.leading()).await.unwrap();
    let heir = LeaderLatch::start(&other, "/leader", "two").unwrap();
    client.close().await.unwrap();
    in_time(heir.leading()).await.unwrap();
    assert!(!leader.is_leader());
    let mut changes = leader.changes();
    in_time(async { while changes.next().await.is_some() {} }).await;
    assert!(in_time(leader.leading()).await.is_err());
}

#[tokio::test]
async fn one_that_waits_may_leave() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let leader = LeaderLatch::start(&client, "/leader", "one").unwrap();
    in_time(leader.leading()).await.unwrap();
    let other = LeaderLatch::start(&client, "/leader", "two").unwrap();
    until_children(&client, "/leader", 2).await;
    let leading = other.leading();
    other.close().await.unwrap();
    assert!(in_time(leading).await.is_err());
    until_children(&client, "/leader", 1).await;
    assert!(leader.is_leader());
}

/// Nobody asks again for a latch that gave up: it must not, even if its client fails requests early.
#[tokio::test]
async fn a_latch_outlasts_what_requests_wait_for() {
    let server = Server::builder().tick_time(Duration::from_millis(50)).start().await.unwrap();
    let short = Duration::from_secs(1);
    let client = hasty(Client::builder().session_timeout(short).connect_within(short / 10), &server).await;
    let latch = LeaderLatch::start(&client, "/leader", "one").unwrap();
    let term = in_time(latch.leading()).await.unwrap();
    let mut states = client.states();
    server.kill().await;
    in_time(async {
        while states.next().await != Some(SessionState::Expired) {}
        while !matches!(client.exists("/").await, Err(zabra_client::Error::NotConnected { .. })) {}
    })
    .await;
    assert!(!latch.is_leader());
    server.restart().await.unwrap();
    assert!(in_time(latch.leading()).await.unwrap() > term);
}
