//! Who stands in line when a fight does not end, and who has forgotten that it does.

use zabra_proto::OpCode;
use zabra_testkit::{Blob, Body, Ensemble, RawRequest};

use crate::Failure;
use crate::counter::with_client;

/// Where lines may be, below the folder of a scenario: locks have theirs at its top, semaphores these two.
const FOLDERS: [&str; 3] = ["", "/leases", "/locks"];

/// A node in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stander {
    /// Its path.
    path: String,
    folder: &'static str,
    /// The session that it belongs to.
    owner: i64,
    /// Who made it; Curator's contenders write the address of this host.
    who: String,
}

impl Stander {
    fn is_ours(&self) -> bool {
        self.who.starts_with("rust-")
    }

    fn shares_owner_with(&self, other: &Self) -> bool {
        self.folder == other.folder && self.owner == other.owner && self.path != other.path
    }
}

/// Everybody who stands in line there.
pub(crate) fn read(ensemble: &Ensemble, root: &str) -> Result<Vec<Stander>, Failure> {
    with_client(ensemble, |client| {
        // The newest, not what this server knows.
        client.call(&RawRequest::path(OpCode::Sync, root))?;
        let text = |blob: Blob| String::from_utf8_lossy(&blob.0.unwrap_or_default()).into_owned();
        let mut line = Vec::new();
        for folder in FOLDERS {
            let parent = format!("{root}{folder}");
            let children = client.call(&RawRequest::read(OpCode::GetChildren, &parent, false))?;
            let Body::Names(Some(names)) = children.body else { continue };
            for name in names {
                let path = format!("{parent}/{}", text(name));
                let node = client.call(&RawRequest::read(OpCode::GetData, &path, false))?;
                if let Body::DataStat(data, stat) = node.body
                    && stat.ephemeral_owner != 0
                {
                    line.push(Stander { path, folder, owner: stat.ephemeral_owner, who: text(data) });
                }
            }
        }
        Ok(line)
    })
}

/// What a client that is not ours has forgotten, if nobody of ours has.
///
/// A client stands in a line once at a time. If the reply to the creation of its node is lost, it looks for the node at
/// the next server; kazoo and Curator do so without a sync, at a server that may not know of it yet, and make another. The
/// first stays as long as the session lives, and everybody stands behind it, its maker too.
pub(crate) fn forgotten(line: &[Stander]) -> Option<String> {
    let twice = line.iter().filter(|one| line.iter().any(|other| one.shares_owner_with(other)));
    let (ours, theirs): (Vec<_>, Vec<_>) = twice.partition(|one| one.is_ours());
    let first = theirs.first().filter(|_| ours.is_empty())?;
    Some(format!("{} of {} with session 0x{:x}, which has another", first.path, first.who, first.owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_stands_twice_in_one_line_has_forgotten() {
        let stander = |name: &str, folder, owner, who: &str| Stander {
            path: format!("/l{folder}/{name}"),
            folder,
            owner,
            who: who.to_owned(),
        };
        let ours = stander("a", "", 1, "rust-1/0");
        let kazoo = stander("b", "", 2, "kazoo-1/0");
        let kazoo_again = stander("c", "", 2, "kazoo-1/0");
        let curator = stander("d", "/locks", 3, "10.0.0.1");
        let elsewhere = stander("e", "/leases", 3, "10.0.0.1");
        let ours_again = stander("f", "", 1, "rust-1/0");
        let of = |line: &[&Stander]| forgotten(&line.iter().copied().cloned().collect::<Vec<_>>());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[&ours, &kazoo, &curator, &elsewhere]), None);
        assert!(of(&[&ours, &kazoo, &kazoo_again]).is_some_and(|told| told.contains("/l/b of kazoo-1/0")));
        assert_eq!(of(&[&ours, &kazoo, &kazoo_again, &ours_again]), None, "ours is never forgiven");
    }
}
