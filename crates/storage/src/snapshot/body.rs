//! What snapshot files and snapshots between servers have in common: sessions, access control lists, nodes.

use zabra_proto::{AclList, DecodeError, Reader, TxnDigest, get_persisted};
use zabra_tree::{LoadError, Tree, TreeLoader, TreeOptions};
use zabra_types::{SessionId, Zxid};

use super::END_PATH;

/// Reads the body of a snapshot, record by record.
#[derive(Debug)]
pub(super) struct Body {
    loader: TreeLoader,
    next: Next,
    nodes: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Next {
    SessionCount,
    Session { left: usize },
    AclCount,
    Acl { left: usize },
    Node,
    Nothing,
}

impl Body {
    pub(super) fn new(options: TreeOptions) -> Self {
        Self { loader: TreeLoader::new(options), next: Next::SessionCount, nodes: 0 }
    }

    /// Takes one record; true when it was the last. A record that ends too early changes nothing: it may be taken again
    /// when more of it is there.
    pub(super) fn next(&mut self, reader: &mut Reader<'_>) -> Result<Result<bool, LoadError>, DecodeError> {
        self.next = match self.next {
            Next::SessionCount => sessions(count(reader, "sessions")?),
            Next::Session { left } => {
                let (id, timeout_ms) = (reader.i64("session id")?, reader.i32("timeout")?);
                self.loader.session(SessionId::from_raw(id), timeout_ms);
                sessions(left)
            }
            Next::AclCount => acls(count(reader, "acls")?),
            Next::Acl { left } => {
                let id = reader.i64("acl id")?;
                self.loader.acl(id, AclList::decode(reader)?);
                acls(left)
            }
            Next::Node => {
                let path = reader.some_text("path")?;
                if path == END_PATH {
                    Next::Nothing
                } else {
                    let data = reader.buffer("data")?;
                    let acl = reader.i64("acl")?;
                    let stat = get_persisted(reader)?;
                    if let Err(error) = self.loader.node(&path, data, acl, &stat) {
                        return Ok(Err(error));
                    }
                    self.nodes += 1;
                    Next::Node
                }
            }
            Next::Nothing => Next::Nothing,
        };
        Ok(Ok(matches!(self.next, Next::Nothing)))
    }

    /// How many nodes there were.
    pub(super) fn nodes(&self) -> u64 {
        self.nodes
    }

    /// The tree, see [`TreeLoader::finish`].
    pub(super) fn finish(self, zxid: Zxid, digest: Option<(Zxid, TxnDigest)>) -> Tree {
        self.loader.finish(zxid, digest)
    }
}

/// Null and negative counts are read as the genuine server reads them: nothing follows.
fn count(reader: &mut Reader<'_>, field: &'static str) -> Result<usize, DecodeError> {
    Ok(reader.count(field)?.unwrap_or(0))
}

/// `left` counts what comes after the next one.
fn sessions(left: usize) -> Next {
    left.checked_sub(1).map_or(Next::AclCount, |left| Next::Session { left })
}

fn acls(left: usize) -> Next {
    left.checked_sub(1).map_or(Next::Node, |left| Next::Acl { left })
}
