//! How often, and how, a change is tried.

use std::time::Duration;

/// How often a change is tried when others are quicker, and the pauses between: doubling, and less at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// How often at most; at least once.
    pub max: u32,
    /// The first pause.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Tries {
    /// 16 tries with pauses of 1 to 100 ms.
    fn default() -> Self {
        Self { max: 16, first_pause: Duration::from_millis(1), longest_pause: Duration::from_millis(100) }
    }
}

impl Tries {
    /// This many.
    #[must_use]
    pub fn times(max: u32) -> Self {
        Self { max, ..Self::default() }
    }

    /// Waits before another try; `false` when there is none.
    pub(super) async fn pause(&self, tried: u32) -> bool {
        if tried >= self.max {
            return false;
        }
        let full =
            self.first_pause.saturating_mul(1 << tried.saturating_sub(1).min(20)).min(self.longest_pause);
        tokio::time::sleep(full.mul_f64(fastrand::f64())).await;
        true
    }
}

/// What to do when others keep being quicker: take a lock. Curator's `PromotedToLock`.
///
/// Others who do not promote can still be quicker; those who do queue up behind one another.
#[derive(Clone, Debug)]
pub struct Promotion {
    pub(super) path: String,
    pub(super) timeout: Duration,
    pub(super) tries: Tries,
}

impl Promotion {
    /// The lock at this path (Curator's `InterProcessMutex`), waiting for it at most this long, and this many tries under it.
    #[must_use]
    pub fn new(path: impl Into<String>, timeout: Duration, tries: Tries) -> Self {
        Self { path: path.into(), timeout, tries }
    }
}
