//! Reaching another server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Endpoint, Host};

/// Why a server cannot be reached.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    /// Nobody knows the name.
    #[error(
        "the name {host} cannot be looked up ({source}); is it right, and does this machine's DNS know it?"
    )]
    Name {
        /// The name.
        host: Host,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody listens there, or the way is blocked.
    #[error("{address} cannot be reached: {source}")]
    Connect {
        /// The last address tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing came back.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The configuration has no address for it.
    #[error("no address is configured for it")]
    NoAddress,
}

/// Connects to whichever of the addresses answers first. Names are looked up anew each time: servers move.
pub(crate) async fn connect(endpoints: &[Endpoint], within: Duration) -> Result<TcpStream, DialError> {
    match timeout(within, race(endpoints)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(DialError::Silent(within)),
    }
}

async fn race(endpoints: &[Endpoint]) -> Result<TcpStream, DialError> {
    let mut last = DialError::NoAddress;
    let mut addresses = Vec::new();
    for endpoint in endpoints {
        match resolve(endpoint).await {
            Ok(found) => addresses.extend(found),
            Err(source) => last = DialError::Name { host: endpoint.host.clone(), source },
        }
    }
    let failed = |address, source| DialError::Connect { address, source };
    if let [address] = addresses[..] {
        return TcpStream::connect(address).await.map_err(|source| failed(address, source));
    }
    let mut attempts = JoinSet::new();
    for address in addresses {
        attempts.spawn(async move { (address, TcpStream::connect(address).await) });
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok((_, Ok(stream))) => return Ok(stream),
            Ok((address, Err(source))) => last = failed(address, source),
            Err(_) => {}
        }
    }
    Err(last)
}

async fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let port = endpoint.port;
    let found: Vec<_> = match &endpoint.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, port)],
        // Nobody is there; a member with such an address is on this machine, if anywhere.
        Host::Any => lookup_host(("localhost", port)).await?.collect(),
        Host::Name(name) => lookup_host((name.as_str(), port)).await?.collect(),
    };
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_first_address_that_answers_wins() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dead = zabra_testkit::free_port().unwrap();
        let at = |host: &str, port| Endpoint::new(Host::new(host), port);
        let within = Duration::from_secs(20);
        let both = [at("127.0.0.1", dead), at("no-such-host.invalid", port), at("127.0.0.1", port)];
        assert_eq!(connect(&both, within).await.unwrap().peer_addr().unwrap().port(), port);

        let refused = connect(&both[..1], within).await.unwrap_err();
        assert!(matches!(refused, DialError::Connect { address, .. } if address.port() == dead), "{refused}");
        let unknown = connect(&both[1..2], within).await.unwrap_err();
        assert!(
            unknown.to_string().starts_with("the name no-such-host.invalid cannot be looked up"),
            "{unknown}"
        );
        assert!(matches!(connect(&[], within).await, Err(DialError::NoAddress)));
    }
}
