//! What a client is told of a write is decided, under that zxid, and came of its request. Nothing decided is ever taken
//! back (see `prefix_consistency`), so an acknowledged write never vanishes; one that got no answer is unknown.

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug)]
pub(super) struct AcknowledgedWrites;

impl Property for AcknowledgedWrites {
    fn name(&self) -> &'static str {
        "acknowledged_writes"
    }

    fn observe(&mut self, seen: &Observation<'_>, facts: &Facts) -> Result<(), String> {
        let &Observation::Told { session, xid, op, zxid, answer } = seen else { return Ok(()) };
        if !op.is_write() {
            return Ok(());
        }
        match facts.model.answer(zxid) {
            Some((whose, which, right)) if (*whose, *which) == (session, xid) && right == answer => Ok(()),
            other => Err(format!(
                "session {session} is told {answer:?} of {op:?} ({xid}) at {zxid}, where {other:?} is"
            )),
        }
    }
}
