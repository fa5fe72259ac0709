//! `zabra server`.

use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};
use zabra_server::config::{Config, ConfigError, Flags, Loaded};
use zabra_server::{Server, StartError, chain};

use crate::cli::ServerArguments;
use crate::exit::{Code, Failure};
use crate::logging;

/// Runs a server until it is told to stop.
pub(crate) fn run(arguments: &ServerArguments) -> Result<(), Failure> {
    let words = arguments
        .config
        .iter()
        .map(|word| word.to_str().map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Failure::new(Code::Invocation, "an argument is not valid UTF-8"))?;
    let Loaded { config, notices } = Config::from_command_line(&words, &Flags::from_env())
        .map_err(|error: ConfigError| Failure::new(Code::Invocation, chain(&error)))?;
    say_all(notices.iter());
    if arguments.check {
        let refusals = config.refusals();
        if !refusals.is_empty() {
            let list = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            return Err(Failure::new(Code::Invocation, list));
        }
        say("the configuration can be used");
        return Ok(());
    }
    logging::start(arguments.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("worker")
        .build()
        .map_err(|error| Failure::new(Code::Unexpected, format!("cannot start threads: {error}")))?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    // Signals are caught before anything starts, so that none is lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(unexpected)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unexpected)?;
    let server = Server::start(config).await.map_err(failure_of)?;
    greet(&server);
    server
        .run_until(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            say("stopping");
        })
        .await
        .map_err(|stopped| {
            let text = format!(
                "{}\nNothing was acknowledged after this, and everything before is on disk. Mend the cause, then start again.",
                chain(&stopped)
            );
            Failure::new(Code::Storage, text)
        })?;
    say("stopped; everything acknowledged is on disk");
    Ok(())
}

/// What a person wants to see first.
fn greet(server: &Server) {
    let storage = &server.config().storage;
    let recovery = server.recovery();
    say(&format!("zabra {} standalone", env!("CARGO_PKG_VERSION")));
    say(&format!("  clients  {}", server.client_address()));
    if let Some(admin) = server.admin_address() {
        say(&format!("  admin    http://{admin}{}", server.config().admin.command_url));
    }
    if let Some(metrics) = server.metrics_address() {
        say(&format!("  metrics  http://{metrics}/metrics"));
    }
    say(&format!("  data     {}", storage.data_dir.display()));
    if storage.data_log_dir != storage.data_dir {
        say(&format!("  log      {}", storage.data_log_dir.display()));
    }
    let found = match &recovery.snapshot {
        Some(snapshot) => format!(
            "{} nodes and {} sessions from {} and {} transactions after it, up to zxid {}, in {:.0?}",
            recovery.node_count,
            recovery.session_count,
            snapshot.file_name().unwrap_or_default().to_string_lossy(),
            recovery.txns_replayed,
            recovery.last_zxid,
            recovery.took,
        ),
        None => "nothing; this is a new, empty database".to_owned(),
    };
    say(&format!("  found    {found}"));
}

fn failure_of(error: StartError) -> Failure {
    let code = match &error {
        StartError::Refused(_) | StartError::NoClientPort => Code::Invocation,
        StartError::Data { .. } | StartError::NoDatabase { .. } => Code::DataDirectory,
        StartError::Admin { .. } => Code::AdminServer,
        StartError::Bind { .. } | StartError::Thread(_) => Code::Unexpected,
    };
    let mut text = chain(&error);
    if let StartError::Data { source, .. } = &error {
        text.push_str("\nWhat to do: ");
        text.push_str(source.advice());
    }
    Failure::new(code, text)
}

fn unexpected(error: std::io::Error) -> Failure {
    Failure::new(Code::Unexpected, format!("cannot catch signals: {error}"))
}

/// Notices go to stderr: stdout is for data.
fn say(line: &str) {
    // Nobody may be listening any more; that is no failure of the server.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn say_all<'a>(notices: impl Iterator<Item = &'a zabra_server::config::Notice>) {
    for notice in notices {
        say(&notice.to_string());
    }
}
