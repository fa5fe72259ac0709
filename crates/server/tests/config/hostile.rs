//! Files that nobody would write.

use std::path::Path;

use proptest::prelude::*;
use zabra_server::config::{Config, ConfigError, Flags};

use super::{flags, read};

/// All names that the table knows, for lines that come close.
fn names() -> Vec<String> {
    let page = zabra_server::config::reference();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    // Not a file that could be opened, whatever its name.
    rows.map(|row| row.split('`').nth(1).unwrap().replace('*', "x").replace(".N", ".1"))
        .filter(|name| name != "dynamicConfigFile")
        .collect()
}

fn told_or_used(bytes: &[u8], flags: &Flags) {
    match Config::from_bytes(Path::new("zoo.cfg"), bytes, flags) {
        Ok(loaded) => {
            let _ = loaded.config.refusals();
            assert!(loaded.config.sessions.timeout_min <= loaded.config.sessions.timeout_max);
            assert!(!loaded.config.sessions.tick_time.is_zero());
            assert!(!loaded.config.storage.data_dir.as_os_str().is_empty());
        }
        Err(ConfigError::Wrong(problems)) => assert!(!problems.is_empty()),
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_used_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        told_or_used(&bytes, &Flags::default());
    }

    #[test]
    fn any_value_of_any_key_is_used_or_refused(
        lines in proptest::collection::vec(
            (proptest::sample::select(names()), "(-?[0-9]{1,20}|true|no|[ -~]{0,20}|\\PC{0,8})"),
            0..12,
        )
    ) {
        let mut file = "dataDir=/nowhere/zabra\n".to_owned();
        for (name, value) in lines {
            file.push_str(&format!("{name}={value}\n"));
        }
        told_or_used(file.as_bytes(), &Flags::default());
    }

    #[test]
    fn any_member_is_used_or_refused(value in "[a-z0-9:;|.\\[\\]-]{0,40}") {
        let _ = read(&format!("dataDir=/nowhere/zabra\nserver.1={value}\ngroup.1={value}\nweight.1={value}"));
    }

    #[test]
    fn any_flags_are_used_or_refused(text in "(-Dzookeeper\\.[a-zA-Z.]{0,12}=?[ -~]{0,12} ?){0,4}") {
        told_or_used(b"dataDir=/nowhere/zabra", &flags(&text));
    }
}

#[test]
fn lines_without_end_are_bearable() {
    let long = "x".repeat(1 << 20);
    told_or_used(format!("dataDir=/nowhere/zabra\n{long}={long}").as_bytes(), &Flags::default());
    told_or_used("\\\n".repeat(1 << 16).as_bytes(), &Flags::default());
}
