//! One server of the ensemble: a process in its namespace, with its data on a small disk of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zabra_testkit::{HarnessError, Program, four_letter};

use crate::lab::{Host, Lab, LabError};

/// Where clients connect, in every namespace.
const CLIENT_PORT: u16 = 2181;
/// Learners.
const QUORUM_PORT: u16 = 2888;
/// Votes.
const ELECTION_PORT: u16 = 3888;
/// The size of the disk of a server.
const DISK: &str = "256m";
/// How long a signal may take to show.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A tick, in milliseconds: short, so that a run sees many time-outs.
pub(crate) const TICK_MS: u64 = 500;

/// A server of the ensemble.
#[derive(Debug)]
pub(crate) struct Member {
    host: Host,
    address: IpAddr,
    home: PathBuf,
    program: Program,
    child: Option<Child>,
    mounted: bool,
}

impl Member {
    /// Makes its disk and its configuration.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn new(lab: &Lab, host: Host, home: PathBuf, program: Program) -> Result<Self, HarnessError> {
        let address = lab.address(host).into();
        let mut member = Self { host, address, home, program, child: None, mounted: false };
        member.prepare(lab).map_err(|source| HarnessError::Io {
            doing: format!("preparing server {host} in {}", member.home.display()),
            source,
        })?;
        Ok(member)
    }

    fn prepare(&mut self, lab: &Lab) -> io::Result<()> {
        let data = self.data();
        fs::create_dir_all(&data)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "zabra-chaos"])
            .arg(&data)
            .status()?;
        if !mounted.success() {
            return Err(io::Error::other("mount -t tmpfs failed; root is needed"));
        }
        self.mounted = true;
        fs::write(data.join("myid"), format!("{}\n", self.host))?;
        let mut config = format!(
            "tickTime={TICK_MS}\ninitLimit=20\nsyncLimit=4\nmaxClientCnxns=0\nadmin.enableServer=false\n\
             4lw.commands.whitelist=*\nmaxSessionTimeout=60000\ndataDir={}\nclientPort={CLIENT_PORT}\n",
            data.display()
        );
        for host in lab.hosts() {
            config.push_str(&format!("server.{host}={}:{QUORUM_PORT}:{ELECTION_PORT}\n", lab.address(host)));
        }
        fs::write(self.home.join("zoo.cfg"), config)
    }

    /// Which server it is.
    pub(crate) fn host(&self) -> Host {
        self.host
    }

    /// Where clients connect.
    pub(crate) fn client_address(&self) -> SocketAddr {
        (self.address, CLIENT_PORT).into()
    }

    /// Where votes go; open whenever the server runs.
    pub(crate) fn election_address(&self) -> SocketAddr {
        (self.address, ELECTION_PORT).into()
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(&mut self, lab: &Lab) -> Result<(), HarnessError> {
        let config = self.home.join("zoo.cfg");
        let arguments: Vec<_> = match &self.program {
            Program::Native(argv) => argv.clone(),
            Program::Java { before_properties, after_properties } => {
                before_properties.iter().chain(after_properties).cloned().collect()
            }
        };
        let spawn = || -> io::Result<Child> {
            let log = File::options().create(true).append(true).open(self.log())?;
            let again = log.try_clone()?;
            lab.command(self.host, &arguments[0])
                .args(&arguments[1..])
                .arg(&config)
                .current_dir(&self.home)
                .stdin(Stdio::null())
                .stdout(log)
                .stderr(again)
                .spawn()
        };
        let child = spawn()
            .map_err(|source| HarnessError::Io { doing: format!("starting server {}", self.host), source })?;
        self.child = Some(child);
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// What it says it is, while it serves: leader or follower.
    pub(crate) fn mode(&self) -> Option<String> {
        let answer = four_letter(self.client_address(), "srvr", Duration::from_secs(1)).ok()?;
        answer.lines().find_map(|line| line.strip_prefix("Mode: ").map(str::to_owned))
    }

    /// Whether the process is there, running or stopped.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// kill -9.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn kill(&mut self) -> Result<(), LabError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child
            .kill()
            .and_then(|()| child.wait())
            .map(drop)
            .map_err(|error| LabError::NoEffect(format!("server {} cannot be killed: {error}", self.host)))
    }

    /// SIGSTOP, or SIGCONT.
    ///
    /// # Errors
    /// It does not stop, or not go on.
    pub(crate) fn pause(&mut self, pause: bool) -> Result<(), LabError> {
        let Some(pid) = self.child.as_ref().map(Child::id) else { return Ok(()) };
        // A shell's own kill would do as well; this one says what it thinks of a process that is gone.
        let signal = if pause { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
        let deadline = Instant::now() + SIGNAL_TIMEOUT;
        while sent.as_ref().is_ok_and(|status| status.success()) && Instant::now() < deadline {
            if is_stopped(pid) == Some(pause) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(LabError::NoEffect(format!("server {} did not react to SIG{}", self.host, &signal[1..])))
    }

    /// Fills the disk to the last byte, or frees it again.
    ///
    /// # Errors
    /// There is still room, or still none.
    pub(crate) fn fill_disk(&mut self, fill: bool) -> Result<(), LabError> {
        let ballast = self.data().join("ballast");
        let broken =
            |error: io::Error| LabError::NoEffect(format!("the disk of server {}: {error}", self.host));
        if !fill {
            fs::remove_file(&ballast).map_err(broken)?;
            return if has_room(&self.data()) {
                Ok(())
            } else {
                Err(broken(io::ErrorKind::StorageFull.into()))
            };
        }
        let mut file = File::create(&ballast).map_err(broken)?;
        let mut chunk = vec![0xba; 1 << 20];
        while !chunk.is_empty() {
            match file.write(&chunk) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    let half = chunk.len() / 2;
                    chunk.truncate(half);
                }
                Err(error) => return Err(broken(error)),
            }
        }
        if has_room(&self.data()) {
            return Err(LabError::NoEffect(format!("the disk of server {} is not full", self.host)));
        }
        Ok(())
    }
}

/// Whether one more page can be written there.
fn has_room(dir: &Path) -> bool {
    let probe = dir.join("probe");
    let written = fs::write(&probe, [1; 4096]).is_ok();
    // It may not have come to be.
    let _ = fs::remove_file(&probe);
    written
}

/// Whether a process is stopped, as the system shows it; nothing when it is gone.
fn is_stopped(pid: u32) -> Option<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(") ")?.1.chars().next()?;
    Some(state == 'T')
}

impl Drop for Member {
    fn drop(&mut self) {
        // SIGKILL reaches stopped processes too. What is left over of a run cannot be handled further.
        let _ = self.kill();
        if self.mounted {
            let _ = Command::new("umount").arg("-l").arg(self.data()).status();
        }
    }
}
