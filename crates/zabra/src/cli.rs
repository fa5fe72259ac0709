//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Apache ZooKeeper's job, done in Rust.
#[derive(Debug, Parser)]
#[command(name = "zabra", version, about, long_about = None, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server: standalone on 127.0.0.1:2181 with no argument, or as a zoo.cfg says
    Server(ServerArguments),
    /// Work on the data of a server that is not running
    #[command(subcommand)]
    Data(DataCommand),
}

/// The commands on data.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Cut the transaction log where it is damaged, so that the server starts again
    Repair(RepairArguments),
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

/// How the server's log looks.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Arguments of `zabra server`.
#[derive(Args, Debug)]
#[command(after_help = "\
Without an argument: standalone on 127.0.0.1:2181, data under ./zabra-data.
ZABRA_LOG sets what is logged (error, warn, info, debug, or per module).
-D flags in SERVER_JVMFLAGS and JVMFLAGS count as they do for the Java server.")]
pub(crate) struct ServerArguments {
    /// A zoo.cfg file; or: PORT DATADIR [TICKTIME] [MAXCLIENTCNXNS]
    #[arg(value_name = "CONFIG", num_args = 0..=4)]
    pub(crate) config: Vec<OsString>,
    /// Read and check the configuration, print what is remarkable about it, and stop
    #[arg(long)]
    pub(crate) check: bool,
    /// How the log looks
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}
