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

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_knows_itself() {
        let descriptors = file_descriptors();
        assert!(descriptors.open.unwrap() > 0 && descriptors.max.unwrap() >= descriptors.open.unwrap());
        let memory = memory();
        assert!(memory.resident.unwrap() < memory.max.unwrap());
    }
}
