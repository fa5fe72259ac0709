//! `edit`: data in the editor of choice.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde_json::json;
use tokio::process::Command as Process;

use crate::shell::Shell;
use crate::shell::commands::{Argument, Call, Command, Origin, Running, Session};
use crate::shell::fault::Fault;
use crate::shell::format;
use crate::shell::parse::{Grammar, Opt};
use crate::shell::path;
use crate::shell::session::fault_of;

/// See the module.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "edit",
    usage: "[--hex] [--dry-run] path",
    about: "Change data in $VISUAL or $EDITOR; refused if somebody else changed it meanwhile",
    grammar: Grammar {
        options: &[Opt::long("hex", "Edit the bytes in hex")],
        destructive: true,
        ..Grammar::NONE
    },
    arguments: &[Argument::Path],
    arguments_min: 1,
    origin: Origin::Zabra,
    session: Session::Needed,
    run: edit,
}];

/// Bytes in a line of hex.
const HEX_WIDTH: usize = 16;

fn edit<'a>(shell: &'a mut Shell, call: &'a Call) -> Running<'a> {
    Box::pin(async move {
        let path = call.argument(1);
        path::check(path)?;
        let editor = editor()?;
        let client = shell.client()?;
        let (data, stat) = client.get(path).await.map_err(|error| fault_of(&error, Some(path)))?;
        let form = Form::of(&data, call.has("hex"))?;
        let draft = Draft::write(path, &form.shown(&data))?;
        let status = run(&editor, &draft.0).await?;
        if !status.success() {
            return Err(Fault::new(format!("{editor} ended with {status}; nothing was changed")));
        }
        let edited =
            std::fs::read(&draft.0).map_err(|error| Fault::new(format!("cannot read the draft: {error}")))?;
        let edited = match form.read(&data, edited) {
            Ok(edited) => edited,
            Err(why) => return Err(draft.keep(&why)),
        };
        if edited == data[..] {
            return call.out.either("nothing was changed", || json!({ "path": path, "changed": false }));
        }
        if call.has("dry-run") {
            return call.out.either(
                format!("would set {} bytes", edited.len()),
                || json!({ "wouldSet": path, "bytes": edited.len() }),
            );
        }
        match client.set(path, edited).version(stat.version).await {
            Ok(stat) => call.out.either(
                format!("set {path} (v{})", stat.version),
                || json!({ "path": path, "changed": true, "stat": format::stat_json(&stat) }),
            ),
            Err(error) => {
                let why = if error.is_bad_version() {
                    "somebody else changed it meanwhile"
                } else {
                    "it was not set"
                };
                call.out.note(draft.keep(why).text);
                Err(fault_of(&error, Some(path)))
            }
        }
    })
}

/// How data is shown in the editor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Hex,
}

impl Form {
    fn of(data: &[u8], hex: bool) -> Result<Self, Fault> {
        match (hex, str::from_utf8(data)) {
            (true, _) => Ok(Self::Hex),
            (false, Ok(text)) if !text.contains('\0') => Ok(Self::Text),
            _ => Err(Fault::new("The data is no text").hint("--hex edits its bytes")),
        }
    }

    fn shown(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Text => data.to_vec(),
            Self::Hex => {
                let lines = data.chunks(HEX_WIDTH).map(|line| {
                    let bytes: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
                    bytes.join(" ") + "\n"
                });
                lines.collect::<String>().into_bytes()
            }
        }
    }

    fn read(self, before: &[u8], mut edited: Vec<u8>) -> Result<Vec<u8>, String> {
        match self {
            // Editors end the last line; that is not meant as a change.
            Self::Text => {
                if edited.ends_with(b"\n") && !before.ends_with(b"\n") {
                    edited.pop();
                }
                Ok(edited)
            }
            Self::Hex => from_hex(&edited),
        }
    }
}

fn from_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.len() % 2 == 1 {
        return Err("the hex has half a byte".to_owned());
    }
    let digit = |byte: u8| {
        char::from(byte).to_digit(16).ok_or_else(|| format!("{} is no hex digit", char::from(byte)))
    };
    let byte = |pair: &[u8]| match pair {
        [high, low] => Ok((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => Err("half a byte".to_owned()),
    };
    digits.chunks(2).map(byte).collect()
}

/// A file with what is being edited. Removed unless it is kept.
#[derive(Debug)]
struct Draft(PathBuf);

impl Draft {
    fn write(path: &str, data: &[u8]) -> Result<Self, Fault> {
        // The name helps the editor to know what it is.
        let name: String = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| c.is_alphanumeric() || "._-".contains(*c))
            .take(60)
            .collect();
        let ending = if serde_json::from_slice::<serde_json::Value>(data).is_ok() && !name.ends_with(".json")
        {
            ".json"
        } else {
            ""
        };
        let dir = std::env::temp_dir();
        for _ in 0..16 {
            let file = dir.join(format!("zabra-edit-{:08x}-{name}{ending}", fastrand::u32(..)));
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            // Data may be secret.
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.open(&file).and_then(|mut out| out.write_all(data)) {
                Ok(()) => return Ok(Self(file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Fault::new(format!("cannot write {}: {error}", file.display()))),
            }
        }
        Err(Fault::new(format!("cannot find a name for a file in {}", dir.display())))
    }

    /// Leaves the file where it is, so that no work is lost.
    fn keep(mut self, why: &str) -> Fault {
        let file = std::mem::take(&mut self.0);
        Fault::new(format!("{why}; your text is in {}", file.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

fn editor() -> Result<String, Fault> {
    let named = ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.trim().is_empty());
    match named {
        Some(editor) => Ok(editor),
        None if io::stdin().is_terminal() => Ok("vi".to_owned()),
        None => Err(Fault::new("There is no terminal to edit in")
            .hint("VISUAL or EDITOR may name a program that needs none")),
    }
}

/// The editor may be a command with arguments, as git takes it.
async fn run(editor: &str, file: &Path) -> Result<ExitStatus, Fault> {
    let mut process = Process::new("sh");
    process.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file);
    process.status().await.map_err(|error| Fault::new(format!("cannot run {editor}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_being_edited_in_hex() {
        let data: Vec<u8> = (0..=40).chain([0xff]).collect();
        let shown = Form::Hex.shown(&data);
        assert!(shown.starts_with(b"00 01 02"));
        assert_eq!(Form::Hex.read(&data, shown), Ok(data));
        assert_eq!(from_hex(b"0aF f\n"), Ok(vec![0x0a, 0xff]));
        assert!(from_hex(b"abc").is_err() && from_hex(b"zz").is_err());
    }

    #[test]
    fn a_line_end_added_by_the_editor_is_no_change() {
        let cases: [(&[u8], &[u8], &[u8]); 4] =
            [(b"a", b"a\n", b"a"), (b"a\n", b"a\n", b"a\n"), (b"a", b"a\n\n", b"a\n"), (b"", b"", b"")];
        for (before, edited, read) in cases {
            assert_eq!(Form::Text.read(before, edited.to_vec()), Ok(read.to_vec()));
        }
        assert_eq!(Form::of(b"text", false).unwrap(), Form::Text);
        assert!(Form::of(b"\xff", false).is_err() && Form::of(b"a\0", false).is_err());
    }
}
