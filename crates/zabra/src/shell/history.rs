//! The commands of this shell so far, for `history` and `redo`.

use super::fault::Fault;
use super::words;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: Vec<String>,
    /// How many have been run; the one that is running is in `lines` already.
    count: usize,
}

/// How many commands `history` lists.
const LISTED: usize = 11;

impl History {
    /// A command is going to run.
    pub(crate) fn begin(&mut self, line: &str) {
        self.lines.truncate(self.count);
        self.lines.push(line.to_owned());
    }

    /// It has run.
    pub(crate) fn end(&mut self) {
        self.count = self.lines.len();
    }

    /// The number of the next command, as the prompt shows it.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The latest ones with their numbers.
    pub(crate) fn latest(&self) -> Vec<(usize, String)> {
        let from = self.lines.len().saturating_sub(LISTED);
        self.lines.iter().enumerate().skip(from).map(|(number, line)| (number, line.clone())).collect()
    }

    /// The command of this number, which takes the place of the `redo` that is running.
    pub(crate) fn redo(&mut self, number: i64) -> Result<String, Fault> {
        let found = usize::try_from(number).ok().filter(|number| *number < self.count);
        let Some(line) = found.and_then(|number| self.lines.get(number)).cloned() else {
            return Err(Fault::new("Command index out of range").at(1));
        };
        if words::split(&line).is_ok_and(|words| words.first().is_some_and(|word| word.text == "redo")) {
            return Err(Fault::new("No redoing redos").at(1));
        }
        if let Some(last) = self.lines.last_mut() {
            last.clone_from(&line);
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_numbered_and_run_again() {
        let mut history = History::default();
        for number in 0..12 {
            history.begin(&format!("ls /{number}"));
            history.end();
        }
        history.begin("history");
        assert_eq!(history.latest().len(), 11);
        assert_eq!(history.latest()[0], (2, "ls /2".to_owned()));
        assert_eq!(history.latest()[10], (12, "history".to_owned()));
        history.end();
        history.begin("redo 3");
        assert_eq!(history.redo(3), Ok("ls /3".to_owned()));
        assert_eq!(history.redo(13).unwrap_err().text, "Command index out of range");
        assert_eq!(history.redo(-1).unwrap_err().text, "Command index out of range");
        history.end();
        assert_eq!((history.count(), history.latest()[10].clone()), (14, (13, "ls /3".to_owned())));
        history.begin("redo x");
        history.end();
        history.begin("redo 14");
        assert_eq!(history.redo(14).unwrap_err().text, "No redoing redos");
    }
}
