//! The few paths everything happens at, and the many that are none.

use zabra_testkit::{Blob, Rng};

/// Nodes operations meet at. Few, so that they meet often.
const NODES: &[&str] = &["/a", "/b", "/a/x", "/a/y", "/a/x/z", "/b/c", "/b/c/d", "/e", "/é漢\u{a0}\u{ffef}"];

/// Prefixes of sequential nodes. `/b/` makes names of digits alone, `/` puts them at the top.
const SEQUENTIAL: &[&str] = &["/a/s-", "/b/", "/a/x/s", "/", "/e/q"];

const BUILT_IN: &[&str] = &["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];

/// What makes quotas on `/a` and `/b/c`.
const QUOTA: &[&str] = &[
    "/zookeeper/quota/a",
    "/zookeeper/quota/a/zookeeper_limits",
    "/zookeeper/quota/a/zookeeper_stats",
    "/zookeeper/quota/b",
    "/zookeeper/quota/b/c",
    "/zookeeper/quota/b/c/zookeeper_limits",
    "/zookeeper/quota/b/c/zookeeper_stats",
];

/// Every way a path is none, and a few that look like it.
const BAD: &[&[u8]] = &[
    b"",
    b"a",
    b"a/b",
    b"//",
    b"/a/",
    b"/a/x/",
    b"/a//x",
    b"//a",
    b"/.",
    b"/..",
    b"/a/.",
    b"/a/./x",
    b"/a/../b",
    b"/a/..",
    b"/a/...",
    b"/a/.x",
    b"/a\0",
    b"/a/\0x",
    b"\0",
    b"/a/\x01",
    b"/a/\x1f",
    b"/a/ ",
    b"/a/\x7f",
    b"/a/\xc2\x80",
    b"/a/\xc2\x9f",
    b"/a/\xc2\xa0",
    b"/a/\xee\x80\x80",
    b"/a/\xef\xa3\xbf",
    b"/a/\xef\xa4\x80",
    b"/a/\xef\xbf\xaf",
    b"/a/\xef\xbf\xb0",
    b"/a/\xef\xbf\xbd",
    b"/a/\xf0\x9f\x98\x80",
    b"/a/\xff\xfe",
    b"/a/\xc3",
    b"/a/\xe2\x82",
    b"/missing/x",
    b"/missing",
];

/// Text that is not null.
pub(crate) fn some(text: impl AsRef<[u8]>) -> Blob {
    Blob(Some(text.as_ref().to_vec()))
}

/// A well-formed path of a node that may exist.
pub(crate) fn node(rng: &mut Rng) -> Vec<u8> {
    match rng.below(20) {
        0..13 => rng.pick(NODES).as_bytes().to_vec(),
        13..17 => {
            let prefix = rng.pick(SEQUENTIAL);
            format!("{prefix}{:010}", rng.below(8)).into_bytes()
        }
        17 => rng.pick(BUILT_IN).as_bytes().to_vec(),
        _ => rng.pick(QUOTA).as_bytes().to_vec(),
    }
}

/// A path as a request may carry it: mostly a node's, sometimes null or no path at all.
pub(crate) fn any(rng: &mut Rng) -> Blob {
    match rng.below(40) {
        0 => Blob(None),
        1..4 => some(*rng.pick(BAD)),
        4 if rng.one_in(8) => some(format!("/a/{}", "long".repeat(rng.below(200)))),
        _ => Blob(Some(node(rng))),
    }
}

/// A surrogate spelt in UTF-8. The genuine server reads one replacement character, we read three, as it is three
/// malformed sequences; so it is used where the path is refused, and not where it is kept.
const SURROGATE: &[u8] = b"/a/\xed\xa0\x80";

/// A path for a create: node or, when `sequential`, a prefix.
pub(crate) fn to_create(rng: &mut Rng, sequential: bool) -> Blob {
    if rng.one_in(100) {
        return some(SURROGATE);
    }
    if sequential && !rng.one_in(6) {
        return some(*rng.pick(SEQUENTIAL));
    }
    any(rng)
}

/// A path that is sent back or kept as it is: not null, and without characters above U+FFFF, which the genuine server
/// writes as two surrogates of three bytes, which is no UTF-8.
pub(crate) fn kept(rng: &mut Rng) -> Blob {
    loop {
        let path = any(rng);
        if path.0.as_ref().is_some_and(|path| !path.iter().any(|byte| matches!(byte, 0xf0..=0xf4))) {
            return path;
        }
    }
}

/// The prefix of getEphemerals.
pub(crate) fn ephemeral_prefix(rng: &mut Rng) -> Blob {
    match rng.below(8) {
        0 => Blob(None),
        1 => some("/"),
        2 => some(" \t "),
        3 => some(""),
        4 => some("/a/x"),
        5 => some(" / "),
        6 => some("/a/s-00"),
        _ => any(rng),
    }
}
