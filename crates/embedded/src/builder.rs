//! How a server is to be.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zabra_server::config::{Config, Flags};

use crate::port::Port;
use crate::server::{Home, Server};
use crate::{Error, blocking};

/// The tick of an embedded server. Sessions may be as short as two of them.
pub const TICK_TIME_DEFAULT: Duration = Duration::from_millis(100);

/// How long members of an ensemble may take over anything, whatever the tick.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest session, whatever the tick.
const SESSION_MAX: Duration = Duration::from_secs(120);

/// How a server is to be; made by [`Server::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    keys: BTreeMap<String, String>,
    tick_time: Duration,
    data_dir: Option<PathBuf>,
    port: Option<u16>,
    pub(crate) durable: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            keys: BTreeMap::new(),
            tick_time: TICK_TIME_DEFAULT,
            data_dir: None,
            port: None,
            durable: false,
        }
    }
}

impl Builder {
    /// The tick: the precision of session expiry, and half the shortest session timeout. [`TICK_TIME_DEFAULT`] unless set;
    /// whole milliseconds, at least one.
    #[must_use]
    pub fn tick_time(mut self, tick_time: Duration) -> Self {
        self.tick_time = tick_time.max(Duration::from_millis(1));
        self
    }

    /// A line of `zoo.cfg`, such as `("snapCount", "100")` or `("authProvider.1", "...")`. It counts more than what the
    /// builder sets otherwise.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.keys.insert(key.into(), value.into());
        self
    }

    /// Keeps the data in this directory, which stays when the server is dropped. A temporary one unless set.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// Listens for clients on this port of the loopback address. Any free one unless set.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Syncs to the disk before anything is acknowledged, as servers do outside of tests. Off unless asked for: a killed
    /// server loses nothing without, and a sync takes milliseconds.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// See [`Error`]; nothing keeps running then.
    pub async fn start(self) -> Result<Server, Error> {
        let port = self.port.map_or_else(Port::any, Port::reserve)?;
        let home = Home::of(self.data_dir.as_deref())?;
        let client = format!("clientPortAddress=127.0.0.1\nclientPort={}\n", port.number());
        let config = self.config(home.path(), &client)?;
        let server = Server::new(config, self.durable, port, home);
        server.restart().await?;
        Ok(server)
    }

    /// Starts the server, blocking the thread.
    ///
    /// # Errors
    /// See [`Builder::start`].
    pub fn start_blocking(self) -> Result<blocking::Server, Error> {
        blocking::block_on(self.start()).map(blocking::Server::from)
    }

    /// What the server is told; `more` are lines of its own.
    pub(crate) fn config(&self, data_dir: &Path, more: &str) -> Result<Config, Error> {
        let ticks = |time: Duration| time.as_millis().div_ceil(self.tick_time.as_millis()).max(2);
        let mut text = format!(
            "tickTime={}\nmaxSessionTimeout={}\ninitLimit={limit}\nsyncLimit={limit}\ndataDir={}\npreAllocSize=64\n\
             maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n{more}",
            self.tick_time.as_millis(),
            SESSION_MAX.max(self.tick_time * 20).as_millis(),
            escape(&data_dir.to_string_lossy()),
            limit = ticks(PATIENCE),
        );
        for (key, value) in &self.keys {
            // Writing to a string cannot fail. The last line of a key counts.
            let _ = writeln!(text, "{}={}", escape_key(key), escape(value));
        }
        let loaded = Config::from_bytes(&data_dir.join("zoo.cfg"), text.as_bytes(), &Flags::default());
        loaded.map(|loaded| loaded.config).map_err(Error::Config)
    }
}

/// A value of a properties file, which is read as ISO-8859-1.
fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for unit in value.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'\\') => escaped.push_str("\\\\"),
            Ok(byte @ 0x21..=0x7e) => escaped.push(char::from(byte)),
            // A space at the beginning would be skipped.
            _ => {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// A key, in which separators need a backslash, too.
fn escape_key(key: &str) -> String {
    escape(key).replace('=', "\\=").replace(':', "\\:").replace('#', "\\#").replace('!', "\\!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_reach_the_server() {
        let dir = Path::new("/tmp/Zähler \\ 雪");
        let builder = Builder::default().tick_time(Duration::from_millis(50)).set("snapCount", "77");
        let config = builder.config(dir, "clientPort=1\n").unwrap();
        assert_eq!(config.storage.data_dir, dir);
        assert_eq!(config.sessions.tick_time, Duration::from_millis(50));
        assert_eq!(config.sessions.timeout_min, Duration::from_millis(100));
        assert_eq!(config.sessions.timeout_max, SESSION_MAX);
        assert_eq!(config.system_properties["zookeeper.snapCount"], "77");
        let wins = builder.set("tickTime", "500").config(dir, "clientPort=1\n").unwrap();
        assert_eq!(wins.sessions.tick_time, Duration::from_millis(500));
        assert!(matches!(
            Builder::default().set("tickTime", "soon").config(dir, "clientPort=1\n"),
            Err(Error::Config(_))
        ));
    }
}
