//! What one session sees never goes back, over all servers it is connected to, and its writes have their place in the order
//! of its requests.

use std::collections::BTreeMap;

use zabra_types::{SessionId, Zxid};

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SessionOrder {
    seen: BTreeMap<SessionId, Zxid>,
}

impl Property for SessionOrder {
    fn name(&self) -> &'static str {
        "session_order"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        let &Observation::Told { session, xid, op, zxid, .. } = seen else { return Ok(()) };
        let before = self.seen.insert(session, zxid).unwrap_or(Zxid::ZERO);
        let right = if op.is_write() { zxid > before } else { zxid >= before };
        if right {
            Ok(())
        } else {
            Err(format!("session {session} has seen {before}, and {op:?} ({xid}) shows it {zxid}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, verdicts};
    use super::*;
    use crate::messages::{Answer, Op};
    use zabra_types::Xid;

    #[test]
    fn a_session_does_not_go_back() {
        let (get, close) = (Op::Get("/".to_owned()), Op::Close);
        let told = |op, zxid| Observation::Told {
            session: SessionId::from_raw(1),
            xid: Xid::from_raw(1),
            op,
            zxid: Zxid::from_raw(zxid),
            answer: &Answer::Done,
        };
        let seen = [told(&get, 5), told(&get, 5), told(&close, 5), told(&close, 6), told(&get, 5)];
        assert_eq!(verdicts(&mut SessionOrder::default(), &facts(), &seen), [true, true, false, true, false]);
    }
}
