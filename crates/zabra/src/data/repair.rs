//! `zabra data repair`: cutting a damaged log, so that the server starts again.

use std::sync::Arc;

use zabra_proto::{FieldLimit, FrameLimits};
use zabra_server::chain;
use zabra_server::config::{Config, Flags};
use zabra_storage::{DataDirs, Disk, RealDisk, RepairPlan, StorageError, plan_repair, valid_snapshots};
use zabra_types::Zxid;

use super::arguments::RepairArguments;
use crate::exit::{Code, Failure};
use crate::stdio::print;

/// Tells where the log is damaged and what a repair would cut; does it when told to.
pub(super) fn run(arguments: &RepairArguments) -> Result<(), Failure> {
    let (dirs, limit) = place(arguments)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    // Where recovery would begin.
    let newest = valid_snapshots(&*disk, &dirs.snapshots, 1).map_err(failed)?;
    let after = newest.first().map_or(Zxid::ZERO, |snapshot| snapshot.zxid);
    let Some(plan) = plan_repair(&disk, &dirs.logs, after, limit).map_err(failed)? else {
        return print("the log is whole: there is nothing to repair");
    };
    print(&plan.damage.to_string())?;
    print(&format!("kept: everything up to transaction {}", plan.last_kept))?;
    print(&format!("cut:  {} from byte {} on", plan.damage.file.display(), plan.damage.offset))?;
    for file in &plan.later_files {
        print(&format!("cut:  {}", file.display()))?;
    }
    if !arguments.apply {
        return print("nothing was changed; --apply does it");
    }
    carry_out(&plan, &*disk)
}

fn carry_out(plan: &RepairPlan, disk: &dyn Disk) -> Result<(), Failure> {
    for aside in plan.carry_out(disk).map_err(failed)? {
        print(&format!("kept aside: {}", aside.display()))?;
    }
    print("repaired")
}

/// The directories meant, and the longest transaction to expect in them.
fn place(arguments: &RepairArguments) -> Result<(DataDirs, FieldLimit), Failure> {
    if arguments.place.is_dir() {
        let log_dir = arguments.log_dir.as_ref().unwrap_or(&arguments.place);
        return Ok((DataDirs::new(&arguments.place, log_dir), FieldLimit::default()));
    }
    if arguments.log_dir.is_some() {
        let text = "--log-dir goes with a dataDir; a zoo.cfg names its own dataLogDir";
        return Err(Failure::new(Code::Invocation, text));
    }
    let loaded = Config::load(&arguments.place, &Flags::from_env())
        .map_err(|error| Failure::new(Code::Invocation, chain(&error)))?;
    let (storage, requests) = (loaded.config.storage, loaded.config.requests);
    let limits = FrameLimits::new(requests.packet_max as usize, Some(requests.extra_size as usize));
    Ok((DataDirs::new(&storage.data_dir, &storage.data_log_dir), FieldLimit(limits.field_len_max)))
}

fn failed(error: StorageError) -> Failure {
    Failure::new(Code::DataDirectory, chain(&error))
}
