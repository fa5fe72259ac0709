//! Requests as clients write them.

use crate::request::{
    AddWatch, Auth, Check, Create, CreateKind, Delete, PathOnly, PathWatch, Reconfig, Request, SetAcl,
    SetData, SetWatches, WatchQuery,
};
use crate::{AclEntry, MultiHeader, MultiOp, MultiRead, OpCode, Put, write_multi_end};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use zabra_types::{Acl, Perms};

impl CreateKind {
    /// The operation that makes such a node.
    pub const fn op(self) -> OpCode {
        match self {
            Self::Create => OpCode::Create,
            Self::Create2 => OpCode::Create2,
            Self::Container => OpCode::CreateContainer,
            Self::Ttl => OpCode::CreateTtl,
        }
    }
}

impl<'a> AclEntry<'a> {
    /// Everybody may do everything.
    pub const OPEN: Self =
        Self { perms: Perms::ALL, scheme: Some(Cow::Borrowed("world")), id: Some(Cow::Borrowed("anyone")) };

    /// The entry that says what `acl` says.
    pub fn of(acl: &'a Acl) -> Self {
        Self { perms: acl.perms, scheme: Some(Cow::Borrowed(&acl.scheme)), id: Some(Cow::Borrowed(&acl.id)) }
    }
}

impl Request<'_> {
    /// The operation that belongs into the header of this request.
    ///
    /// Watches are set again by the older operation when no persistent one is among them, so that servers before 3.6
    /// understand it.
    pub const fn op(&self) -> OpCode {
        match self {
            Self::Create(create) => create.kind.op(),
            Self::Delete(_) => OpCode::Delete,
            Self::Exists(_) => OpCode::Exists,
            Self::GetData(_) => OpCode::GetData,
            Self::SetData(_) => OpCode::SetData,
            Self::GetAcl(_) => OpCode::GetAcl,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::GetChildren(_) => OpCode::GetChildren,
            Self::GetChildren2(_) => OpCode::GetChildren2,
            Self::Sync(_) => OpCode::Sync,
            Self::Ping => OpCode::Ping,
            Self::Multi(_) => OpCode::Multi,
            Self::MultiRead(_) => OpCode::MultiRead,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::CheckWatches(_) => OpCode::CheckWatches,
            Self::RemoveWatches(_) => OpCode::RemoveWatches,
            Self::SetWatches(watches) if watches.has_persistent() => OpCode::SetWatches2,
            Self::SetWatches(_) => OpCode::SetWatches,
            Self::GetEphemerals(_) => OpCode::GetEphemerals,
            Self::GetAllChildrenNumber(_) => OpCode::GetAllChildrenNumber,
            Self::AddWatch(_) => OpCode::AddWatch,
            Self::WhoAmI => OpCode::WhoAmI,
            Self::CloseSession => OpCode::CloseSession,
            Self::Auth(_) => OpCode::Auth,
            Self::Sasl(_) => OpCode::Sasl,
        }
    }

    /// Appends the body, without header and frame; [`Request::decode`] with [`Request::op`] reads it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create(create) => create.encode(out),
            Self::Delete(delete) => delete.encode(out),
            Self::SetData(set) => set.encode(out),
            Self::SetAcl(set) => set.encode(out),
            Self::Exists(read) | Self::GetData(read) | Self::GetChildren(read) | Self::GetChildren2(read) => {
                read.encode(out);
            }
            Self::GetAcl(path) | Self::GetAllChildrenNumber(path) => path.encode(out),
            Self::Sync(path) | Self::GetEphemerals(path) => put_some_text(out, path.as_deref()),
            Self::Multi(ops) => put_multi(out, ops),
            Self::MultiRead(reads) => put_multi_read(out, reads),
            Self::Reconfig(reconfig) => reconfig.encode(out),
            Self::CheckWatches(query) | Self::RemoveWatches(query) => query.encode(out),
            Self::SetWatches(watches) => watches.encode(out),
            Self::AddWatch(watch) => watch.encode(out),
            Self::Auth(auth) => auth.encode(out),
            Self::Sasl(token) => out.put_buffer(*token),
            Self::Ping | Self::WhoAmI | Self::CloseSession => {}
        }
    }
}

impl Create<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_some_text(out, self.path.as_deref());
        out.put_buffer(self.data);
        put_acl(out, self.acl.as_deref());
        out.put_i32(self.flags);
        if let (CreateKind::Ttl, ttl_ms) = (self.kind, self.ttl_ms) {
            out.put_i64(ttl_ms.unwrap_or(-1));
        }
    }
}

impl Delete<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_some_text(out, self.path.as_deref());
        out.put_i32(self.version);
    }
}

impl SetData<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_some_text(out, self.path.as_deref());
        out.put_buffer(self.data);
        out.put_i32(self.version);
    }
}

impl SetAcl<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_some_text(out, self.path.as_deref());
        put_acl(out, self.acl.as_deref());
        out.put_i32(self.version);
    }
}

impl Check<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_some_text(out, self.path.as_deref());
        out.put_i32(self.version);
    }
}

impl PathWatch<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_text(&self.path);
        out.put_bool(self.watch);
    }
}

impl PathOnly<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_text(&self.path);
    }
}

impl AddWatch<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_text(&self.path);
        out.put_i32(self.mode);
    }
}

impl WatchQuery<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_text(&self.path);
        out.put_i32(self.watcher_type);
    }
}

impl Reconfig<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_some_text(out, self.joining_servers.as_deref());
        put_some_text(out, self.leaving_servers.as_deref());
        put_some_text(out, self.new_members.as_deref());
        out.put_i64(self.config_version);
    }
}

impl SetWatches<'_> {
    const fn has_persistent(&self) -> bool {
        !self.persistent.is_empty() || !self.persistent_recursive.is_empty()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64(self.relative_zxid.raw());
        put_texts(out, &self.data);
        put_texts(out, &self.exists);
        put_texts(out, &self.children);
        if self.has_persistent() {
            put_texts(out, &self.persistent);
            put_texts(out, &self.persistent_recursive);
        }
    }
}

impl Auth<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        // The type of an auth packet is ignored; clients send zero.
        out.put_i32(0);
        put_some_text(out, self.scheme.as_deref());
        out.put_buffer(self.auth);
    }
}

fn put_multi(out: &mut Vec<u8>, ops: &[MultiOp<'_>]) {
    for op in ops {
        match op {
            MultiOp::Create(create) => {
                put_multi_header(out, create.kind.op());
                create.encode(out);
            }
            MultiOp::Delete(delete) => {
                put_multi_header(out, OpCode::Delete);
                delete.encode(out);
            }
            MultiOp::SetData(set) => {
                put_multi_header(out, OpCode::SetData);
                set.encode(out);
            }
            MultiOp::Check(check) => {
                put_multi_header(out, OpCode::Check);
                check.encode(out);
            }
        }
    }
    write_multi_end(out);
}

fn put_multi_read(out: &mut Vec<u8>, reads: &[MultiRead<'_>]) {
    for read in reads {
        match read {
            MultiRead::GetData(read) => {
                put_multi_header(out, OpCode::GetData);
                read.encode(out);
            }
            MultiRead::GetChildren(read) => {
                put_multi_header(out, OpCode::GetChildren);
                read.encode(out);
            }
            MultiRead::WithoutPath => {
                put_multi_header(out, OpCode::GetData);
                out.put_buffer(None);
                out.put_bool(false);
            }
        }
    }
    write_multi_end(out);
}

fn put_multi_header(out: &mut Vec<u8>, op: OpCode) {
    MultiHeader { op: op.code(), done: false, err: -1 }.encode(out);
}

fn put_acl(out: &mut Vec<u8>, acl: Option<&[AclEntry<'_>]>) {
    let Some(acl) = acl else { return out.put_i32(-1) };
    out.put_count(acl.len());
    for entry in acl {
        out.put_i32(entry.perms.raw());
        put_some_text(out, entry.scheme.as_deref());
        put_some_text(out, entry.id.as_deref());
    }
}

fn put_some_text(out: &mut Vec<u8>, text: Option<&str>) {
    out.put_buffer(text.map(str::as_bytes));
}

fn put_texts(out: &mut Vec<u8>, texts: &[Cow<'_, str>]) {
    out.put_count(texts.len());
    for text in texts {
        out.put_text(text);
    }
}
