//! Hosts and ports that are looked up only when they are used.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// The host part of an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// Every address of this machine, IPv4 and IPv6.
    Any,
    /// A literal address.
    Ip(IpAddr),
    /// A name to look up.
    Name(String),
}

impl Host {
    /// Reads a host as a person writes it: a literal address, IPv6 with or without brackets, or a name. Nothing
    /// is looked up.
    pub fn new(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        bare.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Ip)
    }

    /// Whether this means every address of the machine.
    pub fn is_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Ip(ip) => ip.is_unspecified(),
            Self::Name(_) => false,
        }
    }
}

impl fmt::Display for Host {
    /// As in a configuration: IPv6 in brackets, [`Host::Any`] as `0.0.0.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("0.0.0.0"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A host and a port, to listen on or to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port; 0 lets the system choose one.
    pub port: u16,
}

impl Endpoint {
    /// `port` on every address of this machine.
    pub const fn any(port: u16) -> Self {
        Self { host: Host::Any, port }
    }

    /// `port` on 127.0.0.1.
    pub const fn loopback(port: u16) -> Self {
        Self { host: Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), port }
    }

    /// `port` on `host`.
    pub const fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl ToSocketAddrs for Endpoint {
    type Iter = std::vec::IntoIter<SocketAddr>;

    /// Looks the host up, which may block.
    ///
    /// [`Host::Any`] gives the IPv6 wildcard first: bound without `IPV6_V6ONLY` it takes both families, as a
    /// wildcard socket of Java does; the IPv4 wildcard is for machines without IPv6.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match &self.host {
            Host::Any => Ok(vec![
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), self.port),
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.port),
            ]
            .into_iter()),
            Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, self.port)].into_iter()),
            Host::Name(name) => (name.as_str(), self.port).to_socket_addrs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_recognized_and_shown() {
        for (text, shown) in [
            ("10.0.0.1", "10.0.0.1:2181"),
            ("::1", "[::1]:2181"),
            ("[::1]", "[::1]:2181"),
            ("zoo-1.example", "zoo-1.example:2181"),
            ("0.0.0.0", "0.0.0.0:2181"),
        ] {
            assert_eq!(Endpoint::new(Host::new(text), 2181).to_string(), shown);
        }
        assert!(Host::new("::").is_any() && Host::new("0.0.0.0").is_any() && Host::Any.is_any());
        assert!(!Host::new("localhost").is_any());
    }

    #[test]
    fn any_prefers_the_socket_that_takes_both_families() {
        let addresses: Vec<_> = Endpoint::any(1).to_socket_addrs().unwrap().collect();
        assert_eq!(addresses, ["[::]:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap()]);
    }
}
