//! Where a command's words go: data to standard output, the rest to standard error, and around a line being edited.

use std::fmt::Display;
use std::io::{self, BufWriter, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::fault::Fault;

/// The way out for one command.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    screen: Arc<Screen>,
    json: bool,
}

impl Out {
    /// To the screen, in one of the two forms.
    pub(crate) fn new(screen: Arc<Screen>, json: bool) -> Self {
        Self { screen, json }
    }

    /// Whether a program listens.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// The screen behind it.
    pub(crate) fn screen(&self) -> &Arc<Screen> {
        &self.screen
    }

    /// Prints a line of text or, for programs, an object. JSON is one line.
    pub(crate) fn either(&self, text: impl Display, json: impl FnOnce() -> Value) -> Result<(), Fault> {
        if self.json { self.screen.line(&json()) } else { self.screen.line(&text) }
    }

    /// Prints a line that only people want on standard output. Programs get none.
    pub(crate) fn text(&self, line: impl Display) -> Result<(), Fault> {
        if self.json { Ok(()) } else { self.screen.line(&line) }
    }

    /// Prints an object for programs only.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Fault> {
        if self.json { self.screen.line(value) } else { Ok(()) }
    }

    /// Says something on standard error, in both forms.
    pub(crate) fn note(&self, line: impl Display) {
        self.screen.note(&line);
    }
}

/// The two streams of the process, shared with whatever prints while a person types.
#[derive(Debug)]
pub(crate) struct Screen {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    out: BufWriter<Stdout>,
    /// While a line is being edited: what to set so that the editor lets go of the screen.
    editor: Option<Arc<AtomicBool>>,
    /// What the end of the editing is awaited for.
    waiting: Vec<String>,
}

impl Screen {
    /// The screen of this process.
    pub(crate) fn new() -> Self {
        let inner = Inner { out: BufWriter::new(io::stdout()), editor: None, waiting: Vec::new() };
        Self { inner: Mutex::new(inner) }
    }

    /// Leaves the screen to a line editor, which will give it back soon after the flag is set.
    pub(crate) fn begin_editing(&self, editor: &Arc<AtomicBool>) {
        let mut inner = self.lock();
        editor.store(!inner.waiting.is_empty(), Ordering::Relaxed);
        inner.editor = Some(Arc::clone(editor));
    }

    /// Takes the screen back and prints what came meanwhile. `unfinished`: over a line that will be edited further.
    pub(crate) fn end_editing(&self, unfinished: bool) -> Result<(), Fault> {
        let mut inner = self.lock();
        inner.editor = None;
        let blocks = std::mem::take(&mut inner.waiting);
        if blocks.is_empty() {
            return Ok(());
        }
        // The unfinished line is painted again below; the editor takes the row above the last one for its own when
        // that is the last of the screen, so there has to be an empty one.
        let (start, end) = if unfinished { ("\r\x1b[K", "\n") } else { ("", "") };
        let text: String = blocks.iter().map(|block| format!("{block}\n")).collect();
        heard(write!(inner.out, "{start}{text}{end}").and_then(|()| inner.out.flush()))
    }

    /// A line of data. It is certain to be out after the next [`Self::flush`].
    pub(crate) fn line(&self, line: &dyn Display) -> Result<(), Fault> {
        heard(writeln!(self.lock().out, "{line}"))
    }

    /// Data without a line end, out at once: a prompt.
    pub(crate) fn begin(&self, text: &str) -> Result<(), Fault> {
        let out = &mut self.lock().out;
        heard(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// A line on standard error, after all data so far.
    pub(crate) fn note(&self, line: &dyn Display) {
        let mut inner = self.lock();
        // Nobody listening is no failure of what is being told.
        let _ = inner.out.flush();
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// A block on standard output that comes from elsewhere than the command being run: an event.
    pub(crate) fn aside(&self, block: &str) {
        let mut inner = self.lock();
        if let Some(editor) = &inner.editor {
            editor.store(true, Ordering::Relaxed);
            inner.waiting.push(block.to_owned());
            return;
        }
        let _ = writeln!(inner.out, "{block}");
        let _ = inner.out.flush();
    }

    /// Has everything reach its reader.
    pub(crate) fn flush(&self) -> Result<(), Fault> {
        heard(self.lock().out.flush())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn heard(written: io::Result<()>) -> Result<(), Fault> {
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Fault::unheard()),
        Err(error) => Err(Fault::new(format!("cannot write to standard output: {error}"))),
    }
}
