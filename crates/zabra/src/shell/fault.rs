//! What goes wrong with a command, in zkCli's words.

use serde_json::{Value, json};
use zabra_types::KeeperError;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The exit code when it is the last of the shell's commands.
    pub(crate) code: u8,
    /// What zkCli says. Empty: everything was said already.
    pub(crate) text: String,
    /// The word at fault.
    pub(crate) place: Place,
    /// What would have been right, for a person.
    pub(crate) hint: Option<String>,
    /// What the server answered.
    pub(crate) keeper: Option<(KeeperError, Option<String>)>,
    /// Whether nobody reads the shell's output any more.
    pub(crate) unheard: bool,
}

/// Which word of a command is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// None, or nobody knows.
    Unknown,
    /// This one, counted from the command's name, which is 0. One that is missing is behind the last.
    At(usize),
    /// The first one that says this.
    Saying(String),
}

impl From<Option<usize>> for Place {
    fn from(word: Option<usize>) -> Self {
        word.map_or(Self::Unknown, Self::At)
    }
}

impl Fault {
    /// A failure with zkCli's usual exit code.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into(), place: Place::Unknown, hint: None, keeper: None, unheard: false }
    }

    /// A failure because of the server's answer (`CliWrapperException`).
    pub(crate) fn keeper(error: KeeperError, path: Option<&str>) -> Self {
        let keeper = Some((error, path.map(str::to_owned)));
        Self { keeper, ..Self::new(sentence(error, path)) }
    }

    /// No such command.
    pub(crate) fn unknown_command(name: &str) -> Self {
        Self {
            code: 127,
            place: Place::At(0),
            ..Self::new(format!("Command not found: Command not found {name}"))
        }
    }

    /// Standard output is closed.
    pub(crate) fn unheard() -> Self {
        Self { unheard: true, ..Self::new("") }
    }

    /// The same, pointing at a word.
    pub(crate) fn at(self, word: usize) -> Self {
        Self { place: Place::At(word), ..self }
    }

    /// The same, pointing at the word that says this.
    pub(crate) fn about(self, word: &str) -> Self {
        Self { place: Place::Saying(word.to_owned()), ..self }
    }

    /// The same, with what would have been right.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same without the Java class in front that zkCli shows.
    pub(crate) fn without_class(self) -> Self {
        match self.text.split_once(": ") {
            Some((class, text)) if class.starts_with("org.apache.") => Self { text: text.to_owned(), ..self },
            _ => self,
        }
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> Value {
        let mut value = json!({ "error": self.text });
        if let Some((error, path)) = &self.keeper {
            value["name"] = error.name().into();
            value["code"] = error.code().into();
            value["path"] = path.as_deref().into();
        }
        value
    }
}

/// The sentence for an answer (`CliWrapperException.getMessage`).
fn sentence(error: KeeperError, path: Option<&str>) -> String {
    let of = path.unwrap_or("null");
    match error {
        KeeperError::NoNode => format!("Node does not exist: {of}"),
        KeeperError::NoChildrenForEphemerals => format!("Ephemerals cannot have children: {of}"),
        KeeperError::NodeExists => format!("Node already exists: {of}"),
        KeeperError::NotEmpty => format!("Node not empty: {of}"),
        KeeperError::NotReadOnly => format!("Not a read-only call: {of}"),
        KeeperError::InvalidAcl => format!("Acl is not valid : {of}"),
        KeeperError::NoAuth => format!("Insufficient permission : {of}"),
        KeeperError::BadArguments => format!("Arguments are not valid : {of}"),
        KeeperError::BadVersion => format!("version No is not valid : {of}"),
        KeeperError::QuotaExceeded => format!("Quota has exceeded : {of}"),
        KeeperError::ReconfigInProgress => {
            "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)".to_owned()
        }
        KeeperError::NewConfigNoQuorum => {
            "No quorum of new config is connected and up-to-date with the leader of last commmitted config - try \
             invoking reconfiguration after new servers are connected and synced"
                .to_owned()
        }
        other => keeper_message(java_name(other), path),
    }
}

/// What `KeeperException.getMessage` gives.
pub(crate) fn keeper_message(name: &str, path: Option<&str>) -> String {
    match path {
        Some(path) if !path.is_empty() => format!("KeeperErrorCode = {name} for {path}"),
        _ => format!("KeeperErrorCode = {name}"),
    }
}

/// The name in the messages of the Java client (`KeeperException.getCodeMessage`), which is not always the code's.
pub(crate) fn java_name(error: KeeperError) -> &'static str {
    match error {
        KeeperError::NotEmpty => "Directory not empty",
        KeeperError::SessionExpired => "Session expired",
        KeeperError::SessionMoved => "Session moved",
        KeeperError::NotReadOnly => "Not a read-only call",
        KeeperError::EphemeralOnLocalSession => "Ephemeral node on local session",
        KeeperError::NoWatcher => "No such watcher",
        KeeperError::ReconfigDisabled => "Reconfig is disabled",
        KeeperError::SessionClosedRequireSaslAuth => "Session closed because client failed to authenticate",
        KeeperError::QuotaExceeded => "Quota has exceeded",
        KeeperError::ThrottledOp => "Op throttled due to high load",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_as_in_zkcli() {
        for (error, path, text) in [
            (KeeperError::NoNode, Some("/a"), "Node does not exist: /a"),
            (KeeperError::InvalidAcl, None, "Acl is not valid : null"),
            (KeeperError::NoWatcher, Some("/a"), "KeeperErrorCode = No such watcher for /a"),
            (KeeperError::ReconfigDisabled, None, "KeeperErrorCode = Reconfig is disabled"),
        ] {
            assert_eq!(Fault::keeper(error, path).text, text);
        }
    }
}
