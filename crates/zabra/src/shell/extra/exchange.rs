//! The file format of `export` and `import`: a JSON document with a node on each line.
//!
//! ```json
//! {"format":"zabra-export","version":1,"path":"/app","exported":"2026-11-21T14:00:00Z","nodes":[
//! {"path":"/app","data":"text","acl":[{"scheme":"world","id":"anyone","perms":"cdrwa"}],"dataVersion":3,"ctime":1,"mtime":2},
//! {"path":"/app/x","dataBase64":"/w==","acl":[…],"ttlMs":60000}
//! ]}
//! ```
//!
//! `data` is text or null, bytes that are no text are in `dataBase64`. `container`, `ttlMs` and `ephemeralOwner` tell the kind
//! of node. Versions and times are told for people; an import does not restore them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use zabra_types::{Acl, EphemeralOwner, Perms, Stat};

use super::write::Kind;
use crate::shell::format;

/// What tells such a file from others.
pub(crate) const FORMAT: &str = "zabra-export";
/// The version that is written, and the latest that is read.
pub(crate) const VERSION: u32 = 1;

/// The first line.
pub(crate) fn head(path: &str, exported: &str) -> String {
    let fields = json!({ "format": FORMAT, "version": VERSION, "path": path, "exported": exported });
    // The object stays open.
    let text = fields.to_string();
    format!("{},\"nodes\":[", text.strip_suffix('}').unwrap_or(&text))
}

/// The last line.
pub(crate) const TAIL: &str = "]}";

/// Whether a node is the servers' own, which nobody means who exports the root.
pub(crate) fn is_system(path: &str, root: &str) -> bool {
    root == "/" && (path == "/zookeeper" || path.starts_with("/zookeeper/"))
}

/// The line of a node, without the comma behind it.
pub(crate) fn node_line(
    path: &str,
    data: Option<&[u8]>,
    acl: &[Acl],
    stat: &Stat,
    owner: EphemeralOwner,
) -> String {
    let mut node = json!({ "path": path });
    format::put_data(&mut node, data);
    node["acl"] = format::acl_json(acl);
    match owner {
        EphemeralOwner::Persistent => {}
        EphemeralOwner::Container => node["container"] = true.into(),
        EphemeralOwner::Ttl(ttl_ms) => node["ttlMs"] = ttl_ms.into(),
        EphemeralOwner::Session(session) => node["ephemeralOwner"] = format!("{:#x}", session.raw()).into(),
    }
    node["dataVersion"] = stat.version.into();
    node["ctime"] = stat.ctime.into();
    node["mtime"] = stat.mtime.into();
    node.to_string()
}

/// A file that was read.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    format: String,
    version: u32,
    /// The node where it begins.
    pub(super) path: String,
    /// The nodes.
    pub(super) nodes: Vec<Saved>,
}

/// A node in a file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Saved {
    /// Where it was.
    pub(super) path: String,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    data_base64: Option<String>,
    #[serde(default)]
    acl: Option<Vec<SavedAcl>>,
    #[serde(default)]
    container: bool,
    #[serde(default)]
    ttl_ms: Option<u64>,
    /// The session it belonged to.
    #[serde(default)]
    pub(super) ephemeral_owner: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct SavedAcl {
    scheme: String,
    id: String,
    perms: String,
}

impl Document {
    /// Reads a file's text.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let document: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if document.format != FORMAT {
            return Err(format!("its format is {}, not {FORMAT}", document.format));
        }
        if document.version > VERSION {
            return Err(format!("it is of version {}, and this reads up to {VERSION}", document.version));
        }
        Ok(document)
    }
}

impl Saved {
    /// The data.
    pub(super) fn bytes(&self) -> Result<Option<Vec<u8>>, String> {
        match (&self.data, &self.data_base64) {
            (Some(_), Some(_)) => Err("it has both data and dataBase64".to_owned()),
            (Some(text), None) => Ok(Some(text.clone().into_bytes())),
            (None, Some(text)) => {
                format::from_base64(text).map(Some).map_err(|error| format!("dataBase64: {error}"))
            }
            (None, None) => Ok(None),
        }
    }

    /// The access control list: open to everybody when none is there.
    pub(super) fn acl(&self) -> Result<Vec<Acl>, String> {
        let Some(entries) = &self.acl else { return Ok(vec![Acl::world(Perms::ALL)]) };
        entries.iter().map(|entry| Ok(Acl::new(perms(&entry.perms)?, &entry.scheme, &entry.id))).collect()
    }

    /// The kind of node.
    pub(super) fn kind(&self) -> Result<Kind, String> {
        match (self.container, self.ttl_ms) {
            (true, Some(_)) => Err("it is both a container and has a ttlMs".to_owned()),
            (true, None) => Ok(Kind::Container),
            (false, Some(ttl_ms)) => Ok(Kind::Ttl(Duration::from_millis(ttl_ms))),
            (false, None) => Ok(Kind::Persistent),
        }
    }
}

/// The letters of permissions.
fn perms(letters: &str) -> Result<Perms, String> {
    letters.chars().try_fold(Perms::default(), |perms, letter| {
        Ok(perms
            | match letter {
                'c' => Perms::CREATE,
                'd' => Perms::DELETE,
                'r' => Perms::READ,
                'w' => Perms::WRITE,
                'a' => Perms::ADMIN,
                other => return Err(format!("{other} is no permission")),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let acl = [Acl::new(Perms::READ | Perms::ADMIN, "x509", "CN=a,OU=b:c"), Acl::world(Perms::ALL)];
        let stat = Stat { version: 4, ctime: 1, mtime: 2, ..Stat::default() };
        let nodes: [(&str, Option<&[u8]>, EphemeralOwner, Kind); 4] = [
            ("/a", None, EphemeralOwner::Persistent, Kind::Persistent),
            ("/a/b", Some(b"te\nxt"), EphemeralOwner::Container, Kind::Container),
            ("/a/c", Some(b"\xff"), EphemeralOwner::Ttl(9), Kind::Ttl(Duration::from_millis(9))),
            (
                "/a/d",
                Some(b""),
                EphemeralOwner::Session(zabra_types::SessionId::from_raw(0x10)),
                Kind::Persistent,
            ),
        ];
        let lines: Vec<_> =
            nodes.iter().map(|(path, data, owner, _)| node_line(path, *data, &acl, &stat, *owner)).collect();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        let text = format!("{}\n{}\n{TAIL}\n", head("/a", "now"), lines.join(",\n"));
        let document = Document::read(text.as_bytes()).unwrap();
        assert_eq!(document.path, "/a");
        for (saved, (path, data, owner, kind)) in document.nodes.iter().zip(nodes) {
            assert_eq!(saved.path, path);
            assert_eq!(saved.bytes().unwrap().as_deref(), data);
            assert_eq!(saved.acl().unwrap(), acl);
            assert_eq!(saved.kind().unwrap(), kind);
            assert_eq!(saved.ephemeral_owner.is_some(), matches!(owner, EphemeralOwner::Session(_)));
        }
    }

    #[test]
    fn other_files_are_refused() {
        let node = |fields: &str| {
            format!("{{\"format\":\"zabra-export\",\"version\":1,\"path\":\"/\",\"nodes\":[{{{fields}}}]}}")
        };
        for (text, why) in [
            ("", "EOF"),
            ("{\"format\":\"other\",\"version\":1,\"path\":\"/\",\"nodes\":[]}", "its format is other"),
            ("{\"format\":\"zabra-export\",\"version\":2,\"path\":\"/\",\"nodes\":[]}", "up to 1"),
            (&node("\"data\":\"x\""), "path"),
        ] {
            let error = Document::read(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let read = |fields: &str| Document::read(node(fields).as_bytes()).unwrap().nodes.remove(0);
        assert!(read("\"path\":\"/a\",\"data\":\"x\",\"dataBase64\":\"\"").bytes().is_err());
        assert!(read("\"path\":\"/a\",\"dataBase64\":\"*\"").bytes().is_err());
        assert!(
            read("\"path\":\"/a\",\"acl\":[{\"scheme\":\"a\",\"id\":\"b\",\"perms\":\"rx\"}]").acl().is_err()
        );
        assert!(read("\"path\":\"/a\",\"container\":true,\"ttlMs\":5").kind().is_err());
    }
}
