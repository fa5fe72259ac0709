//! How the server speaks besides its log: in lines for a person, or, when the log is JSON, in records of that log, so
//! that whoever reads standard error finds nothing else there.

use tracing::{error, info, warn};
use zabra_server::config::{Mode, Notice};
use zabra_server::{Recovery, Server};

use crate::cli::LogFormat;
use crate::exit::Failure;
use crate::stdio::tell;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Lines.
    Lines,
    /// Records of the log.
    Records,
}

impl Voice {
    /// The voice that goes with a log.
    pub(crate) fn of(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Lines,
            LogFormat::Json => Self::Records,
        }
    }

    /// Says something.
    pub(crate) fn say(self, line: &str) {
        match self {
            Self::Lines => tell(line),
            Self::Records => info!("{line}"),
        }
    }

    /// Says what is remarkable about the configuration.
    pub(crate) fn notice(self, notice: &Notice) {
        match self {
            Self::Lines => tell(&notice.to_string()),
            Self::Records => warn!(setting = %notice.subject, "{}", notice.text),
        }
    }

    /// Says why the program ends, unless that is left to [`Failure::report`].
    pub(crate) fn failure(self, failure: Failure) -> Failure {
        match self {
            Self::Lines => failure,
            Self::Records => {
                error!(exit_code = failure.code(), "{}", failure.text());
                failure.said()
            }
        }
    }

    /// Says what a person wants to see first of a server.
    pub(crate) fn greet(self, server: &Server) {
        let config = server.config();
        let admin = server.admin_address().map(|admin| format!("http://{admin}{}", config.admin.command_url));
        let metrics = server.metrics_address().map(|metrics| format!("http://{metrics}/metrics"));
        let (storage, found) = (&config.storage, server.recovery());
        let mode = match &config.mode {
            Mode::Standalone => "standalone".to_owned(),
            Mode::Ensemble(ensemble) => {
                format!("server {} of {}", ensemble.id, ensemble.membership.servers.len())
            }
        };
        match self {
            Self::Records => info!(
                version = env!("CARGO_PKG_VERSION"),
                mode,
                clients = %server.client_address(),
                admin,
                metrics,
                data_dir = %storage.data_dir.display(),
                data_log_dir = %storage.data_log_dir.display(),
                snapshot = found.snapshot.as_ref().map(|file| file.display().to_string()),
                txns_replayed = found.txns_replayed,
                last_zxid = %found.last_zxid,
                nodes = found.node_count,
                sessions = found.session_count,
                recovery_ms = u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
                "serving"
            ),
            Self::Lines => {
                tell(&format!("zabra {} {mode}", env!("CARGO_PKG_VERSION")));
                tell(&format!("  clients  {}", server.client_address()));
                for (what, url) in [("admin  ", admin), ("metrics", metrics)] {
                    if let Some(url) = url {
                        tell(&format!("  {what}  {url}"));
                    }
                }
                tell(&format!("  data     {}", storage.data_dir.display()));
                if storage.data_log_dir != storage.data_dir {
                    tell(&format!("  log      {}", storage.data_log_dir.display()));
                }
                tell(&format!("  found    {}", told(found)));
            }
        }
    }
}

/// What was found at the start, in words.
fn told(found: &Recovery) -> String {
    match &found.snapshot {
        Some(snapshot) => format!(
            "{} nodes and {} sessions from {} and {} transactions after it, up to zxid {}, in {:.0?}",
            found.node_count,
            found.session_count,
            snapshot.file_name().unwrap_or_default().to_string_lossy(),
            found.txns_replayed,
            found.last_zxid,
            found.took,
        ),
        None => "nothing; this is a new, empty database".to_owned(),
    }
}
