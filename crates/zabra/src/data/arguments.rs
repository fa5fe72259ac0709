//! What can be typed after `zabra data`.

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "what is said of arguments is help for people, not markdown"
)]

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The commands on data.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Print a transaction log, mend its checksums or cut it, as zkTxnLogToolkit.sh does
    Log(LogArguments),
    /// Print what a snapshot holds, as zkSnapShotToolkit.sh does
    Snapshot(SnapshotArguments),
    /// Write a subtree of a snapshot as JSON that `import` of the shell takes
    Export(ExportArguments),
    /// Compare two snapshots, as zkSnapshotComparer.sh does
    Compare(CompareArguments),
    /// Tell how many nodes and bytes are below a node of a snapshot, as zkSnapshotRecursiveSummaryToolkit.sh does
    Summary(SummaryArguments),
    /// Remove old snapshots and logs, as zkCleanup.sh does
    Purge(PurgeArguments),
    /// Cut the transaction log where it is damaged, so that the server starts again
    Repair(RepairArguments),
}

/// Arguments of `zabra data log`.
#[derive(Args, Debug)]
#[command(after_help = "\
Each transaction is a line: time, session, number in the session, zxid, type, and what it does. Wrong checksums are marked.
--recover writes FILE.fixed, --chop writes FILE.chopped<ZXID>; FILE itself is never changed.
To cut a damaged log of a server where it has to be cut, see `zabra data repair`.")]
pub(crate) struct LogArguments {
    /// The log, named log.<zxid> in dataLogDir/version-2
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print all transactions; this is what is done without any option
    #[arg(short, long)]
    pub(crate) dump: bool,
    /// Copy the log with wrong checksums made right
    #[arg(short, long, conflicts_with_all = ["chop", "json"])]
    pub(crate) recover: bool,
    /// When recovering, print all transactions, not just the mended ones
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// When recovering, mend all of them without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Copy the log up to a transaction
    #[arg(short, long, requires = "zxid")]
    pub(crate) chop: bool,
    /// The last transaction to keep, such as 0x100000012
    #[arg(short, long)]
    pub(crate) zxid: Option<String>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "chop")]
    pub(crate) json: bool,
}

/// Arguments of `zabra data snapshot`.
#[derive(Args, Debug)]
pub(crate) struct SnapshotArguments {
    /// The snapshot, named snapshot.<zxid> in dataDir/version-2, compressed or not
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the data of the nodes in base64 instead of its length
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) data: bool,
    /// Print a JSON document as the disk usage browser ncdu reads it (ncdu -f)
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `zabra data export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Unlike an export from a server it tells containers and times to live, which servers do not tell clients.")]
pub(crate) struct ExportArguments {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The node to begin at
    #[arg(value_name = "PATH", default_value = "/")]
    pub(crate) path: String,
}

/// Arguments of `zabra data compare`.
#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// The one snapshot
    #[arg(short, long, value_name = "FILE")]
    pub(crate) left: PathBuf,
    /// The other snapshot
    #[arg(short, long, value_name = "FILE")]
    pub(crate) right: PathBuf,
    /// Tell of subtrees whose data differ by more than this many bytes
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    pub(crate) bytes: i64,
    /// Tell of subtrees that differ by more than this many nodes
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    pub(crate) nodes: i64,
    /// Tell of everything that was looked at
    #[arg(short, long)]
    pub(crate) debug: bool,
    /// Ask what to compare next
    #[arg(short, long)]
    pub(crate) interactive: bool,
}

/// Arguments of `zabra data summary`.
#[derive(Args, Debug)]
pub(crate) struct SummaryArguments {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The node to begin at
    #[arg(value_name = "PATH", default_value = "/")]
    pub(crate) path: String,
    /// How many levels below it to tell of, 0 for all; everything below them is counted all the same
    #[arg(value_name = "DEPTH", default_value_t = 0)]
    pub(crate) depth: usize,
}

/// Arguments of `zabra data purge`.
#[derive(Args, Debug)]
#[command(after_help = "\
The server may be running. What a kept snapshot needs of the logs is kept, too.")]
pub(crate) struct PurgeArguments {
    /// The dataLogDir; or the zoo.cfg of the server, which tells both directories
    #[arg(value_name = "DATALOGDIR")]
    pub(crate) log_dir: PathBuf,
    /// The dataDir, if it is another directory
    #[arg(value_name = "DATADIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How many snapshots to keep, at least 3
    #[arg(short = 'n', long = "retain", value_name = "COUNT")]
    pub(crate) retain: String,
}

/// Arguments of `zabra data repair`.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --apply nothing is changed. What is cut is kept in the same directory, under names beginning with `removed-`.
Promises made to clients after the place of the damage are lost, unless it is a write that a power failure cut short.
The server must not be running.")]
pub(crate) struct RepairArguments {
    /// The zoo.cfg of the server, or its dataDir
    pub(crate) place: PathBuf,
    /// The dataLogDir, if it is another directory and no zoo.cfg is given
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Do it
    #[arg(long)]
    pub(crate) apply: bool,
}
