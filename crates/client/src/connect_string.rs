//! `host:port,host:port/chroot`.

use crate::core::hosts::Host;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use zabra_types::{PathError, validate_path};

/// The port meant when a connect string names none.
const PORT_DEFAULT: u16 = 2181;

/// Servers and the prefix of all paths, as `h1:2181,[::1]:2182/app` says it.
///
/// Mirrors `ConnectStringParser`: ports default to 2181, an IPv6 address with a port stands in brackets, spaces around
/// commas and empty entries are ignored, and a chroot of `/` is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectString {
    /// The servers, at least one, in the order written.
    pub hosts: Vec<Host>,
    /// Prefix of all paths, such as `/app`; empty for none.
    pub chroot: String,
}

/// Why a text is no connect string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectStringError {
    /// It names no server.
    NoHost,
    /// What follows the last colon of an entry is no port.
    BadPort {
        /// The entry.
        entry: String,
    },
    /// An entry is no host.
    BadHost {
        /// The entry.
        entry: String,
    },
    /// What follows the first slash is no path.
    BadChroot {
        /// The chroot as written.
        chroot: String,
        /// What is wrong with it.
        source: PathError,
    },
}

impl fmt::Display for ConnectStringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost => {
                f.write_str("the connect string names no server; expected host:port,host:port/chroot")
            }
            Self::BadPort { entry } => write!(f, "no port number in {entry:?}; expected host:port"),
            Self::BadHost { entry } => {
                write!(f, "no host in {entry:?}; expected host:port, or [address]:port for IPv6")
            }
            Self::BadChroot { chroot, .. } => write!(f, "{chroot:?} is no path to take as the root"),
        }
    }
}

impl std::error::Error for ConnectStringError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::BadChroot { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl FromStr for ConnectString {
    type Err = ConnectStringError;

    fn from_str(text: &str) -> Result<Self, ConnectStringError> {
        let text = text.trim();
        let (servers, chroot) = text.find('/').map_or((text, ""), |at| text.split_at(at));
        let chroot = if chroot == "/" { "" } else { chroot };
        if !chroot.is_empty() {
            validate_path(chroot)
                .map_err(|source| ConnectStringError::BadChroot { chroot: chroot.to_owned(), source })?;
        }
        let hosts: Vec<Host> = servers
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(host)
            .collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            return Err(ConnectStringError::NoHost);
        }
        Ok(Self { hosts, chroot: chroot.to_owned() })
    }
}

impl fmt::Display for ConnectString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if at == 0 { "" } else { "," })?;
        }
        f.write_str(&self.chroot)
    }
}

fn host(entry: &str) -> Result<Host, ConnectStringError> {
    let bad_host = || ConnectStringError::BadHost { entry: entry.to_owned() };
    let (name, port) = if let Some(rest) = entry.strip_prefix('[') {
        let (name, rest) = rest.split_once(']').ok_or_else(bad_host)?;
        match rest.strip_prefix(':') {
            Some(port) => (name, port),
            None if rest.is_empty() => (name, ""),
            None => return Err(bad_host()),
        }
    } else {
        let (name, port) = entry.rsplit_once(':').unwrap_or((entry, ""));
        let is_ipv6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
        // What stands behind the last colon is the port, as ever, unless only the whole is an address.
        if name.contains(':') && !is_ipv6(name) && is_ipv6(entry) { (entry, "") } else { (name, port) }
    };
    if name.is_empty() || (name.contains(':') && name.parse::<Ipv6Addr>().is_err()) {
        return Err(bad_host());
    }
    let port = match port {
        "" => PORT_DEFAULT,
        port => port.parse().map_err(|_| ConnectStringError::BadPort { entry: entry.to_owned() })?,
    };
    Ok(Host { name: name.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_that_are_understood() {
        type Case = (&'static str, &'static [(&'static str, u16)], &'static str);
        let cases: &[Case] = &[
            ("h", &[("h", 2181)], ""),
            ("h:1,i:2", &[("h", 1), ("i", 2)], ""),
            (" h:1 , i ,", &[("h", 1), ("i", 2181)], ""),
            ("h:/", &[("h", 2181)], ""),
            ("h:1/a/b", &[("h", 1)], "/a/b"),
            ("[::1]:7,[::2],::3,::4:9", &[("::1", 7), ("::2", 2181), ("::3", 2181), ("::4", 9)], ""),
            ("127.0.0.1:65535/x", &[("127.0.0.1", 65535)], "/x"),
        ];
        for (text, hosts, chroot) in cases {
            let parsed: ConnectString = text.parse().unwrap();
            let found: Vec<(&str, u16)> = parsed.hosts.iter().map(|h| (h.name.as_str(), h.port)).collect();
            assert_eq!((found.as_slice(), parsed.chroot.as_str()), (*hosts, *chroot), "{text}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{text}");
        }
    }

    #[test]
    fn strings_that_are_not() {
        for text in ["", ",", "/a", ":1", "h:x", "h:70000", "h:1:2", "[::1", "[::1]x", "h//", "h/a/", "h/./a"]
        {
            assert!(text.parse::<ConnectString>().is_err(), "{text}");
        }
    }
}
