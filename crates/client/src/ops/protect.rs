//! Nodes that carry a mark in their names, by which their creator finds them again.
//!
//! The mark is Curator's (`ProtectedUtils`): `_c_`, a GUID, `-`, before the name.

use crate::{Client, Created, Error};
use uuid::Uuid;
use zabra_types::parent_of;

/// The path with the mark before its last component.
pub(crate) fn marked(path: &str, guid: Uuid) -> String {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{parent}/{}{name}", mark(guid))
}

fn mark(guid: Uuid) -> String {
    format!("_c_{guid}-")
}

/// The node that was created for `path` with this mark, if it was.
///
/// The server is asked to catch up first: another one may have taken the request to the leader than the one that answers
/// now. An ephemeral node of a former session does not count, as it is going.
pub(crate) async fn find(
    client: &Client,
    path: &str,
    guid: Uuid,
    ephemeral: bool,
) -> Result<Option<Created>, Error> {
    let Some(parent) = parent_of(path) else { return Ok(None) };
    let mark = mark(guid);
    let sync = client.sync(parent).send();
    let names = match client.children(parent).send().await {
        Ok(names) => names,
        Err(error) if error.is_no_node() => return Ok(None),
        Err(error) => return Err(error),
    };
    sync.await?;
    let Some(name) = names.iter().find(|name| name.starts_with(&mark)) else { return Ok(None) };
    let path = if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") };
    let found = client.exists(&path).send().await?;
    let is_own = |owner| !ephemeral || owner == client.session.session_id().raw();
    Ok(found.filter(|stat| is_own(stat.ephemeral_owner)).map(|stat| Created { path, stat }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_before_the_name() {
        let guid = Uuid::from_u128(0x1234);
        let mark = "_c_00000000-0000-0000-0000-000000001234-";
        let cases = [
            ("/a", format!("/{mark}a")),
            ("/a/lock-", format!("/a/{mark}lock-")),
            ("/a/", format!("/a/{mark}")),
        ];
        for (path, expected) in cases {
            assert_eq!(marked(path, guid), expected);
        }
    }
}
