//! Writes through every server, read through every other.

use std::time::{Duration, Instant};

use zabra_proto::{AclEntry, OpCode};
use zabra_testkit::{Body, MultiBuilder, RawRequest, open_acl};
use zabra_types::{KeeperError, Perms};

use super::super::stage::{ALL, Stage};
use crate::Failure;
use crate::agree::READER;
use crate::client::expect;

/// How long containers and expired nodes may stay.
const TRANSIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The server after this one.
fn next(id: u8) -> u8 {
    id % 4 + 1
}

fn create(op: OpCode, path: &str, flags: i32, ttl_ms: i64) -> RawRequest {
    RawRequest::create_with(op, path, Some(b"data"), Some(&open_acl()), flags, ttl_ms)
}

pub(super) fn every_kind(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let mut client = stage.connect(id)?;
        let node = format!("{root}/{id}");
        let child = |name: &str| format!("{node}/{name}");
        client.ok(&create(OpCode::Create, &node, 0, 0))?;
        client.ok(&create(OpCode::Create2, &child("plain"), 0, 0))?;
        client.ok(&create(OpCode::Create, &child("ephemeral"), 1, 0))?;
        client.ok(&create(OpCode::Create2, &child("both-"), 3, 0))?;
        client.ok(&create(OpCode::CreateContainer, &child("container"), 4, 0))?;
        client.ok(&create(OpCode::CreateTtl, &child("ttl"), 5, 1_000_000))?;
        client.ok(&RawRequest::set_data(child("plain").as_str(), Some(b"new"), 0))?;
        client.ok(&RawRequest::set_data(child("plain").as_str(), None, 1))?;
        client.ok(&RawRequest::set_data(child("plain").as_str(), Some(b""), -1))?;
        client.ok(&RawRequest::set_data(node.as_str(), Some(b"set"), 0))?;
        client.ok(&create(OpCode::Create, &child("gone"), 0, 0))?;
        client.ok(&RawRequest::delete(child("gone").as_str(), 0))?;

        let mut other = stage.connect(next(id))?;
        other.sync()?;
        let names = other.children(&node)?;
        let want = ["both-0000000002", "container", "ephemeral", "plain", "ttl"];
        expect(names == want, || format!("{names:?} below {node} at {}", stage.name(next(id))))?;
        let (data, stat) = other.get(&node)?;
        expect(data == b"set" && stat.version == 1, || format!("{node}: {data:?}, {stat:?}"))?;
        let (_, stat) = other.get(&child("ephemeral"))?;
        expect(stat.ephemeral_owner == client.session().session, || {
            format!("owner of an ephemeral: {stat:?}")
        })?;
        client.close()?;
        other.close()?;
    }
    Ok(())
}

pub(super) fn refusals(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let mut client = stage.connect(id)?;
        let node = format!("{root}/{id}");
        let missing = format!("{node}/missing/child");
        client.ok(&create(OpCode::Create, &node, 0, 0))?;
        client.fails(&create(OpCode::Create, &node, 0, 0), KeeperError::NodeExists)?;
        client.fails(&create(OpCode::Create, &missing, 0, 0), KeeperError::NoNode)?;
        client.fails(&RawRequest::set_data(node.as_str(), None, 7), KeeperError::BadVersion)?;
        client.fails(&RawRequest::set_data(missing.as_str(), None, -1), KeeperError::NoNode)?;
        client.fails(&RawRequest::delete(root, -1), KeeperError::NotEmpty)?;
        client.fails(&create(OpCode::Create, "no-slash", 0, 0), KeeperError::BadArguments)?;
        client.fails(&RawRequest::set_acl(node.as_str(), Some(&[]), -1), KeeperError::InvalidAcl)?;
        client.ok(&create(OpCode::Create, &format!("{node}/ephemeral"), 1, 0))?;
        let below = format!("{node}/ephemeral/child");
        client.fails(&create(OpCode::Create, &below, 0, 0), KeeperError::NoChildrenForEphemerals)?;
        client.close()?;
    }
    Ok(())
}

pub(super) fn multi(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let mut client = stage.connect(id)?;
        let node = format!("{root}/{id}");
        let child = format!("{node}/child");
        let mut good = MultiBuilder::new();
        good.push(&create(OpCode::Create, &node, 0, 0))
            .push(&RawRequest::path_and_number(OpCode::Check, node.as_str(), 0))
            .push(&RawRequest::set_data(node.as_str(), Some(b"set"), 0))
            .push(&create(OpCode::Create2, &child, 0, 0))
            .push(&RawRequest::delete(child.as_str(), 0));
        let results = results(client.ok(&good.finish(OpCode::Multi))?.body)?;
        expect(results == [0, 0, 0, 0, 0], || format!("a multi via {}: {results:?}", stage.name(id)))?;

        let mut bad = MultiBuilder::new();
        bad.push(&create(OpCode::Create, &child, 0, 0))
            .push(&RawRequest::path_and_number(OpCode::Check, node.as_str(), 9))
            .push(&RawRequest::set_data(node.as_str(), Some(b"never"), -1));
        let outcome = client.ok(&bad.finish(OpCode::Multi))?;
        let want = [0, KeeperError::BadVersion.code(), KeeperError::RuntimeInconsistency.code()];
        let Body::Results(errors) = outcome.body else { return Err("a multi has results".into()) };
        let errors: Vec<i32> = errors.iter().filter(|r| r.done == 0).map(|result| result.err).collect();
        expect(errors == want, || format!("a failed multi via {}: {errors:?}", stage.name(id)))?;

        let mut other = stage.connect(next(id))?;
        other.sync()?;
        let (data, stat) = other.get(&node)?;
        expect(data == b"set" && stat.num_children == 0, || format!("{node}: {data:?}, {stat:?}"))?;
        client.close()?;
        other.close()?;
    }
    Ok(())
}

/// The codes of a multi's results.
fn results(body: Body) -> Result<Vec<i32>, Failure> {
    match body {
        Body::Results(results) => Ok(results.iter().filter(|r| r.done == 0).map(|r| r.err).collect()),
        other => Err(format!("not the results of a multi: {other:?}").into()),
    }
}

pub(super) fn sequences(stage: &Stage, root: &str) -> Result<(), Failure> {
    let mut clients = ALL.map(|id| stage.connect(id)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let path = format!("{root}/n-");
    let mut made = Vec::new();
    for _ in 0..10 {
        for client in &mut clients {
            match client.ok(&create(OpCode::Create, &path, 2, 0))?.body {
                Body::Path(path) => {
                    made.push(String::from_utf8_lossy(&path.0.unwrap_or_default()).into_owned())
                }
                other => return Err(format!("not a path: {other:?}").into()),
            }
        }
    }
    let want: Vec<String> = (0..made.len()).map(|number| format!("{path}{number:010}")).collect();
    expect(made == want, || format!("sequence numbers {made:?}"))?;
    clients.into_iter().try_for_each(|client| client.close())
}

pub(super) fn access(stage: &Stage, root: &str) -> Result<(), Failure> {
    let entry = |scheme: &'static str, id: &'static str| AclEntry {
        perms: Perms::ALL,
        scheme: Some(scheme.into()),
        id: Some(id.into()),
    };
    for id in ALL {
        let mut owner = stage.connect(id)?;
        owner.ok(&RawRequest::auth(READER.0, Some(READER.1)))?;
        let node = format!("{root}/{id}");
        let list = [entry("auth", "")];
        owner.ok(&RawRequest::create_with(OpCode::Create, node.as_str(), Some(b"x"), Some(&list), 0, 0))?;
        owner.ok(&RawRequest::set_data(node.as_str(), Some(b"mine"), -1))?;

        let mut stranger = stage.connect(next(id))?;
        stranger.sync()?;
        let set = RawRequest::set_data(node.as_str(), Some(b"stolen"), -1);
        stranger.fails(&RawRequest::read(OpCode::GetData, node.as_str(), false), KeeperError::NoAuth)?;
        stranger.fails(&set, KeeperError::NoAuth)?;
        stranger.ok(&RawRequest::auth(READER.0, Some(READER.1)))?;
        stranger.ok(&RawRequest::set_data(node.as_str(), Some(b"ours"), 1))?;
        // By address, which a learner has to pass on.
        let list = [entry("ip", "127.0.0.1")];
        stranger.ok(&RawRequest::set_acl(node.as_str(), Some(&list), 0))?;
        owner.sync()?;
        owner.ok(&RawRequest::set_data(node.as_str(), Some(b"all"), 2))?;
        owner.close()?;
        stranger.close()?;
    }
    Ok(())
}

pub(super) fn large(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let mut client = stage.connect(id)?;
        let node = format!("{root}/{id}");
        let data = vec![id; 900_000];
        client.ok(&RawRequest::create(node.as_str(), &data, 0))?;
        let mut other = stage.connect(next(id))?;
        other.sync()?;
        expect(other.get(&node)?.0 == data, || format!("large data at {}", stage.name(next(id))))?;
        other.ok(&RawRequest::set_data(node.as_str(), Some(b"small"), 0))?;
        client.close()?;
        other.close()?;
    }
    Ok(())
}

pub(super) fn own_writes(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let mut client = stage.connect(id)?;
        let node = format!("{root}/{id}");
        client.ok(&create(OpCode::Create, &node, 0, 0))?;
        let pairs = (0..100).flat_map(|number: i32| {
            let set = RawRequest::set_data(node.as_str(), Some(&number.to_be_bytes()), number);
            [set, RawRequest::read(OpCode::GetData, node.as_str(), false)]
        });
        let replies = client.call_all(&pairs.collect::<Vec<_>>())?;
        for (number, pair) in (0i32..).zip(replies.chunks(2)) {
            let Body::DataStat(data, _) = &pair[1].body else { return Err(format!("{pair:?}").into()) };
            expect(data.0.as_deref() == Some(&number.to_be_bytes()[..]), || {
                format!("write {number} was not read via {}: {pair:?}", stage.name(id))
            })?;
        }
        client.close()?;
    }
    Ok(())
}

pub(super) fn synced_reads(stage: &Stage, root: &str) -> Result<(), Failure> {
    let mut clients = ALL.map(|id| stage.connect(id)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let len = clients.len();
    for number in 0..40usize {
        let data = number.to_string();
        clients[number % len].ok(&RawRequest::set_data(root, Some(data.as_bytes()), number as i32))?;
        let reader = &mut clients[(number + 1 + number / len) % len];
        reader.sync()?;
        let (read, _) = reader.get(root)?;
        expect(read == data.as_bytes(), || {
            format!("read {read:?} after {data} was acknowledged and synced")
        })?;
    }
    clients.into_iter().try_for_each(|client| client.close())
}

pub(super) fn transient(stage: &Stage, root: &str) -> Result<(), Failure> {
    let mut client = stage.connect(4)?;
    for id in ALL {
        let mut maker = stage.connect(id)?;
        let container = format!("{root}/container-{id}");
        let child = format!("{container}/child");
        maker.ok(&create(OpCode::CreateTtl, &format!("{root}/ttl-{id}"), 5, 100))?;
        maker.ok(&create(OpCode::CreateContainer, &container, 4, 0))?;
        maker.ok(&create(OpCode::Create, &child, 0, 0))?;
        maker.ok(&RawRequest::delete(child.as_str(), -1))?;
        maker.close()?;
    }
    let deadline = Instant::now() + TRANSIENT_TIMEOUT;
    loop {
        client.sync()?;
        let left = client.children(root)?;
        if left.is_empty() {
            return client.close();
        }
        expect(Instant::now() < deadline, || format!("{left:?} are still there"))?;
        std::thread::sleep(Duration::from_millis(50));
    }
}
