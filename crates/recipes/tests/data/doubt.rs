//! Wires that break and stay broken, under clients that do not wait: what an error says was done or not is so.

use std::time::Duration;

use zabra_client::Error::NotConnected;
use zabra_client::{Client, Outcome, SessionState};
use zabra_embedded::Server;
use zabra_recipes::atomic::{AtomicLong, AtomicValue};
use zabra_recipes::configuration::Configuration;
use zabra_recipes::queue::Queue;
use zabra_recipes::shared::SharedValue;
use zabra_recipes::{Error, Receipt};

use crate::support::{Wire, hasty};

/// More replies than any of the operations here needs.
const REPLIES: u32 = 5;

/// A client over the wire that fails what waits for a connection.
async fn over(wire: &Wire, server: &Server) -> Client {
    hasty(Client::builder().dial(wire.clone()).connect_within(Duration::from_millis(200)), server).await
}

/// Waits for a connection.
async fn connected(client: &Client) {
    let mut states = client.states();
    while !client.state().is_connected() {
        states.next().await.unwrap();
    }
}

#[tokio::test]
async fn an_item_is_taken_or_carried_by_the_error_or_still_there() {
    let server = Server::start().await.unwrap();
    let other = Client::connect(&server.connect_string()).await.unwrap();
    let observed = Queue::builder(&other, "/queue").open().await.unwrap();
    for replies in 0..REPLIES {
        observed.put("item").await.unwrap();
        let wire = Wire::whole();
        let queue = Queue::builder(&over(&wire, &server).await, "/queue").open().await.unwrap();
        wire.break_after(replies);
        let in_hand = match queue.poll().await {
            Ok(taken) => usize::from(taken.is_some()),
            Err(Error::TakenOrGone { .. }) => 1,
            Err(error) => {
                assert_eq!(error.outcome(), Outcome::DidNotHappen, "{error}");
                0
            }
        };
        let left = observed.len().await.unwrap();
        assert!(in_hand + left > 0, "the item is lost with reply {replies}");
        while observed.poll().await.unwrap().is_some() {}
    }
}

#[tokio::test]
async fn an_item_that_is_done_is_done_although_another_has_marked_its_place() {
    let server = Server::start().await.unwrap();
    let other = Client::connect(&server.connect_string()).await.unwrap();
    let wire = Wire::whole();
    let client = Client::builder().dial(wire.clone()).connect(&server.connect_string()).await.unwrap();
    let queue = Queue::builder(&client, "/queue").lock_path("/locks").open().await.unwrap();
    queue.put("item").await.unwrap();
    let taken = queue.poll().await.unwrap().unwrap();
    let mark = format!("/locks/{}", taken.name());
    wire.break_after(0);
    let done = tokio::spawn(taken.done());
    // The request arrives, and its reply does not.
    while other.exists(&mark).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    // As a consumer does that had listed the item before.
    other.create(&mark, "another").ephemeral().await.unwrap();
    wire.mend();
    done.await.unwrap().unwrap();
    assert!(other.exists(&mark).await.unwrap().is_some(), "the other's mark is not ours to lift");
}

#[tokio::test]
async fn a_change_that_did_not_happen_did_not() {
    let server = Server::start().await.unwrap();
    let other = Client::connect(&server.connect_string()).await.unwrap();
    for replies in 0..REPLIES {
        let wire = Wire::whole();
        let client = over(&wire, &server).await;
        let path = |what: &str| format!("/{what}/{replies}");

        let number = AtomicLong::new(&client, path("n"));
        assert!(number.add(1).await.unwrap().succeeded);
        wire.break_after(replies);
        let added = number.add(1).await;
        wire.mend();
        let found = AtomicLong::new(&other, path("n")).get().await.unwrap();
        if added.is_err_and(|error| error.outcome() == Outcome::DidNotHappen) {
            assert_eq!(found, 1, "added all the same without reply {replies}");
        }

        connected(&client).await;
        other.ensure_path("/v").await.unwrap();
        wire.break_after(replies);
        let made = AtomicValue::new(&client, path("v")).initialize("1").await;
        wire.mend();
        let found = AtomicValue::new(&other, path("v")).get().await.unwrap();
        if made.is_err_and(|error| error.outcome() == Outcome::DidNotHappen) {
            assert_eq!(found, None, "made all the same without reply {replies}");
        }

        connected(&client).await;
        let configuration = Configuration::<String>::open(&client, &path("c")).await.unwrap();
        let first = configuration.create(&"1".to_owned()).await.unwrap();
        wire.break_after(replies);
        let set = configuration.set_if(&"2".to_owned(), first.version).await;
        wire.mend();
        let found = other.get(path("c")).await.unwrap().0;
        if set.is_err_and(|error| error.outcome() == Outcome::DidNotHappen) {
            assert_eq!(found, "1", "set all the same without reply {replies}");
        }

        connected(&client).await;
        let receipt = Receipt::open(&client, path("receipt")).await.unwrap();
        let queue = Queue::builder(&client, path("q")).receipt(receipt).open().await.unwrap();
        wire.break_after(replies);
        let put = queue.put("item").await;
        wire.mend();
        let found = Queue::builder(&other, path("q")).open().await.unwrap().len().await.unwrap();
        if put.is_err_and(|error| error.outcome() == Outcome::DidNotHappen) {
            assert_eq!(found, 0, "put all the same without reply {replies}");
        }
    }
}

#[tokio::test]
async fn a_shared_value_is_followed_though_requests_do_not_wait() {
    let server = Server::builder().tick_time(Duration::from_millis(50)).start().await.unwrap();
    let short = Duration::from_secs(1);
    let hasty = hasty(Client::builder().session_timeout(short).connect_within(short / 10), &server).await;
    let value = SharedValue::open(&hasty, "/value", "1").await.unwrap();
    let mut changes = value.changes();
    let mut states = hasty.states();
    server.kill().await;
    while states.next().await != Some(SessionState::Expired) {}
    // The read that follows the loss of the watch was sent before this one.
    while !hasty.exists("/").await.is_err_and(|error| matches!(error, NotConnected { .. })) {}
    server.restart().await.unwrap();
    let other = Client::connect(&server.connect_string()).await.unwrap();
    other.set("/value", "2").await.unwrap();
    assert_eq!(changes.next().await.expect("it is followed").value, "2");
}
