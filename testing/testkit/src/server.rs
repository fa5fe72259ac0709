//! Servers as child processes.

use crate::four_letter::four_letter;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to serve, and to stop.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at a server that starts or stops.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// The genuine server's jars are missing.
    #[error("the genuine server is not in {jars}: run `{install} jars`")]
    NotInstalled {
        /// Where they should be.
        jars: PathBuf,
        /// What puts them there.
        install: PathBuf,
    },
    /// The zabra binary is missing.
    #[error("no zabra binary at {path}: run `cargo build --release -p zabra`, or set ZABRA_BIN")]
    NoBinary {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file or process could not be handled.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The server ended or did not serve in time.
    #[error("{what}\n--- end of its log\n{log}")]
    Server {
        /// What happened.
        what: String,
        /// The end of its log.
        log: String,
    },
}

impl HarnessError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// What to run. The path of the zoo.cfg is appended to the arguments.
#[derive(Clone, Debug)]
pub enum Program {
    /// A program; Java system properties travel in `SERVER_JVMFLAGS`, as an operator passes them.
    Native(Vec<OsString>),
    /// A Java program; system properties go between the two parts.
    Java {
        /// `java` and its options.
        before_properties: Vec<OsString>,
        /// Class path and main class.
        after_properties: Vec<OsString>,
    },
}

/// The zabra under test: `$ZABRA_BIN`, else the release build of this checkout.
///
/// # Errors
/// It has not been built.
pub fn zabra_program() -> Result<Program, HarnessError> {
    let path = std::env::var_os("ZABRA_BIN").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
            target.join("release/zabra")
        },
        PathBuf::from,
    );
    if !path.is_file() {
        return Err(HarnessError::NoBinary { path });
    }
    Ok(Program::Native(vec![path.into_os_string(), "server".into()]))
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// What to run.
    pub program: Program,
    /// zoo.cfg, without `dataDir` and `clientPort`.
    pub config: BTreeMap<String, String>,
    /// Java system properties.
    pub properties: BTreeMap<String, String>,
    /// Where data directories are made; the system's place for temporary files when `None`.
    pub data_root: Option<PathBuf>,
}

impl ServerSpec {
    /// A standalone server on loopback, all four-letter words allowed, no HTTP administration, no limit of connections.
    pub fn new(program: Program) -> Self {
        let config = [
            ("tickTime", "2000"),
            ("clientPortAddress", "127.0.0.1"),
            ("maxClientCnxns", "0"),
            ("4lw.commands.whitelist", "*"),
            ("admin.enableServer", "false"),
        ];
        Self {
            program,
            config: config.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            properties: BTreeMap::new(),
            data_root: None,
        }
    }

    /// With one more line in zoo.cfg, or another value for a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With one more system property.
    #[must_use]
    pub fn with_property(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Starts the server in a fresh directory and waits until it serves.
    ///
    /// # Errors
    /// It does not come to serve.
    pub fn start(self) -> Result<ServerProcess, HarnessError> {
        let mut server = self.create()?;
        server.start()?;
        Ok(server)
    }

    /// A server that has a fresh directory and a port and has not been started.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn create(self) -> Result<ServerProcess, HarnessError> {
        let mut prefix = tempfile::Builder::new();
        prefix.prefix("zabra-test-");
        let home = match &self.data_root {
            Some(root) => prefix.tempdir_in(root),
            None => prefix.tempdir(),
        }
        .map_err(HarnessError::io("making a directory for a server"))?;
        let port = free_port().map_err(HarnessError::io("finding a free port"))?;
        Ok(ServerProcess { spec: self, home, port, child: None })
    }
}

/// A loopback TCP port nobody listens on, which stays the caller's until this process ends.
///
/// It lies below those that systems give to outgoing connections, and is given to nobody else who asks here or in
/// `interop/harness.py`, so that it is still free when a server that was killed comes back. Who has the UDP port of the
/// same number has the port.
///
/// # Errors
/// There is none.
pub fn free_port() -> io::Result<u16> {
    const PORTS: std::ops::Range<u16> = 10_000..32_000;
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let mut error = None;
    for _ in 0..100 {
        // Hashers are seeded at random, which will do.
        let random = RandomState::new().hash_one(()) % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + random as u16;
        let address = (Ipv4Addr::LOCALHOST, port);
        match UdpSocket::bind(address).and_then(|claim| TcpListener::bind(address).map(|_| claim)) {
            Ok(claim) => {
                TAKEN.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
                return Ok(port);
            }
            Err(taken) => error = Some(taken),
        }
    }
    Err(error.unwrap_or_else(|| ErrorKind::AddrInUse.into()))
}

/// A server process with a directory and a port that survive its restarts. Dropping it kills it and removes the
/// directory.
#[derive(Debug)]
pub struct ServerProcess {
    spec: ServerSpec,
    home: TempDir,
    port: u16,
    child: Option<Child>,
}

impl ServerProcess {
    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The directory its data, zoo.cfg and log are in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What the next start uses: another configuration, or another program, on the same data.
    pub fn spec_mut(&mut self) -> &mut ServerSpec {
        &mut self.spec
    }

    /// Keeps the directory when the server is dropped, and says where it is.
    pub fn keep_home(&mut self) -> &Path {
        self.home.disable_cleanup(true);
        self.home.path()
    }

    /// Starts it again on the same data and port and waits until it serves.
    ///
    /// # Errors
    /// It does not come to serve.
    pub fn start(&mut self) -> Result<(), HarnessError> {
        self.spawn()?;
        self.wait_serving()
    }

    /// Starts the process on the same data and port without waiting for it, so that it can be killed on the way.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&mut self) -> Result<(), HarnessError> {
        let home = self.home.path();
        let mut cfg = format!("dataDir={}\nclientPort={}\n", self.data_dir().display(), self.port);
        for (key, value) in &self.spec.config {
            cfg.push_str(&format!("{key}={value}\n"));
        }
        let cfg_path = home.join("zoo.cfg");
        fs::create_dir_all(self.data_dir()).map_err(HarnessError::io("making the data directory"))?;
        fs::write(&cfg_path, cfg).map_err(HarnessError::io("writing zoo.cfg"))?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("server.log"))
            .map_err(HarnessError::io("opening the server's log"))?;
        let log_again = log.try_clone().map_err(HarnessError::io("opening the server's log"))?;
        let mut command = self.command();
        command.arg(&cfg_path).current_dir(home).stdin(Stdio::null()).stdout(log).stderr(log_again);
        let child = command.spawn().map_err(HarnessError::io(format!("starting {command:?}")))?;
        self.child = Some(child);
        Ok(())
    }

    fn command(&self) -> Command {
        let defines: Vec<String> =
            self.spec.properties.iter().map(|(key, value)| format!("-D{key}={value}")).collect();
        match &self.spec.program {
            Program::Native(argv) => {
                let mut command = Command::new(&argv[0]);
                command.args(&argv[1..]);
                if !defines.is_empty() {
                    command.env("SERVER_JVMFLAGS", defines.join(" "));
                }
                command
            }
            Program::Java { before_properties, after_properties } => {
                let mut command = Command::new(&before_properties[0]);
                command.args(&before_properties[1..]).args(defines).args(after_properties);
                command
            }
        }
    }

    /// Waits until `srvr` reports a serving server.
    ///
    /// # Errors
    /// It ends by itself, or does not serve in time.
    pub fn wait_serving(&mut self) -> Result<(), HarnessError> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.exited()? {
                return Err(self.failed(format!("the server ended with {status}")));
            }
            if self.mode().is_some() {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Err(self.failed(format!("the server does not serve after {START_TIMEOUT:?}")))
    }

    /// What it says it is, such as `leader` or `standalone`; none while it does not serve.
    pub fn mode(&self) -> Option<String> {
        let answer = four_letter(self.addr(), "srvr", Duration::from_secs(5)).ok()?;
        answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    /// The exit status, if it has ended by itself.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn exited(&mut self) -> Result<Option<std::process::ExitStatus>, HarnessError> {
        match &mut self.child {
            Some(child) => child.try_wait().map_err(HarnessError::io("looking at the server")),
            None => Ok(None),
        }
    }

    fn failed(&self, what: String) -> HarnessError {
        HarnessError::Server { what, log: self.log_tail(40) }
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = fs::read(self.home.path().join("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Ends it with SIGKILL, as a crash would.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<(), HarnessError> {
        if let Some(mut child) = self.child.take() {
            child.kill().and_then(|()| child.wait()).map_err(HarnessError::io("killing the server"))?;
        }
        Ok(())
    }

    fn signal(&self, signal: &str) -> Result<(), HarnessError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
        sent.map(drop).map_err(HarnessError::io(format!("sending {signal}")))
    }

    /// Holds it with SIGSTOP: it keeps its connections and says nothing.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn pause(&self) -> Result<(), HarnessError> {
        self.signal("-STOP")
    }

    /// Lets it go on after [`ServerProcess::pause`].
    ///
    /// # Errors
    /// As there.
    pub fn resume(&self) -> Result<(), HarnessError> {
        self.signal("-CONT")
    }

    /// Ends it with SIGTERM and waits for it.
    ///
    /// # Errors
    /// It ignores the signal; it is killed then.
    pub fn stop(&mut self) -> Result<(), HarnessError> {
        if self.child.is_none() {
            return Ok(());
        }
        self.signal("-TERM")?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if self.exited()?.is_some() {
                self.child = None;
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        self.kill()?;
        Err(self.failed(format!("the server ignored SIGTERM for {STOP_TIMEOUT:?}")))
    }

    /// Stops and starts it.
    ///
    /// # Errors
    /// As [`ServerProcess::stop`] and [`ServerProcess::start`].
    pub fn restart(&mut self) -> Result<(), HarnessError> {
        self.stop()?;
        self.start()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing can be done about a process that cannot be killed, and it is a test that ends here.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
