//! Mistakes that can be put back on purpose. A simulator that does not find them shows nothing.

/// A mistake in the core itself; others are put into the simulator's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "without the feature nobody can ask for it")
)]
pub enum Sabotage {
    /// An election prefers the greater id, whatever the histories.
    WrongVoteOrder,
    /// What observers promise and acknowledge counts as a voter's.
    CountNonVoters,
}
