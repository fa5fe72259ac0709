//! `zabra data log`: one file of the transaction log. Mirrors `TxnLogToolkit` and `LogChopper`.
//!
//! Unlike recovery, which refuses what is damaged, this reads on as long as it can: that is what people open a damaged
//! file for.

mod chop;
mod dump;
mod file;
mod text;

use super::arguments::LogArguments;
use crate::exit::Failure;

/// Does what the options say.
pub(super) fn run(arguments: &LogArguments) -> Result<(), Failure> {
    match &arguments.zxid {
        Some(zxid) if arguments.chop => chop::run(&arguments.file, zxid),
        _ => dump::run(arguments),
    }
}
