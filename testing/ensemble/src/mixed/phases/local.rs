//! Sessions that only one server knows, and servers without a quorum.

use zabra_proto::{ConnectRequest, OpCode};
use zabra_testkit::{
    Connected, MultiBuilder, RECEIVE_TIMEOUT, RawClient, RawRequest, Received, four_letter,
    new_session_request, open_acl,
};
use zabra_types::KeeperError;

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
        for request in reads() {
            let read = client.call(&request)?;
            expect(read.err == 0, || format!("{request:?} at {}: {read:?}", stage.name(id)))?;
        }
        for request in writes() {
            let refused = client.call(&request)?;
            let want = KeeperError::NotReadOnly.code();
            expect(refused.err == want, || format!("{request:?} at {}: {refused:?}", stage.name(id)))?;
        }
        let isro = four_letter(server.addr(), "isro", RECEIVE_TIMEOUT)?;
        expect(isro == "ro", || format!("isro is {isro} at {}", stage.name(id)))?;
        expect(stage.connect(id).is_err(), || format!("{} took one that wants to write", stage.name(id)))?;
    }
    stage.revive(&[2, 3])?;
    for id in [1, 4] {
        let server = stage.tapped.ensemble.server(id);
        wait_for("the end of read-only service", || server.mode().filter(|mode| mode != "read-only"))?;
    }
    write_everywhere(stage, "/after-read-only")
}

/// A node that is there.
const NODE: &str = "/local-1-false";

fn reads() -> Vec<RawRequest> {
    let reads = [OpCode::Exists, OpCode::GetData, OpCode::GetChildren, OpCode::GetChildren2];
    let mut reads: Vec<_> = reads.map(|op| RawRequest::read(op, NODE, true)).into();
    reads.push(RawRequest::path(OpCode::GetAcl, NODE));
    reads.push(RawRequest::bare(OpCode::Ping));
    reads
}

fn writes() -> Vec<RawRequest> {
    let create =
        |op, flags, ttl_ms| RawRequest::create_with(op, "/none", None, Some(&open_acl()), flags, ttl_ms);
    vec![
        create(OpCode::Create, 0, 0),
        create(OpCode::Create, 1, 0),
        create(OpCode::Create2, 0, 0),
        create(OpCode::CreateContainer, 4, 0),
        create(OpCode::CreateTtl, 5, 1000),
        RawRequest::delete(NODE, -1),
        RawRequest::set_data(NODE, None, -1),
        RawRequest::set_acl(NODE, Some(&open_acl()), -1),
        MultiBuilder::new().push(&RawRequest::delete(NODE, -1)).finish(OpCode::Multi),
        RawRequest::path(OpCode::Sync, "/"),
    ]
}

/// A session of a client that is content to read only; none when the server closes the connection.
fn connect_read_only(stage: &Stage, id: u8) -> Result<Option<(RawClient, Connected)>, Failure> {
    let mut client = RawClient::open(stage.tapped.ensemble.server(id).addr())?;
    client.send_connect(&ConnectRequest { read_only: Some(true), ..new_session_request(10_000) })?;
    match client.receive(RECEIVE_TIMEOUT)? {
        Received::Frame(frame) => Ok(Some((client, Connected::decode(&frame)?))),
        Received::Closed => Ok(None),
        Received::TimedOut => Err("no answer to a handshake".into()),
    }
}
