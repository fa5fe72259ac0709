//! `zabra shell` as programs see it: streams, exit codes, JSON. That it says what zkCli says is checked beside zkCli, in
//! `testing/shell`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use zabra_embedded::blocking::Server;

fn shell(servers: &str, words: &[&str], input: &str) -> Output {
    let mut shell = Command::new(env!("CARGO_BIN_EXE_zabra"))
        .args(["shell", "-server", servers])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that has ended already reads nothing.
    let _ = shell.stdin.take().unwrap().write_all(input.as_bytes());
    shell.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The one line of JSON that a command gives.
fn answer(server: &Server, words: &[&str]) -> Value {
    let done = shell(&server.connect_string(), &[&["--json"], words].concat(), "");
    let out = text(&done.stdout);
    assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 1, "{words:?}: {out}");
    serde_json::from_str(lines[0]).expect(out)
}

#[test]
fn one_command_tells_by_streams_and_exit_codes() {
    let server = Server::start().unwrap();
    let hosts = server.connect_string();
    let connected = format!(
        "Connecting to {hosts}\n\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null zxid: -1\n"
    );
    for (words, out, err, code) in [
        (&["ls", "/"][..], "[zookeeper]\n", "", 0),
        (&["create", "/a", "two words"], "", "Created /a\n", 0),
        (&["get", "/a"], "two words\n", "", 0),
        (&["create", "/a"], "", "Node already exists: /a\n", 1),
        (&["get", "/b"], "", "Node does not exist: /b\n", 1),
        (&["get", "b"], "", "Path must start with / character\n", 1),
        (&["delete", "-v", "7", "/a"], "", "version No is not valid : /a\n", 1),
        (&["delete", "/a"], "", "", 0),
    ] {
        let done = shell(&hosts, words, "");
        assert_eq!(text(&done.stdout), format!("{connected}{out}"), "{words:?}");
        assert_eq!(text(&done.stderr), err, "{words:?}");
        assert_eq!(done.status.code(), Some(code), "{words:?}");
    }
    let done = shell(&hosts, &["nonsense"], "");
    assert_eq!(done.status.code(), Some(127));
    assert!(text(&done.stderr).starts_with("ZooKeeper -server host:port"), "{}", text(&done.stderr));
    assert!(text(&done.stderr).ends_with("Command not found: Command not found nonsense\n"));
}

#[test]
fn commands_come_in_by_standard_input() {
    let server = Server::start().unwrap();
    let hosts = server.connect_string();
    let done = shell(&hosts, &[], "create /a \"two words\"\n\nget /a\nget /b\n");
    let at = |number| format!("[zk: {hosts}(CONNECTED) {number}] ");
    let expected = format!(
        "Connecting to {hosts}\nWelcome to ZooKeeper!\nJLine support is enabled\n\nWATCHER::\n\nWatchedEvent \
         state:SyncConnected type:None path:null zxid: -1\n{}{}{}two words\n{}{}JLine support is disabled\n",
        at(0),
        at(1),
        at(1),
        at(2),
        at(3)
    );
    assert_eq!(text(&done.stdout), expected);
    assert_eq!(text(&done.stderr), "Created /a\nNode does not exist: /b\n");
    assert_eq!(done.status.code(), Some(1), "the code of the last command");
    let done = shell(&hosts, &[], "ls /\nquit\nget /b\n");
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""));
}

#[test]
fn a_server_out_of_reach_is_told_soon() {
    // Nobody listens on port 1.
    let done = shell("127.0.0.1:1", &["get", "/a"], "");
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(text(&done.stdout), "Connecting to 127.0.0.1:1\n");
    let err = text(&done.stderr);
    assert!(
        err.starts_with("KeeperErrorCode = ConnectionLoss for /a\nzabra: cannot reach 127.0.0.1:1: "),
        "{err}"
    );
    let done = shell("127.0.0.1:1", &["-waitforconnection", "-timeout", "200", "ls", "/"], "");
    assert_eq!(done.status.code(), Some(1));
    assert!(
        text(&done.stderr)
            .starts_with("KeeperErrorCode = ConnectionLoss: no session with 127.0.0.1:1 within 200 ms")
    );
    let done = shell("127.0.0.1:1", &["help"], "");
    assert!(done.status.success(), "help needs no server");
}

#[test]
fn every_command_answers_in_json() {
    let server = Server::start().unwrap();
    let no_data = Value::Null;
    assert_eq!(answer(&server, &["create", "/a"]), json!({ "created": "/a" }));
    assert_eq!(answer(&server, &["get", "/a"])["data"], no_data);
    assert_eq!(answer(&server, &["set", "/a", "x"])["stat"]["version"], 1);
    assert_eq!(answer(&server, &["set", "-b", "/a", "/w=="])["stat"]["dataLength"], 1);
    assert_eq!(answer(&server, &["get", "/a"])["dataBase64"], "/w==");
    assert_eq!(answer(&server, &["ls", "/"])["children"], json!(["a", "zookeeper"]));
    assert_eq!(answer(&server, &["ls", "-R", "/a"]), json!({ "path": "/a" }));
    assert_eq!(answer(&server, &["stat", "/a"])["stat"]["numChildren"], 0);
    assert_eq!(answer(&server, &["sync", "/"])["synced"], true);
    assert_eq!(answer(&server, &["getAllChildrenNumber", "/a"])["allChildrenNumber"], 0);
    assert_eq!(answer(&server, &["getEphemerals"])["ephemerals"], json!([]));
    assert_eq!(answer(&server, &["getAcl", "/a"])["acl"][0]["perms"], "cdrwa");
    assert_eq!(answer(&server, &["setAcl", "/a", "world:anyone:cdrwa"])["stat"]["aversion"], 1);
    assert_eq!(answer(&server, &["addauth", "digest", "me:pw"]), json!({ "added": "digest" }));
    assert_eq!(answer(&server, &["whoami"])["identities"][0]["scheme"], "ip");
    assert_eq!(answer(&server, &["setquota", "-n", "7", "/a"])["quota"]["count"], 7);
    assert_eq!(answer(&server, &["listquota", "/a"])["used"]["count"], 1);
    assert_eq!(answer(&server, &["delquota", "/a"])["quota"], no_data);
    assert_eq!(answer(&server, &["addWatch", "/a"])["recursive"], true);
    assert_eq!(answer(&server, &["printwatches", "off"]), json!({ "printwatches": false }));
    assert_eq!(answer(&server, &["config"])["client"], "");
    assert_eq!(answer(&server, &["history"]), json!({ "history": [] }));
    assert_eq!(answer(&server, &["close"]), json!({ "closed": true }));
    assert!(answer(&server, &["version"])["version"].is_string());
    assert!(answer(&server, &["help"]).as_array().unwrap().len() > 25);
    assert_eq!(answer(&server, &["help", "ls"])["command"], "ls");
    assert_eq!(answer(&server, &["deleteall", "/a"]), json!({ "path": "/a", "nodes": 1, "deleted": true }));
    assert_eq!(answer(&server, &["create", "-s", "/s"])["created"], "/s0000000001");
    assert_eq!(answer(&server, &["delete", "/s0000000001"]), json!({ "deleted": "/s0000000001" }));

    let input = "create /w x\nget -w /w\nset /w y\nget /nope\nsync /\n";
    let done = shell(&server.connect_string(), &["--json"], input);
    let told: Vec<Value> =
        text(&done.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (events, answers): (Vec<_>, Vec<_>) = told.iter().partition(|line| line.get("event").is_some());
    assert_eq!((events.len(), &events[0]["event"]["type"]), (1, &json!("NodeDataChanged")));
    assert_eq!((answers.len(), &answers[3]["synced"]), (4, &json!(true)));

    let done = shell(&server.connect_string(), &["get", "/nope", "--json"], "");
    let refused: Value = serde_json::from_slice(&done.stderr).unwrap();
    let expected =
        json!({ "error": "Node does not exist: /nope", "name": "NoNode", "code": -101, "path": "/nope" });
    assert_eq!((refused, done.status.code()), (expected, Some(1)));
}

#[test]
fn a_dry_run_changes_nothing() {
    let server = Server::start().unwrap();
    let hosts = server.connect_string();
    shell(&hosts, &[], "create /a x\ncreate /a/b y\nsetquota -n 5 /a\n");
    let before = answer(&server, &["get", "/a"]);
    for words in [
        &["set", "/a", "new"][..],
        &["delete", "/a/b"],
        &["deleteall", "/a"],
        &["rmr", "/a"],
        &["setAcl", "/a", "world:anyone:r"],
        &["setAcl", "-R", "/a", "world:anyone:r"],
        &["delquota", "/a"],
    ] {
        let done = shell(&hosts, &[words, &["--dry-run"]].concat(), "");
        assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
        assert!(text(&done.stdout).contains("\nwould "), "{words:?}: {}", text(&done.stdout));
    }
    let done = shell(&hosts, &["delete", "--dry-run", "/a"], "");
    assert_eq!((text(&done.stderr), done.status.code()), ("Node not empty: /a\n", Some(1)));
    assert_eq!(answer(&server, &["get", "/a"]), before);
    assert_eq!(answer(&server, &["listquota", "/a"])["quota"]["count"], 5);
}

#[test]
fn a_session_that_holds_nodes_outlives_its_shell() {
    let server = Server::start().unwrap();
    let hosts = server.connect_string();
    shell(&hosts, &["create", "-e", "/held"], "");
    assert_eq!(answer(&server, &["ls", "/"])["children"], json!(["held", "zookeeper"]));
    // One that says goodbye takes them along.
    shell(&hosts, &[], "create -e /released\nquit\n");
    assert_eq!(answer(&server, &["ls", "/"])["children"], json!(["held", "zookeeper"]));
}
