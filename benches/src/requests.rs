//! Requests as they come from a client.

use zabra_proto::{
    AclEntry, Create, CreateKind, Delete, MultiOp, PathWatch, Request, RequestHeader, SetData, begin_frame,
    end_frame,
};
use zabra_types::Xid;

/// A request with its header in its frame.
pub fn frame(request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let at = begin_frame(&mut out);
    RequestHeader { xid: Xid::from_raw(1), op: request.op().code() }.encode(&mut out);
    request.encode(&mut out);
    end_frame(&mut out, at);
    out
}

/// getData.
pub fn get(path: &str, watch: bool) -> Vec<u8> {
    frame(&Request::GetData(PathWatch { path: path.into(), watch }))
}

/// exists.
pub fn exists(path: &str) -> Vec<u8> {
    frame(&Request::Exists(PathWatch { path: path.into(), watch: false }))
}

/// getChildren with Stat.
pub fn get_children(path: &str) -> Vec<u8> {
    frame(&Request::GetChildren2(PathWatch { path: path.into(), watch: false }))
}

/// setData, whatever the version.
pub fn set(path: &str, data: &[u8]) -> Vec<u8> {
    frame(&Request::SetData(set_data(path, data)))
}

/// create, open to all; `flags` as in the request.
pub fn create(path: &str, data: &[u8], flags: i32) -> Vec<u8> {
    frame(&Request::Create(Create {
        kind: CreateKind::Create,
        path: Some(path.into()),
        data: Some(data),
        acl: Some(vec![AclEntry::OPEN]),
        flags,
        ttl_ms: None,
    }))
}

/// delete, whatever the version.
pub fn delete(path: &str) -> Vec<u8> {
    frame(&Request::Delete(Delete { path: Some(path.into()), version: -1 }))
}

/// A multi that sets these nodes.
pub fn multi_of_sets<'a>(paths: impl IntoIterator<Item = &'a str>, data: &[u8]) -> Vec<u8> {
    frame(&Request::Multi(paths.into_iter().map(|path| MultiOp::SetData(set_data(path, data))).collect()))
}

fn set_data<'a>(path: &'a str, data: &'a [u8]) -> SetData<'a> {
    SetData { path: Some(path.into()), data: Some(data), version: -1 }
}
