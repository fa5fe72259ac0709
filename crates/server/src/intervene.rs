//! What tests do to a running server, and see of it: ending sessions early, breaking connections, leaving without a word.

use std::sync::Arc;

use zabra_node::SessionKind;
use zabra_types::SessionId;
use zabra_zab::Role;

use crate::conn::Conn;
use crate::core::Core;
use crate::ensemble::requests::Part;
use crate::server::Server;

/// The part of a server at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is no member of an ensemble.
    Alone,
    /// It serves nobody: it looks for a leader, or takes over the history of one.
    Looking,
    /// It leads.
    Leading,
    /// It follows a leader.
    Following,
    /// It observes a leader.
    Observing,
}

impl Server {
    /// Ends a session as if nothing had been heard of it for its timeout. False when this server does not judge it: it
    /// is unknown or ending already, or this server is a member of an ensemble and does not lead.
    ///
    /// The end is a transaction like any other; [`Server::has_session`] tells when it is done.
    pub fn expire(&self, session: SessionId) -> bool {
        let core = self.core();
        let mut brain = core.brain.lock();
        if brain.sessions.kind(session) == Some(SessionKind::Local) {
            return forget_local(core, brain.sessions.remove(session));
        }
        let judges = matches!(brain.part, Part::Alone | Part::Leading(_));
        if !judges || !brain.sessions.set_closing(session) {
            return false;
        }
        core.stats.stale_sessions_expired.increment();
        core.propose_own(&mut brain, |preparer, at| preparer.close_session(at, session));
        core.carry_on(brain);
        true
    }

    /// Whether a session is there as far as this server has applied what was decided.
    pub fn has_session(&self, session: SessionId) -> bool {
        let core = self.core();
        let brain = core.brain.lock();
        brain.sessions.kind(session) == Some(SessionKind::Local)
            || core.tree.read().session_timeout(session).is_some()
    }

    /// Breaks the connection of a session, which lives on. False when it has none to this server.
    pub fn cut(&self, session: SessionId) -> bool {
        let of_session = |conn: &Arc<Conn>| conn.session() == session;
        self.core().conns.all().into_iter().filter(of_session).map(|conn| conn.cut()).count() > 0
    }

    /// Breaks every client's connection; returns how many there were.
    pub fn cut_all(&self) -> usize {
        self.core().conns.all().into_iter().map(|conn| conn.cut()).count()
    }

    /// The part of this server now.
    pub fn standing(&self) -> Standing {
        let Some(ensemble) = &self.core().ensemble else { return Standing::Alone };
        match ensemble.standing().role {
            Role::Leading(_) => Standing::Leading,
            Role::Following { .. } => Standing::Following,
            Role::Observing { .. } => Standing::Observing,
            Role::Looking | Role::PreparingToLead | Role::Synchronizing(_) => Standing::Looking,
        }
    }

    /// Whether it serves clients now.
    pub fn is_serving(&self) -> bool {
        self.core().is_running()
    }

    /// Why it could not go on, once that is so.
    pub fn failure(&self) -> Option<String> {
        self.core().failure().borrow().clone()
    }
}

fn forget_local(core: &Core, conn: Option<zabra_node::ConnId>) -> bool {
    core.stats.stale_sessions_expired.increment();
    if let Some(conn) = conn.and_then(|conn| core.conns.get(conn)) {
        conn.cut();
    }
    true
}
