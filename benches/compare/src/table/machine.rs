//! Where it was measured.

use crate::Failure;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use zabra_load::{micros, sync_time};

/// The machine, and what is measured on it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    memory_mib: u64,
    kernel: String,
    java: String,
    commit: String,
    data_root: PathBuf,
    sync_us: f64,
}

impl Machine {
    /// Looks at this machine, and at the disk of `data_root`.
    pub(crate) fn look(data_root: &Path) -> Result<Self, Failure> {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let meminfo = file("/proc/meminfo");
        let memory_kib = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
        let cpuinfo = file("/proc/cpuinfo");
        let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: processor.map_or_else(String::new, |(_, name)| name.to_owned()),
            memory_mib: memory_kib.unwrap_or(0_u64) / 1024,
            kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            java: said_by("java", &["-version"]),
            commit: said_by("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]),
            data_root: data_root.to_path_buf(),
            sync_us: micros(sync_time(data_root)?),
        })
    }

    /// For the head of the table.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} cores ({}), {} MiB, Linux {}; {}; commit {}; fdatasync of 4 KiB in {}: {:.0} us",
            self.cores,
            self.processor,
            self.memory_mib,
            self.kernel,
            self.java,
            self.commit,
            self.data_root.display(),
            self.sync_us
        )
    }

    /// For the file.
    pub(crate) fn json(&self) -> Value {
        json!({
            "cores": self.cores, "processor": self.processor, "memory_mib": self.memory_mib,
            "kernel": self.kernel, "java": self.java, "commit": self.commit, "fdatasync_us": self.sync_us,
        })
    }
}

/// The first line a program says, on whichever stream.
fn said_by(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).output().ok();
    let said = said.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&said).lines().next().unwrap_or("?").to_owned()
}
