//! `zabra ensemble` with real processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use zabra_proto::OpCode;
use zabra_testkit::{Body, RawClient, RawRequest};

/// Longer than anything takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

fn zabra(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zabra"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A `zabra ensemble up` that runs.
struct Up {
    child: Child,
    states: Receiver<Value>,
    said: thread::JoinHandle<String>,
}

impl Up {
    fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut child = zabra(&["ensemble", "up", "--json", "--dir"])
            .arg(dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, states) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines {
                // The test may have seen enough.
                let _ = sender.send(serde_json::from_str(&line.unwrap()).unwrap());
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let said = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, states, said }
    }

    /// The first state from now on that is as wanted.
    fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let state =
                self.states.recv_timeout(PATIENCE).expect("the ensemble never became what was wanted");
            if wanted(&state) {
                return state;
            }
        }
    }

    /// Stops it as a service manager does; what it said on standard error.
    fn stop(mut self) -> String {
        kill("-TERM", u64::from(self.child.id()));
        assert!(self.child.wait().unwrap().success());
        self.said.join().unwrap()
    }
}

fn kill(signal: &str, pid: u64) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

fn servers(state: &Value) -> &[Value] {
    state["servers"].as_array().unwrap()
}

fn modes(state: &Value) -> Vec<&str> {
    servers(state).iter().filter_map(|server| server["mode"].as_str()).collect()
}

fn count(state: &Value, mode: &str) -> usize {
    modes(state).iter().filter(|found| **found == mode).count()
}

fn pids(state: &Value) -> BTreeSet<u64> {
    servers(state).iter().filter_map(|server| server["pid"].as_u64()).collect()
}

fn client_of(server: &Value) -> RawClient {
    let address = server["clients"].as_str().unwrap().parse().unwrap();
    let (client, connected) = RawClient::connect(address, 10_000).unwrap();
    assert!(connected.is_accepted());
    client
}

fn write(server: &Value, path: &str) {
    let reply = client_of(server).call(&RawRequest::create(path, b"kept", 0)).unwrap();
    assert_eq!(reply.err, 0, "{path}");
}

fn assert_kept(server: &Value, path: &str) {
    let mut client = client_of(server);
    assert_eq!(client.call(&RawRequest::path(OpCode::Sync, path)).unwrap().err, 0);
    let reply = client.call(&RawRequest::read(OpCode::GetData, path, false)).unwrap();
    let Body::DataStat(data, _) = reply.body else { panic!("{reply:?}") };
    assert_eq!(data.0.as_deref(), Some(&b"kept"[..]));
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn five_servers_bear_the_loss_of_two_and_go_on_later() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("ensemble");
    let up = Up::start(&dir, &["--servers", "5", "--observers", "1", "--port-base", "0"]);
    let state = up.wait_for(|state| count(state, "follower") == 4 && count(state, "observer") == 1);
    assert_eq!((count(&state, "leader"), &state["serves"]), (1, &Value::Bool(true)));
    write(&servers(&state)[0], "/before");

    let connect = state["connect"].as_str().unwrap();
    let table = stdout(&zabra(&["ensemble", "status", "--dir"]).arg(&dir).output().unwrap());
    let leader = servers(&state).iter().find(|server| server["mode"] == "leader").unwrap();
    assert!(table.ends_with(&format!("connect: {connect}\n")), "{table}");
    assert!(table.contains(&format!("{}  leader", leader["pid"])), "{table}");
    let asked = zabra(&["status", connect]).output().unwrap();
    assert!(asked.status.success());
    assert_eq!(stdout(&asked).matches("follower\n").count(), 4);

    let second = zabra(&["ensemble", "up", "--dir"]).arg(&dir).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(
        stderr(&second).contains(&format!("{} as process {}", leader["id"], leader["pid"])),
        "{second:?}"
    );

    // The leader and one that follows it.
    let follower = servers(&state).iter().find(|server| server["mode"] == "follower").unwrap();
    for server in [leader, follower] {
        kill("-KILL", server["pid"].as_u64().unwrap());
    }
    let state = up.wait_for(|state| count(state, "follower") == 2 && count(state, "observer") == 1);
    assert_eq!((count(&state, "leader"), pids(&state).len(), &state["serves"]), (1, 4, &Value::Bool(true)));
    let left = servers(&state).iter().find(|server| server["mode"] == "follower").unwrap();
    assert_kept(left, "/before");
    write(left, "/between");

    let left = pids(&state);
    let said = up.stop();
    assert_eq!(said.matches("ended by itself: killed by signal 9").count(), 2, "{said}");
    assert!(said.contains("stopping 4 servers"), "{said}");
    assert!(left.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()), "{left:?}");
    let status = zabra(&["ensemble", "status", "--dir"]).arg(&dir).output().unwrap();
    assert_eq!(status.status.code(), Some(1));
    assert_eq!(stdout(&status).matches("nobody listens").count(), 6);

    let up = Up::start(&dir, &[]);
    let again = up.wait_for(|state| count(state, "follower") == 4 && count(state, "observer") == 1);
    assert_eq!(again["connect"], state["connect"]);
    for server in servers(&again) {
        assert_kept(server, "/before");
        assert_kept(server, "/between");
    }
    up.stop();
}

#[test]
fn a_server_that_does_not_start_is_shown_with_its_reason() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("ensemble");
    let up = Up::start(&dir, &["--servers", "3", "--port-base", "0"]);
    up.wait_for(|state| modes(state).len() == 3);
    up.stop();

    let epochs = dir.join("server.2/data/version-2/currentEpoch");
    std::fs::write(&epochs, "one").unwrap();
    let up = Up::start(&dir, &[]);
    let state =
        up.wait_for(|state| modes(state).len() == 2 && state["serves"] == true && pids(state).len() == 2);
    assert_eq!(servers(&state)[1]["state"], "ended, exit code 3");
    let said = up.stop();
    assert!(said.contains("server 2") && said.contains("ended by itself: exit code 3"), "{said}");
    assert!(said.contains("currentEpoch should hold the number of an epoch and holds \"one\""), "{said}");
    assert!(said.contains("What to do: "), "{said}");
}

#[test]
fn nothing_is_made_where_something_else_is() {
    let temp = TempDir::new().unwrap();
    std::fs::write(temp.path().join("letter"), "").unwrap();
    let refused = zabra(&["ensemble", "up", "--dir"]).arg(temp.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("holds letter and no ensemble"), "{refused:?}");
    assert_eq!(stdout(&refused), "");
    let status = zabra(&["ensemble", "status", "--dir"]).arg(temp.path()).output().unwrap();
    assert_eq!(status.status.code(), Some(2));
    let nobody = zabra(&["status", "127.0.0.1:1", "--json"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert_eq!(serde_json::from_str::<Value>(&stdout(&nobody)).unwrap()[0]["state"], "nobody listens");
}
