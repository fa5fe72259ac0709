//! A short run with the Zabra that is built already; without one the tests say so and skip.

use std::process::{Command, Output};
use zabra_testkit::zabra_program;

#[expect(clippy::print_stderr, reason = "a skipped test has to say so")]
fn run(test: &str, arguments: &[&str]) -> Option<Output> {
    if let Err(error) = zabra_program() {
        eprintln!("SKIPPED {test}: {error}");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_zabra-crash");
    Some(Command::new(program).args(arguments).output().expect("the program was built with this test"))
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn nothing_acknowledged_is_lost() {
    let Some(output) = run("nothing_acknowledged_is_lost", &["--rounds", "20"]) else { return };
    assert_eq!(last_line(&output), "20 passed, 0 failed", "{output:?}");
    assert!(output.status.success());
}

/// The whole way: a server that comes back without the end of its log is found out.
#[test]
fn a_log_that_lost_its_end_is_found_out() {
    let arguments = ["--rounds", "30", "--cut-log", "4000", "--fail-fast", "--discard"];
    let Some(output) = run("a_log_that_lost_its_end_is_found_out", &arguments) else { return };
    assert!(last_line(&output).ends_with(", 1 failed"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}
