//! `zabra server`.

use tokio::signal::unix::{SignalKind, signal};
use zabra_server::config::{Config, ConfigError, Flags, Loaded};
use zabra_server::{Server, StartError, chain};

use crate::cli::ServerArguments;
use crate::exit::{Code, Failure};
use crate::files;
use crate::logging;
use crate::voice::Voice;

/// Runs a server until it is told to stop.
pub(crate) fn run(arguments: &ServerArguments) -> Result<(), Failure> {
    let voice = Voice::of(arguments.log_format);
    logging::start(arguments.log_format);
    run_with(arguments, voice).map_err(|failure| voice.failure(failure))
}

fn run_with(arguments: &ServerArguments, voice: Voice) -> Result<(), Failure> {
    let words = arguments
        .config
        .iter()
        .map(|word| word.to_str().map(str::to_owned))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Failure::new(Code::Invocation, "an argument is not valid UTF-8"))?;
    let Loaded { config, notices } = Config::from_command_line(&words, &Flags::from_env())
        .map_err(|error: ConfigError| Failure::new(Code::Invocation, chain(&error)))?;
    for notice in &notices {
        voice.notice(notice);
    }
    if arguments.check {
        let refusals = config.refusals();
        if !refusals.is_empty() {
            let list = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            return Err(Failure::new(Code::Invocation, list));
        }
        voice.say("the configuration can be used");
        return Ok(());
    }
    files::raise_limit();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = workers() {
        builder.worker_threads(workers);
    }
    let runtime = builder
        .enable_all()
        .thread_name("worker")
        .build()
        .map_err(|error| Failure::new(Code::Unexpected, format!("cannot start threads: {error}")))?;
    runtime.block_on(serve(config, voice))
}

/// How many threads carry the connections: one fewer than there are processors, because the log thread is busy beside them,
/// and threads that have to take turns cost more than they bring. None when the environment says how many
/// (`TOKIO_WORKER_THREADS`).
fn workers() -> Option<usize> {
    if std::env::var_os("TOKIO_WORKER_THREADS").is_some() {
        return None;
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Some(processors.saturating_sub(1).max(1))
}

async fn serve(config: Config, voice: Voice) -> Result<(), Failure> {
    // Signals are caught before anything starts, so that none is lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(unexpected)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unexpected)?;
    let server = Server::start(config).await.map_err(failure_of)?;
    voice.greet(&server);
    server
        .run_until(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            voice.say("stopping");
        })
        .await
        .map_err(|stopped| {
            let text = format!(
                "{}\nNothing was acknowledged after this, and everything before is on disk. Mend the cause, then start again.",
                chain(&stopped)
            );
            Failure::new(Code::Storage, text)
        })?;
    voice.say("stopped; everything acknowledged is on disk");
    Ok(())
}

fn failure_of(error: StartError) -> Failure {
    let code = match &error {
        StartError::Refused(_) | StartError::NoClientPort => Code::Invocation,
        StartError::Data { .. } | StartError::NoDatabase { .. } | StartError::Epochs { .. } => {
            Code::DataDirectory
        }
        StartError::Admin { .. } => Code::AdminServer,
        StartError::Bind { .. } | StartError::Thread(_) => Code::Unexpected,
    };
    let mut text = chain(&error);
    let advice = match &error {
        StartError::Data { source, .. } => Some(source.advice()),
        StartError::Epochs { source, .. } => Some(source.advice()),
        _ => None,
    };
    if let Some(advice) = advice {
        text.push_str("\nWhat to do: ");
        text.push_str(advice);
    }
    Failure::new(code, text)
}

fn unexpected(error: std::io::Error) -> Failure {
    Failure::new(Code::Unexpected, format!("cannot catch signals: {error}"))
}
