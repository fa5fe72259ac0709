//! A program in another language that does as it is told.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use zabra_client::Client;
use zabra_embedded::Server;
use zabra_testkit::Genuine;

/// After this long what is waited for does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running program. Dropping it kills it.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    pub(crate) fn curator(genuine: &Genuine, server: &Server) -> Self {
        let mut java = genuine.java(128);
        java.arg(file("Foreign.java")).arg(server.connect_string());
        Self::start(java)
    }

    #[expect(clippy::print_stderr, reason = "a skipped test has to say so")]
    pub(crate) fn kazoo_or_skip(genuine: &Genuine, server: &Server) -> Option<Self> {
        let python = genuine.kazoo_python();
        if !python.exists() {
            eprintln!(
                "SKIPPED sharing with kazoo: there is no {}; testing/interop/install kazoo",
                python.display()
            );
            return None;
        }
        let mut python = Command::new(python);
        python.arg(file("foreign.py")).arg(server.connect_string());
        Some(Self::start(python))
    }

    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    /// Tells it what to do; its answer.
    pub(crate) fn ask(&mut self, words: &[&str]) -> String {
        tokio::task::block_in_place(|| {
            writeln!(self.input, "{}", words.join("\t")).unwrap();
            let mut answer = String::new();
            self.output.read_line(&mut answer).unwrap();
            answer.trim_end_matches('\n').to_owned()
        })
    }

    /// The same, when it can only go well.
    pub(crate) fn tell(&mut self, words: &[&str]) {
        assert_eq!(self.ask(words), "ok", "{words:?}");
    }

    /// Asks again and again until this is the answer.
    pub(crate) fn ask_until(&mut self, words: &[&str], expected: &str) {
        let began = Instant::now();
        loop {
            let answer = self.ask(words);
            if answer == expected {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{words:?}: still {answer}, not {expected}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name)
}

/// A server that both talk to, and a client of ours.
pub(crate) async fn server() -> (Server, Client) {
    let server = Server::builder().set("extendedTypesEnabled", "true").start().await.unwrap();
    let client = Client::connect(&server.connect_string()).await.unwrap();
    (server, client)
}

pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
