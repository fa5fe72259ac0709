//! The election port: at most one connection for each other server, and of what waits only the newest vote.

use zabra_proto::Notification;
use zabra_types::ServerId;
use zabra_zab::Input;

use super::Machine;
use super::driver::Process;
use crate::ensemble::Ensemble;
use crate::env::{Env, Stop};
use crate::network::{Arrival, ConnId, Kind, Node, Side, Wire, read_vote};

/// What this server has with another one.
#[derive(Debug, Default)]
pub(super) struct Line {
    conn: Option<(ConnId, Side)>,
    open: bool,
    /// A vote that has not been sent.
    unsent: Option<Notification>,
    /// The vote sent last.
    last: Option<Notification>,
}

impl Process {
    pub(super) fn notify(
        &mut self,
        machine: &Machine,
        env: &mut Env,
        to: ServerId,
        notification: Notification,
    ) {
        let Some(server) = env.ensemble.server(to).filter(|&server| server != machine.index) else { return };
        self.lines.entry(server).or_default().unsent = Some(notification);
        self.dial(machine, env, server);
        self.send_unsent(env, server);
    }

    pub(super) fn dial_peers(&mut self, machine: &Machine, env: &mut Env) {
        for server in (0..env.ensemble.len()).filter(|&server| server != machine.index) {
            self.dial(machine, env, server);
        }
    }

    /// Dials unless there is a connection or an attempt.
    fn dial(&mut self, machine: &Machine, env: &mut Env, server: usize) {
        let line = self.lines.entry(server).or_default();
        if line.conn.is_none() {
            let from = (Node::Server(machine.index), machine.boot);
            let conn = env.network.dial(&mut env.schedule, Kind::Election, from, Node::Server(server));
            line.conn = Some((conn, Side::Dialler));
        }
    }

    pub(super) fn line_of(&self, conn: ConnId) -> Option<usize> {
        self.lines
            .iter()
            .find(|(_, line)| line.conn.is_some_and(|(known, _)| known == conn))
            .map(|(&server, _)| server)
    }

    /// One connection is enough: of two attempts that cross, that of the larger server stays.
    pub(super) fn line_accepted(&mut self, machine: &Machine, env: &mut Env, conn: ConnId, from: usize) {
        let line = self.lines.entry(from).or_default();
        if let Some((known, side)) = line.conn {
            if !line.open && from < machine.index {
                env.network.close(&mut env.schedule, conn, Side::Acceptor);
                return;
            }
            env.network.close(&mut env.schedule, known, side);
            if line.open {
                self.inputs.push_back(Input::PeerDown(Ensemble::id(from)));
            }
        }
        line.conn = Some((conn, Side::Acceptor));
        self.line_stands(env, from);
    }

    fn line_stands(&mut self, env: &mut Env, server: usize) {
        let Some(line) = self.lines.get_mut(&server) else { return };
        line.open = true;
        // A genuine server says its last vote again, however old.
        if line.unsent.is_none() && env.schedule.rng.one_in(2) {
            line.unsent.clone_from(&line.last);
        }
        self.inputs.push_back(Input::PeerUp(Ensemble::id(server)));
        self.send_unsent(env, server);
    }

    fn send_unsent(&mut self, env: &mut Env, server: usize) {
        let Some(line) = self.lines.get_mut(&server).filter(|line| line.open) else { return };
        let (Some((conn, side)), Some(vote)) = (line.conn, line.unsent.take()) else { return };
        env.network.send(&mut env.schedule, conn, side, Wire::vote(&vote));
        line.last = Some(vote);
    }

    pub(super) fn line_arrived(&mut self, env: &mut Env, from: usize, arrival: Arrival) -> Result<(), Stop> {
        match arrival {
            Arrival::Connected => self.line_stands(env, from),
            Arrival::Message(Wire::Vote(bytes)) => {
                let Ok(Some(notification)) = read_vote(&bytes) else {
                    return Err(Stop::violation("codec", format!("a vote that cannot be read: {bytes:?}")));
                };
                self.inputs.push_back(Input::Notified { from: Ensemble::id(from), notification });
            }
            Arrival::Message(_) => {}
            Arrival::Refused | Arrival::Closed => {
                if let Some(line) = self.lines.get_mut(&from) {
                    line.conn = None;
                    line.open = false;
                }
                self.inputs.push_back(Input::PeerDown(Ensemble::id(from)));
            }
        }
        Ok(())
    }
}
