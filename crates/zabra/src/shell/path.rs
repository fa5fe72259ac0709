//! Paths as zkCli refuses them.

use super::fault::Fault;

/// Checks a path before anything is sent, with the sentences of the genuine client (`PathUtils.validatePath`).
pub(crate) fn check(path: &str) -> Result<(), Fault> {
    match objection(path) {
        None => Ok(()),
        Some(text) => Err(Fault::new(text).about(path)),
    }
}

/// The same for a name that the server will add a number to.
pub(crate) fn check_sequential(path: &str) -> Result<(), Fault> {
    check(&format!("{path}1")).map_err(|fault| fault.about(path))
}

/// The path of a child.
pub(crate) fn child(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

fn objection(path: &str) -> Option<String> {
    match path {
        "" => return Some("Path length must be > 0".to_owned()),
        "/" => return None,
        _ if !path.starts_with('/') => return Some("Path must start with / character".to_owned()),
        _ if path.ends_with('/') => return Some("Path must not end with / character".to_owned()),
        _ => {}
    }
    let units: Vec<u16> = path.encode_utf16().collect();
    let (slash, dot) = (u16::from(b'/'), u16::from(b'.'));
    let ends = |at: usize| units.get(at).is_none_or(|unit| *unit == slash);
    (1..units.len()).find_map(|at| {
        let (unit, last) = (units[at], units[at - 1]);
        let reason = if unit == 0 {
            "null character not allowed"
        } else if unit == slash && last == slash {
            "empty node name specified"
        } else if unit == dot && last == dot {
            (units[at - 2] == slash && ends(at + 1)).then_some("relative paths not allowed")?
        } else if unit == dot {
            (last == slash && ends(at + 1)).then_some("relative paths not allowed")?
        } else if matches!(unit, 1..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..) {
            "invalid character"
        } else {
            return None;
        };
        Some(format!("Invalid path string \"{path}\" caused by {reason} @{at}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zabra_types::validate_path;

    use super::*;

    #[test]
    fn objections_are_the_genuine_ones() {
        for (path, text) in [
            ("", "Path length must be > 0"),
            ("a", "Path must start with / character"),
            ("/a/", "Path must not end with / character"),
            ("/a//b", "Invalid path string \"/a//b\" caused by empty node name specified @3"),
            ("/a/./b", "Invalid path string \"/a/./b\" caused by relative paths not allowed @3"),
            ("/a/..", "Invalid path string \"/a/..\" caused by relative paths not allowed @4"),
            ("/a\u{1}", "Invalid path string \"/a\u{1}\" caused by invalid character @2"),
        ] {
            assert_eq!(objection(path).as_deref(), Some(text));
        }
        for path in ["/", "/a", "/a/b.c", "/...", "/a/..b", "/é"] {
            assert_eq!(objection(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn same_verdict_as_the_servers_check(path in "[/a.é\u{1}\u{7f}\u{10000}]{0,8}") {
            prop_assert_eq!(objection(&path).is_none(), validate_path(&path).is_ok());
        }
    }
}
