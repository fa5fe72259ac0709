//! Writing snapshots.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use simd_adler32::Adler32;
use tracing::info;
use zabra_proto::{Put, TxnDigest};
use zabra_tree::{DigestRecord, Progress, SnapshotCursor, Tree};
use zabra_types::Zxid;

use super::stream::{Compression, FileSink, Packer};
use super::{END_PATH, FILE_HEADER};
use crate::error::{Doing, Explain, StorageError};
use crate::{Disk, snapshot_name};

/// About how many bytes are taken from the tree at a time: what a writer to the tree waits for at most.
const STEP_LEN: usize = 16 << 10;

/// What the names of unfinished snapshots begin with: nothing the genuine server takes for a snapshot.
pub(crate) const NEW_SNAPSHOT_PREFIX: &str = "new-snapshot.";

/// A tree that may change while a snapshot of it is written: each look may take a lock and gives it back.
pub trait SharedTree {
    /// Looks at the tree as it is now.
    fn look<R>(&self, look: impl FnOnce(&Tree) -> R) -> R;

    /// May wait, after some bytes have been written and before it looks again: whoever is in no hurry leaves the disk and
    /// the processors to others.
    fn pause(&self, _written: usize) {}
}

impl SharedTree for Tree {
    fn look<R>(&self, look: impl FnOnce(&Self) -> R) -> R {
        look(self)
    }
}

/// What a snapshot has and how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// How the file is compressed (`snapshot.compression.method`).
    pub compression: Compression,
    /// Whether it has the digest of the tree (`digest.enabled`). A genuine server must read it with the same setting.
    pub digest: bool,
    /// Whether it ends with the last zxid (`serializeLastProcessedZxid.enabled`). The same is true of it.
    pub last_zxid: bool,
    /// Whether the file is on the disk when the call returns. Without it a crash may take the snapshot away.
    pub sync: bool,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self { compression: Compression::None, digest: true, last_zxid: true, sync: true }
    }
}

/// A snapshot that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The transaction it is named after: it holds this one and all before.
    pub zxid: Zxid,
    /// The file.
    pub path: PathBuf,
    /// Bytes in the file.
    pub len: u64,
}

/// Writes a snapshot into a directory, while the tree may change. It appears under its name when it is complete;
/// one of the same zxid is replaced.
///
/// # Errors
/// The disk failed. What was written is removed as far as that succeeds, and the snapshots there before are
/// untouched.
pub fn write_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    tree: &impl SharedTree,
    options: SnapshotOptions,
) -> Result<SnapshotInfo, StorageError> {
    let snapshot = Encoder::begin(tree, options);
    let zxid = snapshot.zxid();
    let name = snapshot_name(zxid, options.compression);
    let new = dir.join(format!("{NEW_SNAPSHOT_PREFIX}{:x}.tmp", zxid.raw()));
    let path = dir.join(name);
    info!("snapshotting {zxid} to {}", path.display());
    let len = write_file(disk, &new, tree, snapshot)?;
    let renamed = disk.rename(&new, &path).explain(Doing::Rename, &new);
    if renamed.is_err() {
        let _ = disk.remove(&new);
    }
    renamed?;
    if options.sync {
        disk.sync_dir(dir).explain(Doing::SyncDir, dir)?;
    }
    Ok(SnapshotInfo { zxid, path, len })
}

/// Writes a snapshot into a file of any name. Returns the transaction that it should be named after, and its length.
pub(crate) fn write_new_snapshot(
    disk: &dyn Disk,
    new: &Path,
    tree: &impl SharedTree,
    options: SnapshotOptions,
) -> Result<(Zxid, u64), StorageError> {
    let snapshot = Encoder::begin(tree, options);
    let zxid = snapshot.zxid();
    Ok((zxid, write_file(disk, new, tree, snapshot)?))
}

fn write_file(
    disk: &dyn Disk,
    new: &Path,
    tree: &impl SharedTree,
    snapshot: Encoder,
) -> Result<u64, StorageError> {
    let SnapshotOptions { compression, sync, .. } = snapshot.options;
    let file = disk.create(new).explain(Doing::Create, new)?;
    let write = || {
        let packer = Packer::new(compression, FileSink::new(file, sync))?;
        snapshot.write_to(tree, packer)?.finish()?.finish()
    };
    let written = write().explain(Doing::Write, new);
    if written.is_err() {
        // The failure that matters is the first. A leftover is removed at the next start.
        let _ = disk.remove(new);
    }
    written
}

/// Writes a snapshot to a stream, uncompressed. Returns the transaction it would be named after.
///
/// # Errors
/// The stream failed.
pub fn stream_snapshot(
    tree: &impl SharedTree,
    options: SnapshotOptions,
    out: impl Write,
) -> io::Result<Zxid> {
    let snapshot = Encoder::begin(tree, options);
    let zxid = snapshot.zxid();
    snapshot.write_to(tree, out)?.flush()?;
    Ok(zxid)
}

/// The part that files and streams between servers have in common, on its way: from the sessions to the end path.
#[derive(Debug)]
pub(super) struct BodyCursor {
    nodes: SnapshotCursor,
}

impl BodyCursor {
    /// Fixes the place in history, and takes the sessions and lists of that moment.
    pub(super) fn begin(tree: &impl SharedTree, out: &mut Vec<u8>) -> Self {
        let nodes = tree.look(|tree| {
            tree.put_sessions(out);
            tree.put_acls(out);
            SnapshotCursor::new(tree)
        });
        Self { nodes }
    }

    /// The transaction that the snapshot holds, together with all before.
    pub(super) fn zxid(&self) -> Zxid {
        self.nodes.zxid()
    }

    /// Appends the next nodes, about so many bytes, and behind the last of them the end path.
    pub(super) fn fill(&mut self, tree: &impl SharedTree, out: &mut Vec<u8>, len: usize) -> Progress {
        let progress = tree.look(|tree| self.nodes.fill(tree, out, len));
        if progress == Progress::Done {
            out.put_text(END_PATH);
        }
        progress
    }
}

/// A snapshot on its way.
struct Encoder {
    options: SnapshotOptions,
    body: BodyCursor,
    /// What has been encoded but not written.
    bytes: Vec<u8>,
    /// The sum over everything written.
    sum: Adler32,
}

impl Encoder {
    fn begin(tree: &impl SharedTree, options: SnapshotOptions) -> Self {
        let mut bytes = FILE_HEADER.to_vec();
        let body = BodyCursor::begin(tree, &mut bytes);
        Self { options, body, bytes, sum: Adler32::new() }
    }

    fn zxid(&self) -> Zxid {
        self.body.zxid()
    }

    fn write_to<W: Write>(mut self, tree: &impl SharedTree, mut out: W) -> io::Result<W> {
        loop {
            let progress = self.body.fill(tree, &mut self.bytes, STEP_LEN);
            let len = self.bytes.len();
            self.write_out(&mut out)?;
            tree.pause(len);
            if progress == Progress::Done {
                break;
            }
        }
        self.seal(&mut out)?;
        // Of one moment after the last node was written. The digest is that of the tree, not of the last transaction:
        // removing ephemeral nodes of dead sessions at the start changes the tree without one.
        let (digest, last_zxid) = tree.look(|tree| {
            let digest = tree.last_digest().map(|record| DigestRecord { digest: tree.digest(), ..record });
            (digest, tree.last_zxid())
        });
        if self.options.digest {
            let digest = digest.unwrap_or(DigestRecord { zxid: Zxid::ZERO, digest: 0 });
            self.bytes.put_i64(digest.zxid.raw());
            self.bytes.put_i32(TxnDigest::VERSION);
            self.bytes.put_i64(digest.digest as i64);
            self.write_out(&mut out)?;
            self.seal(&mut out)?;
        }
        if self.options.last_zxid {
            self.bytes.put_i64(last_zxid.raw());
            self.write_out(&mut out)?;
            self.seal(&mut out)?;
        }
        Ok(out)
    }

    /// The sum over everything before, this seal not included but the earlier ones.
    fn seal(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.bytes.put_i64(i64::from(self.sum.finish()));
        self.bytes.put_text(END_PATH);
        self.write_out(out)
    }

    fn write_out(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.sum.write(&self.bytes);
        out.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}
