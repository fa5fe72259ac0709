//! Wires that break and stay broken, under clients that do not wait: what an error says was done or not is so.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zabra_client::Error::NotConnected;
use zabra_client::{BoxFuture, Client, ClientBuilder, Dial, Host, Outcome, SessionState, Stream, Tcp};
use zabra_embedded::Server;
use zabra_recipes::atomic::{AtomicLong, AtomicValue};
use zabra_recipes::configuration::Configuration;
use zabra_recipes::queue::Queue;
use zabra_recipes::shared::SharedValue;
use zabra_recipes::{Error, Receipt};

use crate::support::soon;

/// More reads than there are.
const WHOLE: i64 = i64::MAX;
/// More replies than any of the operations here needs.
const REPLIES: i64 = 5;

/// A client that fails requests soon when there is no connection; a busy machine may need longer for the first one.
async fn hasty(builder: ClientBuilder, server: &Server) -> Client {
    let client = builder.start(&server.connect_string()).expect("a connect string");
    soon("a connection", async { while client.sync("/").await.is_err() {} }).await;
    client
}

/// How many reads come through before the wire breaks; while it is zero there is none.
#[derive(Clone, Debug)]
struct Wire(Arc<AtomicI64>);

impl Wire {
    fn whole() -> Self {
        Self(Arc::new(AtomicI64::new(WHOLE)))
    }

    fn mend(&self) {
        self.0.store(WHOLE, Ordering::SeqCst);
    }

    fn breaks_after(&self, reads: i64) {
        self.0.store(reads, Ordering::SeqCst);
    }

    /// A client over this wire that fails what waits for a connection.
    async fn client(&self, server: &Server) -> Client {
        hasty(Client::builder().dial(self.clone()).connect_within(Duration::from_millis(200)), server).await
    }
}

impl Dial for Wire {
    fn connect(&self, host: &Host, addr: SocketAddr) -> BoxFuture<io::Result<Box<dyn Stream>>> {
        let (connecting, wire) = (Tcp.connect(host, addr), self.clone());
        Box::pin(async move {
            if wire.0.load(Ordering::SeqCst) == 0 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(Box::new(Breaking { stream: connecting.await?, wire }) as Box<dyn Stream>)
        })
    }
}

struct Breaking {
    stream: Box<dyn Stream>,
    wire: Wire,
}

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let left = |reads: i64| (reads > 0).then(|| reads - 1);
        if self.wire.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_err() {
            // Without what came it is the end of the connection.
            buffer.set_filled(filled);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
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
        let queue = Queue::builder(&wire.client(&server).await, "/queue").open().await.unwrap();
        wire.breaks_after(replies);
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
    wire.breaks_after(0);
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
        let client = wire.client(&server).await;
        let path = |what: &str| format!("/{what}/{replies}");

        let number = AtomicLong::new(&client, path("n"));
        assert!(number.add(1).await.unwrap().succeeded);
        wire.breaks_after(replies);
        let added = number.add(1).await;
        wire.mend();
        let found = AtomicLong::new(&other, path("n")).get().await.unwrap();
        if added.is_err_and(|error| error.outcome() == Outcome::DidNotHappen) {
            assert_eq!(found, 1, "added all the same without reply {replies}");
        }

        connected(&client).await;
        other.ensure_path("/v").await.unwrap();
        wire.breaks_after(replies);
        let made = AtomicValue::new(&client, path("v")).initialize("1").await;
        wire.mend();
        let found = AtomicValue::new(&other, path("v")).get().await.unwrap();
        if made.is_err_and(|error| error.outcome() == Outcome::DidNotHappen) {
            assert_eq!(found, None, "made all the same without reply {replies}");
        }

        connected(&client).await;
        let configuration = Configuration::<String>::open(&client, &path("c")).await.unwrap();
        let first = configuration.create(&"1".to_owned()).await.unwrap();
        wire.breaks_after(replies);
        let set = configuration.set_if(&"2".to_owned(), first.version).await;
        wire.mend();
        let found = other.get(path("c")).await.unwrap().0;
        if set.is_err_and(|error| error.outcome() == Outcome::DidNotHappen) {
            assert_eq!(found, "1", "set all the same without reply {replies}");
        }

        connected(&client).await;
        let receipt = Receipt::open(&client, path("receipt")).await.unwrap();
        let queue = Queue::builder(&client, path("q")).receipt(receipt).open().await.unwrap();
        wire.breaks_after(replies);
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
