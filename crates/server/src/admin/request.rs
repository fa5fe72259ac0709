//! Reading what a request asks for.

use std::collections::HashMap;

/// The parameters behind the question mark; of each name the first value counts.
pub(super) type Parameters = HashMap<String, String>;

/// Reads the part of a URL behind the question mark.
pub(super) fn parameters(query: &str) -> Parameters {
    let mut parameters = Parameters::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        parameters.entry(decode(name)).or_insert_with(|| decode(value));
    }
    parameters
}

/// What the path of a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The list of commands.
    List,
    /// A command, as typed.
    Command(String),
    /// Something that is not there.
    Nothing,
}

/// Reads a path, given what all paths of commands begin with.
pub(super) fn asked(path: &str, command_url: &str) -> Asked {
    match path.strip_prefix(command_url) {
        Some("" | "/") => Asked::List,
        Some(rest) => match rest.strip_prefix('/') {
            Some(name) => Asked::Command(percent_decode(name)),
            None => Asked::Nothing,
        },
        None => Asked::Nothing,
    }
}

/// Undoes percent encoding; what is no such encoding stays as it is.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let decoded = match behind {
            [high, low, ..] if first == b'%' => hex_pair(*high, *low),
            _ => None,
        };
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_commands() {
        for (path, expected) in [
            ("/commands", Asked::List),
            ("/commands/", Asked::List),
            ("/commands/ruok", Asked::Command("ruok".to_owned())),
            ("/commands/ruok/", Asked::Command("ruok/".to_owned())),
            ("/commands/a/b", Asked::Command("a/b".to_owned())),
            ("/commands/r%75ok%2", Asked::Command("ruok%2".to_owned())),
            ("/commandsx", Asked::Nothing),
            ("/", Asked::Nothing),
        ] {
            assert_eq!(asked(path, "/commands"), expected, "{path}");
        }
        assert_eq!(asked("/ruok", ""), Asked::Command("ruok".to_owned()));
    }

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        let parameters = parameters("a=1&b&a=2&c=x+y%26z&&=n");
        for (name, value) in [("a", "1"), ("b", ""), ("c", "x y&z"), ("", "n")] {
            assert_eq!(parameters[name], value, "{name}");
        }
        assert_eq!(parameters.len(), 4);
    }
}
