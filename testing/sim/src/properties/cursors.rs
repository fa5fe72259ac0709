//! The four cursors of a server: applied ≤ appended, flushed ≤ appended, each in order and without skipping.

use std::collections::BTreeMap;

use zabra_types::Zxid;

use super::{Facts, Observation, Property};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    servers: BTreeMap<usize, Server>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Server {
    appended: Zxid,
    flushed: Zxid,
    applied: Zxid,
    /// A leader's database is not on the disk yet: what is applied to it is not logged.
    adopting: bool,
}

impl Property for Cursors {
    fn name(&self) -> &'static str {
        "cursors"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        match *seen {
            Observation::Started { server, durable, .. } => {
                let last = durable.last_zxid.max(Zxid::ZERO);
                let epochs = [last.epoch(), durable.current_epoch, durable.accepted_epoch];
                self.servers
                    .insert(server, Server { appended: last, flushed: last, applied: last, adopting: false });
                check(epochs.is_sorted(), server, || format!("starts with the epochs {epochs:?}"))
            }
            Observation::Appended { server, zxid } => {
                let state = self.servers.entry(server).or_default();
                let before = std::mem::replace(&mut state.appended, zxid);
                check(follows(before, zxid), server, || format!("appends {zxid} after {before}"))
            }
            Observation::Flushed { server, zxid } => {
                let state = self.servers.entry(server).or_default();
                let right = state.flushed < zxid && zxid <= state.appended;
                state.flushed = zxid;
                check(right, server, || format!("flushes {zxid}"))
            }
            Observation::Applied { server, zxid } => {
                let state = self.servers.entry(server).or_default();
                let before = std::mem::replace(&mut state.applied, zxid);
                if state.adopting {
                    // The snapshot will have it, not the log.
                    state.appended = state.appended.max(zxid);
                }
                let right = follows(before, zxid) && zxid <= state.appended;
                check(right, server, || format!("applies {zxid} after {before}"))
            }
            Observation::Truncated { server, last } => {
                let state = self.servers.entry(server).or_default();
                state.appended = last;
                state.flushed = last;
                state.applied = state.applied.min(last);
                Ok(())
            }
            Observation::Adopted { server, zxid } => {
                let state = self.servers.entry(server).or_default();
                *state = Server { appended: zxid, flushed: zxid, applied: zxid, adopting: true };
                Ok(())
            }
            Observation::Installed { server, last } => {
                let state = self.servers.entry(server).or_default();
                state.adopting = false;
                state.flushed = last;
                // What goes behind it may have been given to the log already.
                check(last <= state.appended, server, || format!("keeps a snapshot of {last}"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a transaction may come right after another: the next of its epoch, or the first of a later one.
fn follows(before: Zxid, zxid: Zxid) -> bool {
    before.next() == Some(zxid) || (zxid.epoch() > before.epoch() && zxid.counter() == 1)
}

fn check(right: bool, server: usize, what: impl FnOnce() -> String) -> Result<(), String> {
    if right { Ok(()) } else { Err(format!("s{} {}", server + 1, what())) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, verdicts};
    use super::*;

    #[test]
    fn nothing_is_skipped_nor_applied_before_it_is_appended() {
        let z = Zxid::from_raw;
        let appended = |zxid| Observation::Appended { server: 0, zxid: z(zxid) };
        let flushed = |zxid| Observation::Flushed { server: 0, zxid: z(zxid) };
        let applied = |zxid| Observation::Applied { server: 0, zxid: z(zxid) };
        let seen = [
            appended(1),
            appended(2),
            flushed(1),
            applied(1),
            applied(2),
            applied(3),
            appended(4),
            flushed(9),
        ];
        let right = [true, true, true, true, true, false, false, false];
        assert_eq!(verdicts(&mut Cursors::default(), &facts(), &seen), right);
    }
}
