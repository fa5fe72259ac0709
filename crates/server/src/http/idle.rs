//! A socket that closes when nothing moves.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// A TCP stream whose reads and writes fail once nothing has moved for a while. `guard` goes with it.
#[derive(Debug)]
pub(super) struct Idle<G> {
    stream: TcpStream,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    busy: Busy,
    _guard: G,
}

/// Keeps a connection open although nothing moves, while the server works on a request of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicUsize>);

impl Busy {
    /// Counts as busy until the result is dropped.
    pub(crate) fn begin(&self) -> Working {
        self.0.fetch_add(1, SeqCst);
        Working(Arc::clone(&self.0))
    }

    fn is_busy(&self) -> bool {
        self.0.load(SeqCst) != 0
    }
}

/// See [`Busy::begin`].
#[derive(Debug)]
pub(crate) struct Working(Arc<AtomicUsize>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl<G> Idle<G> {
    pub(super) fn new(stream: TcpStream, timeout: Duration, guard: G) -> Self {
        Self { stream, timeout, timer: Box::pin(sleep(timeout)), busy: Busy::default(), _guard: guard }
    }

    pub(super) fn busy(&self) -> Busy {
        self.busy.clone()
    }

    /// Something moved.
    fn moved(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.timeout);
    }

    /// What an operation that cannot go on means: wait, or give up.
    fn stuck<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        ready!(self.timer.as_mut().poll(context));
        if self.busy.is_busy() {
            self.moved();
            // Registers the new deadline.
            ready!(self.timer.as_mut().poll(context));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing moved on the connection")))
    }
}

impl<G: Unpin> AsyncRead for Idle<G> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => this.stuck(cx),
            ready => {
                this.moved();
                ready
            }
        }
    }
}

impl<G: Unpin> AsyncWrite for Idle<G> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Pending => this.stuck(cx),
            ready => {
                this.moved();
                ready
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair(timeout: Duration) -> (Idle<()>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Idle::new(listener.accept().await.unwrap().0, timeout, ()), client)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_fails_and_a_busy_one_waits() {
        let (mut server, mut client) = pair(Duration::from_millis(20)).await;
        let busy = server.busy().begin();
        let mut byte = [0];
        let sent = async {
            // Longer than the timeout.
            sleep(Duration::from_millis(100)).await;
            client.write_all(b"x").await.unwrap();
        };
        let (read, ()) = tokio::join!(server.read(&mut byte), sent);
        assert_eq!(read.unwrap(), 1);
        drop(busy);
        assert_eq!(server.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
