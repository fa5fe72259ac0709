//! What snapshot files and snapshots between servers have in common: sessions, access control lists, nodes.

use zabra_proto::{AclList, DecodeError, Reader, TxnDigest, get_persisted};
use zabra_tree::{LoadError, NodeSums, Tree, TreeLoader, TreeOptions};
use zabra_types::{SessionId, StatPersisted, Zxid};

use super::END_PATH;
use super::build::Builder;

/// With more nodes than this, the tree is built on a thread of its own.
const NODES_FEW: u64 = 4096;

/// After this part of a snapshot it is estimated how many nodes it has. Directories may come first.
const ESTIMATE_AFTER: u64 = 8;

/// Reads the body of a snapshot, record by record.
#[derive(Debug)]
pub(super) struct Body {
    options: TreeOptions,
    sums: NodeSums,
    /// What has come before the builder began.
    loader: TreeLoader,
    builder: Option<Builder>,
    next: Next,
    nodes: u64,
    /// The bytes of these nodes.
    nodes_len: u64,
    /// The bytes of all nodes, about, until their number was estimated.
    len: Option<u64>,
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
    /// `len` is about how many bytes it has, if that is known.
    pub(super) fn new(options: TreeOptions, len: Option<u64>) -> Self {
        Self {
            options,
            sums: NodeSums::new(options),
            loader: TreeLoader::new(options),
            builder: None,
            next: Next::SessionCount,
            nodes: 0,
            nodes_len: 0,
            len,
        }
    }

    /// Takes one record; true when it was the last. A record that ends too early changes nothing: it may be taken again
    /// when more of it is there. That the nodes are not a tree may be found out some nodes later.
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
                let before = reader.rest().len();
                let path = reader.some_text("path")?;
                if path == END_PATH {
                    Next::Nothing
                } else {
                    let data = reader.buffer("data")?;
                    let acl = reader.i64("acl")?;
                    let stat = get_persisted(reader)?;
                    self.nodes_len += (before - reader.rest().len()) as u64;
                    if let Err(error) = self.node(&path, data, acl, stat) {
                        return Ok(Err(error));
                    }
                    Next::Node
                }
            }
            Next::Nothing => Next::Nothing,
        };
        Ok(Ok(matches!(self.next, Next::Nothing)))
    }

    fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl: i64,
        stat: StatPersisted,
    ) -> Result<(), LoadError> {
        self.nodes += 1;
        if self.nodes == NODES_FEW {
            let loader = std::mem::replace(&mut self.loader, TreeLoader::new(self.options));
            match Builder::start(loader) {
                Ok(builder) => self.builder = Some(builder),
                Err(loader) => self.loader = *loader,
            }
        }
        let Some(builder) = &mut self.builder else {
            return self.loader.node(path, data, acl, &stat);
        };
        if let Some(len) = self.len.filter(|len| self.nodes_len >= len / ESTIMATE_AFTER) {
            let each = (self.nodes_len / self.nodes).max(1);
            builder.expect(usize::try_from(len / each).unwrap_or(usize::MAX));
            self.len = None;
        }
        let sum = self.sums.of(path, data, &stat);
        if builder.node(path, data, acl, stat, sum) {
            return Ok(());
        }
        match self.builder.take() {
            Some(builder) => builder.finish().map(|loader| self.loader = loader),
            None => Ok(()),
        }
    }

    /// How many nodes there were.
    pub(super) fn nodes(&self) -> u64 {
        self.nodes
    }

    /// The tree, see [`TreeLoader::finish`].
    ///
    /// # Errors
    /// The nodes are not a tree.
    pub(super) fn finish(self, zxid: Zxid, digest: Option<(Zxid, TxnDigest)>) -> Result<Tree, LoadError> {
        let loader = match self.builder {
            Some(builder) => builder.finish()?,
            None => self.loader,
        };
        loader.finish(zxid, digest)
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
