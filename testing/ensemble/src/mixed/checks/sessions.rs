//! Sessions from server to server.

use std::time::{Duration, Instant};

use zabra_proto::OpCode;
use zabra_testkit::RawRequest;

use super::super::stage::{ALL, Stage};
use crate::Failure;
use crate::client::{Client, expect};

/// The timeout of sessions that are to expire.
const SHORT_TIMEOUT_MS: i32 = 1000;
/// How long an abandoned one of them may live.
const EXPIRY_TIMEOUT: Duration = Duration::from_secs(60);
/// The timeout of sessions that are kept alive: enough for a busy machine to do so.
const KEPT_TIMEOUT_MS: i32 = 4000;
/// For how long they have to be.
const KEPT_FOR: Duration = Duration::from_secs(9);

pub(super) fn moving(stage: &Stage, root: &str) -> Result<(), Failure> {
    for from in ALL {
        for to in ALL.into_iter().filter(|to| *to != from) {
            let node = format!("{root}/{from}-{to}");
            let mut old = stage.connect(from)?;
            old.ok(&RawRequest::create(node.as_str(), b"", 1))?;
            let mut new = stage.renew(to, old.session())?;
            new.sync()?;
            let (_, stat) = new.get(&node)?;
            expect(stat.ephemeral_owner == old.session().session, || format!("an owner changed: {stat:?}"))?;
            new.ok(&RawRequest::set_data(node.as_str(), Some(b"here"), 0))?;
            let write = RawRequest::set_data(node.as_str(), Some(b"there"), -1);
            expect(old.is_disowned(&write), || {
                format!("{} still writes for a session that moved to {}", stage.name(from), stage.name(to))
            })?;
            let (data, _) = new.get(&node)?;
            expect(data == b"here", || format!("{data:?} was written by who lost the session"))?;
            // And back, as a client does whose new server fails it at once.
            let mut back = stage.renew(from, old.session())?;
            back.ok(&RawRequest::set_data(node.as_str(), Some(b"back"), 1))?;
            back.close()?;
        }
    }
    let mut client = stage.connect(1)?;
    client.sync()?;
    let left = client.children(root)?;
    expect(left.is_empty(), || format!("{left:?} outlived their sessions"))?;
    client.close()
}

pub(super) fn closing(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let mut client = stage.connect(id)?;
        for number in 0..5 {
            client.ok(&RawRequest::create(format!("{root}/{id}-{number}").as_str(), b"", 1))?;
        }
        let session = client.session().clone();
        client.close()?;
        for other in ALL {
            let mut reader = stage.connect(other)?;
            reader.sync()?;
            let left = reader.children(root)?;
            expect(left.is_empty(), || format!("{left:?} outlived their session at {}", stage.name(other)))?;
            reader.close()?;
            expect(stage.renew(other, &session).is_err(), || {
                format!("{} took a session that is over", stage.name(other))
            })?;
        }
    }
    Ok(())
}

pub(super) fn expiring(stage: &Stage, root: &str) -> Result<(), Failure> {
    let mut kept = Vec::new();
    for id in ALL {
        let mut abandoned = stage.connect_for(id, SHORT_TIMEOUT_MS)?;
        abandoned.ok(&RawRequest::create(format!("{root}/abandoned-{id}").as_str(), b"", 1))?;
        let mut client = stage.connect_for(id, KEPT_TIMEOUT_MS)?;
        client.ok(&RawRequest::create(format!("{root}/kept-{id}").as_str(), b"", 1))?;
        kept.push(client);
    }
    let begun = Instant::now();
    let mut reader = stage.connect(3)?;
    loop {
        // What a learner answers by itself: only the touches in its answers to PING tell the leader.
        for client in &mut kept {
            client.call(&RawRequest::bare(OpCode::Ping))?;
        }
        let left = reader.children(root)?;
        let alive = left.iter().filter(|name| name.starts_with("kept-")).count();
        expect(alive == kept.len(), || format!("of sessions in use only these are left: {left:?}"))?;
        if left.len() == alive && begun.elapsed() > KEPT_FOR {
            break;
        }
        expect(begun.elapsed() < EXPIRY_TIMEOUT, || format!("{left:?} outlive their sessions"))?;
        std::thread::sleep(Duration::from_millis(100));
    }
    reader.close()?;
    kept.into_iter().try_for_each(Client::close)
}
