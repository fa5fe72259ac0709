//! A program in another language that does as it is told.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zabra_client::Client;
use zabra_embedded::Server;
use zabra_testkit::Genuine;

use crate::support::soon;

/// A running program. Dropping it kills it.
pub(crate) struct Peer {
    input: ChildStdin,
    answers: UnboundedReceiver<String>,
    told: UnboundedReceiver<String>,
    _process: Child,
}

/// Where both meet.
pub(crate) struct Meeting {
    pub(crate) server: Server,
    /// Ours.
    pub(crate) client: Client,
    pub(crate) peer: Peer,
}

impl Meeting {
    /// With Curator, unless it is not installed.
    pub(crate) async fn with_curator_or_skip(test: &str) -> Option<Self> {
        let genuine = Genuine::find_or_skip(test)?;
        let mut java = genuine.java(256);
        // Of two class paths the last counts.
        java.arg("-XX:TieredStopAtLevel=1").arg("-cp").arg(compiled(&genuine)).arg("Foreign");
        Some(Self::with(java).await)
    }

    /// With kazoo, unless it is not installed.
    pub(crate) async fn with_kazoo_or_skip(test: &str) -> Option<Self> {
        let mut python = std::process::Command::new(Genuine::find_or_skip(test)?.kazoo_or_skip(test)?);
        python.arg(file("foreign.py"));
        Some(Self::with(python).await)
    }

    async fn with(program: std::process::Command) -> Self {
        let server = Server::builder().set("extendedTypesEnabled", "true").start().await.unwrap();
        let client = Client::connect(&server.connect_string()).await.unwrap();
        let peer = Peer::start(program, &server);
        Self { server, client, peer }
    }
}

impl Peer {
    fn start(program: std::process::Command, server: &Server) -> Self {
        let mut process = Command::from(program)
            .arg(server.connect_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let ((answer, answers), (tell, told)) = (unbounded_channel(), unbounded_channel());
        // Read also while nobody listens: a full pipe would stop it.
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                // Its libraries have things to say, too. Who no longer listens has seen enough.
                let _ = match line.split_at_checked(2) {
                    Some(("= ", line)) => answer.send(line.to_owned()),
                    Some(("> ", line)) => tell.send(line.to_owned()),
                    _ => Ok(()),
                };
            }
        });
        Self { input, answers, told, _process: process }
    }

    /// Tells it what to do, and leaves it to it.
    pub(crate) async fn begin(&mut self, words: &[&str]) {
        self.input.write_all((words.join("\t") + "\n").as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> String {
        soon("an answer", self.answers.recv()).await.expect("it lives")
    }

    /// Waits for a good end of what was begun.
    pub(crate) async fn done(&mut self) {
        assert_eq!(self.answer().await, "ok");
    }

    /// Tells it what to do; its answer.
    pub(crate) async fn ask(&mut self, words: &[&str]) -> String {
        self.begin(words).await;
        self.answer().await
    }

    /// The same, when it can only go well.
    pub(crate) async fn tell(&mut self, words: &[&str]) {
        assert_eq!(self.ask(words).await, "ok", "{words:?}");
    }

    /// Asks again and again until this is the answer.
    pub(crate) async fn ask_until(&mut self, words: &[&str], expected: &str) {
        let mut answer = String::new();
        let asking = async {
            while answer != expected {
                answer = self.ask(words).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(&format!("{words:?} answered by {expected}"), asking).await;
    }

    /// What it tells next. Nothing is lost when this is dropped.
    pub(crate) async fn hear(&mut self) -> String {
        soon("what it tells", self.told.recv()).await.expect("it lives")
    }
}

/// The class path of Curator's side, which is compiled once for all tests.
fn compiled(genuine: &Genuine) -> &'static OsStr {
    static CLASS_PATH: OnceLock<OsString> = OnceLock::new();
    CLASS_PATH.get_or_init(|| {
        let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
        genuine.compile(&file("Foreign.java"), &classes).unwrap()
    })
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name)
}
