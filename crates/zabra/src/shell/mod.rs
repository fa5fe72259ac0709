//! `zabra shell`: zkCli's commands, options and output, and more. Interactive on a terminal, else fed by standard
//! input, or given one command.
//!
//! [`commands`] is the table of commands; each gets a [`commands::Call`] and prints through its [`output::Out`], as text
//! or as JSON.

mod client_configuration;
pub(crate) mod commands;
pub(crate) mod extra;
pub(crate) mod fault;
pub(crate) mod format;
mod history;
mod interactive;
mod options;
pub(crate) mod output;
pub(crate) mod parse;
pub(crate) mod path;
pub(crate) mod session;
pub(crate) mod walk;
pub(crate) mod watches;
pub(crate) mod words;

use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use self::commands::{Call, Command, Session, find, meant, usage};
use self::fault::{Fault, Place, keeper_message};
use self::history::History;
use self::options::{Asked, Options};
use self::output::{Out, Screen};
use self::session::{Link, State};
use self::watches::Watches;
use crate::exit::{Code, Failure};
use crate::stdio::tell;

/// A running shell.
#[derive(Debug)]
pub(crate) struct Shell {
    options: Options,
    screen: Arc<Screen>,
    link: Link,
    /// What is watched.
    pub(crate) watches: Watches,
    history: History,
    /// What zkCli would end with.
    exit_code: u8,
    way: Way,
    left: bool,
    /// Whether a node was created that the session holds.
    holds_ephemerals: bool,
}

/// How commands come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As arguments.
    OneShot,
    /// By standard input.
    Piped,
    /// By a person.
    Terminal,
}

/// How long the connection may take before the first prompt shows that it is not there yet.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a command may wait for the connection before a person is told why nothing happens.
const SILENCE: Duration = Duration::from_secs(2);

/// Runs `zabra shell` with the words behind it.
pub(crate) fn run(words: &[OsString]) -> Result<(), Failure> {
    let words: Result<Vec<_>, _> = words.iter().map(|word| word.clone().into_string()).collect();
    let words = words
        .map_err(|word| Failure::new(Code::Invocation, format!("{} is not UTF-8", word.to_string_lossy())))?;
    let options = match options::read(&words) {
        Ok(Asked::Shell(options)) => options,
        Ok(Asked::Help) => return crate::stdio::print(options::HELP),
        Err(text) => {
            tell(&text);
            return Err(Failure::new(Code::Invocation, "").said());
        }
    };
    options.notes.iter().for_each(|note| tell(&format!("zabra: {note}")));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Unexpected, format!("cannot start: {error}")))?;
    let code = start(&runtime, options);
    runtime.shutdown_timeout(Duration::from_millis(100));
    match code? {
        0 => Ok(()),
        127 => Err(Failure::new(Code::CommandNotFound, "").said()),
        _ => Err(Failure::new(Code::Unexpected, "").said()),
    }
}

/// What `version` shows.
pub(crate) fn version() -> String {
    zabra_server::full_version()
}

fn start(runtime: &Runtime, mut options: Options) -> Result<u8, Failure> {
    let screen = Arc::new(Screen::new());
    let command = options.command.take();
    options.json |= command.iter().flatten().take_while(|word| *word != "--").any(|word| word == "--json");
    let way = match (&command, io::stdin().is_terminal() && io::stdout().is_terminal()) {
        (Some(_), _) => Way::OneShot,
        (None, true) => Way::Terminal,
        (None, false) => Way::Piped,
    };
    let out = Out::new(Arc::clone(&screen), options.json);
    // Scripts expect what zkCli says around its commands. Nothing but data around those that it does not have.
    let bare =
        command.as_deref().and_then(<[_]>::first).and_then(|name| find(name)).is_some_and(Command::is_own);
    let said = if bare { Ok(()) } else { out.text(format!("Connecting to {}", options.server)) };
    let said = said.and_then(|()| screen.flush());
    let opened = said.and_then(|()| {
        runtime.block_on(async {
            let watches = Watches::new(out.clone());
            watches.print(!bare);
            let mut link = Link::new(options.clone(), watches.clone())?;
            link.open(&options.server).await?;
            Ok((watches, link))
        })
    });
    let (watches, link) = match opened {
        Ok(opened) => opened,
        Err(fault) => {
            complain(&out, &fault);
            return Ok(fault.code);
        }
    };
    let mut shell = Shell {
        options,
        screen,
        link,
        watches,
        history: History::default(),
        exit_code: 0,
        way,
        left: false,
        holds_ephemerals: false,
    };
    match command {
        Some(words) => runtime.block_on(shell.one_shot(&words)),
        None if way == Way::Terminal => interactive::run(runtime, &mut shell)?,
        None => shell.piped(runtime)?,
    }
    runtime.block_on(shell.end());
    Ok(shell.exit_code)
}

/// Says what went wrong.
fn complain(out: &Out, fault: &Fault) {
    if fault.unheard || fault.text.is_empty() {
        return;
    }
    if out.is_json() {
        out.note(fault.json());
        return;
    }
    out.note(&fault.text);
}

impl Shell {
    /// The client. Its requests wait for the connection.
    pub(crate) fn client(&self) -> Result<zabra_client::Client, Fault> {
        self.link.client()
    }

    /// The servers, as they were named.
    pub(crate) fn server(&self) -> &str {
        self.link.server()
    }

    /// The commands so far.
    pub(crate) fn history(&mut self) -> &mut History {
        &mut self.history
    }

    /// Begins another session.
    pub(crate) async fn connect(&mut self, server: &str) -> Result<(), Fault> {
        self.close().await;
        self.link.open(server).await
    }

    /// Ends the session.
    pub(crate) async fn close(&mut self) {
        self.link.close().await;
        self.watches.clear();
        self.holds_ephemerals = false;
    }

    /// Whether commands come in by standard input, so that it holds nothing else.
    pub(crate) fn reads_commands(&self) -> bool {
        self.way != Way::OneShot
    }

    /// Has the shell end after this command.
    pub(crate) fn leave(&mut self) {
        self.left = true;
    }

    /// A node was created that goes with the session.
    pub(crate) fn note_ephemeral(&mut self) {
        self.holds_ephemerals = true;
    }

    /// Ends the session of a shell that ends, unless that would delete nodes: those live on until the session times
    /// out, as zkCli's do.
    async fn end(&mut self) {
        self.link.leave(self.holds_ephemerals).await;
    }

    async fn one_shot(&mut self, words: &[String]) {
        // Nobody reading the output any more is no failure.
        let _ = self.execute(words, None).await;
        self.watches.settle();
        let _ = self.screen.flush();
    }

    /// Commands from standard input, with zkCli's banner and prompts around them, which scripts have come to expect.
    fn piped(&mut self, runtime: &Runtime) -> Result<(), Failure> {
        let json = self.options.json;
        if !json && self.greet().is_err() {
            return Ok(());
        }
        runtime.block_on(self.link.settle(PATIENCE));
        self.feed(runtime)
    }

    /// Runs lines of standard input, with prompts but without a line editor.
    fn feed(&mut self, runtime: &Runtime) -> Result<(), Failure> {
        let json = self.options.json;
        let mut lines = io::stdin().lock().split(b'\n');
        loop {
            if !json && self.screen.begin(&self.prompt()).is_err() {
                return Ok(());
            }
            let Some(line) = lines.next() else { break };
            let line = line
                .map_err(|error| Failure::new(Code::Unexpected, format!("cannot read commands: {error}")))?;
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
            if line.is_empty() {
                continue;
            }
            let heard = runtime.block_on(self.run_typed(&line));
            if heard.is_err() || self.left {
                return Ok(());
            }
        }
        if !json {
            // zkCli's line editor takes the end of the input for its own failure.
            let _ = self.screen.begin("JLine support is disabled\n");
        }
        Ok(())
    }

    fn greet(&self) -> Result<(), Fault> {
        self.screen.line(&"Welcome to ZooKeeper!")?;
        self.screen.line(&"JLine support is enabled")?;
        self.screen.flush()
    }

    /// As zkCli's.
    fn prompt(&self) -> String {
        format!("[zk: {}({}) {}] ", self.link.server(), self.link.state(), self.history.count())
    }

    /// Runs a line, and puts it into the history. An error means that nobody reads the output any more.
    async fn run_typed(&mut self, line: &str) -> Result<(), Fault> {
        self.history.begin(line);
        let done = self.run_line(line).await;
        self.history.end();
        self.watches.settle();
        done.and_then(|()| self.screen.flush())
    }

    /// Runs a line and tells of its failure.
    pub(crate) async fn run_line(&mut self, line: &str) -> Result<(), Fault> {
        match words::split(line) {
            Ok(words) if words.is_empty() => Ok(()),
            Ok(words) => {
                let texts: Vec<_> = words.iter().map(|word| word.text.clone()).collect();
                let places = words.into_iter().map(|word| word.span).collect();
                self.execute(&texts, Some(Typed { line: line.to_owned(), places })).await
            }
            Err(open) => {
                self.exit_code = 1;
                let fault = Fault::new("The quote is not closed");
                let typed = Typed { line: line.to_owned(), places: Vec::new() };
                complain(&self.out(), &fault);
                self.point(&typed, open.0..line.len(), None);
                Ok(())
            }
        }
    }

    fn out(&self) -> Out {
        Out::new(Arc::clone(&self.screen), self.options.json)
    }

    /// Runs a command, tells of its failure, and keeps the exit code. An error means that nobody reads the output any
    /// more.
    async fn execute(&mut self, words: &[String], typed: Option<Typed>) -> Result<(), Fault> {
        let json =
            self.options.json || words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
        let out = Out::new(Arc::clone(&self.screen), json);
        let fault = match self.process(words, &out).await {
            Ok(()) => {
                // Leaving is no command of its own: what counts is the one before.
                if !self.left {
                    self.exit_code = 0;
                }
                return Ok(());
            }
            Err(fault) if fault.unheard => return Err(fault),
            Err(fault) => fault,
        };
        self.exit_code = fault.code;
        if fault.code == 127 && self.way != Way::Terminal && !json {
            out.note(usage());
        }
        let fault = if self.way == Way::Terminal { fault.without_class() } else { fault };
        complain(&out, &fault);
        let word = match &fault.place {
            Place::Unknown => None,
            Place::At(word) => Some(*word),
            Place::Saying(said) => words.iter().position(|word| word == said),
        };
        match (&typed, word) {
            (Some(typed), Some(word)) if self.way == Way::Terminal => {
                let end = typed.line.trim_end().len();
                let place = typed.places.get(word).cloned().unwrap_or(end + 1..end + 2);
                self.point(typed, place, fault.hint.as_deref());
            }
            _ => fault.hint.iter().filter(|_| self.way == Way::Terminal).for_each(|hint| out.note(hint)),
        }
        Ok(())
    }

    async fn process(&mut self, words: &[String], out: &Out) -> Result<(), Fault> {
        let name = words.first().map(String::as_str).unwrap_or_default();
        let Some(command) = find(name) else {
            let fault = Fault::unknown_command(name);
            return Err(match meant(name) {
                Some(near) => fault.hint(format!("did you mean {near}?")),
                None => fault.hint("`help` lists the commands"),
            });
        };
        if command.session == Session::Needed && self.link.state().is_over() {
            return out.text("Not connected");
        }
        if command.session == Session::Needed {
            // So that the event of the connection comes before what the command prints.
            self.link.settle(PATIENCE).await;
        }
        let call = Call { command, parsed: command.parse(words)?, out: out.clone() };
        self.run_call(command, &call).await?;
        if command.session == Session::Reported && self.link.state().is_over() {
            out.text("Not connected")?;
        }
        Ok(())
    }

    /// Runs a command until it ends or the person has enough of it.
    async fn run_call(&mut self, command: &'static Command, call: &Call) -> Result<(), Fault> {
        let (server, watcher) = (self.link.server().to_owned(), self.link.watcher());
        let alone = self.way != Way::Terminal && command.session == Session::Needed;
        let running = (command.run)(self, call);
        tokio::pin!(running);
        let silence = tokio::time::sleep(SILENCE);
        tokio::pin!(silence);
        let mut told = false;
        loop {
            tokio::select! {
                done = &mut running => return done,
                () = &mut silence, if !told => {
                    told = true;
                    if watcher.state() == State::Connecting {
                        let obstacle = watcher.obstacle();
                        call.out.note(format!("waiting for a connection to {server} ({obstacle}); Ctrl-C gives up"));
                    }
                }
                obstacle = watcher.unreachable(), if alone => {
                    let path = call.optional(1).filter(|path| path.starts_with('/'));
                    let lost = keeper_message("ConnectionLoss", path);
                    return Err(Fault::new(format!("{lost}\nzabra: cannot reach {server}: {obstacle}")));
                }
                _ = tokio::signal::ctrl_c() => return Err(Fault::new("interrupted")),
            }
        }
    }

    /// Shows where in the line something is wrong.
    fn point(&self, typed: &Typed, place: std::ops::Range<usize>, hint: Option<&str>) {
        if self.way != Way::Terminal || self.options.json {
            return;
        }
        let width = |range: std::ops::Range<usize>| {
            typed.line.get(range).map_or(1, |text| text.chars().count().max(1))
        };
        let before =
            typed.line.get(..place.start).map_or(typed.line.chars().count() + 1, |text| text.chars().count());
        let out = self.out();
        out.note(format!("  {}", typed.line));
        let marks = "^".repeat(width(place));
        let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
        out.note(format!("  {}{marks}{hint}", " ".repeat(before)));
    }
}

/// A line as it was typed, and where its words are.
#[derive(Debug)]
struct Typed {
    line: String,
    places: Vec<std::ops::Range<usize>>,
}
