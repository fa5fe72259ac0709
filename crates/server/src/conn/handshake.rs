//! The connect request: a new session, or the renewal of one.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info};
use zabra_node::{Admission, ConnId, SessionKind, negotiate_timeout};
use zabra_proto::{ConnectRequest, ConnectResponse, OpCode, Reader, begin_frame, end_frame};
use zabra_types::{SessionId, SessionPassword, Xid};

use super::Conn;
use super::task::{Closed, Stage};
use crate::commit::{Origin, Waiter};
use crate::core::{Brain, Core};
use crate::ensemble::requests::{Part, Renewal};
use crate::options;

/// Handles the first frame of a connection, in the order of checks of `ZooKeeperServer.processConnectRequest`.
pub(super) fn connect(core: &Arc<Core>, conn: &Arc<Conn>, frame: &[u8]) -> Result<Stage, Closed> {
    let mut reader = Reader::with_limit(frame, core.field_limit());
    let request = ConnectRequest::decode(&mut reader)
        .map_err(|error| Closed::Broken(format!("the connect request cannot be read: {error}")))?;
    if !core.is_running() {
        return Err(Closed::ByServer);
    }
    core.stats.connection_request_count.increment();
    core.stats.packets_received.increment();
    conn.outbox().stats.received += 1;
    let kind = match request.session {
        SessionId::NONE if core.config.sessions.local_enabled => Admission::Local,
        SessionId::NONE => Admission::Global,
        _ => Admission::Renew,
    };
    if !core.admit_connection(kind) {
        core.stats.connection_rejected.increment();
        return Err(Closed::ByServer);
    }
    if core.is_read_only() && request.read_only != Some(true) {
        debug!(client = %conn.remote(), "refusing a client that does not know of servers that only read");
        return Err(Closed::ByServer);
    }
    let last_zxid = core.seen_zxid_max();
    if request.last_zxid_seen > last_zxid {
        info!(
            client = %conn.remote(), seen = %request.last_zxid_seen, ours = %last_zxid,
            "refusing a client that has seen a later transaction than ours; it must try another server"
        );
        return Err(Closed::ByServer);
    }
    let timeout_ms = negotiate_timeout(request.timeout_ms, options::timeout_bounds(&core.config));
    let mut brain = core.brain.lock();
    // A part that ended meanwhile has cut all its connections.
    if conn.is_cut() {
        return Err(Closed::ByServer);
    }
    let stage = if request.session == SessionId::NONE {
        create(core, &mut brain, conn, (request.read_only, timeout_ms))
    } else {
        renew(core, &mut brain, conn, (&request, timeout_ms))
    };
    core.carry_on(brain);
    stage
}

/// Makes a session, or asks for the transaction that makes one; the answer comes when it is applied.
fn create(
    core: &Arc<Core>,
    brain: &mut Brain,
    conn: &Arc<Conn>,
    (read_only, timeout_ms): (Option<bool>, i32),
) -> Result<Stage, Closed> {
    let now = core.clock.now();
    let Brain { preparer, sessions, part, inputs, .. } = brain;
    // Those who only want to read get a session that ends with this service: nobody could be told of another.
    if matches!(part, Part::ReadOnly) || core.has_local_sessions() {
        let session = sessions.create_local(timeout_ms, now);
        sessions.attach(session, conn.id());
        settle(core, conn, (session, timeout_ms), read_only, true);
        return Ok(Stage::Serving);
    }
    let origin = Origin::Connect { conn: Arc::clone(conn), read_only, timeout_ms };
    match part {
        Part::Learning(learning) => {
            let waiter = Waiter::enter(core, origin, Instant::now(), &[]);
            let ask = (Xid::default(), OpCode::CreateSession, &timeout_ms.to_be_bytes()[..]);
            inputs.push(learning.ask(sessions.next_id(), ask, None, waiter));
        }
        _ => {
            let session = sessions.create(timeout_ms, now);
            let tree = core.tree.read();
            let at = core.surroundings(&tree, sessions);
            match preparer.create_session(&at, (session, Xid::default()), timeout_ms) {
                Ok(proposal) => core.propose(part, inputs, proposal, (origin, Instant::now())),
                Err(used_up) => core.use_up(part, inputs, &used_up),
            }
        }
    }
    Ok(Stage::Settling)
}

fn renew(
    core: &Arc<Core>,
    brain: &mut Brain,
    conn: &Arc<Conn>,
    (request, timeout_ms): (&ConnectRequest<'_>, i32),
) -> Result<Stage, Closed> {
    let (session, read_only) = (request.session, request.read_only);
    // The password comes first: otherwise knowing an id is enough to cut a client off.
    let password_fits = request.password == Some(SessionPassword::of(session).as_bytes().as_slice());
    let Brain { sessions, part, inputs, .. } = brain;
    let local = sessions.kind(session) == Some(SessionKind::Local);
    match part {
        // It belongs to the ensemble, which will be there again.
        Part::ReadOnly if !local && core.tree.read().session_timeout(session).is_some() => {
            return Err(Closed::ByServer);
        }
        Part::Learning(learning) if password_fits && !local => {
            // Not only when the leader has answered: what still comes over the former connection would be forwarded behind
            // the question, and so pass for the session's next requests although it sent others elsewhere meanwhile.
            cut_former(core, conn, session, sessions.conn(session));
            let renewal = Renewal { conn: Arc::clone(conn), timeout_ms, read_only };
            inputs.push(learning.ask_for_session(session, renewal));
            return Ok(Stage::Settling);
        }
        _ => {}
    }
    let renewed = password_fits && sessions.renew(session, timeout_ms, core.clock.now());
    if renewed {
        core.stats.connection_revalidate_count.increment();
        let before = sessions.attach(session, conn.id());
        cut_former(core, conn, session, before);
    } else {
        info!(%session, client = %conn.remote(), password_fits, "refusing to renew a session");
    }
    settle(core, conn, (session, timeout_ms), read_only, renewed);
    Ok(if renewed { Stage::Serving } else { Stage::Leaving })
}

/// Cuts the connection that a session had before this one.
pub(crate) fn cut_former(core: &Core, conn: &Conn, session: SessionId, former: Option<ConnId>) {
    if let Some(old) = former.filter(|&old| old != conn.id()).and_then(|old| core.conns.get(old)) {
        debug!(%session, old = %old.remote(), new = %conn.remote(), "the session moves to a new connection");
        old.cut();
    }
}

/// Answers a connect request: the session is the connection's, or is refused.
pub(crate) fn settle(
    core: &Core,
    conn: &Conn,
    (session, timeout_ms): (SessionId, i32),
    read_only: Option<bool>,
    accepted: bool,
) {
    let read_only = read_only.map(|_| core.is_read_only());
    let response = if accepted {
        ConnectResponse { timeout_ms, session, password: SessionPassword::of(session), read_only }
    } else {
        ConnectResponse::refused(read_only)
    };
    let mut outbox = conn.outbox();
    put_connect_response(&mut outbox.bytes, &response);
    outbox.stats.sent += 1;
    core.stats.packets_sent.increment();
    outbox.closing |= !accepted;
    if accepted {
        // Now, and not before: the task answers requests as soon as it sees the session.
        conn.attach(session, timeout_ms);
    }
}

/// Appends the whole frame of an answer to a connect request.
pub(crate) fn put_connect_response(out: &mut Vec<u8>, response: &ConnectResponse) {
    let frame = begin_frame(out);
    response.encode(out);
    end_frame(out, frame);
}
