//! The `ensemble` scheme: a client says which ensemble it means, and is sent away when it is another one.

use alloc::collections::BTreeSet;
use alloc::string::String;

pub(crate) const SCHEME: &str = "ensemble";

/// Whether a client that names `sent` has come to the right place. An empty name, and any name when no names are
/// configured, will do (`EnsembleAuthenticationProvider`).
pub(crate) fn is_ours(names: &BTreeSet<String>, sent: &[u8]) -> bool {
    sent.is_empty() || names.is_empty() || names.contains(String::from_utf8_lossy(sent).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let names = BTreeSet::from(["blue".into(), "green".into()]);
        assert!(is_ours(&names, b"blue") && is_ours(&names, b"green") && is_ours(&names, b""));
        assert!(!is_ours(&names, b"red"));
        assert!(is_ours(&BTreeSet::new(), b"red"));
    }
}
