//! What goes wrong. Every fault looks whether it took effect before the clients' time with it counts.

use std::fmt;

use zabra_testkit::{HarnessError, Rng};

use crate::lab::{Host, Lab, LabError};
use crate::member::Member;

/// A fault cannot be made or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultError {
    /// In the network or a process.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A server does not start again.
    #[error(transparent)]
    Server(#[from] HarnessError),
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// kill -9 of one server.
    Kill,
    /// kill -9 of as many as a quorum can miss, at once.
    KillMinority,
    /// kill -9 of all servers at once.
    KillAll,
    /// SIGSTOP of one server.
    Pause,
    /// One server and the others do not hear each other; clients reach all.
    Isolate,
    /// One server is not heard by the others, but hears them.
    Mute,
    /// One server does not hear the others, but is heard.
    Deafen,
    /// As many servers as a quorum can miss on one side, the rest on the other.
    Split,
    /// One server is behind a slow line.
    Slow,
    /// The disk of one server is full.
    FullDisk,
}

/// All kinds.
pub(crate) const KINDS: [Kind; 10] = [
    Kind::Kill,
    Kind::KillMinority,
    Kind::KillAll,
    Kind::Pause,
    Kind::Isolate,
    Kind::Mute,
    Kind::Deafen,
    Kind::Split,
    Kind::Slow,
    Kind::FullDisk,
];

/// A fault that is there.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: Kind,
    victims: Vec<Host>,
    /// Who does not reach whom.
    cuts: Vec<(Host, Host)>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of", self.kind)?;
        self.victims.iter().try_for_each(|victim| write!(f, " {victim}"))
    }
}

impl Fault {
    /// Makes a fault. The leader is hit half of the time, if there is one.
    ///
    /// # Errors
    /// It does not take effect.
    pub(crate) fn begin(
        kind: Kind,
        lab: &Lab,
        members: &mut [Member],
        rng: &mut Rng,
    ) -> Result<Self, FaultError> {
        let victims = choose(kind, members, rng);
        let others = || lab.hosts().filter(|host| !victims.contains(host));
        let outward: Vec<_> =
            victims.iter().flat_map(|&host| others().map(move |other| (host, other))).collect();
        let inward: Vec<_> = outward.iter().map(|&(host, other)| (other, host)).collect();
        let cuts = match kind {
            Kind::Isolate | Kind::Split => [outward, inward].concat(),
            Kind::Mute => outward,
            Kind::Deafen => inward,
            _ => Vec::new(),
        };
        for &(from, to) in &cuts {
            lab.cut(from, to, true)?;
        }
        if let Some(&(from, to)) = cuts.first()
            && lab.reaches(from, members[to.0].election_address())
        {
            return Err(LabError::NoEffect(format!("server {from} still reaches server {to}")).into());
        }
        for &host in &victims {
            let member = &mut members[host.0];
            match kind {
                Kind::Kill | Kind::KillMinority | Kind::KillAll => member.kill()?,
                Kind::Pause => member.pause(true)?,
                Kind::Slow => lab.slow(host, true)?,
                Kind::FullDisk => member.fill_disk(true)?,
                Kind::Isolate | Kind::Mute | Kind::Deafen | Kind::Split => {}
            }
        }
        Ok(Self { kind, victims, cuts })
    }

    /// Ends the fault and starts what has ended with it.
    ///
    /// # Errors
    /// It does not go away, or a server does not start.
    pub(crate) fn end(self, lab: &Lab, members: &mut [Member]) -> Result<(), FaultError> {
        for &(from, to) in &self.cuts {
            lab.cut(from, to, false)?;
        }
        for &host in &self.victims {
            let member = &mut members[host.0];
            match self.kind {
                Kind::Pause => member.pause(false)?,
                Kind::Slow => lab.slow(host, false)?,
                Kind::FullDisk => member.fill_disk(false)?,
                _ => {}
            }
        }
        // A server may end when its disk is full; whoever watches it starts it again.
        for member in members {
            if !member.is_alive() {
                member.start(lab)?;
            }
        }
        Ok(())
    }
}

fn choose(kind: Kind, members: &[Member], rng: &mut Rng) -> Vec<Host> {
    let mut hosts: Vec<Host> = members.iter().map(Member::host).collect();
    for at in (1..hosts.len()).rev() {
        hosts.swap(at, rng.below(at + 1));
    }
    let leads = |host: &Host| members[host.0].mode().is_some_and(|mode| mode == "leader");
    if rng.one_in(2)
        && let Some(leader) = hosts.iter().position(leads)
    {
        hosts.swap(0, leader);
    }
    let count = match kind {
        Kind::KillAll => hosts.len(),
        Kind::KillMinority | Kind::Split => (hosts.len() - 1) / 2,
        _ => 1,
    };
    hosts.truncate(count);
    hosts
}
