//! Sessions from server to server.

use std::time::{Duration, Instant};

use zabra_testkit::RawRequest;

use super::super::stage::{ALL, Stage};
use crate::Failure;
use crate::client::expect;

/// How long an abandoned session of a second may live.
const EXPIRY_TIMEOUT: Duration = Duration::from_secs(20);

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
    for id in ALL {
        let mut client = stage.connect_for(id, 1000)?;
        client.ok(&RawRequest::create(format!("{root}/{id}").as_str(), b"", 1))?;
    }
    // One that is kept alive, by a server other than the leader, must not go.
    let mut kept = stage.connect_for(1, 1000)?;
    kept.ok(&RawRequest::create(format!("{root}/kept").as_str(), b"", 1))?;
    let deadline = Instant::now() + EXPIRY_TIMEOUT;
    loop {
        kept.sync()?;
        let left = kept.children(root)?;
        if left == ["kept"] {
            break;
        }
        expect(left.contains(&"kept".to_owned()), || "a session that was in use expired".to_owned())?;
        expect(Instant::now() < deadline, || format!("{left:?} outlive their sessions"))?;
        std::thread::sleep(Duration::from_millis(100));
    }
    kept.close()
}
