//! A bar on standard error while many nodes are read or written; nothing when nobody sees it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use zabra_client::Client;

/// See the module. It vanishes when it is dropped.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of a node and all below it, as many as there are by now.
    pub(super) async fn below(client: &Client, path: &str, doing: &'static str) -> Self {
        // Servers before 3.6 do not count for us.
        match client.all_children_number(path).await.map(usize::try_from) {
            Ok(Ok(below)) => Self::of(below + 1, doing),
            _ => Self::unknown(doing),
        }
    }

    fn unknown(doing: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} {human_pos} nodes");
        Self::new(None, doing, style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
    }

    /// Of so many nodes.
    pub(super) fn of(nodes: usize, doing: &'static str) -> Self {
        let style =
            ProgressStyle::with_template("{msg} [{bar:30}] {human_pos}/{human_len} nodes, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        Self::new(Some(nodes as u64), doing, style)
    }

    fn new(nodes: Option<u64>, doing: &'static str, style: ProgressStyle) -> Self {
        // Hidden by itself unless standard error is a terminal.
        let bar = ProgressBar::with_draw_target(nodes, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(style);
        bar.set_message(doing);
        Self(bar)
    }

    /// So many more are done.
    pub(super) fn advance(&self, nodes: usize) {
        self.0.inc(nodes as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
