//! Reading configurations, from the outside.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod command_line;
mod ensemble;
mod hostile;
mod messages;
mod precedence;
mod reference;
mod samples;
mod values;

use std::ffi::OsString;
use std::path::Path;

use zabra_server::config::{Config, ConfigError, Flags, Loaded, NoticeKind};

/// What every file needs; nothing about it is told.
const BASE: &str = "dataDir=/nowhere/zabra\nclientPort=2181\n";

/// The flags that `SERVER_JVMFLAGS` gives.
fn flags(text: &str) -> Flags {
    Flags::from_variables(|name| (name == "SERVER_JVMFLAGS").then(|| OsString::from(text)))
}

fn read_with(file: &str, flags: &Flags) -> Result<Loaded, ConfigError> {
    Config::from_bytes(Path::new("zoo.cfg"), file.as_bytes(), flags)
}

fn read(file: &str) -> Result<Loaded, ConfigError> {
    read_with(file, &Flags::default())
}

/// The configuration of a file that is fine, after what every file needs.
fn config(lines: &str) -> Config {
    read(&format!("{BASE}{lines}")).unwrap().config
}

/// What is told about a file that is fine.
fn notices(lines: &str) -> Vec<(NoticeKind, String)> {
    let loaded = read(&format!("{BASE}{lines}")).unwrap();
    loaded.notices.into_iter().map(|notice| (notice.kind, notice.to_string())).collect()
}

/// What is told about a file that is wrong.
fn problems(lines: &str) -> String {
    read(&format!("{BASE}{lines}")).map(|_| ()).unwrap_err().to_string()
}
