//! How long tests go on that depend on chance.

/// How often a test does what breaks only now and then: as often as `usual`, or `ZABRA_TEST_ROUNDS` times as often when that is
/// set. `usual` is chosen for a run with all other tests, on a busy machine.
///
/// # Panics
/// `ZABRA_TEST_ROUNDS` is no number above zero: nobody is to believe that a test was long which was not.
pub fn rounds(usual: usize) -> usize {
    let Some(factor) = std::env::var_os("ZABRA_TEST_ROUNDS") else { return usual };
    let factor = factor.to_str().and_then(|factor| factor.parse::<usize>().ok()).filter(|factor| *factor > 0);
    usual * factor.expect("ZABRA_TEST_ROUNDS is a number above zero")
}
