//! Replies that are lost: the server has done it, and the client does not hear of it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zabra_client::{BoxFuture, Client, Dial, Host, Stream, Tcp};
use zabra_embedded::Server;
use zabra_recipes::lock::{Lock, Mutex, RwLock, Semaphore};

use crate::{connect, in_time};

/// How many more reads succeed before one is lost with its connection; none is while it is negative.
#[derive(Clone, Debug)]
struct Loss(Arc<AtomicI64>);

impl Loss {
    fn after(&self, reads: i64) {
        self.0.store(reads, Ordering::SeqCst);
    }
}

impl Dial for Loss {
    fn connect(&self, host: &Host, addr: SocketAddr) -> BoxFuture<io::Result<Box<dyn Stream>>> {
        let (connecting, loss) = (Tcp.connect(host, addr), self.clone());
        Box::pin(async move { Ok(Box::new(Lossy { stream: connecting.await?, loss }) as Box<dyn Stream>) })
    }
}

struct Lossy {
    stream: Box<dyn Stream>,
    loss: Loss,
}

impl AsyncRead for Lossy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.loss.0.fetch_sub(1, Ordering::SeqCst) == 0 {
            // Without what came it is the end of the connection.
            buffer.set_filled(filled);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lossy {
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

/// Acquires and releases with the loss of one read after another, and looks how many nodes there are.
async fn lose_each(lock: impl Fn(&Client) -> Box<dyn Lock>, nodes: &str) {
    let server = Server::start().await.expect("a server starts");
    let loss = Loss(Arc::new(AtomicI64::new(-1)));
    let lossy = Client::builder()
        .dial(loss.clone())
        .connect(&server.connect_string())
        .await
        .expect("the server accepts clients");
    let observer = connect(&server).await;
    let lock = lock(&lossy);
    let mut last = None;
    for reads in (0..12).flat_map(|reads| [reads, reads]) {
        loss.after(reads);
        let guard = in_time(lock.acquire()).await.expect("a cut is no failure");
        assert!(Some(guard.fence()) > last);
        last = Some(guard.fence());
        let children = observer.children(nodes).await.expect("the server answers");
        assert_eq!(children.len(), 1, "read {reads} was lost while acquiring: {children:?}");
        assert!(guard.path().ends_with(&children[0]));
        loss.after(reads);
        in_time(guard.release()).await.expect("a cut is no loss");
        let children = observer.children(nodes).await.expect("the server answers");
        assert!(children.is_empty(), "read {reads} was lost while releasing: {children:?}");
        loss.after(-1);
    }
}

#[tokio::test]
async fn a_lost_reply_costs_no_lock() {
    lose_each(|client| Box::new(Mutex::new(client, "/app/lock").unwrap()), "/app/lock").await;
}

#[tokio::test]
async fn a_lost_reply_costs_no_writer() {
    lose_each(|client| Box::new(RwLock::new(client, "/app/lock").unwrap().write()), "/app/lock").await;
}

#[tokio::test]
async fn a_lost_reply_costs_no_lease() {
    lose_each(|client| Box::new(Semaphore::new(client, "/pool", 1).unwrap()), "/pool/leases").await;
}
