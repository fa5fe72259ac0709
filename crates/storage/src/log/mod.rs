//! The transaction log: files of checksummed entries, see `docs/formats/txn-log.md`.

mod cut;
mod damage;
mod find;
mod format;
mod reader;
mod scan;
mod tail;
mod writer;

pub(crate) use cut::cut_after;
pub use cut::{RepairPlan, plan_repair};
pub use damage::{Damage, Found};
pub use find::{LogQuery, find_in_log, log_size_limit};
pub use reader::{LogEntry, LogNotice, LogReader, ReadError};
pub use scan::Stop;
pub(crate) use scan::for_each_entry;
pub use tail::Hidden;
pub(crate) use writer::NEW_LOG_NAME;
pub use writer::{Flushed, LogError, LogOptions, TxnLog};
