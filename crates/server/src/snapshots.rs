//! Snapshots while serving.

use std::sync::Arc;

use crate::core::Core;

/// Decides when to snapshot.
#[derive(Debug)]
pub(crate) struct Snapshots;

impl Snapshots {
    pub(crate) fn new(_: &Arc<Core>) -> Self {
        Self
    }

    pub(crate) fn after_flush(
        &mut self,
        _: &Arc<Core>,
        _: &mut zabra_storage::TxnLog,
    ) -> Result<(), zabra_storage::LogError> {
        Ok(())
    }
}
