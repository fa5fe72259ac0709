//! Processes of Curator and of kazoo at the same queues, counters, values and barriers.
//!
//! `testing/interop/install jars kazoo`, then `cargo test -p zabra-recipes --test foreign_data -- --ignored`. What else contends
//! under faults is in `testing/contention`.

#![allow(clippy::unwrap_used)]

mod curator;
mod kazoo;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use zabra_client::Client;
use zabra_embedded::Server;

/// A process of another language; killed when dropped.
struct Foreign {
    told: mpsc::UnboundedReceiver<String>,
    process: Child,
}

impl Foreign {
    fn java(server: &Server, what: &str, path: &str, number: usize) -> Self {
        // Compiled once for all tests.
        static CLASSES: LazyLock<OsString> = LazyLock::new(compile);
        let mut java = Command::new("java");
        java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1"]);
        java.arg(format!(
            "-Dlogback.configurationFile={}",
            here().join("../../../../testing/interop/logback.xml").display()
        ));
        java.arg("-cp").arg(&*CLASSES).arg("Foreign");
        Self::start(java, server, what, path, number)
    }

    fn python(server: &Server, what: &str, path: &str, number: usize) -> Self {
        let mut python = Command::new(cache().join("venv/bin/python"));
        python.arg(here().join("foreign.py"));
        Self::start(python, server, what, path, number)
    }

    fn start(mut command: Command, server: &Server, what: &str, path: &str, number: usize) -> Self {
        command.arg(what).arg(server.connect_string()).arg(path).arg(number.to_string());
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::unbounded_channel();
        // Read also while nobody listens: a full pipe would stop it.
        tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                // Its libraries have things to say, too.
                if let Some(line) = line.strip_prefix("> ") {
                    let _ = tell.send(line.to_owned());
                }
            }
        });
        Self { told, process }
    }

    /// What it tells next; `None` when it has ended.
    async fn hear(&mut self) -> Option<String> {
        self.told.recv().await
    }

    /// Waits for a good end.
    async fn end(mut self) {
        while self.hear().await.is_some() {}
        assert!(self.process.wait().await.unwrap().success());
    }
}

/// Compiles Curator's side, and returns its class path.
fn compile() -> OsString {
    let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-data");
    let mut path = cache().join("jars").join("*").into_os_string();
    let javac = std::process::Command::new("javac")
        .arg("-d")
        .arg(&classes)
        .arg("-cp")
        .arg(&path)
        .arg(here().join("Foreign.java"))
        .status();
    assert!(javac.unwrap().success());
    path.push(":");
    path.push(classes);
    path
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign_data")
}

/// Where the foreign clients are.
fn cache() -> PathBuf {
    std::env::var_os("INTEROP_CACHE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/interop/.cache"),
        PathBuf::from,
    )
}

async fn start() -> (Server, Client) {
    let server = Server::start().await.unwrap();
    let client = Client::connect(&server.connect_string()).await.unwrap();
    (server, client)
}

/// The items that these processes put, each so many.
fn items_of(processes: &[&str], number: usize) -> BTreeSet<String> {
    processes.iter().flat_map(|process| (0..number).map(move |item| format!("{process} {item}"))).collect()
}

/// Puts an item aside, which must not have been there.
fn put_aside(taken: &mut BTreeSet<String>, item: impl AsRef<[u8]>) {
    let item = String::from_utf8(item.as_ref().to_vec()).unwrap();
    assert!(taken.insert(item.clone()), "{item} was taken twice");
}
