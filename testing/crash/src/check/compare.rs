//! Compares what has to be with what is shown.

use crate::action::{Data, acl_id, tag};
use crate::history::Session;
use crate::ledger::{Cause, Ledger};
use crate::observe::Seen;
use crate::world::{Look, SessionKey};
use std::fmt::Debug;
use zabra_testkit::{AclRow, Blob};
use zabra_types::{Perms, Stat};

/// Collects differences, one line each, all about one thing.
pub(super) struct Differences<'a> {
    pub(super) about: &'a str,
    pub(super) found: &'a mut Vec<String>,
}

impl Differences<'_> {
    pub(super) fn equal<T: PartialEq + Debug>(&mut self, what: &str, expected: T, shown: T) {
        if expected != shown {
            self.found.push(format!("{}: {what} is {shown:?}, not {expected:?}", self.about));
        }
    }

    pub(super) fn zxid(&mut self, what: &str, ledger: &mut Ledger, cause: Cause, shown: i64) {
        if let Err(known) = ledger.see_zxid(cause, shown) {
            self.found.push(format!("{}: {what} is 0x{shown:x}, not 0x{known:x}", self.about));
        }
    }

    fn time(&mut self, what: &str, ledger: &mut Ledger, cause: Cause, shown: i64) {
        if let Err(known) = ledger.see_time(cause, shown) {
            self.found.push(format!("{}: {what} is {shown}, not {known}", self.about));
        }
    }

    pub(super) fn data(&mut self, expected: &Data, shown: Option<&[u8]>) {
        if shown != Some(expected) {
            let shown = shown.map_or_else(
                || "null".to_owned(),
                |shown| format!("\"{}\" ({} bytes)", tag(shown), shown.len()),
            );
            let (tag, len) = (tag(expected), expected.len());
            self.found.push(format!("{}: data is {shown}, not \"{tag}\" ({len} bytes)", self.about));
        }
    }

    pub(super) fn stat(&mut self, look: &Look, stat: &Stat, sessions: &[Session], ledger: &mut Ledger) {
        let Look { node, children } = look;
        self.zxid("czxid", ledger, node.created, stat.czxid);
        self.zxid("mzxid", ledger, node.modified, stat.mzxid);
        self.zxid("pzxid", ledger, node.children_changed, stat.pzxid);
        self.time("ctime", ledger, node.created, stat.ctime);
        self.time("mtime", ledger, node.modified, stat.mtime);
        self.equal("version", node.version, stat.version);
        self.equal("cversion", 2 * node.creations - children, stat.cversion);
        self.equal("aversion", node.aversion, stat.aversion);
        self.equal("ephemeralOwner", owner_id(node.owner, sessions), stat.ephemeral_owner);
        self.equal("dataLength", node.data.len() as i32, stat.data_length);
        self.equal("numChildren", *children, stat.num_children);
    }

    pub(super) fn seen(&mut self, look: &Look, seen: &Seen, sessions: &[Session], ledger: &mut Ledger) {
        self.stat(look, &seen.stat, sessions, ledger);
        self.data(&look.node.data, Some(&seen.data));
        let shown: Vec<_> = seen.acl.iter().map(|row| (row.perms, &row.scheme, &row.id)).collect();
        let rows = acl_rows(look.node.acl);
        self.equal("the ACL", rows.iter().map(|row| (row.perms, &row.scheme, &row.id)).collect(), shown);
    }
}

/// The id of an owner as a Stat shows it.
pub(super) fn owner_id(owner: Option<SessionKey>, sessions: &[Session]) -> i64 {
    owner.and_then(|key| sessions.get(key)).map_or(0, |session| session.id)
}

/// The access control list of a number.
pub(super) fn acl_rows(number: u32) -> Vec<AclRow> {
    let row = |perms: Perms, scheme: &str, id: String| AclRow {
        perms: perms.raw(),
        scheme: Blob(Some(scheme.as_bytes().to_vec())),
        id: Blob(Some(id.into_bytes())),
    };
    let mut rows = vec![row(Perms::ALL, "world", "anyone".to_owned())];
    if number != 0 {
        rows.push(row(Perms::READ, "digest", acl_id(number)));
    }
    rows
}
