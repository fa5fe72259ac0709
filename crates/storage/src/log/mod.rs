//! The transaction log: files of checksummed entries, see `docs/formats/txn-log.md`.

mod damage;
mod format;
mod reader;
mod scan;
mod tail;
mod writer;

pub use damage::{Damage, Found};
pub use reader::{LogEntry, LogNotice, LogReader, ReadError};
pub use scan::Stop;
pub use tail::Hidden;
pub use writer::{Flushed, LogError, LogOptions, TxnLog};
