//! A private network: a bridge, and a network namespace with an address of its own for every server.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output, Stdio};

/// The laboratory cannot be built or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    /// A program of the system refused.
    #[error("`{command}` failed: {said}")]
    Refused {
        /// What was run.
        command: String,
        /// What it printed.
        said: String,
    },
    /// A program of the system cannot be run.
    #[error("`{command}` cannot be run; namespaces need root and iproute2")]
    Missing {
        /// What was to be run.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A fault was ordered and is not there, or does not go away.
    #[error("{0}")]
    NoEffect(String),
}

/// One of the servers' namespaces, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Host(pub(crate) usize);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 + 1)
    }
}

/// The network. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Lab {
    tag: String,
    subnet: u8,
    hosts: usize,
}

impl Lab {
    /// A bridge with this process on it, and `hosts` namespaces.
    ///
    /// # Errors
    /// Not root, or no iproute2.
    pub(crate) fn build(hosts: usize) -> Result<Self, LabError> {
        let process = std::process::id();
        // Two laboratories at a time must not meet; one in two hundred pairs does, and is refused by the system.
        let lab = Self { tag: format!("zc{process}"), subnet: (process % 200) as u8 + 20, hosts };
        lab.raise()?;
        Ok(lab)
    }

    fn raise(&self) -> Result<(), LabError> {
        let bridge = self.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}/24", self.gateway()), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for host in (0..self.hosts).map(Host) {
            let (space, outside) = (self.namespace(host), format!("{}v{host}", self.tag));
            ip(&["netns", "add", &space])?;
            ip(&["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
            ip(&["link", "set", &outside, "master", &bridge, "up"])?;
            let address = format!("{}/24", self.address(host));
            ip(&["-n", &space, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &space, "link", "set", "eth0", "up"])?;
            ip(&["-n", &space, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// The namespaces.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = Host> + use<> {
        (0..self.hosts).map(Host)
    }

    /// The address of a namespace.
    pub(crate) fn address(&self, host: Host) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.subnet, host.0 as u8 + 1)
    }

    fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.subnet, 254)
    }

    fn bridge(&self) -> String {
        format!("{}br", self.tag)
    }

    fn namespace(&self, host: Host) -> String {
        format!("{}n{host}", self.tag)
    }

    /// A command inside a namespace. The process that results is the program itself.
    pub(crate) fn command(&self, host: Host, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host)]).arg(program);
        command
    }

    /// From now on nothing that `from` sends reaches `to`; or it does again.
    ///
    /// # Errors
    /// The system refuses, or it has no effect.
    pub(crate) fn cut(&self, from: Host, to: Host, cut: bool) -> Result<(), LabError> {
        let route = format!("{}/32", self.address(to));
        let verb = if cut { "add" } else { "del" };
        ip(&["-n", &self.namespace(from), "route", verb, "blackhole", &route])?;
        if self.is_cut(from, to)? == cut {
            Ok(())
        } else {
            let state = if cut { "still has" } else { "has no" };
            Err(LabError::NoEffect(format!("server {from} {state} a route to server {to}")))
        }
    }

    /// Whether `from` has no way to send to `to`.
    fn is_cut(&self, from: Host, to: Host) -> Result<bool, LabError> {
        let address = self.address(to).to_string();
        Ok(!run("ip", &["-n", &self.namespace(from), "route", "get", &address])?.status.success())
    }

    /// Makes everything a host sends wait for a narrow line; or not any more.
    ///
    /// # Errors
    /// The system refuses, or it has no effect.
    pub(crate) fn slow(&self, host: Host, slow: bool) -> Result<(), LabError> {
        let space = self.namespace(host);
        let change: &[&str] = if slow {
            // A packet of some hundred bytes takes about 10 ms, and a full one 50.
            &["replace", "dev", "eth0", "root", "tbf", "rate", "256kbit", "burst", "2kb", "latency", "2s"]
        } else {
            &["del", "dev", "eth0", "root"]
        };
        checked("tc", &[&["-n", &space, "qdisc"], change].concat())?;
        let shown = checked("tc", &["-n", &space, "qdisc", "show", "dev", "eth0"])?;
        if String::from_utf8_lossy(&shown.stdout).contains("tbf") == slow {
            Ok(())
        } else {
            Err(LabError::NoEffect(format!(
                "the line of server {host} is not {}",
                if slow { "slow" } else { "fast" }
            )))
        }
    }

    /// Whether a TCP connection from a namespace comes about within a second.
    pub(crate) fn reaches(&self, from: Host, to: SocketAddr) -> bool {
        let dial = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
        self.command(from, "timeout".as_ref())
            .args(["1", "bash", "-c", &dial])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What is not there any more cannot be removed; what cannot be removed nobody can help with.
        for host in self.hosts() {
            let _ = run("ip", &["netns", "del", &self.namespace(host)]);
        }
        let _ = run("ip", &["link", "del", &self.bridge()]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), LabError> {
    checked("ip", arguments).map(drop)
}

fn checked(program: &str, arguments: &[&str]) -> Result<Output, LabError> {
    let output = run(program, arguments)?;
    if output.status.success() {
        Ok(output)
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(LabError::Refused { command: format!("{program} {}", arguments.join(" ")), said })
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<Output, LabError> {
    Command::new(program)
        .args(arguments)
        .output()
        .map_err(|source| LabError::Missing { command: format!("{program} {}", arguments.join(" ")), source })
}
