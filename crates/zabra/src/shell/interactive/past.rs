//! The lines of earlier shells.

use std::path::PathBuf;

use reedline::{
    FileBackedHistory, History, HistoryItem, HistoryItemId, HistorySessionId, Result, SearchQuery,
};

/// How many lines are kept.
const LINES: usize = 10_000;

/// The history in its file: `$ZABRA_HISTORY`, or `zabra/history` in the user's state directory.
pub(super) fn open() -> std::result::Result<Box<dyn History>, String> {
    let file = place().ok_or("neither XDG_STATE_HOME nor HOME is set")?;
    let history = FileBackedHistory::with_file(LINES, file.clone())
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Box::new(Discreet(history)))
}

fn place() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("ZABRA_HISTORY").or_else(|| {
        let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
        Some(state.join("zabra").join("history"))
    })
}

/// A history that does not write down secrets.
struct Discreet(FileBackedHistory);

/// Whether a line shows somebody's password.
fn is_secret(line: &str) -> bool {
    line.split_whitespace().next() == Some("addauth")
}

impl History for Discreet {
    fn save(&mut self, item: HistoryItem) -> Result<HistoryItem> {
        if is_secret(&item.command_line) { Ok(item) } else { self.0.save(item) }
    }

    fn load(&self, id: HistoryItemId) -> Result<HistoryItem> {
        self.0.load(id)
    }

    fn count(&self, query: SearchQuery) -> Result<i64> {
        self.0.count(query)
    }

    fn search(&self, query: SearchQuery) -> Result<Vec<HistoryItem>> {
        self.0.search(query)
    }

    fn update(&mut self, id: HistoryItemId, updater: &dyn Fn(HistoryItem) -> HistoryItem) -> Result<()> {
        self.0.update(id, updater)
    }

    fn clear(&mut self) -> Result<()> {
        self.0.clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> Result<()> {
        self.0.delete(id)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.0.sync()
    }

    fn session(&self) -> Option<HistorySessionId> {
        self.0.session()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        let mut history = Discreet(FileBackedHistory::with_file(10, file.clone()).unwrap());
        for line in ["ls /", " addauth digest me:secret", "get /a"] {
            history.save(HistoryItem::from_command_line(line)).unwrap();
        }
        history.sync().unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "ls /\nget /a\n");
    }
}
