//! Requests as a load makes them: open to everybody, whatever the version.

use std::borrow::Cow;
use zabra_proto::{AclEntry, Create, CreateKind, Delete, MultiOp, PathWatch, Request, SetData};
use zabra_types::Perms;

/// Any version.
const ANY_VERSION: i32 = -1;

/// The flags of an ephemeral node in a create.
pub const EPHEMERAL: i32 = 1;
/// The flags of an ephemeral sequential node in a create.
pub const EPHEMERAL_SEQUENTIAL: i32 = 3;

/// Creates a node; `flags` as on the wire, 0 for a persistent one.
pub fn create<'a>(path: impl Into<Cow<'a, str>>, data: &'a [u8], flags: i32) -> Request<'a> {
    Request::Create(create_part(path, data, flags))
}

/// Creates a node as a part of a multi.
pub fn multi_create<'a>(path: impl Into<Cow<'a, str>>, data: &'a [u8]) -> MultiOp<'a> {
    MultiOp::Create(create_part(path, data, 0))
}

fn create_part<'a>(path: impl Into<Cow<'a, str>>, data: &'a [u8], flags: i32) -> Create<'a> {
    let everybody = AclEntry { perms: Perms::ALL, scheme: Some("world".into()), id: Some("anyone".into()) };
    Create {
        kind: CreateKind::Create,
        path: Some(path.into()),
        data: Some(data),
        acl: Some(vec![everybody]),
        flags,
        ttl_ms: None,
    }
}

/// Sets the data of a node.
pub fn set<'a>(path: impl Into<Cow<'a, str>>, data: &'a [u8]) -> Request<'a> {
    Request::SetData(set_part(path, data))
}

/// Sets the data of a node as a part of a multi.
pub fn multi_set<'a>(path: impl Into<Cow<'a, str>>, data: &'a [u8]) -> MultiOp<'a> {
    MultiOp::SetData(set_part(path, data))
}

fn set_part<'a>(path: impl Into<Cow<'a, str>>, data: &'a [u8]) -> SetData<'a> {
    SetData { path: Some(path.into()), data: Some(data), version: ANY_VERSION }
}

/// Deletes a node.
pub fn delete<'a>(path: impl Into<Cow<'a, str>>) -> Request<'a> {
    Request::Delete(Delete { path: Some(path.into()), version: ANY_VERSION })
}

/// Reads the data of a node.
pub fn get<'a>(path: impl Into<Cow<'a, str>>, watch: bool) -> Request<'a> {
    Request::GetData(PathWatch { path: path.into(), watch })
}

/// Asks whether a node exists.
pub fn exists<'a>(path: impl Into<Cow<'a, str>>) -> Request<'a> {
    Request::Exists(PathWatch { path: path.into(), watch: false })
}

/// Lists the children of a node.
pub fn children<'a>(path: impl Into<Cow<'a, str>>) -> Request<'a> {
    Request::GetChildren(PathWatch { path: path.into(), watch: false })
}
