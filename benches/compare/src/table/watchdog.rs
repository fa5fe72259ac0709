//! Nothing may hang a run that nobody watches.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often children are killed again once a part has taken too long: it may start others before it notices.
const KILL_INTERVAL: Duration = Duration::from_secs(2);

/// How long something may take that is thought to take `takes`.
pub(crate) fn limit(takes: Duration) -> Duration {
    takes + takes / 2 + Duration::from_secs(60)
}

/// Does something. Once it has taken longer than `limit`, `late` is set, and every child process is killed until it ends:
/// whoever waits for a server then fails.
pub(crate) fn within<T>(limit: Duration, late: &AtomicBool, act: impl FnOnce() -> T) -> T {
    late.store(false, SeqCst);
    std::thread::scope(|scope| {
        let (done, waits) = channel::<()>();
        scope.spawn(move || {
            let mut patience = limit;
            while waits.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                late.store(true, SeqCst);
                children().into_iter().for_each(kill);
                patience = KILL_INTERVAL;
            }
        });
        let result = act();
        drop(done);
        result
    })
}

/// Processes this one has started.
fn children() -> Vec<u32> {
    let own = std::process::id();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| parent(&stat) == Some(own))
        })
        .collect()
}

/// The parent in a `/proc/<pid>/stat`, whose name may hold spaces and parentheses.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn kill(pid: u32) {
    // One that has ended meanwhile is none to be killed.
    let _ = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_takes_too_long_loses_its_children() {
        let late = AtomicBool::new(false);
        let status = within(Duration::from_millis(10), &late, || {
            Command::new("sleep").arg("600").spawn().unwrap().wait().unwrap()
        });
        assert!(!status.success() && late.load(SeqCst));
        assert_eq!(within(Duration::from_secs(600), &late, || 7), 7);
        assert!(!late.load(SeqCst));
    }

    #[test]
    fn parents() {
        assert_eq!(parent("7 (a b) c) S 42 1 1 0 -1"), Some(42));
        assert_eq!(parent("7"), None);
    }
}
