//! Ephemeral nodes end with their session, and a session that its client hears is over is over.
//!
//! That the end of a session takes exactly its nodes along is seen where the decided history is applied to the model.

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug)]
pub(super) struct Ephemerals;

impl Property for Ephemerals {
    fn name(&self) -> &'static str {
        "ephemerals"
    }

    fn observe(&mut self, seen: &Observation<'_>, facts: &Facts) -> Result<(), String> {
        match *seen {
            Observation::Expired { session } if facts.model.session(session) == Some(None) => {
                // The leader may have begun to end it. Then it never lives again, and ends in what is decided next.
                Ok(())
            }
            Observation::Delivered { txn, .. } if facts.last() == txn.zxid => {
                let orphan =
                    facts.model.ephemerals().find(|&(_, owner)| facts.model.session(owner) != Some(None));
                match orphan {
                    None => Ok(()),
                    Some((path, owner)) => Err(format!("{path} is there, but its session {owner} is over")),
                }
            }
            _ => Ok(()),
        }
    }
}
