//! Requests as bytes, legal or not.

use crate::reply::Blob;
use std::borrow::Cow;
use zabra_proto::{AclEntry, MultiHeader, OpCode, Put};
use zabra_types::Perms;

/// Text on its way to the wire: UTF-8, arbitrary bytes, or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a>(pub Option<&'a [u8]>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Some(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Text<'a> {
    fn from(text: &'a String) -> Self {
        Self(Some(text.as_bytes()))
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Some(bytes))
    }
}

impl<'a> From<Option<&'a [u8]>> for Text<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Self {
        Self(bytes)
    }
}

/// Everybody may do everything, as clients usually send it.
pub fn open_acl() -> Vec<AclEntry<'static>> {
    vec![AclEntry {
        perms: Perms::ALL,
        scheme: Some(Cow::Borrowed("world")),
        id: Some(Cow::Borrowed("anyone")),
    }]
}

/// Appends an access control list, `None` as null; null texts stay null.
pub fn put_acl_vector(out: &mut Vec<u8>, acl: Option<&[AclEntry<'_>]>) {
    let Some(entries) = acl else { return out.put_i32(-1) };
    out.put_count(entries.len());
    for entry in entries {
        out.put_i32(entry.perms.raw());
        out.put_buffer(entry.scheme.as_ref().map(|text| text.as_bytes()));
        out.put_buffer(entry.id.as_ref().map(|text| text.as_bytes()));
    }
}

/// An operation number and a body. Both may be anything; the builders make legal ones as long as their arguments are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRequest {
    /// The operation, as in the request header.
    pub op: i32,
    /// What follows the header.
    pub body: Vec<u8>,
}

/// The path lists of setWatches2; setWatches sends the first three.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchLists {
    /// Data, exist, child, persistent, persistent recursive; `None` is the null vector.
    pub lists: [Option<Vec<Blob>>; 5],
}

impl RawRequest {
    /// Any operation with any body.
    pub fn new(op: i32, body: Vec<u8>) -> Self {
        Self { op, body }
    }

    fn build(op: OpCode, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut body = Vec::new();
        fill(&mut body);
        Self { op: op.code(), body }
    }

    /// One of the four creates; `ttl_ms` is sent with createTTL only.
    pub fn create_with<'a>(
        op: OpCode,
        path: impl Into<Text<'a>>,
        data: Option<&[u8]>,
        acl: Option<&[AclEntry<'_>]>,
        flags: i32,
        ttl_ms: i64,
    ) -> Self {
        Self::build(op, |body| {
            body.put_buffer(path.into().0);
            body.put_buffer(data);
            put_acl_vector(body, acl);
            body.put_i32(flags);
            if op == OpCode::CreateTtl {
                body.put_i64(ttl_ms);
            }
        })
    }

    /// A plain create with the open list.
    pub fn create<'a>(path: impl Into<Text<'a>>, data: &[u8], flags: i32) -> Self {
        Self::create_with(OpCode::Create, path, Some(data), Some(&open_acl()), flags, 0)
    }

    /// delete
    pub fn delete<'a>(path: impl Into<Text<'a>>, version: i32) -> Self {
        Self::path_and_number(OpCode::Delete, path, version)
    }

    /// setData
    pub fn set_data<'a>(path: impl Into<Text<'a>>, data: Option<&[u8]>, version: i32) -> Self {
        Self::build(OpCode::SetData, |body| {
            body.put_buffer(path.into().0);
            body.put_buffer(data);
            body.put_i32(version);
        })
    }

    /// setACL
    pub fn set_acl<'a>(path: impl Into<Text<'a>>, acl: Option<&[AclEntry<'_>]>, version: i32) -> Self {
        Self::build(OpCode::SetAcl, |body| {
            body.put_buffer(path.into().0);
            put_acl_vector(body, acl);
            body.put_i32(version);
        })
    }

    /// exists, getData, getChildren or getChildren2.
    pub fn read<'a>(op: OpCode, path: impl Into<Text<'a>>, watch: bool) -> Self {
        Self::build(op, |body| {
            body.put_buffer(path.into().0);
            body.put_bool(watch);
        })
    }

    /// getACL, sync, getAllChildrenNumber or getEphemerals: a path alone.
    pub fn path<'a>(op: OpCode, path: impl Into<Text<'a>>) -> Self {
        Self::build(op, |body| body.put_buffer(path.into().0))
    }

    /// delete, check, addWatch, checkWatches or removeWatches: a path and a number.
    pub fn path_and_number<'a>(op: OpCode, path: impl Into<Text<'a>>, number: i32) -> Self {
        Self::build(op, |body| {
            body.put_buffer(path.into().0);
            body.put_i32(number);
        })
    }

    /// An operation without a body: ping, whoAmI, closeSession.
    pub fn bare(op: OpCode) -> Self {
        Self { op: op.code(), body: Vec::new() }
    }

    /// auth
    pub fn auth<'a>(scheme: impl Into<Text<'a>>, auth: Option<&[u8]>) -> Self {
        Self::build(OpCode::Auth, |body| {
            body.put_i32(0);
            body.put_buffer(scheme.into().0);
            body.put_buffer(auth);
        })
    }

    /// One step of SASL.
    pub fn sasl(token: Option<&[u8]>) -> Self {
        Self::build(OpCode::Sasl, |body| body.put_buffer(token))
    }

    /// reconfig
    pub fn reconfig(
        joining: Option<&str>,
        leaving: Option<&str>,
        members: Option<&str>,
        config: i64,
    ) -> Self {
        Self::build(OpCode::Reconfig, |body| {
            for text in [joining, leaving, members] {
                body.put_buffer(text.map(str::as_bytes));
            }
            body.put_i64(config);
        })
    }

    /// setWatches (the first three lists) or setWatches2 (all five).
    pub fn set_watches(op: OpCode, relative_zxid: i64, watches: &WatchLists) -> Self {
        let sent = if op == OpCode::SetWatches { 3 } else { 5 };
        Self::build(op, |body| {
            body.put_i64(relative_zxid);
            for list in &watches.lists[..sent] {
                let Some(paths) = list else {
                    body.put_i32(-1);
                    continue;
                };
                body.put_count(paths.len());
                for path in paths {
                    body.put_buffer(path.0.as_deref());
                }
            }
        })
    }
}

/// Puts the list of a multi or multiRead together.
#[derive(Clone, Debug, Default)]
pub struct MultiBuilder(Vec<u8>);

impl MultiBuilder {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an operation; its number becomes the type in the list.
    pub fn push(&mut self, op: &RawRequest) -> &mut Self {
        MultiHeader { op: op.op, done: false, err: -1 }.encode(&mut self.0);
        self.0.extend_from_slice(&op.body);
        self
    }

    /// The request, `op` being multi or multiRead.
    pub fn finish(&self, op: OpCode) -> RawRequest {
        let mut request = self.unfinished(op);
        MultiHeader::END.encode(&mut request.body);
        request
    }

    /// The request without the header that ends the list: malformed.
    pub fn unfinished(&self, op: OpCode) -> RawRequest {
        RawRequest { op: op.code(), body: self.0.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zabra_proto::{MultiOp, Reader, Request};

    /// What the builders write is what the server's decoder reads, with nothing left over.
    #[test]
    fn the_server_reads_what_the_builders_write() {
        let lists =
            WatchLists { lists: std::array::from_fn(|n| Some(vec![Blob(Some(vec![b'/', b'a' + n as u8]))])) };
        let mut multi = MultiBuilder::new();
        multi.push(&RawRequest::create("/m", b"x", 0)).push(&RawRequest::path_and_number(
            OpCode::Check,
            "/m",
            0,
        ));
        let mut reads = MultiBuilder::new();
        reads.push(&RawRequest::read(OpCode::GetData, "/m", false));
        let requests = [
            RawRequest::create("/a", b"data", 3),
            RawRequest::create_with(OpCode::CreateTtl, "/a", None, Some(&open_acl()), 5, 77),
            RawRequest::delete("/a", 4),
            RawRequest::set_data("/a", None, -1),
            RawRequest::set_acl("/a", None, 0),
            RawRequest::read(OpCode::GetChildren2, "/a", true),
            RawRequest::path(OpCode::GetEphemerals, Text(None)),
            RawRequest::path_and_number(OpCode::AddWatch, "/a", 1),
            RawRequest::auth("digest", Some(b"u:p")),
            RawRequest::sasl(None),
            RawRequest::set_watches(OpCode::SetWatches, 9, &lists),
            RawRequest::set_watches(OpCode::SetWatches2, 9, &lists),
            multi.finish(OpCode::Multi),
            reads.finish(OpCode::MultiRead),
            RawRequest::bare(OpCode::Ping),
        ];
        for request in &requests {
            let op = OpCode::from_code(request.op).unwrap();
            let mut reader = Reader::new(&request.body);
            Request::decode(op, &mut reader).unwrap_or_else(|error| panic!("{op:?}: {error}"));
            assert_eq!(reader.rest(), b"", "{op:?}");
        }
        let Ok(Request::Multi(ops)) = Request::decode(OpCode::Multi, &mut Reader::new(&requests[12].body))
        else {
            panic!("not a multi")
        };
        assert!(matches!(ops.as_slice(), [MultiOp::Create(_), MultiOp::Check(_)]));
    }
}
