//! Listening for other servers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::Endpoint;
use crate::listener;

/// The pause between two attempts to bind.
const BIND_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait when the system refuses to accept, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The order in which a server opens: first all its ports listen, or have tried to, then it speaks, then it hears. Who is
/// spoken to may answer with a connection at once, and one that is refused is not tried again soon.
#[derive(Clone, Debug)]
pub(crate) struct Opening(Arc<Barrier>);

impl Opening {
    /// For so many ports.
    pub(crate) fn of(ports: usize) -> Self {
        Self(Arc::new(Barrier::new(ports + 1)))
    }

    /// Ready when every port has tried to listen.
    pub(crate) async fn tried(&self) {
        self.0.wait().await;
    }

    /// Lets the ports accept.
    pub(crate) async fn open(&self) {
        self.0.wait().await;
    }

    /// For a port that has tried to listen: ready when it may accept.
    async fn opened(&self) {
        self.0.wait().await;
        self.0.wait().await;
    }
}

/// A port between servers.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    /// What it is called in the log.
    pub(crate) name: &'static str,
    /// Where to listen.
    pub(crate) endpoint: Endpoint,
    /// How often to try; none is for ever.
    pub(crate) tries: Option<u32>,
    /// What it waits for before it accepts, if for anything.
    pub(crate) opening: Option<Opening>,
}

impl Port {
    /// Listens for ever, in every state of the server.
    ///
    /// # Errors
    /// It cannot be bound, after all attempts.
    pub(crate) async fn serve(self, accepted: impl Fn(TcpStream, SocketAddr)) -> Result<(), String> {
        let first = self.bind_once().await;
        if let Some(opening) = &self.opening {
            opening.opened().await;
        }
        let listener = self.bind(first).await?;
        info!(address = %self.endpoint, "listening on the {}", self.name);
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => accepted(stream, remote),
                Err(error) => {
                    warn!(%error, "cannot accept a server on the {}", self.name);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Tries again if the first attempt failed.
    async fn bind(&self, first: io::Result<TcpListener>) -> Result<TcpListener, String> {
        let mut tried = 0;
        let mut attempt = first;
        loop {
            let error = match attempt {
                Ok(listener) => return Ok(listener),
                Err(error) => error,
            };
            tried += 1;
            if self.tries.is_some_and(|tries| tried >= tries) {
                return Err(format!(
                    "cannot listen on {} ({}): {error}; is another server running there, and is the address of this \
                     machine?",
                    self.endpoint, self.name
                ));
            }
            warn!(address = %self.endpoint, %error, "cannot listen on the {} yet", self.name);
            sleep(BIND_PAUSE).await;
            attempt = self.bind_once().await;
        }
    }

    /// The name is looked up anew each time, which may block.
    async fn bind_once(&self) -> io::Result<TcpListener> {
        let endpoint = self.endpoint.clone();
        tokio::task::spawn_blocking(move || listener::bind(&endpoint, None))
            .await
            .map_err(io::Error::other)?
    }
}
