//! An ensemble with a proxy on every way from one server to another.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use zabra_testkit::{Ensemble, EnsembleSpec};

use crate::Failure;
use crate::tap::{Capture, Port, Side, Taps};
use crate::transcript::{self, Line};

/// How long something may take to happen.
const WAIT_TIMEOUT: Duration = Duration::from_secs(120);

/// An ensemble whose servers hear each other through proxies.
///
/// Two connections get past them: those a server makes to one with a smaller id that has just called it, as it dials the
/// address it was told.
#[derive(Debug)]
pub(crate) struct Tapped {
    // Servers end before what connects them.
    pub(crate) ensemble: Ensemble,
    pub(crate) taps: Taps,
}

impl Tapped {
    /// Members as `spec` says, none of them started.
    pub(crate) fn create(spec: EnsembleSpec) -> Result<Self, Failure> {
        let mut ensemble = spec.create()?;
        let servers: Vec<_> =
            ensemble.members().map(|m| (m.id(), m.quorum_port(), m.election_port())).collect();
        let taps = Taps::open(&servers)?;
        for (dialler, ..) in &servers {
            for (acceptor, ..) in servers.iter().filter(|(id, ..)| id != dialler) {
                let quorum = taps.port(*dialler, *acceptor, Port::Quorum);
                let election = taps.port(*dialler, *acceptor, Port::Election);
                let address = ensemble.member(*acceptor).address(quorum, election);
                ensemble.member_mut(*dialler).set_address_of(*acceptor, &address);
            }
        }
        Ok(Self { ensemble, taps })
    }

    /// Starts a server and returns when it listens for votes.
    pub(crate) fn spawn(&mut self, id: u8) -> Result<(), Failure> {
        self.ensemble.server_mut(id).spawn()?;
        let port = self.ensemble.member(id).election_port();
        let opened = wait_for("an election port", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        opened.map(drop).map_err(|waited| {
            let server = self.ensemble.server_mut(id);
            let state = match server.exited() {
                Ok(Some(status)) => format!("it ended with {status}"),
                _ => "it runs".to_owned(),
            };
            format!("server {id}, port {port}: {waited}; {state}; its log ends:\n{}", server.log_tail(40))
                .into()
        })
    }

    /// What a learner and its leader have said on the learner's last connection.
    pub(crate) fn last_of(&self, learner: u8) -> Option<Capture> {
        self.taps.last(Port::Quorum, learner)
    }

    /// Waits until a line of this kind, for which `test` holds, has been said on a learner's last connection.
    pub(crate) fn wait_said(
        &self,
        learner: u8,
        what: &str,
        test: impl Fn(&Line) -> bool,
    ) -> Result<(), Failure> {
        let is_it = |line: &Line| line.what == what && test(line);
        let said = |capture: &Capture| transcript::lines(capture).is_ok_and(|lines| lines.iter().any(is_it));
        wait_for(what, || self.last_of(learner).filter(|capture| said(capture)).map(drop))
    }

    /// The first word a learner heard about its history on its last connection: DIFF, TRUNC or SNAP.
    pub(crate) fn sync_of(&self, learner: u8) -> Result<String, Failure> {
        let capture = self.last_of(learner).ok_or("it never was a learner")?;
        let lines = transcript::lines(&capture)?;
        let mut words = lines.iter().filter(|line| line.side == Side::Acceptor).map(|line| &line.what);
        let sync = words.find(|what| ["DIFF", "TRUNC", "SNAP"].contains(&what.as_str()));
        Ok(sync.ok_or("it heard nothing about its history")?.clone())
    }
}

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("waited {WAIT_TIMEOUT:?} for {what}").into())
}
