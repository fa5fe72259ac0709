//! `zabra data` on damaged copies of a genuine data directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A copy of a directory that the genuine server wrote, with only its oldest snapshot, so that all logs count.
fn genuine() -> TempDir {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures/datadir-plain/version-2");
    let dir = TempDir::new().unwrap();
    let version = dir.path().join("version-2");
    fs::create_dir(&version).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !name.starts_with("snapshot.") || name == "snapshot.0" {
            fs::copy(entry.path(), version.join(name)).unwrap();
        }
    }
    dir
}

fn log(dir: &TempDir, name: &str) -> PathBuf {
    dir.path().join("version-2").join(name)
}

/// Flips a bit of the payload of an entry in the middle of a file.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[16 + 12 + 20] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn zabra(arguments: &[&str], dir: &TempDir) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zabra")).args(arguments).arg(dir.path()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_whole_log_is_left_alone() {
    let dir = genuine();
    let output = zabra(&["data", "repair", "--apply"], &dir);
    assert!(output.status.success());
    assert!(stdout(&output).contains("nothing to repair"), "{output:?}");
}

#[test]
fn damage_is_refused_then_told_then_cut() {
    let dir = genuine();
    damage(&log(&dir, "log.1a"));

    // The server does not start and names the way out.
    let refused = zabra(&["server", "0"], &dir);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("log.1a") && said.contains("zabra data repair"), "{said}");

    // Told, but not touched.
    let before = fs::read(log(&dir, "log.1a")).unwrap();
    let told = stdout(&zabra(&["data", "repair"], &dir));
    assert!(told.contains("up to transaction 0x19") && told.contains("log.37"), "{told}");
    assert_eq!(fs::read(log(&dir, "log.1a")).unwrap(), before);

    // Done: the later log is put aside, the damaged one cut, and nothing is left to repair.
    let done = zabra(&["data", "repair", "--apply"], &dir);
    assert!(done.status.success(), "{done:?}");
    assert!(!log(&dir, "log.37").exists());
    let kept = fs::read_dir(dir.path().join("version-2"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("removed-"))
        .count();
    assert_eq!(kept, 2);
    assert!(stdout(&zabra(&["data", "repair"], &dir)).contains("nothing to repair"));
}

#[test]
fn a_place_that_is_none_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_zabra"))
        .args(["data", "repair", "/no/such/place"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/no/such/place"));
}
