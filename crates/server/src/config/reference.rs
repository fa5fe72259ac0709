//! The key table for people.

use std::fmt::Write;

use super::keys::{self, Class, Key, Reach};

/// A Markdown page with all keys, what they mean and what becomes of them.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for section in keys::SECTIONS {
        let _ =
            write!(page, "\n## {}\n\n| Key | Given as | Default | Unit | Meaning | Here |\n", section.title);
        page.push_str("|---|---|---|---|---|---|\n");
        for key in section.keys {
            page.push_str(&row(key));
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Configuration

A server takes `zoo.cfg` as ZooKeeper does, and the same `-D` flags from the environment variables
`SERVER_JVMFLAGS` and `JVMFLAGS`. Without a file it serves 127.0.0.1:2181 from `./zabra-data`.

- The file is a Java properties file in ISO-8859-1. The last of two lines with the same key counts.
- A key in the file overrides the same flag. `zookeeper.` in front of a key belongs to flags; in a file it is
  taken with a notice.
- A wrong value of a key that ZooKeeper takes from the file only is an error, and all errors are told at once; the
  exit code is 2. A wrong value of a property is ignored with a notice, where ZooKeeper ignores it silently.
- An unknown key is told with the nearest known one, and otherwise ignored.

*Given as* tells where a key can stand: in the `file`, as a `flag` (`-Dzookeeper.key=value`), or as a `bare flag`
(`-Dkey=value`, without the prefix). What the last column says:

| Here | Meaning |
|---|---|
| yes | It does what it says. |
| ensemble | It does what it says, and matters to members of an ensemble only. |
| not yet | It is read and kept, but the feature is not there yet. A notice says so. |
| refused | It is read, but the feature is not there yet, and a server that needs it refuses to start. |
| no effect | It is accepted with a notice. It tunes something that only the Java server has. |

This page is made from the table in the source; a test keeps the two alike.
";

fn row(key: &Key) -> String {
    let given = match key.reach {
        Reach::File => "file",
        Reach::Property => "file, flag",
        Reach::Bare => "file, bare flag",
        Reach::Both => "file, flag, bare flag",
    };
    let (here, why) = match key.class {
        Class::Honoured => ("yes", None),
        Class::Ensemble => ("ensemble", None),
        Class::NotYet => ("not yet", None),
        Class::Refused => ("refused", None),
        Class::JavaOnly(why) => ("no effect", Some(why)),
    };
    let name = match key.name {
        family if key.is_family() && ["server.", "group.", "weight.", "authProvider."].contains(&family) => {
            format!("`{family}N`")
        }
        family if key.is_family() => format!("`{family}*`"),
        name => format!("`{name}`"),
    };
    let aliases: String = key.aliases.iter().map(|alias| format!("; also `{alias}`")).collect();
    let about = match why {
        Some(why) => format!("{}.", capitalized(why)),
        None => key.about.to_owned(),
    };
    let cells = [&format!("{name}{aliases}"), given, key.default, key.unit, &about, here];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
