//! The file that the counts are kept in.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::count::Cost;

/// What was counted when the record was made: a line for each operation, so that a change is read in a diff.
#[derive(Debug)]
pub(crate) struct Record(Map<String, Value>);

const COMPILER: &str = "compiler";
const OPERATIONS: &str = "operations";

/// The compiler at hand: another one makes other code.
pub(crate) fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let version = version.map_or_else(
        || "an unknown compiler".to_owned(),
        |text| String::from_utf8_lossy(&text).trim().to_owned(),
    );
    format!("{version}, {}", std::env::consts::ARCH)
}

impl Record {
    /// Reads the record; a missing one is empty.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => "{}".to_owned(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(format!("{} is no object", path.display())),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Writes it, a line for each operation.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let operations = self.0.get(OPERATIONS).and_then(Value::as_object);
        let lines: Vec<_> = operations
            .into_iter()
            .flatten()
            .map(|(name, cost)| format!("    {}: {cost}", Value::from(name.as_str())))
            .collect();
        let text = format!(
            "{{\n  \"{COMPILER}\": {},\n  \"{OPERATIONS}\": {{\n{}\n  }}\n}}\n",
            Value::from(compiler()),
            lines.join(",\n")
        );
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What compiled the recorded program.
    pub(crate) fn compiler(&self) -> &str {
        self.0.get(COMPILER).and_then(Value::as_str).unwrap_or("nobody knows what")
    }

    /// Whether the compiler at hand made it.
    pub(crate) fn is_comparable(&self) -> bool {
        self.0.is_empty() || self.compiler() == compiler()
    }

    /// The cost of an operation.
    pub(crate) fn get(&self, name: &str) -> Option<Cost> {
        let cost = self.0.get(OPERATIONS)?.get(name)?;
        Some(Cost {
            instructions: cost.get("instructions")?.as_u64()?,
            allocations: cost.get("allocations")?.as_f64()?,
        })
    }

    /// Takes the cost of an operation.
    pub(crate) fn set(&mut self, name: &str, cost: Cost) {
        let operations = self.0.entry(OPERATIONS).or_insert_with(|| json!({}));
        let hundredths = (cost.allocations * 100.0).round() / 100.0;
        let cost = json!({ "instructions": cost.instructions, "allocations": hundredths });
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(name.to_owned(), cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        let mut record = Record::read(&path).unwrap();
        assert!(record.is_comparable() && record.get("get").is_none());
        record.set("get", Cost { instructions: 2250, allocations: 0.004 });
        record.set("set", Cost { instructions: 11_173, allocations: 2.041 });
        record.write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 7);
        let read = Record::read(&path).unwrap();
        assert!(read.is_comparable());
        assert_eq!(read.get("get"), Some(Cost { instructions: 2250, allocations: 0.0 }));
        assert_eq!(read.get("set"), Some(Cost { instructions: 11_173, allocations: 2.04 }));
        assert_eq!(read.get("delete"), None);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        for text in ["", "[]", "{"] {
            std::fs::write(&path, text).unwrap();
            assert!(Record::read(&path).is_err(), "{text:?}");
        }
    }
}
