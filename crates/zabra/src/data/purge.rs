//! `zabra data purge`: removing snapshots and logs that are no longer needed. Mirrors `PurgeTxnLog`.

use std::path::Path;
use std::time::SystemTime;

use zabra_server::chain;
use zabra_server::config::{Config, Flags};
use zabra_storage::{DataDirs, RETAIN_COUNT_MIN, RealDisk, purge};

use super::arguments::PurgeArguments;
use crate::exit::{Code, Failure};
use crate::java_time;
use crate::stdio::Page;

/// Removes them and tells which.
pub(super) fn run(arguments: &PurgeArguments) -> Result<(), Failure> {
    let retain = arguments.retain.parse().map_err(|_| {
        Failure::new(Code::Unexpected, format!("'{}' can not be parsed to integer.", arguments.retain))
    })?;
    if retain < RETAIN_COUNT_MIN {
        return Err(Failure::new(Code::Unexpected, "count should be greater than or equal to 3"));
    }
    let dirs = place(arguments)?;
    if !dirs.snapshots.is_dir() {
        // A server that has not been started yet: cron jobs are often older than their server.
        return Ok(());
    }
    let failed = |error: &dyn std::error::Error| Failure::new(Code::DataDirectory, chain(error));
    dirs.check_places(&RealDisk).map_err(|error| failed(&error))?;
    let removed = purge(&RealDisk, &dirs, retain).map_err(|error| failed(&error))?;
    let mut page = Page::new();
    for file in &removed {
        let modified = file.modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let millis = modified.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        page.line(format_args!("Removing file: {}\t{}", java_time::medium(millis), file.path.display()))?;
    }
    page.finish()
}

fn place(arguments: &PurgeArguments) -> Result<DataDirs, Failure> {
    let log_dir = &arguments.log_dir;
    if let (true, None) = (log_dir.is_file(), &arguments.data_dir) {
        let loaded = Config::load(log_dir, &Flags::from_env())
            .map_err(|error| Failure::new(Code::Invocation, chain(&error)))?;
        let storage = loaded.config.storage;
        return Ok(DataDirs::new(&storage.data_dir, &storage.data_log_dir));
    }
    let data_dir = arguments.data_dir.as_ref().unwrap_or(log_dir);
    for dir in [log_dir, data_dir] {
        must_exist(dir)?;
    }
    Ok(DataDirs::new(data_dir, log_dir))
}

fn must_exist(dir: &Path) -> Result<(), Failure> {
    if dir.is_dir() {
        return Ok(());
    }
    let shown = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    Err(Failure::new(Code::Unexpected, format!("Path '{}' does not exist. ", shown.display())))
}
