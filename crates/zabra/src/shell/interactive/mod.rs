//! The shell on a terminal: a line editor with completion, hints and a history that survives.

mod complete;
mod past;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reedline::{
    ColumnarMenu, DefaultHinter, Emacs, KeyCode, KeyModifiers, MenuBuilder as _, Prompt, PromptEditMode,
    PromptHistorySearch, PromptHistorySearchStatus, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    default_emacs_keybindings,
};
use tokio::runtime::Runtime;

use self::complete::{Colours, Completions};
use super::{PATIENCE, Shell};
use crate::exit::Failure;

const COMPLETIONS: &str = "completions";

/// Runs commands as they are typed.
pub(super) fn run(runtime: &Runtime, shell: &mut Shell) -> Result<(), Failure> {
    if std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb") {
        return shell.piped(runtime);
    }
    if shell.greet().is_err() {
        return Ok(());
    }
    runtime.block_on(shell.link.settle(PATIENCE));
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut editor = editor(runtime, shell, &interrupted);
    while !shell.left {
        shell.screen.begin_editing(&interrupted);
        let signal = editor.read_line(&Plain(shell.prompt()));
        let unfinished = matches!(signal, Ok(Signal::ExternalBreak(_)));
        if shell.screen.end_editing(unfinished).is_err() {
            break;
        }
        match signal {
            Ok(Signal::Success(line)) if line.is_empty() => {}
            Ok(Signal::Success(line)) if runtime.block_on(shell.run_typed(&line)).is_err() => break,
            Ok(Signal::CtrlD) => break,
            // Such is what `expect` and its like give a program for a terminal: nobody there tells where the cursor is.
            Err(why) => {
                shell.out().note(format!("no line editing: {why}"));
                return shell.feed(runtime);
            }
            // A line given up, or an event that has been shown by now; the editor still has the line.
            _ => {}
        }
    }
    // What it has is on disk already; a failure to write it has been told at the start.
    let _ = editor.sync_history();
    Ok(())
}

fn editor(runtime: &Runtime, shell: &Shell, interrupted: &Arc<AtomicBool>) -> Reedline {
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(COMPLETIONS.to_owned()), ReedlineEvent::MenuNext]),
    );
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    let menu = Box::new(ColumnarMenu::default().with_name(COMPLETIONS));
    let completions = Completions::new(runtime.handle().clone(), shell.link.watcher());
    let mut editor = Reedline::create()
        .with_break_signal(Arc::clone(interrupted))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_completer(Box::new(completions))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_menu(ReedlineMenu::EngineCompleter(menu))
        .with_history_exclusion_prefix(Some(" ".to_owned()));
    if std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) {
        let grey = nu_ansi_term::Style::new().fg(nu_ansi_term::Color::DarkGray);
        editor = editor
            .with_highlighter(Box::new(Colours))
            .with_hinter(Box::new(DefaultHinter::default().with_style(grey)));
    } else {
        editor = editor.with_ansi_colors(false);
    }
    match past::open() {
        Ok(history) => editor.with_history(history),
        Err(why) => {
            shell.out().note(format!("the history will not be kept: {why}"));
            editor
        }
    }
}

/// zkCli's prompt.
struct Plain(String);

impl Prompt for Plain {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "failing ",
        };
        Cow::Owned(format!("({failing}reverse-search: {}) ", search.term))
    }

    fn get_prompt_color(&self) -> reedline::Color {
        reedline::Color::Reset
    }

    fn get_indicator_color(&self) -> reedline::Color {
        reedline::Color::Reset
    }
}
