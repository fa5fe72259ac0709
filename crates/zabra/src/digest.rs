//! `zabra digest`: identities of users. Mirrors the main program of `DigestAuthenticationProvider`.

use std::io::BufRead as _;

use crate::cli::DigestArguments;
use crate::exit::{Code, Failure};
use crate::stdio::print;

/// Prints a line for each: what was given, an arrow, and the identity.
pub(crate) fn run(arguments: &DigestArguments) -> Result<(), Failure> {
    for user in &arguments.users {
        if user != "-" {
            show(arguments, user)?;
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line =
                line.map_err(|error| Failure::new(Code::Unexpected, format!("cannot read: {error}")))?;
            show(arguments, &line)?;
        }
    }
    Ok(())
}

fn show(arguments: &DigestArguments, user: &str) -> Result<(), Failure> {
    let has_both =
        user.split_once(':').is_some_and(|(name, password)| !name.is_empty() && !password.is_empty());
    if !has_both {
        return Err(Failure::new(Code::Invocation, format!("{user:?} is not of the form user:password")));
    }
    print(&format!("{user}->{}", arguments.algorithm.identity(user)))
}
