//! A read shows exactly what the decided history makes of the node, up to the zxid in the answer.

use super::{Facts, Observation, Property};
use crate::messages::Op;

/// See the module.
#[derive(Debug)]
pub(super) struct ExactReads;

impl Property for ExactReads {
    fn name(&self) -> &'static str {
        "exact_reads"
    }

    fn observe(&mut self, seen: &Observation<'_>, facts: &Facts) -> Result<(), String> {
        let &Observation::Told { session, op, zxid, answer, .. } = seen else { return Ok(()) };
        let right = match op {
            Op::Get(path) => facts.model.get(path, zxid),
            Op::Children(path) => facts.model.children(path, zxid),
            _ => return Ok(()),
        };
        if right == *answer {
            Ok(())
        } else {
            Err(format!("session {session} reads {answer:?} by {op:?} at {zxid}, where {right:?} is"))
        }
    }
}
