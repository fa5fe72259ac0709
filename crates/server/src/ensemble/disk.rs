//! What happens on the disk of a member besides appending to the log.

use std::sync::Arc;
use std::time::Instant;

use tracing::{info, warn};
use zabra_storage::{Origin, TruncateError, TxnLog};
use zabra_types::Zxid;
use zabra_zab::StoreOp;

use super::Ensemble;
use crate::core::Core;
use crate::options;
use crate::pipeline::chain;
use crate::stats::millis;

/// Carries out a durable change; everything before is on the disk. False when a truncation is not possible and nothing was
/// changed.
///
/// # Errors
/// The disk failed: the server cannot go on.
pub(super) fn carry_out(
    core: &Arc<Core>,
    ensemble: &Ensemble,
    log: &mut TxnLog,
    op: StoreOp,
) -> Result<bool, String> {
    let dirs = options::recover(&core.config).dirs;
    match op {
        StoreOp::Flush => {}
        StoreOp::AcceptedEpoch(epoch) => {
            zabra_storage::write_accepted_epoch(&*core.disk, &dirs.snapshots, epoch)
                .map_err(|error| format!("the promised epoch cannot be written: {}", chain(&error)))?;
        }
        StoreOp::CurrentEpoch(epoch) => {
            zabra_storage::write_current_epoch(&*core.disk, &dirs.snapshots, epoch)
                .map_err(|error| format!("the current epoch cannot be written: {}", chain(&error)))?;
        }
        StoreOp::Truncate(zxid) => return truncate(core, ensemble, log, zxid),
        StoreOp::Snapshot(zxid) => install(core, ensemble, log, zxid)?,
    }
    Ok(true)
}

/// Forgets what the leader does not have, on the disk and, if it is there, in memory.
fn truncate(core: &Core, ensemble: &Ensemble, log: &mut TxnLog, zxid: Zxid) -> Result<bool, String> {
    let _no_snapshot = core.snapshotting.lock();
    let reload = core.tree.read().last_zxid() > zxid;
    let truncated = match zabra_storage::truncate(&core.disk, &options::recover(&core.config), zxid, reload) {
        Ok(truncated) => truncated,
        Err(TruncateError::Disk(error)) => {
            return Err(format!("the history cannot be truncated to {zxid}: {}", chain(&error)));
        }
        Err(error) => {
            warn!(%zxid, error = chain(&error), "cannot truncate the history; a whole database is needed");
            return Ok(false);
        }
    };
    log.restart_after(zxid).map_err(|error| chain(&error))?;
    if let Some(reloaded) = truncated.reloaded {
        if let Origin::Snapshot { zxid, .. } = reloaded.report.origin {
            *ensemble.base.lock() = zxid;
        }
        let _brain = core.brain.lock();
        core.replace_tree(reloaded.tree);
    }
    Ok(true)
}

/// Makes the adopted database, which is in memory, the one on the disk.
fn install(core: &Arc<Core>, ensemble: &Ensemble, log: &mut TxnLog, zxid: Zxid) -> Result<(), String> {
    let start = Instant::now();
    let _no_other = core.snapshotting.lock();
    let dirs = options::recover(&core.config).dirs;
    let snapshot = options::snapshot(&core.config);
    let limit = core.field_limit();
    let written = zabra_storage::install_snapshot(&*core.disk, &dirs, &**core, zxid, snapshot, limit)
        .map_err(|error| format!("the leader's database cannot be written: {}", chain(&error)))?;
    log.restart_after(zxid).map_err(|error| chain(&error))?;
    *ensemble.base.lock() = zxid;
    drop(ensemble.adopted.lock().take());
    info!(%zxid, bytes = written.len, took_ms = millis(start.elapsed()), "the leader's database is on the disk");
    Ok(())
}
