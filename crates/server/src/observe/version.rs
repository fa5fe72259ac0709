//! The version that tools look for.

/// The ZooKeeper release whose protocol, files and commands this server speaks. Tools compare it with the versions
/// they know, so it comes first.
const SPOKEN: &str = "3.9.5";
/// When this version was made. Written here by hand: a clock read while building would make every build another.
const RELEASED: &str = "2026-11-21 00:00 UTC";

/// The whole version in the form of the genuine server's: release, revision, date. Tools cut it at the first `-` or
/// at the comma.
pub fn full() -> String {
    format!("{SPOKEN}-zabra-{}, built on {RELEASED}", env!("CARGO_PKG_VERSION"))
}

/// The version and its date, as `zkServer.sh version` names them.
pub fn release() -> String {
    format!("{SPOKEN}-zabra-{} {RELEASED}", env!("CARGO_PKG_VERSION"))
}
