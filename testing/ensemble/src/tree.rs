//! The whole tree as a server shows it.

use std::collections::BTreeMap;

use zabra_proto::OpCode;
use zabra_testkit::{AclRow, Blob, Body, RawRequest};
use zabra_types::Stat;

use crate::Failure;
use crate::client::{Client, expect};

/// How many nodes are asked for together.
const BATCH: usize = 200;

/// What is known of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    data: Blob,
    stat: Stat,
    acl: Option<Vec<AclRow>>,
}

/// All nodes but those below `/zookeeper`, which are each server's own.
pub(crate) type Tree = BTreeMap<String, Node>;

/// Reads the tree.
pub(crate) fn read(client: &mut Client) -> Result<Tree, Failure> {
    let mut tree = Tree::new();
    let mut ahead = vec!["/".to_owned()];
    while !ahead.is_empty() {
        let batch: Vec<String> = ahead.drain(ahead.len().saturating_sub(BATCH)..).collect();
        let requests: Vec<RawRequest> = batch.iter().flat_map(|path| questions(path)).collect();
        let replies = client.call_all(&requests)?;
        for (path, replies) in batch.into_iter().zip(replies.chunks(3)) {
            let [data, acl, names] = replies else { return Err("three replies a node".into()) };
            let (Body::DataStat(data, stat), Body::AclStat(acl, _), Body::Names(Some(names))) =
                (&data.body, &acl.body, &names.body)
            else {
                return Err(format!("{path} cannot be read: {replies:?}").into());
            };
            for name in names {
                let name = String::from_utf8_lossy(name.0.as_deref().unwrap_or_default());
                let child = format!("{}/{name}", path.trim_end_matches('/'));
                if child != "/zookeeper" {
                    ahead.push(child);
                }
            }
            tree.insert(path, Node { data: data.clone(), stat: *stat, acl: acl.clone() });
        }
    }
    Ok(tree)
}

fn questions(path: &str) -> [RawRequest; 3] {
    [
        RawRequest::read(OpCode::GetData, path, false),
        RawRequest::path(OpCode::GetAcl, path),
        RawRequest::read(OpCode::GetChildren, path, false),
    ]
}

/// Fails at the first node that differs.
pub(crate) fn expect_same(here: (&str, &Tree), there: (&str, &Tree)) -> Result<(), Failure> {
    for path in here.1.keys().chain(there.1.keys()) {
        let (one, other) = (here.1.get(path), there.1.get(path));
        expect(one == other, || format!("{path} is {one:?} at {}, but {other:?} at {}", here.0, there.0))?;
    }
    Ok(())
}
