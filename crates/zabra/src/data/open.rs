//! Loading a snapshot to look at it.

use std::path::Path;

use zabra_proto::FieldLimit;
use zabra_server::chain;
use zabra_storage::{RealDisk, load_snapshot_as, snapshot_zxid};
use zabra_tree::{Tree, TreeOptions};
use zabra_types::{OwnerRules, Zxid};

use crate::exit::{Code, Failure};

/// The tree in a snapshot, and the zxid in its name if there is one.
///
/// Its checksums are verified, which the genuine toolkits do not do.
pub(super) fn open(file: &Path) -> Result<(Tree, Option<Zxid>), Failure> {
    let invalid = |text: String| Failure::new(Code::Invocation, text);
    let shown = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    if file.is_dir() {
        return Err(invalid(format!("'{}' is a directory. it must be a file.", shown.display())));
    }
    if !file.exists() {
        return Err(invalid(format!("File '{}' does not exist.", shown.display())));
    }
    let named = snapshot_zxid(&file.file_name().unwrap_or_default().to_string_lossy());
    // A record is as long as the server that wrote it allowed; there is no reason to refuse it here.
    let limit = FieldLimit(i32::MAX as usize);
    // Owners that mean a time to live mean that here, too: a session of theirs is most unlikely.
    let owner_rules = OwnerRules { extended_types: true, ..OwnerRules::default() };
    let options = TreeOptions { digest: false, owner_rules, ..TreeOptions::default() };
    let loaded = load_snapshot_as(&RealDisk, file, Some(named.unwrap_or(Zxid::ZERO)), options, limit)
        .map_err(|error| Failure::new(Code::Unexpected, chain(&error)))?;
    Ok((loaded.tree, named))
}

/// The path of a child.
pub(super) fn child_path(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}
