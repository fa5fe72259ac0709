//! Names of contenders: `_c_<uuid>-lock-0000000007` and their kin.

use std::cmp::Ordering;

use uuid::Uuid;

/// What the name of a protected node begins with (Curator's `ProtectedUtils.PROTECTED_PREFIX`).
pub(crate) const PROTECTED_PREFIX: &str = "_c_";

/// A name nobody else has, ending in `base`: `_c_<uuid>-<base>`.
///
/// With the server's sequence number appended it is Curator's name of a protected sequential node. A creation whose
/// reply was lost is recognized by it.
pub(crate) fn protected(base: &str) -> String {
    format!("{PROTECTED_PREFIX}{}-{base}", Uuid::new_v4().hyphenated())
}

/// A name as kazoo makes it: `<uuid without hyphens><base>`, the base being `__lock__` or `__rlock__`.
pub(crate) fn kazoo(base: &str) -> String {
    format!("{}{base}", Uuid::new_v4().simple())
}

/// The sequence number the server appended, as text; `None` when the name does not end in one.
///
/// The number is a signed 32-bit one in ten columns: after 2^31 creations under one parent it becomes negative and
/// may take eleven. A hyphen before it is a sign only after another separator, since most bases end in one.
pub(crate) fn sequence(name: &str) -> Option<&str> {
    let bytes = name.as_bytes();
    let start = bytes.len().checked_sub(10)?;
    let (head, tail) = bytes.split_at(start);
    let is_number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    match (head, tail) {
        ([.., b'-' | b'_', b'-'], tail) if is_number(tail) => Some(&name[start - 1..]),
        (_, tail) if is_number(tail) => Some(&name[start..]),
        (_, [b'-', digits @ ..]) if is_number(digits) => Some(&name[start..]),
        _ => None,
    }
}

/// Whether the contender shares with its like: a read lock of Curator or kazoo.
pub(crate) fn is_shared(name: &str) -> bool {
    name.contains("__READ__") || name.contains("__rlock__")
}

/// The order in which contenders are served: by the text of the sequence number, whatever stands before it.
///
/// Curator and kazoo compare the text too, which matters once numbers are negative: all contenders must agree. Names
/// without a number come first, as they are waited for by nobody.
pub(crate) fn by_sequence(left: &str, right: &str) -> Ordering {
    sequence(left).cmp(&sequence(right)).then_with(|| left.cmp(right))
}

/// Sorts children by their sequence numbers.
pub(crate) fn sort_by_sequence(names: &mut [String]) {
    names.sort_by(|left, right| by_sequence(left, right));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_all_libraries_are_found() {
        let cases = [
            ("_c_1aa-lock-0000000001", Some("0000000001")),
            ("_c_1aa-__READ__0000000001", Some("0000000001")),
            ("_c_1aa-__READ__-2147483648", Some("-2147483648")),
            ("_c_1aa-lock--2147483648", Some("-2147483648")),
            ("_c_1aa-lock--000000001", Some("-000000001")),
            ("6f5e__lock__0000000012", Some("0000000012")),
            ("6f5e__rlock__0000000012", Some("0000000012")),
            ("x-72057594037927936-0000000003", Some("0000000003")),
            ("0000000003", Some("0000000003")),
            // Read as a negative number; no server writes nine columns.
            ("lock-000000001", Some("-000000001")),
            ("lock-00000001", None),
            ("leases", None),
            ("", None),
            ("äöüäöüä", None),
        ];
        for (name, expected) in cases {
            assert_eq!(sequence(name), expected, "{name}");
        }
    }

    #[test]
    fn contenders_of_several_libraries_are_put_into_one_order() {
        let mut names = [
            "_c_zz-lock-0000000003",
            "aa__lock__0000000004",
            "_c_aa-lock-0000000010",
            "config",
            "_c_x-lock-0000000001",
        ]
        .map(String::from);
        sort_by_sequence(&mut names);
        assert_eq!(
            names,
            [
                "config",
                "_c_x-lock-0000000001",
                "_c_zz-lock-0000000003",
                "aa__lock__0000000004",
                "_c_aa-lock-0000000010"
            ]
        );
    }

    #[test]
    fn names_have_the_forms_of_curator_and_kazoo() {
        let curator = protected("lock-");
        assert_eq!((curator.len(), &curator[..3], &curator[39..]), (45, "_c_", "-lock-"));
        let kazoo = kazoo("__lock__");
        assert_eq!((kazoo.len(), &kazoo[32..]), (40, "__lock__"));
    }
}
