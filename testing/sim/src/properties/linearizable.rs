//! Writes, and reads behind a `sync`, take place between being asked for and being answered: whoever asks after somebody
//! was told something sees at least that.
//!
//! The zxids in the answers are the order that has to explain them; `acknowledged_writes` and `exact_reads` see that each
//! answer is what that order makes of it.

use std::collections::BTreeMap;

use zabra_types::{SessionId, Xid, Zxid};

use super::{Facts, Observation, Property};
use crate::messages::Op;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Linearizable {
    /// The latest that anybody was told.
    told: Zxid,
    /// That, when each open write or sync was asked for.
    asked: BTreeMap<(SessionId, Xid), Zxid>,
    /// What each session must see since its last sync.
    synced: BTreeMap<SessionId, Zxid>,
}

impl Property for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        match *seen {
            Observation::Asked { session, xid, op } if op.is_write() || *op == Op::Sync => {
                self.asked.insert((session, xid), self.told);
            }
            Observation::Told { session, xid, op, zxid, .. } => {
                let asked = self.asked.remove(&(session, xid));
                let mut floor = self.synced.get(&session).copied().unwrap_or(Zxid::ZERO);
                if op.is_write() {
                    floor = asked.unwrap_or(Zxid::ZERO);
                } else if *op == Op::Sync {
                    floor = floor.max(asked.unwrap_or(Zxid::ZERO));
                    self.synced.insert(session, floor);
                }
                self.told = self.told.max(zxid);
                if zxid < floor || (op.is_write() && zxid == floor) {
                    return Err(format!(
                        "{op:?} ({xid}) of session {session} takes place at {zxid}, but {floor} was told before it was \
                         asked for, or before the sync in front of it"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, verdicts};
    use super::*;
    use crate::messages::Answer;

    #[test]
    fn a_sync_catches_up_and_a_plain_read_need_not() {
        let (get, set, sync) = (
            Op::Get("/".to_owned()),
            Op::SetData { path: "/".to_owned(), data: String::new(), version: -1 },
            Op::Sync,
        );
        let ask = |session, op| Observation::Asked {
            session: SessionId::from_raw(session),
            xid: Xid::from_raw(1),
            op,
        };
        let told = |session, op, zxid| Observation::Told {
            session: SessionId::from_raw(session),
            xid: Xid::from_raw(1),
            op,
            zxid: Zxid::from_raw(zxid),
            answer: &Answer::Done,
        };
        let seen = [
            ask(1, &set),
            told(1, &set, 5),
            told(2, &get, 3),
            ask(2, &sync),
            told(2, &sync, 5),
            told(2, &get, 4),
            ask(3, &set),
            told(3, &set, 5),
        ];
        let right = [true, true, true, true, true, false, true, false];
        assert_eq!(verdicts(&mut Linearizable::default(), &facts(), &seen), right);
    }
}
