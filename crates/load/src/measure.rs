//! What a process and the machine use, from `/proc`; and how long the disk takes to sync.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// A process on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

impl Process {
    /// The process of this number.
    pub const fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// This process.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// The process that listens at a port of this machine, if it can be told.
    pub fn listening_at(addr: SocketAddr) -> Option<Self> {
        let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, addr.port()))?;
        let socket = format!("socket:[{inode}]");
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let mut files = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            let found = files.any(|file| {
                fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket.as_str())
            });
            found.then_some(Self(pid))
        })
    }

    /// Time its threads have spent on a processor, in user and kernel mode.
    pub fn cpu(self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        process_ticks(&stat).map(ticks).ok_or_else(|| unreadable("/proc/<pid>/stat"))
    }

    /// As [`Process::cpu`], to the microsecond and without threads that have ended: for less than a second of work.
    pub fn cpu_exact(self) -> io::Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0))? {
            match fs::read_to_string(thread?.path().join("schedstat")) {
                Ok(stat) => {
                    nanos += on_processor(&stat).ok_or_else(|| unreadable("/proc/<pid>/task/*/schedstat"))?
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Memory that is in place, in bytes.
    pub fn resident(self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .map(|kib| kib * 1024)
            .ok_or_else(|| unreadable("/proc/<pid>/status"))
    }
}

/// Time all processors together have been busy.
pub fn busy() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    busy_ticks(&stat).map(ticks).ok_or_else(|| unreadable("/proc/stat"))
}

/// The inode of the socket that listens at `port`, from a table of sockets.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, hex) = fields.get(1)?.rsplit_once(':')?;
        let found = u16::from_str_radix(hex, 16) == Ok(port) && *fields.get(3)? == LISTEN;
        found.then(|| fields.get(9)?.parse().ok())?
    })
}

/// utime and stime; the name before them may hold spaces and parentheses.
fn process_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Nanoseconds on a processor, the first of three figures.
fn on_processor(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// All ticks but idle and waiting for a disk.
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<u64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is contained in user time.
    Some(fields.get(..8)?.iter().sum::<u64>() - fields[3] - fields[4])
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} does not look as expected"))
}

/// What a sync of 4 KiB in a file filled beforehand takes in `directory`: the middle of 200.
pub fn sync_time(directory: &Path) -> io::Result<Duration> {
    const LEN: usize = 4096;
    const SYNCS: usize = 200;
    let mut file: File = tempfile::tempfile_in(directory)?;
    file.write_all(&vec![0; LEN * SYNCS])?;
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[1; LEN])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[SYNCS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn tables_of_the_kernel() {
        assert_eq!(process_ticks("7 (a b) c) S 1 1 1 0 -1 4194560 1 2 3 4 50 60 0 0 20 0 1 0"), Some(110));
        assert_eq!(busy_ticks("cpu  10 20 30 400 500 6 7 8 0 0\ncpu0 1 1 1 1"), Some(81));
        assert_eq!(on_processor("3108363 77 1\n"), Some(3_108_363));
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0885 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        assert_eq!(listening_inode(table, 2181), Some(4711));
        assert_eq!(listening_inode(table, 2182), None);
    }

    #[test]
    fn this_process_is_found_by_its_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let found = Process::listening_at(listener.local_addr().unwrap()).unwrap();
        assert_eq!(found.0, std::process::id());
        assert!(found.resident().unwrap() > 0);
        found.cpu().unwrap();
        assert!(found.cpu_exact().unwrap() > Duration::ZERO);
        busy().unwrap();
    }
}
