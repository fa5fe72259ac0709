//! What the system knows about this process. Read from `/proc`; what a system does not tell is `None`.

use std::fs;

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// What the process holds.
    pub(crate) resident: Option<u64>,
    /// What it could hold: the memory of the machine.
    pub(crate) max: Option<u64>,
    /// What the machine has left.
    pub(crate) free: Option<u64>,
}

/// File descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileDescriptors {
    /// Open ones.
    pub(crate) open: Option<u64>,
    /// How many may be open.
    pub(crate) max: Option<u64>,
}

/// The memory of the process and the machine.
pub(crate) fn memory() -> Memory {
    let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Memory {
        resident: kilobytes(&status, "VmRSS:"),
        max: kilobytes(&machine, "MemTotal:"),
        free: kilobytes(&machine, "MemAvailable:"),
    }
}

/// The file descriptors of the process.
pub(crate) fn file_descriptors() -> FileDescriptors {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    FileDescriptors {
        open: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
        max: limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok()),
    }
}

/// What the process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Seconds of processor time.
    pub(crate) cpu_seconds: f64,
    /// When it started, in seconds since 1970.
    pub(crate) start_seconds: f64,
    /// Bytes of its address space.
    pub(crate) virtual_bytes: f64,
}

/// Clock ticks per second in what Linux tells about processes, on every architecture there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process has used so far; nothing where there is no `/proc`.
pub(crate) fn usage() -> Option<Usage> {
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let boot = machine.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok())?;
    usage_of(&own, boot)
}

/// Reads a line of `/proc/self/stat`; `boot` is when the machine started, in seconds since 1970.
fn usage_of(stat: &str, boot: f64) -> Option<Usage> {
    // The name of the program comes second, in brackets, and may have anything in it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Usage {
        cpu_seconds: (number(11)? + number(12)?) / TICKS_PER_SECOND,
        start_seconds: boot + number(19)? / TICKS_PER_SECOND,
        virtual_bytes: number(20)?,
    })
}

/// The bytes of a line `Name:   123 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_are_found_by_name() {
        let text = "MemTotal:       16 kB\nMemAvailable:    2 kB\nBroken: x kB\n";
        assert_eq!(kilobytes(text, "MemTotal:"), Some(16 * 1024));
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(2048));
        assert_eq!(kilobytes(text, "Broken:"), None);
        assert_eq!(kilobytes(text, "Absent:"), None);
    }

    #[test]
    fn usage_is_read_behind_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1234 4096 77 0";
        let expected = Usage { cpu_seconds: 2.0, start_seconds: 1012.34, virtual_bytes: 4096.0 };
        assert_eq!(usage_of(stat, 1000.0), Some(expected));
        assert_eq!(usage_of("7 (a) S 1", 1000.0), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_knows_itself() {
        let descriptors = file_descriptors();
        assert!(descriptors.open.unwrap() > 0 && descriptors.max.unwrap() >= descriptors.open.unwrap());
        let memory = memory();
        assert!(memory.resident.unwrap() < memory.max.unwrap());
    }
}
