//! The data that links send and receive, and who keeps snapshots from being taken meanwhile.

use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};

use tracing::warn;
use zabra_storage::{
    LogQuery, LogReader, StorageError, find_in_log, log_size_limit, receive_database, send_database,
};
use zabra_tree::Tree;
use zabra_types::Zxid;
use zabra_zab::{Input, Ticket};

use super::net::links::Depot;
use super::options::log_sync_share;
use crate::core::Core;
use crate::options;
use crate::pipeline::chain;

/// Whether snapshots may be taken.
#[derive(Debug, Default)]
pub(crate) struct Holds(Arc<AtomicUsize>);

impl Holds {
    /// No snapshot is begun while what this gives lives.
    pub(crate) fn hold(&self) -> Hold {
        self.0.fetch_add(1, SeqCst);
        Hold(Arc::clone(&self.0))
    }

    /// Whether somebody does not want one. Asked while the lock of snapshots is held.
    pub(crate) fn any(&self) -> bool {
        self.0.load(SeqCst) > 0
    }
}

/// While one of these lives, no snapshot is begun.
#[derive(Debug)]
pub(crate) struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// The data of this server.
#[derive(Debug)]
pub(super) struct Data(pub(super) Weak<Core>);

impl Data {
    fn core(&self) -> Result<Arc<Core>, String> {
        self.0.upgrade().ok_or_else(|| "the server ends".to_owned())
    }
}

impl Data {
    /// Answers the peer's question about the log on the disk, on a thread of its own.
    pub(super) fn find(&self, ticket: Ticket, at: Zxid, before: Zxid) {
        let Ok(core) = self.core() else { return };
        std::thread::spawn(move || {
            let floor = find(&core, at, before).unwrap_or_else(|error| {
                warn!(
                    error = chain(&error),
                    "cannot look into the log for a learner; it is sent the whole database"
                );
                None
            });
            core.hear([Input::FoundInLog { ticket, floor }]);
        });
    }
}

fn find(core: &Core, at: Zxid, before: Zxid) -> Result<Option<Zxid>, StorageError> {
    let (Some(ensemble), Some(share)) = (&core.ensemble, log_sync_share(&core.config)) else {
        return Ok(None);
    };
    let dirs = options::recover(&core.config).dirs;
    let base = *ensemble.base.lock();
    let size_limit = log_size_limit(&*core.disk, &dirs.snapshots, share)?;
    find_in_log(&core.disk, &dirs, &LogQuery { base, at, before, size_limit, limit: core.field_limit() })
}

impl Depot for Data {
    fn read_log(
        &self,
        after: Zxid,
        before: Zxid,
        each: &mut dyn FnMut(Zxid, &[u8]) -> io::Result<()>,
    ) -> Result<(), String> {
        let core = self.core()?;
        let dirs = options::recover(&core.config).dirs;
        let mut reader =
            LogReader::open_found(Arc::clone(&core.disk), &dirs, after, before, core.field_limit())
                .map_err(|error| chain(&error))?;
        while let Some(entry) = reader.next().map_err(|error| chain(&error))? {
            each(entry.zxid, entry.payload).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn write_snapshot(&self, out: &mut dyn Write) -> Result<(), String> {
        let core = self.core()?;
        send_database(&*core, out).map(drop).map_err(|error| error.to_string())
    }

    fn read_snapshot(&self, zxid: Zxid, input: &mut dyn BufRead) -> Result<(Tree, Hold), String> {
        let core = self.core()?;
        let tree = receive_database(input, zxid, options::tree(&core.config), core.field_limit())
            .map_err(|(offset, problem)| format!("at byte {offset}: {problem}"))?;
        let hold = core.snapshot_holds.hold();
        // One that is being written must not see two databases.
        drop(core.snapshotting.lock());
        Ok((tree, hold))
    }
}
