//! What can be typed.

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "what is said of arguments is help for people, not markdown"
)]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::BenchCommand;
use zabra_auth::DigestAlgorithm;

use crate::data::DataCommand;

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
    /// Talk to a server: interactively, with commands from standard input, or with one command, as zkCli.sh does
    Shell(ShellArguments),
    /// Run a local ensemble of several servers, and look at it
    #[command(subcommand)]
    Ensemble(EnsembleCommand),
    /// Tell how servers are, as zkServer.sh status does
    Status(StatusArguments),
    /// Ask a server with a four-letter word, such as ruok, srvr or mntr
    Ask(AskArguments),
    /// Look at, check, cut and clean up snapshots and transaction logs
    #[command(subcommand)]
    Data(DataCommand),
    /// Measure any server that speaks the ZooKeeper protocol
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print the identity of a user for ACLs and superDigest, as DigestAuthenticationProvider does
    Digest(DigestArguments),
    /// Print which release of Apache ZooKeeper this speaks for, as zkServer.sh version does
    Version,
}

/// Arguments of `zabra shell`, which reads them itself: zkCli's options have one dash.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct ShellArguments {
    /// zkCli's options, then a command
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// The commands on local ensembles.
#[derive(Debug, Subcommand)]
pub(crate) enum EnsembleCommand {
    /// Start a local ensemble, make it first if there is none, and run it until Ctrl-C
    Up(UpArguments),
    /// Tell how the servers of a local ensemble are
    Status(EnsembleStatusArguments),
}

/// Arguments of `zabra ask`.
#[derive(Args, Debug)]
#[command(after_help = "The exit code is 0 when there was an answer.")]
pub(crate) struct AskArguments {
    /// The server, host:port
    #[arg(long, short, value_name = "SERVER", default_value = "127.0.0.1:2181")]
    pub(crate) server: String,
    /// The word
    pub(crate) word: String,
}

/// Arguments of `zabra digest`.
#[derive(Args, Debug)]
#[command(after_help = "\
What stands behind the arrow goes into an ACL, as in digest:USER:HASH:cdrwa, or into superDigest.")]
pub(crate) struct DigestArguments {
    /// user:password; - reads lines from standard input, out of sight of other users of the machine
    #[arg(value_name = "USER:PASSWORD", required = true)]
    pub(crate) users: Vec<String>,
    /// The servers' DigestAuthenticationProvider.digestAlg
    #[arg(long, default_value = "SHA1")]
    pub(crate) algorithm: DigestAlgorithm,
}

/// Arguments of `zabra ensemble up`.
#[derive(Args, Debug)]
#[command(after_help = "\
Every server is a process of its own and listens on 127.0.0.1 only. Its configuration, data and log are in
DIR/server.N. A later `up` with the same directory goes on with the same servers and data.

The table goes to standard output, again each time something in it changes; everything else goes to standard error.")]
pub(crate) struct UpArguments {
    /// Servers that vote [default: 3, or what is there]
    #[arg(long, value_name = "N")]
    pub(crate) servers: Option<u16>,
    /// Servers that only observe [default: none, or what is there]
    #[arg(long, value_name = "N")]
    pub(crate) observers: Option<u16>,
    /// Where the ensemble is, or is to be
    #[arg(long, default_value = "./zabra-ensemble")]
    pub(crate) dir: PathBuf,
    /// Clients' ports from this one on, the other ports a hundred and two hundred further; 0 is any that are free
    /// [default: 2181 if all are free, else any]
    #[arg(long, value_name = "PORT")]
    pub(crate) port_base: Option<u16>,
    /// One JSON object a line instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `zabra ensemble status`.
#[derive(Args, Debug)]
pub(crate) struct EnsembleStatusArguments {
    /// Where the ensemble is
    #[arg(long, default_value = "./zabra-ensemble")]
    pub(crate) dir: PathBuf,
    /// A JSON object instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `zabra status`.
#[derive(Args, Debug)]
#[command(after_help = "The exit code is 0 when all of them serve clients, else 1.")]
pub(crate) struct StatusArguments {
    /// The servers, host:port, also with commas between them as in a connect string
    #[arg(value_name = "SERVER", default_value = "127.0.0.1:2181")]
    pub(crate) servers: Vec<String>,
    /// A JSON array instead of the table
    #[arg(long)]
    pub(crate) json: bool,
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
