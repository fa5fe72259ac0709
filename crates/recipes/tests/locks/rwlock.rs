//! The lock that readers share.

use std::time::Duration;

use zabra_client::CreateMode;
use zabra_embedded::Server;
use zabra_recipes::Error;
use zabra_recipes::lock::{Lock, NameStyle, RwLock};

use crate::{connect, in_time, until_children};

#[tokio::test]
async fn readers_share_and_writers_do_not_starve() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = RwLock::new(&client, "/lock").unwrap();
    let one = lock.read().acquire().await.unwrap();
    let two = lock.read().acquire().await.unwrap();
    let writer = tokio::spawn(lock.write().acquire());
    until_children(&client, "/lock", 3).await;
    // A reader behind a waiting writer waits too.
    assert!(lock.read().acquire_within(Duration::from_millis(20)).await.unwrap().is_none());
    let reader = tokio::spawn(lock.read().acquire());
    until_children(&client, "/lock", 4).await;
    one.release().await.unwrap();
    two.release().await.unwrap();
    let writer = in_time(writer).await.unwrap().unwrap();
    assert!(!reader.is_finished());
    assert!(lock.read().try_acquire().await.unwrap().is_none());
    let fence = writer.fence();
    writer.release().await.unwrap();
    let reader = in_time(reader).await.unwrap().unwrap();
    assert!(reader.fence() > fence);
    reader.release().await.unwrap();
}

#[tokio::test]
async fn nodes_are_those_of_curator_and_of_kazoo() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let cases = [
        (NameStyle::Curator, 40, ["__READ__0000000000", "__WRIT__0000000001"]),
        (NameStyle::Kazoo, 32, ["__rlock__0000000000", "__lock__0000000001"]),
    ];
    for (style, at, expected) in cases {
        let path = format!("/{style:?}");
        let lock = RwLock::new(&client, &path).unwrap().with_style(style);
        let read = lock.read().acquire().await.unwrap();
        assert_eq!(&client.children(&path).await.unwrap()[0][at..], expected[0]);
        read.release().await.unwrap();
        let write = lock.write().acquire().await.unwrap();
        assert_eq!(&client.children(&path).await.unwrap()[0][at..], expected[1]);
        write.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_writer_becomes_a_reader_and_no_writer_slips_in() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let lock = RwLock::new(&client, "/lock").unwrap();
    let write = lock.write().acquire().await.unwrap();
    let writer = tokio::spawn(lock.write().acquire());
    until_children(&client, "/lock", 2).await;
    let (path, fence) = (write.path().to_owned(), write.fence());
    let read = lock.downgrade(write).await.unwrap();
    // The place of the writer, and its token: the next writer's is greater.
    assert_eq!(read.path()[read.path().len() - 10..], path[path.len() - 10..]);
    assert!(read.path().contains("__READ__"));
    assert_eq!(read.fence(), fence);
    until_children(&client, "/lock", 2).await;
    assert!(!writer.is_finished());
    read.release().await.unwrap();
    let writer = in_time(writer).await.unwrap().unwrap();
    assert!(writer.fence() > fence);

    let other = RwLock::new(&client, "/other").unwrap();
    assert!(matches!(other.share(&writer).await, Err(Error::BadArgument(_))));
    client.delete(writer.path()).await.unwrap();
    in_time(writer.lost()).await;
    assert!(matches!(lock.downgrade(writer).await, Err(Error::Lost(_))));
    until_children(&client, "/lock", 0).await;
}

#[tokio::test]
async fn readers_and_writers_of_kazoo_are_understood() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    client.create("/lock", "").await.unwrap();
    let lock = RwLock::new(&client, "/lock").unwrap();
    let make = |name: &str| client.create(format!("/lock/{name}"), "").mode(CreateMode::EphemeralSequential);
    let reader = make("5ce0__rlock__").await.unwrap();
    lock.read().try_acquire().await.unwrap().unwrap().release().await.unwrap();
    assert!(lock.write().try_acquire().await.unwrap().is_none());
    client.delete(&reader.path).await.unwrap();
    let writer = make("5ce0__lock__").await.unwrap();
    assert!(lock.read().try_acquire().await.unwrap().is_none());
    client.delete(&writer.path).await.unwrap();
    in_time(lock.write().acquire()).await.unwrap().release().await.unwrap();
}
