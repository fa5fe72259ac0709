//! Answering reads: from the tree straight into the connection's output.

mod watches;

#[cfg(test)]
mod tests;

use crate::acl;
use crate::watch::{ConnId, WatchKind, WatchTable};
use alloc::vec::Vec;
use core::ops::DerefMut;
use zabra_proto::{
    AclList, FieldLimit, MultiHeader, MultiRead, OpCode, PathWatch, Put, Reader, ReplyHeader, Request,
    begin_frame, end_frame, put_error_result, put_reply_header, put_stat, read_multi, write_multi_end,
};
use zabra_tree::{NodeAcl, NodeRef, Tree};
use zabra_types::{AuthSchemes, Identity, KeeperError, Perms, SessionId, Xid, Zxid};

/// The watch table, locked when it is needed and not before: most reads leave no watch.
pub trait WatchAccess {
    /// The table, for the time the result lives.
    fn table(&mut self) -> impl DerefMut<Target = WatchTable>;
}

impl WatchAccess for WatchTable {
    fn table(&mut self) -> impl DerefMut<Target = Self> {
        self
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The session.
    pub session: SessionId,
    /// The connection, which watches belong to.
    pub conn: ConnId,
    /// What the connection had proved when the request arrived.
    pub identities: &'a [Identity],
}

/// What reads are answered from (`FinalRequestProcessor`, the part without transactions).
#[derive(Debug)]
pub struct Reads<'a, S: ?Sized> {
    /// The applied state. No change may be applied between an answer and the watches it leaves.
    pub tree: &'a Tree,
    /// The last transaction this server has processed, for reply headers.
    pub last_zxid: Zxid,
    /// The configured providers.
    pub schemes: &'a S,
    /// `zookeeper.skipACL`.
    pub skip_acl: bool,
    /// The longest text or buffer in a request.
    pub field_limit: FieldLimit,
}

impl<'a, S: AuthSchemes + ?Sized> Reads<'a, S> {
    /// Appends the whole reply frame to a read, and before it the events that setWatches finds due.
    ///
    /// `op` is one of class [`Read`](zabra_proto::OpClass::Read); any other is refused as `Unimplemented`. A body that
    /// cannot be decoded is refused as `MarshallingError`, and the connection goes on. Permissions are judged by what
    /// `caller` brings. Returns what the client was told in the header if it was refused.
    pub fn answer(
        &self,
        caller: &Caller<'_>,
        watches: &mut impl WatchAccess,
        (xid, op): (Xid, OpCode),
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<KeeperError> {
        // A ping is answered as a ping whatever number it came with.
        let xid = if op == OpCode::Ping { Xid::PING } else { xid };
        let request = Request::decode(op, &mut Reader::with_limit(body, self.field_limit));
        let decoded = request.is_ok();
        let mut answer = Answer { reads: self, caller, watches, out };
        if let Ok(Request::SetWatches(set)) = &request {
            answer.set_watches(set);
        }
        let frame = begin_frame(answer.out);
        let start = answer.out.len();
        put_reply_header(answer.out, xid, self.last_zxid, None);
        let result = match request {
            Ok(request) => answer.put_body(request),
            Err(_) => Err(KeeperError::MarshallingError),
        };
        if let Err(error) = result {
            // The genuine server has begun the list of results when it meets a write or a null path.
            let results = match op {
                OpCode::MultiRead if self.holds_writes(body) => Some(Vec::new()),
                OpCode::MultiRead if decoded => Some(out.split_off(start + ReplyHeader::LEN)),
                _ => None,
            };
            out.truncate(start);
            put_reply_header(out, xid, self.last_zxid, Some(error));
            if let Some(results) = results {
                out.extend_from_slice(&results);
                write_multi_end(out);
            }
        }
        end_frame(out, frame);
        result.err()
    }

    /// The node, if it exists and the caller may read it.
    fn readable(&self, caller: &Caller<'_>, path: &str) -> Result<NodeRef<'a>, KeeperError> {
        let node = self.tree.get(path).ok_or(KeeperError::NoNode)?;
        self.check(caller, node, Perms::READ)?;
        Ok(node)
    }

    fn check(&self, caller: &Caller<'_>, node: NodeRef<'_>, want: Perms) -> Result<(), KeeperError> {
        if acl::check(node.acl(), want, caller.identities, self.schemes, self.skip_acl) {
            Ok(())
        } else {
            Err(KeeperError::NoAuth)
        }
    }

    /// Whether the body of a multiRead is a well-formed list of writes.
    fn holds_writes(&self, body: &[u8]) -> bool {
        read_multi(&mut Reader::with_limit(body, self.field_limit)).is_ok_and(|ops| !ops.is_empty())
    }
}

/// One request on its way to its answer.
struct Answer<'a, S: ?Sized, W> {
    reads: &'a Reads<'a, S>,
    caller: &'a Caller<'a>,
    watches: &'a mut W,
    out: &'a mut Vec<u8>,
}

impl<'a, S: AuthSchemes + ?Sized, W: WatchAccess> Answer<'a, S, W> {
    /// Appends the body of the reply. On an error, what it has appended is to be taken back.
    fn put_body(&mut self, request: Request<'_>) -> Result<(), KeeperError> {
        match request {
            // Set already: the events stand before the reply.
            Request::Ping | Request::SetWatches(_) => Ok(()),
            Request::Exists(wanted) => self.exists(&wanted),
            Request::GetData(wanted) => {
                let node = self.reads.readable(self.caller, &wanted.path)?;
                self.watch(&wanted, WatchKind::Data);
                self.put_data(node);
                Ok(())
            }
            Request::GetChildren(wanted) => self.get_children(&wanted).map(drop),
            Request::GetChildren2(wanted) => {
                let node = self.get_children(&wanted)?;
                put_stat(self.out, &node.stat());
                Ok(())
            }
            Request::GetAcl(wanted) => self.get_acl(&wanted.path),
            Request::GetAllChildrenNumber(wanted) => {
                self.reads.readable(self.caller, &wanted.path)?;
                let count = self.reads.tree.descendants(&wanted.path).ok_or(KeeperError::NoNode)?;
                self.out.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
                Ok(())
            }
            Request::GetEphemerals(prefix) => {
                self.get_ephemerals(prefix.as_deref());
                Ok(())
            }
            Request::Sync(path) => {
                self.out.put_buffer(path.as_ref().map(|path| path.as_bytes()));
                Ok(())
            }
            Request::MultiRead(list) => self.multi_read(&list),
            Request::WhoAmI => {
                self.who_am_i();
                Ok(())
            }
            Request::AddWatch(wanted) => self.add_watch(&wanted),
            Request::CheckWatches(wanted) => self.check_watches(&wanted),
            Request::RemoveWatches(wanted) => self.remove_watches(&wanted),
            Request::Create(_)
            | Request::Delete(_)
            | Request::SetData(_)
            | Request::SetAcl(_)
            | Request::Multi(_)
            | Request::Reconfig(_)
            | Request::CloseSession
            | Request::Auth(_)
            | Request::Sasl(_) => Err(KeeperError::Unimplemented),
        }
    }

    /// A missing node is watched too.
    fn exists(&mut self, wanted: &PathWatch<'_>) -> Result<(), KeeperError> {
        if wanted.path.contains('\0') {
            return Err(KeeperError::BadArguments);
        }
        let node = self.reads.tree.get(&wanted.path);
        if let Some(node) = node {
            self.reads.check(self.caller, node, Perms::READ)?;
        }
        self.watch(wanted, WatchKind::Data);
        put_stat(self.out, &node.ok_or(KeeperError::NoNode)?.stat());
        Ok(())
    }

    fn get_children(&mut self, wanted: &PathWatch<'_>) -> Result<NodeRef<'a>, KeeperError> {
        let node = self.reads.readable(self.caller, &wanted.path)?;
        self.watch(wanted, WatchKind::Children);
        node.put_children(self.out);
        Ok(node)
    }

    fn watch(&mut self, wanted: &PathWatch<'_>, kind: WatchKind) {
        if wanted.watch {
            self.watches.table().add(&wanted.path, self.caller.conn, kind);
        }
    }

    fn put_data(&mut self, node: NodeRef<'_>) {
        self.out.put_buffer(node.data());
        put_stat(self.out, &node.stat());
    }

    /// Who may only read does not learn the hashes of passwords.
    fn get_acl(&mut self, path: &str) -> Result<(), KeeperError> {
        let node = self.reads.tree.get(path).ok_or(KeeperError::NoNode)?;
        self.reads.check(self.caller, node, Perms::READ | Perms::ADMIN)?;
        let list = match node.acl() {
            NodeAcl::Open => AclList::OPEN,
            NodeAcl::List(list) if list.is_open() => AclList::OPEN,
            NodeAcl::List(list) => list,
            NodeAcl::Dangling => return Err(KeeperError::MarshallingError),
        };
        if self.reads.check(self.caller, node, Perms::ADMIN).is_ok() {
            self.out.extend_from_slice(list.as_bytes());
        } else {
            self.out.put_count(list.iter().count());
            for (perms, scheme, id) in list.iter() {
                self.out.put_i32(perms.raw());
                self.out.put_text(scheme);
                match id.split_once(':') {
                    Some((user, _)) if scheme == "digest" => {
                        self.out.put_count(user.len() + 2);
                        self.out.extend_from_slice(user.as_bytes());
                        self.out.extend_from_slice(b":x");
                    }
                    _ => self.out.put_text(id),
                }
            }
        }
        put_stat(self.out, &node.stat());
        Ok(())
    }

    /// The prefix is compared as text. Blank is what `String.trim` of the genuine server leaves nothing of.
    fn get_ephemerals(&mut self, prefix: Option<&str>) {
        let prefix = prefix.filter(|prefix| {
            let trimmed = prefix.trim_matches(|c| c <= ' ');
            !trimmed.is_empty() && trimmed != "/"
        });
        let count_at = self.out.len();
        self.out.put_count(0);
        let mut count = 0_u32;
        for path in self.reads.tree.ephemerals_of(self.caller.session) {
            if prefix.is_none_or(|prefix| path.starts_with(prefix)) {
                self.out.put_text(&path);
                count += 1;
            }
        }
        self.out[count_at..count_at + 4].copy_from_slice(&count.to_be_bytes());
    }

    fn who_am_i(&mut self) {
        self.out.put_count(self.caller.identities.len());
        for Identity { scheme, id } in self.caller.identities {
            self.out.put_text(scheme);
            self.out.put_text(self.reads.schemes.user_name(scheme, id));
        }
    }

    /// Each read by itself; none leaves a watch. One without a path ends the list without its end mark.
    fn multi_read(&mut self, list: &[MultiRead<'_>]) -> Result<(), KeeperError> {
        for read in list {
            let (op, path) = match read {
                MultiRead::GetData(wanted) => (OpCode::GetData, &wanted.path),
                MultiRead::GetChildren(wanted) => (OpCode::GetChildren, &wanted.path),
                MultiRead::WithoutPath => return Err(KeeperError::MarshallingError),
            };
            match self.reads.readable(self.caller, path) {
                Ok(node) => {
                    MultiHeader::result(op).encode(self.out);
                    match op {
                        OpCode::GetData => self.put_data(node),
                        _ => node.put_children(self.out),
                    }
                }
                Err(error) => put_error_result(self.out, error.code()),
            }
        }
        write_multi_end(self.out);
        Ok(())
    }
}
