//! `zabra data` beside the genuine toolkits, on the same files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use zabra_testkit::Genuine;

const TXN_LOG: &str = "org.apache.zookeeper.server.persistence.TxnLogToolkit";
const SNAPSHOT: &str = "org.apache.zookeeper.server.SnapshotFormatter";
const COMPARER: &str = "org.apache.zookeeper.server.SnapshotComparer";
const SUMMARY: &str = "org.apache.zookeeper.server.SnapshotRecursiveSummary";

/// All files that genuine servers wrote, logs or snapshots.
fn fixtures(prefix: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures");
    let dirs = ["datadir-plain", "datadir-gz", "datadir-snappy"].map(|dir| root.join(dir).join("version-2"));
    let entries = dirs.iter().flat_map(|dir| fs::read_dir(dir).unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    files
}

/// One file of the plain directory.
fn fixture(name: &str) -> PathBuf {
    let place = "../../testing/fixtures/datadir-plain/version-2";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(place).join(name)
}

fn run(mut command: Command, arguments: &[&str], input: &str) -> Output {
    // A zone with a summer time, on both sides.
    command.args(arguments).env("TZ", "Europe/Berlin");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who is done without an answer may have ended before.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn genuine(found: &Genuine, class: &str, arguments: &[&str], input: &str) -> Output {
    let mut java = found.java(128);
    java.args(["-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", class]);
    run(java, arguments, input)
}

fn zabra(command: &str, arguments: &[&str], input: &str) -> Output {
    let mut zabra = Command::new(env!("CARGO_BIN_EXE_zabra"));
    zabra.args(["data", command]);
    run(zabra, arguments, input)
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The lines without those of multis: 3.9 prints bytes there, Zabra what they mean.
fn comparable(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut in_multi = false;
    let mut kept = Vec::new();
    for line in text.lines() {
        // A line that goes on with the one before does not begin with a date.
        let begins = line.starts_with(|c: char| c.is_ascii_alphanumeric()) && line.contains(" session 0x");
        if begins || line.starts_with("EOF reached") || line.starts_with("Recovery file") {
            in_multi = line.contains(" multi ");
            if in_multi {
                kept.push(line[..line.find(" multi ").unwrap()].to_owned());
            }
        }
        if !in_multi {
            kept.push(line.to_owned());
        }
    }
    kept
}

#[test]
fn logs_are_dumped_alike() {
    let Some(found) = Genuine::find_or_skip("logs_are_dumped_alike") else { return };
    for file in fixtures("log.") {
        let path = file.to_str().unwrap();
        let theirs = comparable(&genuine(&found, TXN_LOG, &[path], ""));
        assert!(theirs.len() > 2, "{path}");
        assert_eq!(comparable(&zabra("log", &[path], "")), theirs, "{path}");
    }
}

/// A copy of a log with the second entry damaged, where its record says when it was made.
fn damaged(dir: &TempDir, name: &str) -> PathBuf {
    let source = fixture("log.1a");
    let mut bytes = fs::read(source).unwrap();
    let first = 16 + 12 + usize::from(bytes[16 + 11]) + 1;
    bytes[first + 12 + 27] ^= 1;
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn damaged_logs_are_mended_alike() {
    let Some(found) = Genuine::find_or_skip("damaged_logs_are_mended_alike") else { return };
    let cases: [(&[&str], &str); 4] =
        [(&["-r", "-y"], ""), (&["-ry", "-v"], ""), (&["--recover"], "what\nYes\n"), (&["--recover"], "n\n")];
    for (options, input) in cases {
        let dir = TempDir::new().unwrap();
        let file = damaged(&dir, "log.1a");
        let path = file.to_str().unwrap();
        let fixed = dir.path().join("log.1a.fixed");
        let arguments: Vec<_> = options.iter().copied().chain([path]).collect();
        let theirs = genuine(&found, TXN_LOG, &arguments, input);
        let their_file = fs::read(&fixed).unwrap();
        fs::remove_file(&fixed).unwrap();
        let ours = zabra("log", &arguments, input);
        assert_eq!(comparable(&ours), comparable(&theirs), "{options:?}");
        assert!(ours.status.success() && theirs.status.success(), "{options:?}");
        assert!(fs::read(&fixed).unwrap() == their_file, "{options:?}: the files differ");
        // Never overwritten.
        let again = zabra("log", &arguments, input);
        assert_eq!(again.status.code(), genuine(&found, TXN_LOG, &arguments, input).status.code());
        assert_eq!(again.status.code(), Some(1));
    }
    let dir = TempDir::new().unwrap();
    let file = damaged(&dir, "log.1a");
    let path = file.to_str().unwrap();
    let ours = zabra("log", &[path], "");
    assert_eq!(comparable(&ours), comparable(&genuine(&found, TXN_LOG, &[path], "")));
    assert!(String::from_utf8_lossy(&ours.stdout).contains("CRC ERROR - "));
}

#[test]
fn logs_are_chopped_alike() {
    let Some(found) = Genuine::find_or_skip("logs_are_chopped_alike") else { return };
    let source = fixture("log.1a");
    for zxid in ["0x1c", "32", "042"] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("log.1a");
        fs::copy(&source, &file).unwrap();
        let arguments = ["-c", "-z", zxid, file.to_str().unwrap()];
        let theirs = genuine(&found, TXN_LOG, &arguments, "");
        let chopped = |dir: &TempDir| {
            let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
            entries.filter(|path| path.to_str().unwrap().contains(".chopped")).collect::<Vec<_>>()
        };
        let [path] = chopped(&dir).try_into().unwrap();
        let their_file = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let ours = zabra("log", &arguments, "");
        assert_eq!(text(&ours), text(&theirs), "{zxid}");
        assert_eq!(chopped(&dir), std::slice::from_ref(&path), "{zxid}");
        assert!(fs::read(&path).unwrap() == their_file, "{zxid}: the files differ");
    }
    // What cannot be chopped: no half file, and an exit code that tells.
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("log.1a");
    fs::copy(&source, &file).unwrap();
    for zxid in ["0x5", "0x7fffffff"] {
        let ours = zabra("log", &["-c", "-z", zxid, file.to_str().unwrap()], "");
        assert_eq!(ours.status.code(), Some(2), "{ours:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn snapshots_are_printed_alike() {
    let Some(found) = Genuine::find_or_skip("snapshots_are_printed_alike") else { return };
    for file in fixtures("snapshot.") {
        let path = file.to_str().unwrap();
        // With data or without; a virtual machine for each of both would take long.
        let with_data = path.contains("datadir-plain");
        let arguments = if with_data { &["-d", path][..] } else { &[path] };
        let theirs = text(&genuine(&found, SNAPSHOT, arguments, ""));
        assert!(theirs.contains("Last zxid: 0x"), "{path}");
        assert_eq!(text(&zabra("snapshot", arguments, "")), theirs, "{path}");
        // All but who wrote it and when.
        let after_head = |text: String| text[text.find('}').unwrap()..].to_owned();
        let theirs = after_head(text(&genuine(&found, SNAPSHOT, &["-json", path], "")));
        assert_eq!(after_head(text(&zabra("snapshot", &["--json", path], ""))), theirs, "{path}");
    }
}

#[test]
fn subtrees_are_counted_alike() {
    let Some(found) = Genuine::find_or_skip("subtrees_are_counted_alike") else { return };
    for file in fixtures("snapshot.").iter().rev().step_by(3) {
        for (path, depth) in [("/", "0"), ("/", "1"), ("/zookeeper", "0")] {
            let arguments = [file.to_str().unwrap(), path, depth];
            let theirs = text(&genuine(&found, SUMMARY, &arguments, ""));
            assert_eq!(text(&zabra("summary", &arguments, "")), theirs, "{arguments:?}");
        }
    }
}

#[test]
fn snapshots_are_compared_alike() {
    let Some(found) = Genuine::find_or_skip("snapshots_are_compared_alike") else { return };
    let [old, new] = ["snapshot.18", "snapshot.35"].map(|name| fixture(name).to_str().unwrap().to_owned());
    // Times differ.
    let lines = |output: Output| {
        let text = text(&output);
        let lines = text.lines().filter(|line| !line.ends_with(" seconds"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let questions = "\n1\n99\n/\n/acls\n/nothing\nwhat\n\n\n\n\n";
    let cases: [(&[&str], &str); 4] = [
        (&["-b", "2", "-n", "1"], ""),
        (&["-b", "0", "-n", "0", "-d"], ""),
        (&["--bytes", "1000", "--nodes", "1000", "--debug"], ""),
        (&["-b", "1", "-n", "1", "-i"], questions),
    ];
    for (options, input) in cases {
        for (left, right) in [(&old, &new), (&new, &old)] {
            let mut arguments = vec!["-l", left.as_str(), "-r", right.as_str()];
            arguments.extend(options);
            let theirs = lines(genuine(&found, COMPARER, &arguments, input));
            assert!(theirs.len() > 10);
            assert_eq!(lines(zabra("compare", &arguments, input)), theirs, "{arguments:?}");
        }
    }
}

#[test]
fn identities_are_hashed_alike() {
    let Some(found) = Genuine::find_or_skip("identities_are_hashed_alike") else { return };
    let class = "org.apache.zookeeper.server.auth.DigestAuthenticationProvider";
    let users = ["super:secret", "a:b:c", "\u{e9}:\u{6f22}"];
    let theirs = text(&genuine(&found, class, &users, ""));
    let digest = |arguments: &[&str], input: &str| {
        let mut zabra = Command::new(env!("CARGO_BIN_EXE_zabra"));
        zabra.arg("digest");
        text(&run(zabra, arguments, input))
    };
    assert_eq!(theirs.lines().count(), 3);
    assert_eq!(digest(&users, ""), theirs);
    assert_eq!(digest(&["-"], &users.join("\n")), theirs);
    assert_eq!(digest(&["nobody"], ""), "");
}

#[test]
fn what_is_no_log_or_snapshot_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("log.1");
    for bytes in [&b""[..], b"ZKLG", b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff", &[b'x'; 64]] {
        fs::write(&file, bytes).unwrap();
        for command in ["log", "snapshot"] {
            let output = zabra(command, &[file.to_str().unwrap()], "");
            assert!(matches!(output.status.code(), Some(1 | 2)), "{command} {output:?}");
            assert!(!output.stderr.is_empty());
        }
    }
    let missing = zabra("snapshot", &["/no/such/file"], "");
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn a_log_as_json_is_a_document_a_line() {
    for file in fixtures("log.") {
        let output = zabra("log", &["--json", file.to_str().unwrap()], "");
        let text = text(&output);
        assert!(text.lines().count() > 0);
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["zxid"].as_str().unwrap().starts_with("0x") && value["type"].is_string(), "{line}");
        }
    }
}
