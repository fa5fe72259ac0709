//! Building paths.

use super::{Error, Result};

/// The path, if it is one.
pub(crate) fn checked(path: String) -> Result<String> {
    match zabra_types::validate_path(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::BadPath { path, source }),
    }
}

/// The path of the child `name` of `parent`.
pub(crate) fn join(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

/// The last component of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or("")
}

/// Every path from the first component down to `path` itself.
pub(crate) fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .skip(1)
        .filter(|&(_, c)| c == '/')
        .map(|(at, _)| &path[..at])
        .chain((path != "/").then_some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_and_put_together() {
        let cases: &[(&str, &[&str])] = &[("/", &[]), ("/a", &["/a"]), ("/a/b/c", &["/a", "/a/b", "/a/b/c"])];
        for (path, expected) in cases {
            assert_eq!(prefixes(path).collect::<Vec<_>>(), *expected, "{path}");
        }
        assert_eq!((join("/", "a").as_str(), join("/a", "b").as_str()), ("/a", "/a/b"));
        assert_eq!((name_of("/a/b"), name_of("/"), name_of("a")), ("b", "", "a"));
    }
}
