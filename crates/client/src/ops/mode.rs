//! Create modes as builders put them together.

use crate::{CreateMode, Error};
use std::time::Duration;
use zabra_types::TTL_MS_MAX;

/// What a builder was told about the kind of node, which may not go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModeChoice {
    pub(crate) ephemeral: bool,
    pub(crate) sequential: bool,
    pub(crate) container: bool,
    /// A mode with a time to live was asked for; the time itself may still be missing.
    pub(crate) timed: bool,
    pub(crate) ttl: Option<Duration>,
}

impl ModeChoice {
    /// Exactly this mode.
    pub(crate) const fn set(&mut self, mode: CreateMode) {
        self.ephemeral = mode.is_ephemeral();
        self.sequential = mode.is_sequential();
        self.container = matches!(mode, CreateMode::Container);
        self.timed = mode.is_ttl();
    }

    /// The mode and its time to live in milliseconds.
    pub(crate) fn resolve(self) -> Result<(CreateMode, Option<i64>), Error> {
        let bad = |text: &str| Err(Error::BadArgument(text.to_owned()));
        if self.timed || self.ttl.is_some() {
            if self.ephemeral || self.container {
                return bad("only persistent nodes have a time to live");
            }
            let Some(ttl) = self.ttl else { return bad("a node with a time to live needs to be told it") };
            let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
            if !(1..=TTL_MS_MAX).contains(&ttl_ms) {
                return bad("a time to live is from 1 ms to 2^40 - 1 ms");
            }
            let mode = if self.sequential {
                CreateMode::PersistentSequentialWithTtl
            } else {
                CreateMode::PersistentWithTtl
            };
            return Ok((mode, Some(ttl_ms)));
        }
        match (self.container, self.ephemeral, self.sequential) {
            (false, false, false) => Ok((CreateMode::Persistent, None)),
            (false, false, true) => Ok((CreateMode::PersistentSequential, None)),
            (false, true, false) => Ok((CreateMode::Ephemeral, None)),
            (false, true, true) => Ok((CreateMode::EphemeralSequential, None)),
            (true, false, false) => Ok((CreateMode::Container, None)),
            (true, true, _) => bad("a container is not ephemeral"),
            (true, false, true) => bad("a container is not sequential"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_what_it_was_set_to() {
        for flags in 0..=6 {
            let mode = CreateMode::from_flags(flags).unwrap();
            let mut choice = ModeChoice::default();
            choice.set(mode);
            if mode.is_ttl() {
                assert!(choice.resolve().is_err(), "without a time");
                choice.ttl = Some(Duration::from_millis(7));
            }
            assert_eq!(choice.resolve(), Ok((mode, mode.is_ttl().then_some(7))));
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let plain = ModeChoice::default();
        let ttl = Some(Duration::from_secs(1));
        let refused = [
            ModeChoice { container: true, ephemeral: true, ..plain },
            ModeChoice { container: true, sequential: true, ..plain },
            ModeChoice { container: true, ttl, ..plain },
            ModeChoice { ephemeral: true, ttl, ..plain },
            ModeChoice { ttl: Some(Duration::from_micros(999)), ..plain },
            ModeChoice { ttl: Some(Duration::from_millis(1 << 40)), ..plain },
            ModeChoice { ttl: Some(Duration::MAX), ..plain },
        ];
        for choice in refused {
            assert!(matches!(choice.resolve(), Err(Error::BadArgument(_))), "{choice:?}");
        }
    }
}
