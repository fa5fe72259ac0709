//! The transaction log: files of checksummed entries, see `docs/formats/txn-log.md`.

mod cut;
mod damage;
mod format;
mod reader;
mod scan;
mod tail;
mod writer;

pub use cut::{RepairPlan, TruncateError, Truncated, plan_repair, truncate_log};
pub use damage::{Damage, Found};
pub use reader::{LogEntry, LogNotice, LogReader, ReadError};
pub use scan::Stop;
pub use tail::Hidden;
pub(crate) use writer::NEW_LOG_NAME;
pub use writer::{Flushed, LogError, LogOptions, TxnLog};
