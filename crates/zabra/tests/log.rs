//! What the program writes to standard error.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn start(format: &str, config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_zabra"))
        .args(["server", "--log-format", format])
        .arg(config)
        .env_remove("ZABRA_LOG")
        .env_remove("SERVER_JVMFLAGS")
        .env_remove("JVMFLAGS")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A configuration with one key that is remarked on.
fn config(dir: &TempDir, more: &str) -> std::path::PathBuf {
    let file = dir.path().join("zoo.cfg");
    let data = dir.path().join("data");
    let text = format!(
        "clientPort=0\nclientPortAddress=127.0.0.1\ndataDir={}\nadmin.serverAddress=127.0.0.1\nadmin.serverPort=0\n\
         noSuchKey=1\n{more}\n",
        data.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// Runs a server until it serves, tells it to stop, and returns the lines of its log.
fn serve_once(format: &str, serving: &str) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let mut server = start(format, &config(&dir, ""));
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut log = Vec::new();
    for line in lines.by_ref() {
        let serves = line.contains(serving);
        log.push(line);
        if serves {
            break;
        }
    }
    let stopped = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    log.extend(lines);
    assert!(server.wait().unwrap().success(), "{log:#?}");
    log
}

#[test]
fn a_json_log_is_json_from_the_first_line_to_the_last() {
    let log: Vec<Value> = serve_once("json", "\"serving\"")
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let record = |message: &str| {
        let found = log.iter().find(|record| record["fields"]["message"] == message);
        found.unwrap_or_else(|| panic!("no {message} in {log:#?}"))
    };
    let serving = record("serving");
    assert_eq!((&serving["level"], &serving["fields"]["mode"]), (&"INFO".into(), &"standalone".into()));
    assert!(serving["fields"]["admin"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    record("stopped; everything acknowledged is on disk");
    assert!(log.iter().any(|record| record["level"] == "WARN" && record["fields"]["setting"].is_string()));
}

#[test]
fn a_log_for_people_greets_and_takes_leave() {
    let log = serve_once("text", "  found    ");
    assert!(log.iter().any(|line| line.starts_with("zabra ") && line.ends_with(" standalone")), "{log:#?}");
    assert!(log.iter().any(|line| line.starts_with("  admin    http://127.0.0.1:")), "{log:#?}");
    assert_eq!(log.last().unwrap(), "stopped; everything acknowledged is on disk");
}

#[test]
fn a_refusal_to_start_is_told_once_and_in_the_format_of_the_log() {
    let dir = TempDir::new().unwrap();
    for (format, is_told) in [
        ("text", (|line| line.starts_with("zabra: ") && line.contains("tickTime")) as fn(&str) -> bool),
        ("json", |line| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["level"] == "ERROR" && record["fields"]["exit_code"] == 2
        }),
    ] {
        let output = start(format, &config(&dir, "tickTime=soon")).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        let count = match format {
            "json" => told.lines().filter(|line| is_told(line)).count(),
            _ => usize::from(is_told(&told)),
        };
        assert_eq!(count, 1, "{told}");
    }
}
