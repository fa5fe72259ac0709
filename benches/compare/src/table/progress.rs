//! What is measured just now, how far it is, and how long it will still take: on stderr, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// The line at the end of what is printed.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// What the parts are thought to take, the present one first.
    parts: std::vec::IntoIter<Duration>,
    part: Duration,
    before: Duration,
    begun: Instant,
}

impl Progress {
    /// Of parts that take so long each.
    pub(crate) fn new(parts: Vec<Duration>) -> Self {
        let bar = ProgressBar::new(parts.iter().sum::<Duration>().as_secs());
        // The template is a constant that is right.
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}% {prefix} {msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            parts: parts.into_iter(),
            part: Duration::ZERO,
            before: Duration::ZERO,
            begun: Instant::now(),
        }
    }

    /// The next part begins.
    pub(crate) fn next_part(&mut self) {
        self.before += self.part;
        self.part = self.parts.next().unwrap_or_default();
        self.begun = Instant::now();
    }

    /// Says what is done now.
    pub(crate) fn doing(&self, what: &str) {
        let done = self.before + self.begun.elapsed().min(self.part);
        self.bar.set_position(done.as_secs());
        let left = self.bar.length().unwrap_or(0).saturating_sub(done.as_secs());
        self.bar.set_prefix(format!("{}:{:02} left:", left / 60, left % 60));
        self.bar.set_message(what.to_owned());
    }

    /// Lets something be printed without the line in between.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
