//! What the two HTTP ports share, the admin server's and that of the metrics: listening with a limit on connections,
//! and closing those where nothing moves.

mod idle;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, warn};

use crate::config::{Admin, BusyPort, Endpoint, Metrics};
use crate::listener;
use crate::server::StartError;
pub(crate) use idle::Busy;
use idle::Idle;

/// Connections at once to one port. More wait in the backlog; an operator's tools have a few.
const CONNECTIONS_MAX: usize = 200;
/// How long to wait when the system refuses to accept, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who asks, as handlers see it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The client's address.
    pub(crate) address: SocketAddr,
    /// Keeps the connection open while a request is worked on.
    pub(crate) busy: Busy,
}

/// Binds the port of the admin server; nothing when there is to be none.
///
/// # Errors
/// The port is taken or not ours, and somebody asked for it.
pub(crate) fn bind_admin(admin: &Admin) -> Result<Option<BoundListener>, StartError> {
    if !admin.enabled {
        return Ok(None);
    }
    match BoundListener::bind(&admin.listen) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if admin.busy_port == BusyPort::GoOnWithout && error.kind() == ErrorKind::AddrInUse => {
            warn!(
                address = %admin.listen,
                "going on without the admin server: something else has its port; admin.serverPort gives it another"
            );
            Ok(None)
        }
        Err(source) => Err(StartError::Admin { endpoint: admin.listen.clone(), source }),
    }
}

/// Binds the port of the metrics; nothing when there is to be none.
///
/// # Errors
/// The port is taken or not ours.
pub(crate) fn bind_metrics(metrics: &Metrics) -> Result<Option<BoundListener>, StartError> {
    let bind = |endpoint: &Endpoint| {
        BoundListener::bind(endpoint).map_err(|source| StartError::Bind {
            key: "metricsProvider.httpPort",
            endpoint: endpoint.clone(),
            source,
        })
    };
    metrics.http.as_ref().map(bind).transpose()
}

/// A port that is bound, and which one it is.
#[derive(Debug)]
pub(crate) struct BoundListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundListener {
    fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        let listener = listener::bind(endpoint, None)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }
}

/// Begins to serve requests, until told to stop; returns the address. A connection on which nothing moves for
/// `idle_timeout` is closed, unless a request of it is being worked on.
pub(crate) fn start(
    bound: BoundListener,
    router: Router,
    idle_timeout: Duration,
    stop: &watch::Receiver<bool>,
) -> SocketAddr {
    let BoundListener { listener, address } = bound;
    let mut stop = stop.clone();
    let listener = Limited { listener, idle_timeout, permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
    let service = router.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move {
        let stopped = async move {
            let _ = stop.wait_for(|&stop| stop).await;
        };
        // Serving ends when it is told to; no error reaches this place.
        let _ = axum::serve(listener, service).with_graceful_shutdown(stopped).await;
    });
    address
}

/// A listener that hands out so many connections and no more.
#[derive(Debug)]
struct Limited {
    listener: TcpListener,
    idle_timeout: Duration,
    permits: Arc<Semaphore>,
}

impl Listener for Limited {
    type Io = Idle<OwnedSemaphorePermit>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return std::future::pending().await;
            };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(client = %address, %error, "cannot set a socket option");
                    }
                    return (Idle::new(stream, self.idle_timeout, permit), address);
                }
                Err(error) => {
                    warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        Self { address: *stream.remote_addr(), busy: stream.io().busy() }
    }
}
