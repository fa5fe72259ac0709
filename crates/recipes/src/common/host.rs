//! Who we are, for those who look into a node.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use bytes::Bytes;
use zabra_client::Client;

/// The address of this host as the server sees it, as text: what Curator puts into nodes that are given no data.
///
/// Empty when there is no connection at the moment.
pub(crate) fn local_address(client: &Client) -> Bytes {
    client.server().and_then(address_towards).map(Bytes::from).unwrap_or_default()
}

/// Connecting a datagram socket sends nothing: it asks the system for the route only.
fn address_towards(server: SocketAddr) -> Option<String> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_that_of_the_route() {
        assert_eq!(address_towards(SocketAddr::from(([127, 0, 0, 1], 2181))).as_deref(), Some("127.0.0.1"));
    }
}
