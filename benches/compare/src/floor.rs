//! The floor of the table: a server that does nothing but take requests apart, log and answer, in a process of its own, so
//! that its processor time can be told from the generator's.

use crate::Failure;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use zabra_load::{Floor, Process};

/// How it serves.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it logs writes.
    #[arg(long)]
    log_in: PathBuf,
    /// Bytes in an answer to a read.
    #[arg(long)]
    data_len: usize,
}

/// Serves, says where on `out`, and ends with stdin: when whoever started it is gone.
pub(crate) fn serve(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let floor = Floor::start(Some(&args.log_in), args.data_len)?;
    writeln!(out, "{}", floor.addr())?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A floor that runs as a child process until it is dropped.
#[derive(Debug)]
pub(crate) struct FloorProcess {
    addr: SocketAddr,
    child: Child,
}

impl FloorProcess {
    /// Starts one that logs in `log_in` and answers reads with `data_len` bytes.
    pub(crate) fn start(log_in: &Path, data_len: usize) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("floor")
            .arg("--log-in")
            .arg(log_in)
            .args(["--data-len", &data_len.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let addr = line.trim().parse().map_err(|_| format!("the floor does not serve: {line:?}"))?;
        Ok(Self { addr, child })
    }

    /// Where it listens.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for FloorProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It holds nothing worth keeping, and one that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
