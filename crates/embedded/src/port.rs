//! Ports that stay ours while nobody listens on them.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::Error;

/// A port on the loopback address that nobody else is given, whether a server listens on it or not.
///
/// It is a socket that is bound and never listens. Both it and the server's own allow the reuse of their address, so the
/// server can bind the port beside it; while the server is down, a client that connects is refused, and the system gives the
/// port to nobody: neither to another test that asks for a free one, nor to a client as its own end of a connection, which
/// could then connect to itself.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// Kept open.
    _socket: Socket,
}

impl Port {
    /// Any that is free.
    pub(crate) fn any() -> Result<Self, Error> {
        Self::reserve(0)
    }

    /// This one.
    pub(crate) fn reserve(number: u16) -> Result<Self, Error> {
        let reserve = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, number)).into())?;
            let bound = socket.local_addr()?.as_socket();
            let number = bound.map_or(number, |address| address.port());
            Ok(Self { number, _socket: socket })
        };
        reserve().map_err(Error::Port)
    }

    /// Which it is.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_port_is_ours_whether_somebody_listens_or_not() {
        let port = Port::any().unwrap();
        let refused = TcpStream::connect(port.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        for _ in 0..2 {
            // std's listeners allow reuse, as the server's do.
            let listener = TcpListener::bind(port.address()).unwrap();
            let client = TcpStream::connect(port.address()).unwrap();
            drop((listener.accept().unwrap(), client, listener));
        }
        let others: Vec<_> = (0..200).map(|_| Port::any().unwrap()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
    }
}
