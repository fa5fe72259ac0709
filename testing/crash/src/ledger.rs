//! Which transaction something comes from, and what is known of its zxid and time.

/// What is known of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) zxid: Option<i64>,
    pub(crate) time: Option<i64>,
}

/// What made a node, or changed it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Something from before this round, checked then.
    Settled(Moment),
    /// A request of this round, by its place among those of its slot.
    Request(usize),
}

/// What the requests of a slot in one round are known to have become. Every sight of a zxid or time is either new or has
/// to agree with the earlier ones: so the nodes of one multi must carry one zxid, and a node the zxid its reply told.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    moments: Vec<Moment>,
}

impl Ledger {
    /// Of this many requests nothing is known.
    pub(crate) fn new(requests: usize) -> Self {
        Self { moments: vec![Moment::default(); requests] }
    }

    /// Takes note of a zxid; what was known instead if it does not agree.
    pub(crate) fn see_zxid(&mut self, cause: Cause, seen: i64) -> Result<(), i64> {
        match cause {
            Cause::Settled(moment) => agree(&mut { moment.zxid }, seen),
            Cause::Request(request) => agree(&mut self.moments[request].zxid, seen),
        }
    }

    /// Takes note of a time; what was known instead if it does not agree.
    pub(crate) fn see_time(&mut self, cause: Cause, seen: i64) -> Result<(), i64> {
        match cause {
            Cause::Settled(moment) => agree(&mut { moment.time }, seen),
            Cause::Request(request) => agree(&mut self.moments[request].time, seen),
        }
    }

    /// The zxids that are known, by request.
    pub(crate) fn zxids(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        self.moments.iter().enumerate().filter_map(|(request, moment)| Some((request, moment.zxid?)))
    }

    /// What is known of a cause.
    pub(crate) fn moment(&self, cause: Cause) -> Moment {
        match cause {
            Cause::Settled(moment) => moment,
            Cause::Request(request) => self.moments[request],
        }
    }
}

fn agree(known: &mut Option<i64>, seen: i64) -> Result<(), i64> {
    match *known {
        Some(value) if value != seen => Err(value),
        _ => {
            *known = Some(seen);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sights_have_to_agree() {
        let mut ledger = Ledger::new(2);
        assert_eq!(ledger.see_zxid(Cause::Request(1), 7), Ok(()));
        assert_eq!(ledger.see_zxid(Cause::Request(1), 7), Ok(()));
        assert_eq!(ledger.see_zxid(Cause::Request(1), 8), Err(7));
        assert_eq!(ledger.zxids().collect::<Vec<_>>(), [(1, 7)]);
        let settled = Cause::Settled(Moment { zxid: Some(3), time: None });
        assert_eq!(ledger.see_zxid(settled, 4), Err(3));
        assert_eq!(ledger.see_time(settled, 4), Ok(()));
    }
}
