//! `zabra ask`: a four-letter word to a server, for those who have no netcat.

use crate::cli::AskArguments;
use crate::exit::{Code, Failure};
use crate::probe;
use crate::stdio::Page;

/// Asks and prints the answer as it came.
pub(crate) fn run(arguments: &AskArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Unexpected, format!("cannot start: {error}")))?;
    let AskArguments { server, word } = arguments;
    let answer = runtime
        .block_on(probe::answer_to(server, word))
        .map_err(|error| Failure::new(Code::Unexpected, format!("{server}: {error}")))?;
    if answer.is_empty() {
        let text = format!("{server}: it closed the connection without a word");
        return Err(Failure::new(Code::Unexpected, text));
    }
    let mut page = Page::new();
    page.put(format_args!("{answer}"))?;
    if !answer.ends_with('\n') {
        page.line(format_args!(""))?;
    }
    page.finish()
}
