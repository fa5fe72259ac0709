//! Replacing the database of a running server by that of a snapshot (admin command `restore`).
//!
//! The genuine server replaces what is in memory and leaves the disk alone; its administrator has to move the old files
//! away, or the next start brings the old data back. Here the restored database is on disk before it is served:
//!
//! 1. The snapshot is loaded beside the present database, while that one is served.
//! 2. On the log thread, with nothing under way: it gets a zxid after everything logged here, and is written.
//! 3. It takes the place of the present one, and every client is cut: clients connect again, set their watches again,
//!    and learn whether their sessions still exist.
//! 4. The files of the database before go into a folder beside, where no recovery looks for them.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use thiserror::Error;
use tracing::{info, warn};
use zabra_node::Preparer;
use zabra_proto::{FieldLimit, Txn, TxnHeader};
use zabra_storage::{
    DataDirs, Disk, NamedFile, SnapshotOptions, SnapshotProblem, StorageError, list_logs, list_snapshots,
    read_packed_snapshot, write_snapshot,
};
use zabra_tree::Tree;
use zabra_types::{KeeperError, SessionId, Xid, Zxid};

use crate::clock::Clock;
use crate::core::Core;
use crate::options;
use crate::pipeline::Quiet;
use crate::stats::millis;

/// Why a snapshot was not restored. The database before is still there, unless the server ends.
#[derive(Debug, Error)]
pub(crate) enum RestoreError {
    /// It is no whole snapshot.
    #[error("the snapshot is damaged at byte {offset} of what it unpacks to: {problem}")]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong there.
        problem: SnapshotProblem,
    },
    /// It cannot be written to the data directory.
    #[error("the restored database cannot be written")]
    Disk(#[from] StorageError),
    /// No zxid is left for it in this epoch.
    #[error("no transaction id is left after {0}")]
    NoZxid(Zxid),
    /// The server ends.
    #[error("the server is stopping")]
    Stopping,
    /// The other servers would not know.
    #[error(
        "this server is a member of an ensemble, whose other servers would keep their data; restore the data \
             directory of one server while all are stopped, empty those of the others, and start it first"
    )]
    InEnsemble,
}

/// Restores a snapshot; the zxid that the database has then. May block for long.
///
/// # Errors
/// See [`RestoreError`].
pub(crate) fn restore(core: &Core, input: impl Read + 'static) -> Result<Zxid, RestoreError> {
    if core.ensemble.is_some() {
        return Err(RestoreError::InEnsemble);
    }
    let start = Instant::now();
    let limit = FieldLimit(core.limits.field_len_max);
    let loaded = read_packed_snapshot(input, options::tree(&core.config), limit)
        .map_err(|(offset, problem)| RestoreError::Damaged { offset, problem })?;
    info!(zxid = %loaded.zxid, nodes = loaded.nodes, "a snapshot to be restored is loaded");
    let mut tree = loaded.tree;
    tree.remove_orphan_ephemerals();

    // A snapshot being written must not see two databases.
    let no_snapshot = core.snapshotting.lock();
    let (sender, outcome) = mpsc::sync_channel(1);
    core.queue.run_when_quiet(Box::new(move |quiet| {
        // Nobody may be listening any more.
        let _ = sender.send(replace(quiet, tree));
    }));
    let zxid = outcome.recv().map_err(|_| RestoreError::Stopping)??;
    drop(no_snapshot);
    set_aside(core, zxid);
    core.stats.restore_time.record(millis(start.elapsed()));
    Ok(zxid)
}

/// Replaces the database, on the log thread.
fn replace(quiet: &mut Quiet<'_>, mut tree: Tree) -> Result<Zxid, RestoreError> {
    let core = quiet.core;
    let logged = quiet.brain.preparer.last_zxid();
    // Later than everything in the logs, so that recovery replays none of it.
    if tree.last_zxid() <= logged {
        let zxid = logged.next().ok_or(RestoreError::NoZxid(logged))?;
        advance(&mut tree, zxid);
    }
    let zxid = tree.last_zxid();
    let dirs = dirs(core);
    let options = SnapshotOptions { sync: true, ..options::snapshot(&core.config) };
    if let Err(failure) = write_snapshot(&*core.disk, &dirs.snapshots, &tree, options) {
        // It may be there under its name already. Then it must go, and stay away: what is logged from now on would be
        // hidden by it at the next start.
        let path = dirs.snapshots.join(zabra_storage::snapshot_name(zxid, options.compression));
        if let Err(error) = forget(&*core.disk, &path, &dirs.snapshots) {
            core.fail(format!("{} may hold a database that was not restored: {error}", path.display()));
        }
        return Err(failure.into());
    }
    if let Err(failure) = quiet.log.roll() {
        core.fail(format!("the transaction log cannot be rolled: {}", crate::pipeline::chain(&failure)));
        return Err(RestoreError::Stopping);
    }

    let now = core.clock.now();
    let known: Vec<SessionId> = core.tree.read().sessions().map(|(session, _)| session).collect();
    for session in known {
        quiet.brain.sessions.remove(session);
    }
    for (session, timeout_ms) in tree.sessions() {
        quiet.brain.sessions.track(session, timeout_ms, now);
    }
    quiet.brain.preparer = Preparer::new(options::node(&core.config), zxid);
    let before = std::mem::replace(&mut *core.tree.write(), tree);
    for conn in core.conns.all() {
        conn.cut();
    }
    // A large one takes a while to fall apart.
    drop(before);
    Ok(zxid)
}

/// Removes a file, if it is there, so that a crash cannot bring it back.
fn forget(disk: &dyn Disk, file: &Path, dir: &Path) -> io::Result<()> {
    match disk.remove(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => disk.sync_dir(dir),
    }
}

/// Brings the tree to a later zxid without a change.
fn advance(tree: &mut Tree, zxid: Zxid) {
    let header =
        TxnHeader { session: SessionId::NONE, cxid: Xid::from_raw(0), zxid, time: Clock::wall(), kind: -1 };
    tree.apply(&header, &Txn::Error { code: KeeperError::RuntimeInconsistency.code() }, &mut ());
}

fn dirs(core: &Core) -> DataDirs {
    DataDirs::new(&core.config.storage.data_dir, &core.config.storage.data_log_dir)
}

/// Moves the files of the database before into a folder beside: recovery would take them together with the new ones if
/// the restored snapshot were lost.
fn set_aside(core: &Core, restored: Zxid) {
    let dirs = dirs(core);
    let folder = format!("before-restore-{:x}", restored.raw());
    let older = |files: Result<Vec<NamedFile>, StorageError>| -> Vec<PathBuf> {
        let files = files.unwrap_or_default();
        files.into_iter().filter(|file| file.zxid <= restored).map(|file| file.path).collect()
    };
    let kept = zabra_storage::snapshot_name(restored, options::snapshot(&core.config).compression);
    let mut snapshots = older(list_snapshots(&*core.disk, &dirs.snapshots));
    snapshots.retain(|path| path.file_name() != Some(kept.as_ref()));
    for (files, dir) in
        [(snapshots, &dirs.snapshots), (older(list_logs(&*core.disk, &dirs.logs)), &dirs.logs)]
    {
        move_into(&*core.disk, &files, &dir.join(&folder));
    }
}

fn move_into(disk: &dyn Disk, files: &[PathBuf], folder: &Path) {
    if files.is_empty() {
        return;
    }
    let moved = disk.create_dir_all(folder).and_then(|()| {
        files
            .iter()
            .try_for_each(|file| disk.rename(file, &folder.join(file.file_name().unwrap_or_default())))
    });
    match moved {
        Ok(()) => info!(folder = %folder.display(), "the files of the database before the restore are here"),
        Err(error) => warn!(
            folder = %folder.display(), %error,
            "the files of the database before the restore could not be moved away; move them by hand"
        ),
    }
}
