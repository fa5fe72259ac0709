//! Connections that break after any byte, by way of a [`Dial`] of the test's own.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use zabra_client::{BoxFuture, Client, Dial, Error, Host, Outcome, Stream, Tcp};
use zabra_testkit::rounds;

/// Connections that last for a random number of bytes.
#[derive(Debug)]
struct Fragile {
    random: Mutex<fastrand::Rng>,
}

/// A connection that breaks once so many bytes have gone through, in both directions together.
struct Breaking {
    stream: Box<dyn Stream>,
    left: usize,
}

impl Dial for Fragile {
    fn connect(&self, host: &Host, addr: SocketAddr) -> BoxFuture<io::Result<Box<dyn Stream>>> {
        let connecting = Tcp.connect(host, addr);
        let mut random = self.random.lock().unwrap();
        // Some break in the handshake.
        let most = random.choice([100, 5000, 20_000]).unwrap();
        let left = random.usize(1..most);
        Box::pin(async move {
            let stream = connecting.await?;
            Ok(Box::new(Breaking { stream, left }) as Box<dyn Stream>)
        })
    }
}

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut part = buf.take(self.left);
        if part.remaining() == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let polled = Pin::new(&mut *self.stream).poll_read(cx, &mut part);
        let read = part.filled().len();
        // The part is the beginning of `buf`'s room; the bytes are copied again, as nothing here is unsafe.
        let bytes = part.filled().to_vec();
        buf.put_slice(&bytes);
        self.left -= read;
        polled
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let len = bytes.len().min(self.left);
        if len == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let polled = Pin::new(&mut *self.stream).poll_write(cx, &bytes[..len]);
        if let Poll::Ready(Ok(wrote)) = polled {
            self.left -= wrote;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}

/// Waits, by one watch after the other, until the node says so.
async fn follow(client: Client, until: &'static str) {
    loop {
        match client.get("/n").watch().await {
            Ok(((data, _), _)) if *data == *until.as_bytes() => return,
            Ok((_, changed)) => drop(changed.await),
            Err(error) => assert_eq!(error.outcome(), Outcome::DidNotHappen, "{error}"),
        }
    }
}

/// Sends so many sequential creates, each with its number as data, and takes their outcomes.
async fn create_some(client: &Client, count: usize, outcomes: &mut Vec<Result<(), Error>>) {
    let numbers = outcomes.len()..outcomes.len() + count;
    let batch: Vec<_> = numbers.map(|n| client.create("/q/n-", n.to_string()).sequential().send()).collect();
    for pending in batch {
        outcomes.push(pending.await.map(drop));
    }
}

/// Compares what was told of the creates with what is there. Returns how many were unknown.
async fn check(sound: &Client, outcomes: &[Result<(), Error>]) -> usize {
    let mut executed = Vec::new();
    for name in sound.children("/q").await.unwrap() {
        let (data, _) = sound.get(format!("/q/{name}")).await.unwrap();
        executed.push(std::str::from_utf8(&data).unwrap().parse::<usize>().unwrap());
    }
    // Names are sorted by their sequence numbers, which is the order of execution.
    assert!(executed.is_sorted_by(|one, other| one < other), "in order, and nothing twice");
    let mut unknown = 0;
    for (n, outcome) in outcomes.iter().enumerate() {
        let done = executed.binary_search(&n).is_ok();
        match outcome.as_ref().map_err(Error::outcome) {
            Ok(()) => assert!(done, "{n} was acknowledged"),
            Err(Outcome::DidNotHappen) => assert!(!done, "{n} failed and happened: {outcome:?}"),
            Err(_) => unknown += 1,
        }
    }
    unknown
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_and_watches_are_right_whatever_breaks() {
    let server = zabra_embedded::Server::builder().set("maxSessionTimeout", "60000").start().await.unwrap();
    let sound = Client::connect(&server.connect_string()).await.unwrap();
    sound.create("/q", "").await.unwrap();
    sound.create("/n", "").await.unwrap();
    let dial = Fragile { random: Mutex::new(fastrand::Rng::with_seed(1)) };
    let client = Client::builder().dial(dial).connect(&server.connect_string()).await.unwrap();
    let follower = tokio::spawn(follow(client.clone(), "end"));

    let mut outcomes: Vec<Result<(), Error>> = Vec::new();
    let mut breaks = 0;
    while breaks < rounds(5) {
        // Changes at random moments for the follower, too.
        sound.set("/n", outcomes.len().to_string()).await.unwrap();
        let before = outcomes.len();
        create_some(&client, 50, &mut outcomes).await;
        breaks += usize::from(outcomes[before..].iter().any(Result::is_err));
    }
    sound.set("/n", "end").await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), follower).await.expect("no watch is lost").unwrap();

    let unknown = check(&sound, &outcomes).await;
    assert!(unknown > 0, "some were under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_right_while_servers_die() {
    let ensemble =
        zabra_embedded::Ensemble::builder(3).set("maxSessionTimeout", "60000").start().await.unwrap();
    let servers = ensemble.connect_string();
    let client = Client::connect(&servers).await.unwrap();
    let session = client.session_id();
    client.create("/q", "").await.unwrap();
    let mut outcomes = Vec::new();
    for round in 0..6 {
        // In turns the server that the client is connected to, and the leader.
        let connected =
            ensemble.servers().iter().position(|server| Some(server.address()) == client.server());
        let leader = ensemble.leader().await.unwrap();
        let victim = if round % 2 == 0 { connected.unwrap_or(leader) } else { leader };
        let busy = Notify::new();
        let killing = async {
            busy.notified().await;
            ensemble.kill(victim).await;
        };
        let creating = async {
            for _ in 0..20 {
                create_some(&client, 50, &mut outcomes).await;
                busy.notify_one();
            }
        };
        tokio::join!(killing, creating);
        ensemble.restart(victim).await.unwrap();
    }
    client.sync("/").await.unwrap();
    assert_eq!(client.session_id(), session);
    check(&client, &outcomes).await;
    assert!(outcomes.iter().any(Result::is_err), "some were under way");
}
