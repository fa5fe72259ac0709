//! Accepting clients, within the limits.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::config::Endpoint;
use crate::conn;
use crate::core::Core;

/// How long to wait when the system refuses to accept, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the client port.
///
/// # Errors
/// No address of the endpoint can be bound; the error of the last one.
pub(crate) fn bind(endpoint: &Endpoint, backlog: Option<u32>) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in endpoint.to_socket_addrs()? {
        match bind_address(address, backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_address(address: SocketAddr, backlog: Option<u32>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The wildcard takes both families, as a wildcard socket of Java does.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Without a wish as many as the system allows, where Java says 50: of clients that come together, as they do after a
    // restart, those beyond are dropped by the system, and knock again after one, three, seven seconds.
    let backlog = backlog.and_then(|backlog| i32::try_from(backlog).ok()).unwrap_or(i32::MAX);
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}

/// Accepts clients until told to stop.
pub(crate) async fn accept(core: Arc<Core>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|&stop| stop) => return,
        };
        match accepted {
            Ok((stream, remote)) => admit(&core, stream, plain(remote)),
            Err(error) => {
                warn!(%error, "cannot accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// IPv4 clients of a socket that takes both families are shown and judged as IPv4.
fn plain(remote: SocketAddr) -> SocketAddr {
    match remote.ip() {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(remote, |v4| SocketAddr::new(v4.into(), remote.port())),
        IpAddr::V4(_) => remote,
    }
}

fn admit(core: &Arc<Core>, stream: TcpStream, remote: SocketAddr) {
    let listen = &core.config.listen;
    let over = |limit: Option<u32>, count: usize| limit.is_some_and(|limit| count >= limit as usize);
    if over(listen.connections_max, core.conns.len()) {
        refuse(core, stream, remote, "maxCnxns");
        return;
    }
    if listen.connections_per_host_max.is_some()
        && over(listen.connections_per_host_max, core.conns.count_from(remote.ip()))
    {
        refuse(core, stream, remote, "maxClientCnxns");
        return;
    }
    let socket = SockRef::from(&stream);
    if let Err(error) = socket
        .set_tcp_nodelay(true)
        .and_then(|()| if listen.tcp_keep_alive { socket.set_keepalive(true) } else { Ok(()) })
    {
        debug!(client = %remote, %error, "cannot set socket options");
    }
    tokio::spawn(conn::serve(Arc::clone(core), stream, remote));
}

fn refuse(core: &Core, stream: TcpStream, remote: SocketAddr, limit: &str) {
    core.stats.connection_rejected.increment();
    warn!(client = %remote, limit, "too many connections, refusing one");
    // A reset, as the genuine server does: the client learns at once and no port lingers.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn clients_that_come_at_once_get_through() {
        let many = 200;
        let most = |backlog| {
            let listener = bind_address((Ipv4Addr::LOCALHOST, 0).into(), backlog).unwrap();
            let address = listener.local_addr().unwrap();
            let patience = Duration::from_millis(300);
            // Nobody accepts, and one that gets through does so at once.
            let held: Vec<_> = (0..many)
                .map_while(|_| std::net::TcpStream::connect_timeout(&address, patience).ok())
                .collect();
            held.len()
        };
        assert_eq!(most(None), many);
        assert!(most(Some(10)) < many, "a wish counts");
    }
}
