//! The commands that zkCli does not have.

mod copy;
mod edit;
pub(crate) mod exchange;
mod export;
mod find;
mod follow;
mod grep;
mod import;
mod locks;
mod progress;
mod sessions;
mod show;
mod subtree;
mod tree;
mod view;
mod write;

use super::commands::Command;

/// All of them, in groups.
pub(super) const GROUPS: [&[Command]; 10] = [
    copy::COMMANDS,
    edit::COMMANDS,
    export::COMMANDS,
    find::COMMANDS,
    follow::COMMANDS,
    grep::COMMANDS,
    import::COMMANDS,
    locks::COMMANDS,
    sessions::COMMANDS,
    tree::COMMANDS,
];
