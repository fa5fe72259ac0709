//! Watches at one server, changes through another.

use zabra_proto::OpCode;
use zabra_testkit::{Blob, RawRequest, WatchLists};

use super::super::stage::{ALL, Stage};
use crate::Failure;
use crate::client::expect;

const CREATED: i32 = 1;
const DELETED: i32 = 2;
const DATA_CHANGED: i32 = 3;
const CHILDREN_CHANGED: i32 = 4;

/// Persistent and recursive.
const RECURSIVE: i32 = 1;

fn next(id: u8) -> u8 {
    id % 4 + 1
}

pub(super) fn events(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let mut watcher = stage.connect(id)?;
        let mut writer = stage.connect(next(id))?;
        let node = format!("{root}/{id}");
        let child = format!("{node}/child");
        let deep = format!("{root}/{id}-deep");
        for path in [&node, &deep] {
            writer.ok(&RawRequest::create(path.as_str(), b"", 0))?;
        }
        watcher.sync()?;
        watcher.ok(&RawRequest::read(OpCode::GetData, node.as_str(), true))?;
        watcher.ok(&RawRequest::read(OpCode::GetChildren, node.as_str(), true))?;
        watcher.call(&RawRequest::read(OpCode::Exists, child.as_str(), true))?;
        watcher.ok(&RawRequest::path_and_number(OpCode::AddWatch, deep.as_str(), RECURSIVE))?;

        let below = format!("{deep}/below");
        writer.ok(&RawRequest::set_data(node.as_str(), Some(b"set"), 0))?;
        writer.ok(&RawRequest::create(child.as_str(), b"", 0))?;
        writer.ok(&RawRequest::create(below.as_str(), b"", 0))?;
        writer.ok(&RawRequest::set_data(below.as_str(), Some(b"set"), 0))?;
        writer.ok(&RawRequest::delete(below.as_str(), 1))?;

        let mut heard = Vec::new();
        for _ in 0..6 {
            heard.push(watcher.event()?);
        }
        // One change tells of the child and of its parent, in this order or the other.
        heard[1..3].sort();
        let want = [
            (DATA_CHANGED, node.clone()),
            (CREATED, child),
            (CHILDREN_CHANGED, node.clone()),
            (CREATED, below.clone()),
            (DATA_CHANGED, below.clone()),
            (DELETED, below),
        ];
        expect(heard == want, || format!("events at {}: {heard:?}", stage.name(id)))?;
        expect(watcher.get(&node)?.0 == b"set", || {
            format!("an event came before its data at {}", stage.name(id))
        })?;
        watcher.close()?;
        writer.close()?;
    }
    Ok(())
}

pub(super) fn set_again(stage: &Stage, root: &str) -> Result<(), Failure> {
    for id in ALL {
        let node = format!("{root}/{id}");
        let mut watcher = stage.connect(id)?;
        watcher.ok(&RawRequest::create(node.as_str(), b"", 0))?;
        let seen = watcher.ok(&RawRequest::read(OpCode::GetData, node.as_str(), true))?.zxid;
        let session = watcher.session().clone();
        drop(watcher);

        let mut writer = stage.connect(next(id))?;
        writer.ok(&RawRequest::set_data(node.as_str(), Some(b"missed"), 0))?;
        let elsewhere = next(next(id));
        let mut watcher = stage.renew(elsewhere, &session)?;
        watcher.sync()?;
        let mut lists = WatchLists::default();
        lists.lists = lists.lists.map(|_| Some(Vec::new()));
        lists.lists[0] = Some(vec![Blob(Some(node.clone().into_bytes()))]);
        // The event comes before the reply, which passes over it.
        let mut plain = stage.connect(elsewhere)?;
        plain.sync()?;
        plain.ok(&RawRequest::read(OpCode::GetData, node.as_str(), true))?;
        watcher.send(&RawRequest::set_watches(OpCode::SetWatches2, seen, &lists))?;
        let heard = watcher.event()?;
        expect(heard == (DATA_CHANGED, node.clone()), || format!("at {}: {heard:?}", stage.name(elsewhere)))?;
        writer.ok(&RawRequest::delete(node.as_str(), 1))?;
        let heard = plain.event()?;
        expect(heard == (DELETED, node), || format!("at {}: {heard:?}", stage.name(elsewhere)))?;
        writer.close()?;
        plain.close()?;
        drop(watcher);
    }
    Ok(())
}
