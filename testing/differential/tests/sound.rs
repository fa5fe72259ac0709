//! The comparison itself: two genuine servers are equal, two that are configured differently are not.

use std::process::{Command, ExitStatus};
use zabra_testkit::Genuine;

fn compare(args: &[&str]) -> (ExitStatus, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_zabra-differential"))
        .args(["--left", "genuine", "--right", "genuine", "--seeds", "1", "--variant", "plain"])
        .args(args)
        .output()
        .expect("the comparison has just been built");
    (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_server_equals_itself() {
    if Genuine::find_or_skip("a_server_equals_itself").is_none() {
        return;
    }
    let (status, said) = compare(&["--ops", "300", "--seed", "2"]);
    assert!(status.success(), "{said}");
}

#[test]
fn a_server_without_access_control_is_found_out() {
    if Genuine::find_or_skip("a_server_without_access_control_is_found_out").is_none() {
        return;
    }
    let (status, said) = compare(&["--ops", "1000", "--seed", "1", "--right-config", "skipACL=yes"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("DIFFERENT at step"), "{said}");
    assert!(said.contains("--right-config 'skipACL=yes'"), "the command shows it again: {said}");
}
