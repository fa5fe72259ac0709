//! What the server runs on (`envi`).

use std::env;
use std::fs;

use super::{process, version};

/// What a value is called that the server has not.
const UNKNOWN: &str = "<NA>";

/// The environment in the order of the genuine server. The keys about Java keep their place, because tools look for
/// them; there is no Java to tell about.
pub(crate) fn list() -> Vec<(&'static str, String)> {
    let unknown = || UNKNOWN.to_owned();
    let variable = |name| env::var(name).unwrap_or_else(|_| unknown());
    let kernel = |name| match fs::read_to_string(format!("/proc/sys/kernel/{name}")) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => unknown(),
    };
    let megabytes = |bytes: Option<u64>| match bytes {
        Some(bytes) => format!("{}MB", bytes / (1024 * 1024)),
        None => unknown(),
    };
    let memory = process::memory();
    vec![
        ("zookeeper.version", version::full()),
        ("host.name", kernel("hostname")),
        ("java.version", unknown()),
        ("java.vendor", unknown()),
        ("java.home", unknown()),
        ("java.class.path", unknown()),
        ("java.library.path", unknown()),
        ("java.io.tmpdir", env::temp_dir().display().to_string()),
        ("java.compiler", unknown()),
        ("os.name", kernel("ostype")),
        ("os.arch", java_arch().to_owned()),
        ("os.version", kernel("osrelease")),
        ("user.name", variable("USER")),
        ("user.home", variable("HOME")),
        ("user.dir", env::current_dir().map_or_else(|_| unknown(), |dir| dir.display().to_string())),
        ("os.memory.free", megabytes(memory.free)),
        ("os.memory.max", megabytes(memory.max)),
        ("os.memory.total", megabytes(memory.resident)),
    ]
}

/// The architecture under the name that Java gives it.
fn java_arch() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        arch => arch,
    }
}
