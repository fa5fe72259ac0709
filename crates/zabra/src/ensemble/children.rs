//! The servers of a local ensemble as processes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::layout::Member;
use crate::exit::{Code, Failure};

/// How long a server may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Lines shown of the log of a server that ended by itself.
const TAIL_LINES: usize = 12;

/// As much of the log is read for them.
const TAIL_LEN: u64 = 16 << 10;

/// A server that was started.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) member: Member,
    pub(super) state: State,
}

/// Whether it runs.
#[derive(Debug)]
pub(super) enum State {
    Running { child: Child, pid: u32 },
    Ended(ExitStatus),
}

impl Server {
    /// Starts it, as another process of this program.
    pub(super) fn start(member: Member) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|error| failed(&member, "find this program", &error))?;
        let (child, pid) = spawn(&program, &member).map_err(|error| failed(&member, "start", &error))?;
        // For whoever comes after a crash of this program.
        fs::write(member.pid_file(), format!("{pid}\n")).map_err(|error| failed(&member, "note", &error))?;
        Ok(Self { member, state: State::Running { child, pid } })
    }

    /// Its process, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        match &self.state {
            State::Running { pid, .. } => Some(*pid),
            State::Ended(_) => None,
        }
    }

    /// Whether it has ended since it was last asked; then says why, with the end of its log.
    pub(super) fn look(&mut self) -> Option<String> {
        let State::Running { child, pid } = &mut self.state else { return None };
        let status = child.try_wait().ok().flatten()?;
        let log = self.member.log_file();
        let told = format!(
            "server {} (process {pid}) ended by itself: {}; the end of {}:\n{}",
            self.member.id,
            shown(status),
            log.display(),
            tail(&log)
        );
        self.ended(status);
        Some(told)
    }

    /// Tells it to stop.
    pub(super) fn terminate(&self) {
        if let State::Running { child, .. } = &self.state {
            // Its process has not been waited for, so the number is still its own.
            let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
            // One that has ended meanwhile is fine.
            let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        }
    }

    /// Waits until it has stopped, not for ever. Says what went wrong.
    pub(super) async fn stopped(&mut self) -> Option<String> {
        let State::Running { child, pid } = &mut self.state else { return None };
        let (pid, id) = (*pid, self.member.id);
        let (status, told) = match timeout(STOP_MAX, child.wait()).await {
            Ok(Ok(status)) => (status, None),
            _ => {
                let _ = child.kill().await;
                let told =
                    format!("server {id} (process {pid}) did not stop within {STOP_MAX:?} and was killed");
                (child.wait().await.ok()?, Some(told))
            }
        };
        self.ended(status);
        let failed = || format!("server {id} (process {pid}) did not stop well: {}", shown(status));
        told.or_else(|| (!status.success()).then(failed))
    }

    fn ended(&mut self, status: ExitStatus) {
        self.state = State::Ended(status);
        let _ = fs::remove_file(self.member.pid_file());
    }
}

fn spawn(program: &Path, member: &Member) -> io::Result<(Child, u32)> {
    let log = OpenOptions::new().create(true).append(true).open(member.log_file())?;
    let child = Command::new(program)
        .arg("server")
        .arg(member.config_file())
        .current_dir(&member.home)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C at the terminal is for this program, which then stops its servers one and all.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().ok_or_else(|| io::Error::other("it ended at once"))?;
    Ok((child, pid))
}

/// How a process ended, in words.
pub(super) fn shown(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "for no reason that is known".to_owned(),
    }
}

/// The last lines of a file, indented.
fn tail(path: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(TAIL_LEN)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_LEN).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_else(|error| format!("it cannot be read: {error}"));
    let lines: Vec<_> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].iter();
    last.map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

fn failed(member: &Member, doing: &str, error: &io::Error) -> Failure {
    Failure::new(Code::Unexpected, format!("cannot {doing} server {}: {error}", member.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_shown() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("server.log");
        assert!(tail(&path).contains("cannot be read"));
        let text: String = (0..5000).map(|line| format!("line {line}\n")).collect();
        fs::write(&path, text).unwrap();
        let shown = tail(&path);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[11]), (12, "  | line 4988", "  | line 4999"));
    }

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(shown(ExitStatus::from_raw(3 << 8)), "exit code 3");
        assert_eq!(shown(ExitStatus::from_raw(9)), "killed by signal 9");
    }
}
