//! A wire that breaks between a request that was executed and its answer.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zabra_client::{BoxFuture, Client, ClientBuilder, Dial, Host, Stream, Tcp};
use zabra_embedded::Server;

/// What answers pass through to the clients that dial by it: one state for all their connections.
#[derive(Clone, Debug)]
pub(crate) struct Wire(Arc<Mutex<State>>);

/// What happens to the next reads.
#[derive(Clone, Copy, Debug)]
enum State {
    Whole,
    /// After so many reads one is lost, with its connection; those after it are not.
    LosesAfter(u32),
    /// After so many reads there are none; at zero no connection is made.
    BreaksAfter(u32),
}

impl Wire {
    pub(crate) fn whole() -> Self {
        Self(Arc::new(Mutex::new(State::Whole)))
    }

    /// A client over this wire.
    pub(crate) async fn client(&self, builder: ClientBuilder, server: &Server) -> Client {
        builder.dial(self.clone()).connect(&server.connect_string()).await.unwrap()
    }

    pub(crate) fn mend(&self) {
        self.set(State::Whole);
    }

    /// After so many reads one is lost, with its connection.
    pub(crate) fn lose_after(&self, reads: u32) {
        self.set(State::LosesAfter(reads));
    }

    /// After so many reads the wire breaks and stays broken.
    pub(crate) fn break_after(&self, reads: u32) {
        self.set(State::BreaksAfter(reads));
    }

    /// Whether the read that was to be lost is lost; none will be from now on.
    pub(crate) fn has_lost(&self) -> bool {
        matches!(mem::replace(&mut *self.0.lock().unwrap(), State::Whole), State::Whole)
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap() = state;
    }

    fn is_broken(&self) -> bool {
        matches!(*self.0.lock().unwrap(), State::BreaksAfter(0))
    }

    /// Whether one more read passes.
    fn passes(&self) -> bool {
        let mut state = self.0.lock().unwrap();
        let (next, passes) = match *state {
            State::Whole => (State::Whole, true),
            State::LosesAfter(0) => (State::Whole, false),
            State::LosesAfter(reads) => (State::LosesAfter(reads - 1), true),
            State::BreaksAfter(0) => (State::BreaksAfter(0), false),
            State::BreaksAfter(reads) => (State::BreaksAfter(reads - 1), true),
        };
        *state = next;
        passes
    }
}

impl Dial for Wire {
    fn connect(&self, host: &Host, addr: SocketAddr) -> BoxFuture<io::Result<Box<dyn Stream>>> {
        let (connecting, wire) = (Tcp.connect(host, addr), self.clone());
        Box::pin(async move {
            if wire.is_broken() {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(Box::new(Breaking { stream: connecting.await?, wire }) as Box<dyn Stream>)
        })
    }
}

/// A connection over the wire.
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
        if !self.wire.passes() {
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
