//! Values that are followed and changed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zabra_client::Client;
use zabra_embedded::Server;
use zabra_recipes::Error;
use zabra_recipes::configuration::{Configuration, ConfigurationState, Json, Past};

use crate::support::{Wire, World, soon, until};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Limits {
    connections: u32,
}

type Config = Configuration<Json<Limits>>;

fn limits(connections: u32) -> Json<Limits> {
    Json(Limits { connections })
}

fn in_force(config: &Config) -> Option<u32> {
    config.current().map(|current| current.value.0.connections)
}

pub(crate) async fn everybody_follows_what_one_sets(world: &World) {
    let (one, two) = (world.client().await, world.client().await);
    let writer = soon("a writer", Config::open(&one, "/config/limits")).await.unwrap();
    let reader = soon("a reader", Config::open(&two, "/config/limits")).await.unwrap();
    assert!(matches!(reader.state(), ConfigurationState::Absent(None)));
    let (sender, heard) = mpsc::channel();
    reader.on_change(move |state| {
        // Nobody hears the later ones.
        let _ = sender.send(state.in_force().map(|value| value.value.0.connections));
    });
    assert_eq!(
        soon("the call", tokio::task::spawn_blocking(move || (heard.recv(), heard))).await.unwrap().0,
        Ok(None)
    );

    let mut changes = reader.changes();
    let created = soon("the creation", writer.create(&limits(1))).await.unwrap();
    assert_eq!((created.version, created.value.0.connections), (0, 1));
    assert_eq!(soon("the kept one", writer.create(&limits(9))).await.unwrap().value.0.connections, 1);
    let Some(ConfigurationState::Valid(first)) = soon("the value", changes.next()).await else {
        panic!("no value")
    };
    assert_eq!((first.version, first.value.0.connections), (0, 1));

    assert!(writer.set_if(&limits(2), 0).await.unwrap().is_some());
    assert!(writer.set_if(&limits(3), 0).await.unwrap().is_none());
    assert_eq!(
        soon("the update", writer.update(|old| limits(old.0.connections * 10))).await.unwrap().version,
        2
    );
    until("the value", || in_force(&reader) == Some(20)).await;
    assert_eq!(soon("a read", reader.read()).await.unwrap().unwrap().version, 2);

    // What is no value does not come into force.
    one.set("/config/limits", "{").await.unwrap();
    until("the refusal", || matches!(reader.state(), ConfigurationState::Invalid { version: 3, .. })).await;
    assert_eq!(in_force(&reader), Some(20));
    assert!(matches!(reader.read().await, Err(Error::Malformed { .. })));
    assert!(matches!(writer.update(Clone::clone).await, Err(Error::Malformed { .. })));
    soon("another", writer.set(&limits(30))).await.unwrap();
    until("the value", || in_force(&reader) == Some(30)).await;

    assert!(!writer.delete(3).await.unwrap());
    assert!(writer.delete(4).await.unwrap());
    until("the deletion", || matches!(reader.state(), ConfigurationState::Absent(Some(_)))).await;
    assert_eq!(in_force(&reader), Some(30));
    assert_eq!(soon("a new node", writer.set(&limits(40))).await.unwrap().version, 0);
    until("the value", || in_force(&reader) == Some(40)).await;

    two.close().await.unwrap();
    soon("the end", async { while changes.next().await.is_some() {} }).await;
}

pub(crate) async fn no_update_is_lost_among_many_though_connections_break(world: &World) {
    const WRITERS: usize = 4;
    const UPDATES: usize = 25;
    let first = world.client().await;
    let config = soon("the configuration", Configuration::<String>::open(&first, "/list")).await.unwrap();
    soon("the creation", config.create(&String::new())).await.unwrap();
    let left = Arc::new(AtomicUsize::new(WRITERS));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let client = world.client().await;
        let left = left.clone();
        writers.push(tokio::spawn(async move {
            let config = Configuration::<String>::open(&client, "/list").await.unwrap();
            for update in 0..UPDATES {
                // Made twice it is the same, as an update must be.
                let item = format!("{writer}.{update} ");
                let add =
                    |old: &String| if old.contains(&item) { old.clone() } else { format!("{old}{item}") };
                config.update(add).await.unwrap();
            }
            left.fetch_sub(1, Ordering::Relaxed);
        }));
    }
    while left.load(Ordering::Relaxed) > 0 {
        world.cut_all().await;
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    for writer in writers {
        soon("a writer", writer).await.unwrap();
    }
    let list = soon("a read", config.read()).await.unwrap().unwrap();
    assert_eq!(list.value.split_whitespace().count(), WRITERS * UPDATES);
    for writer in 0..WRITERS {
        let places: Vec<_> =
            (0..UPDATES).map(|update| list.value.find(&format!("{writer}.{update} "))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}", list.value);
    }
}

pub(crate) async fn a_configuration_goes_on_after_a_restart_and_in_the_next_session(world: &World) {
    let (one, two) = (world.client().await, world.client().await);
    let reader = soon("a reader", Configuration::<Bytes>::open(&one, "/config")).await.unwrap();
    let writer = soon("a writer", Configuration::<Bytes>::open(&two, "/config")).await.unwrap();
    let is = |text: &'static str| {
        let reader = reader.clone();
        move || reader.current().is_some_and(|current| *current.value == text)
    };
    soon("the value", writer.set(&Bytes::from_static(b"1"))).await.unwrap();
    until("the first", is("1")).await;
    world.expire(one.session_id()).await;
    soon("the value", writer.set(&Bytes::from_static(b"2"))).await.unwrap();
    until("the second", is("2")).await;
    world.kill().await;
    assert!(is("2")());
    world.restart().await;
    soon("the value", writer.set(&Bytes::from_static(b"3"))).await.unwrap();
    until("the third", is("3")).await;
}

pub(crate) async fn a_history_tells_what_was_set_and_forgets_the_oldest(world: &World) {
    let client = world.client().await;
    let config = soon("the configuration", Config::open(&client, "/config/limits")).await.unwrap();
    assert!(config.history().await.unwrap().is_empty());
    let config = config.with_history(3);
    soon("the creation", config.create(&limits(1))).await.unwrap();
    soon("the value", config.set(&limits(2))).await.unwrap();
    assert!(config.set_if(&limits(0), 7).await.unwrap().is_none());
    let past = |past: Vec<Past<Json<Limits>>>| {
        past.into_iter().map(|past| (past.value.unwrap().0.connections, past.zxid)).collect::<Vec<_>>()
    };
    let (first, second) = (past(config.history().await.unwrap()), config.read().await.unwrap().unwrap());
    assert_eq!((first.len(), first[0].0, first[1]), (2, 1, (2, second.stat.mzxid)));

    soon("the update", config.update(|old| limits(old.0.connections + 1))).await.unwrap();
    soon("the value", config.set_if(&limits(4), 2)).await.unwrap().unwrap();
    let values: Vec<_> = past(config.history().await.unwrap()).into_iter().map(|(value, _)| value).collect();
    assert_eq!(values, [2, 3, 4]);

    // It outlives the value, and goes on with the next.
    assert!(config.delete(3).await.unwrap());
    soon("a new node", config.set(&limits(5))).await.unwrap();
    client.delete_recursive("/config/limits.history").await.unwrap();
    soon("without a place for the history", config.set(&limits(6))).await.unwrap();
    assert_eq!(past(config.history().await.unwrap()).len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_made_up_for() {
    let server = Server::start().await.unwrap();
    let wire = Wire::whole();
    let direct = server.connect_string();
    let client = soon("a session", wire.client(Client::builder(), &server)).await;
    let other = soon("a session", Client::connect(&direct)).await.unwrap();
    let config = soon("the configuration", Configuration::<String>::open(&client, "/config")).await.unwrap();
    let rival = soon("the configuration", Configuration::<String>::open(&other, "/config")).await.unwrap();

    wire.lose_after(0);
    let created = soon("the creation", config.create(&"0".to_owned())).await.unwrap();
    assert!(wire.has_lost());
    assert_eq!((created.version, &**created.value), (0, "0"));

    wire.lose_after(0);
    let set = soon("the value", config.set_if(&"1".to_owned(), 0)).await.unwrap();
    assert!(wire.has_lost());
    assert_eq!(set.map(|set| set.version), Some(1), "it was set, once");

    // The answer to the read is lost, and then that to the write.
    for answers in 0..2 {
        wire.lose_after(answers);
        soon("the update", config.update(|old| format!("{old}+"))).await.unwrap();
        assert!(wire.has_lost());
    }
    let read = soon("a read", rival.read()).await.unwrap().unwrap();
    assert_eq!((read.version, &**read.value), (3, "1++"));

    // Somebody is faster: nothing is set, and nothing is said to be.
    soon("the rival", rival.set(&"rival".to_owned())).await.unwrap();
    wire.lose_after(0);
    assert!(soon("the answer", config.set_if(&"late".to_owned(), 3)).await.unwrap().is_none());
    assert!(wire.has_lost());
    assert_eq!(&**soon("a read", rival.read()).await.unwrap().unwrap().value, "rival");
}
