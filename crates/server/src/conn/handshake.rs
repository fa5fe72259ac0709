//! The connect request: a new session, or the renewal of one.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info};
use zabra_node::{Admission, negotiate_timeout};
use zabra_proto::{ConnectRequest, ConnectResponse, Reader, begin_frame, end_frame};
use zabra_types::{SessionId, SessionPassword, Xid};

use super::Conn;
use super::task::{Closed, Stage};
use crate::core::Core;
use crate::options;
use crate::pipeline::Origin;

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
    let renewing = request.session != SessionId::NONE;
    if !core.admit_connection(if renewing { Admission::Renew } else { Admission::Global }) {
        core.stats.connection_rejected.increment();
        return Err(Closed::ByServer);
    }
    let last_zxid = core.last_zxid();
    if request.last_zxid_seen > last_zxid {
        info!(
            client = %conn.remote(), seen = %request.last_zxid_seen, ours = %last_zxid,
            "refusing a client that has seen a later transaction than ours; it must try another server"
        );
        return Err(Closed::ByServer);
    }
    let timeout_ms = negotiate_timeout(request.timeout_ms, options::timeout_bounds(&core.config));
    if renewing {
        Ok(renew(core, conn, &request, timeout_ms))
    } else {
        Ok(create(core, conn, &request, timeout_ms))
    }
}

/// Asks for the transaction that makes a session; the answer comes when it is applied.
fn create(core: &Arc<Core>, conn: &Arc<Conn>, request: &ConnectRequest<'_>, timeout_ms: i32) -> Stage {
    let mut brain = core.brain.lock();
    let brain = &mut *brain;
    let session = brain.sessions.create(timeout_ms, core.clock.now());
    let tree = core.tree.read();
    let at = core.surroundings(&tree, &brain.sessions);
    match brain.preparer.create_session(&at, (session, Xid::default()), timeout_ms) {
        Ok(proposal) => {
            let origin = Origin::Connect { conn: Arc::clone(conn), read_only: request.read_only };
            core.propose(proposal, origin, Instant::now());
        }
        Err(used_up) => {
            drop(tree);
            core.fail(used_up.to_string());
        }
    }
    Stage::Settling
}

fn renew(core: &Arc<Core>, conn: &Arc<Conn>, request: &ConnectRequest<'_>, timeout_ms: i32) -> Stage {
    let session = request.session;
    let password_fits = request.password == Some(SessionPassword::of(session).as_bytes().as_slice());
    let mut brain = core.brain.lock();
    // The password comes first: otherwise knowing an id is enough to cut a client off.
    let renewed = password_fits && brain.sessions.renew(session, timeout_ms, core.clock.now());
    let response = if renewed {
        core.stats.connection_revalidate_count.increment();
        let before = brain.sessions.attach(session, conn.id());
        if let Some(old) = before.filter(|&old| old != conn.id()).and_then(|old| core.conns.get(old)) {
            debug!(%session, old = %old.remote(), new = %conn.remote(), "the session moves to a new connection");
            old.cut();
        }
        ConnectResponse {
            timeout_ms,
            session,
            password: SessionPassword::of(session),
            read_only: request.read_only.map(|_| false),
        }
    } else {
        info!(%session, client = %conn.remote(), password_fits, "refusing to renew a session");
        ConnectResponse::refused(request.read_only.map(|_| false))
    };
    drop(brain);
    if renewed {
        conn.attach(session, timeout_ms);
    }
    let mut outbox = conn.outbox();
    put_connect_response(&mut outbox.bytes, &response);
    outbox.stats.sent += 1;
    core.stats.packets_sent.increment();
    outbox.closing |= !renewed;
    if renewed { Stage::Serving } else { Stage::Leaving }
}

/// Appends the whole frame of an answer to a connect request.
pub(crate) fn put_connect_response(out: &mut Vec<u8>, response: &ConnectResponse) {
    let frame = begin_frame(out);
    response.encode(out);
    end_frame(out, frame);
}
