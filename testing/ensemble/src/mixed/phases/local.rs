//! Sessions that only one server knows, and servers without a quorum.

use zabra_proto::{ConnectRequest, OpCode};
use zabra_testkit::{Connected, MultiBuilder, RECEIVE_TIMEOUT, RawClient, RawRequest, Received};
use zabra_types::{KeeperError, SessionId, Zxid};

use super::super::stage::{ALL, Stage};
use super::write_everywhere;
use crate::Failure;
use crate::client::expect;
use crate::tapped::wait_for;

/// A session is its server's alone until it makes an ephemeral node; from then on it can move.
pub(super) fn sessions(stage: &mut Stage) -> Result<(), Failure> {
    for id in ALL {
        let elsewhere = id % 4 + 1;
        for in_multi in [false, true] {
            let root = format!("/local-{id}-{in_multi}");
            let mut client = stage.connect(id)?;
            client.ok(&RawRequest::create(root.as_str(), b"", 0))?;
            client.ok(&RawRequest::set_data(root.as_str(), Some(b"set"), 0))?;
            expect(stage.renew(elsewhere, client.session()).is_err(), || {
                format!("{} knows a session of {} alone", stage.name(elsewhere), stage.name(id))
            })?;
            let node = format!("{root}/ephemeral");
            let create = RawRequest::create(node.as_str(), b"", 1);
            match in_multi {
                false => client.ok(&create)?,
                true => client.ok(&MultiBuilder::new().push(&create).finish(OpCode::Multi))?,
            };
            let mut moved = stage.renew(elsewhere, client.session())?;
            moved.sync()?;
            let (_, stat) = moved.get(&node)?;
            expect(stat.ephemeral_owner == client.session().session, || format!("another owner: {stat:?}"))?;
            moved.close()?;
            let mut other = stage.connect(id)?;
            other.sync()?;
            expect(!other.exists(&node)?, || format!("{node} outlived its session"))?;
            other.close()?;
        }
    }
    Ok(())
}

/// Without a quorum a server serves those who only want to read, and with one everybody.
pub(super) fn read_only(stage: &mut Stage) -> Result<(), Failure> {
    stage.kill(&[2, 3])?;
    for id in [1, 4] {
        let server = stage.tapped.ensemble.server(id);
        wait_for("read-only service", || server.mode().filter(|mode| mode == "read-only"))?;
        let (mut client, session) =
            connect_read_only(stage, id)?.ok_or("a client that only wants to read is served")?;
        expect(session.read_only == Some(1), || format!("{session:?} at {}", stage.name(id)))?;
        let read = client.call(&RawRequest::read(OpCode::GetData, "/local-1-false", false))?;
        expect(read.err == 0, || format!("a read at {}: {read:?}", stage.name(id)))?;
        let refused = client.call(&RawRequest::set_data("/local-1-false", None, -1))?;
        expect(refused.err == KeeperError::NotReadOnly.code(), || {
            format!("a write at {}: {refused:?}", stage.name(id))
        })?;
        expect(stage.connect(id).is_err(), || format!("{} took one that wants to write", stage.name(id)))?;
    }
    stage.revive(&[2, 3])?;
    for id in [1, 4] {
        let server = stage.tapped.ensemble.server(id);
        wait_for("the end of read-only service", || server.mode().filter(|mode| mode != "read-only"))?;
    }
    write_everywhere(stage, "/after-read-only")
}

/// A session of a client that is content to read only; none when the server closes the connection.
fn connect_read_only(stage: &Stage, id: u8) -> Result<Option<(RawClient, Connected)>, Failure> {
    let mut client = RawClient::open(stage.tapped.ensemble.server(id).addr())?;
    client.send_connect(&ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: 10_000,
        session: SessionId::NONE,
        password: Some(&[0; 16]),
        read_only: Some(true),
    })?;
    match client.receive(RECEIVE_TIMEOUT)? {
        Received::Frame(frame) => Ok(Some((client, Connected::decode(&frame)?))),
        Received::Closed => Ok(None),
        Received::TimedOut => Err("no answer to a handshake".into()),
    }
}
