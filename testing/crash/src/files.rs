//! The files of the server, seen from outside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files that the server had not finished when it was killed.
pub(crate) fn unfinished(home: &Path) -> usize {
    let is_unfinished = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "tmp");
    files(home).iter().filter(|path| is_unfinished(path)).count()
}

/// Makes the log lose its end, as a server would that acknowledges what it has not written: overwrites the last `len`
/// bytes that are not zero with zeros. Whether there were any.
pub(crate) fn cut_log(home: &Path, len: usize) -> io::Result<bool> {
    let zxid = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix("log.")?;
        i64::from_str_radix(name, 16).ok()
    };
    let logs = files(home);
    let Some((_, newest)) = logs.iter().filter_map(|path| Some((zxid(path)?, path))).max() else {
        return Ok(false);
    };
    let mut bytes = fs::read(newest)?;
    let Some(end) = bytes.iter().rposition(|&byte| byte != 0) else { return Ok(false) };
    bytes[(end + 1).saturating_sub(len)..=end].fill(0);
    fs::write(newest, bytes)?;
    Ok(true)
}

/// The files in the version directories below a server's home.
fn files(home: &Path) -> Vec<PathBuf> {
    let dirs = ["data", crate::settings::LOG_DIR].map(|dir| home.join(dir).join("version-2"));
    let entries = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_log_loses_its_end() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("data/version-2");
        fs::create_dir_all(&dir).unwrap();
        assert!(!cut_log(home.path(), 3).unwrap());
        fs::write(dir.join("log.ff"), [7; 4]).unwrap();
        fs::write(dir.join("log.100"), [1, 2, 3, 4, 5, 0, 0]).unwrap();
        fs::write(dir.join("snapshot.0.tmp"), [1]).unwrap();
        assert!(cut_log(home.path(), 3).unwrap());
        assert_eq!(fs::read(dir.join("log.100")).unwrap(), [1, 2, 0, 0, 0, 0, 0]);
        assert_eq!(fs::read(dir.join("log.ff")).unwrap(), [7; 4]);
        assert_eq!(unfinished(home.path()), 1);
    }
}
