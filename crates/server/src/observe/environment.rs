//! What the server runs on (`envi`).

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

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
        ("user.name", user_name().to_owned()),
        ("user.home", variable("HOME")),
        ("user.dir", env::current_dir().map_or_else(|_| unknown(), |dir| dir.display().to_string())),
        ("os.memory.free", megabytes(memory.free)),
        ("os.memory.max", megabytes(memory.max)),
        ("os.memory.total", megabytes(memory.resident)),
    ]
}

/// Who runs this process. The account counts, not a variable that a service manager may or may not set.
pub(crate) fn user_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let account = fs::metadata("/proc/self").ok().and_then(|process| {
            let accounts = fs::read_to_string("/etc/passwd").ok()?;
            name_in(&accounts, process.uid())
        });
        account.or_else(|| env::var("USER").ok()).unwrap_or_else(|| UNKNOWN.to_owned())
    })
}

/// The name of a user in the lines `name:password:uid:…` of `/etc/passwd`.
fn name_in(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The architecture under the name that Java gives it.
fn java_arch() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        arch => arch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nzookeeper:x:1000:1000::/data:/bin/false\n";
        assert_eq!(name_in(accounts, 0).as_deref(), Some("root"));
        assert_eq!(name_in(accounts, 1000).as_deref(), Some("zookeeper"));
        assert_eq!(name_in(accounts, 7), None);
    }
}
