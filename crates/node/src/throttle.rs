//! The bucket of tokens that new connections pay from.

use zabra_types::Now;

/// Settings named `zookeeper.connection_throttle_…`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleOptions {
    /// `tokens`: the size of the bucket; 0 lets everybody in.
    pub tokens: u32,
    /// `fill_time`: milliseconds between refills.
    pub fill_time_ms: u32,
    /// `fill_count`: tokens per refill.
    pub fill_count: u32,
    /// `freeze_time`: milliseconds between changes of the drop chance; `None` never drops at random.
    pub freeze_time_ms: Option<u32>,
    /// `drop_increase`: added to the drop chance when the bucket is empty.
    pub drop_increase: f64,
    /// `drop_decrease`: taken from the drop chance when the bucket is nearly full.
    pub drop_decrease: f64,
    /// `decrease_ratio`: which part of the bucket may be missing for that.
    pub decrease_ratio: f64,
    /// What an admission costs; `None` without `weight_enabled`: one token each.
    pub weights: Option<AdmissionWeights>,
}

impl Default for ThrottleOptions {
    /// The genuine server's defaults: everybody gets in.
    fn default() -> Self {
        Self {
            tokens: 0,
            fill_time_ms: 1,
            fill_count: 1,
            freeze_time_ms: None,
            drop_increase: 0.02,
            drop_decrease: 0.002,
            decrease_ratio: 0.0,
            weights: None,
        }
    }
}

/// Tokens per kind of admission: `global_session_weight` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionWeights {
    global: u32,
    renew: u32,
    local: u32,
}

impl Default for AdmissionWeights {
    fn default() -> Self {
        Self { global: 3, renew: 2, local: 1 }
    }
}

impl AdmissionWeights {
    /// From the settings. As in the genuine server one that is not positive has its default instead, and no kind
    /// costs less than `local` was set to.
    pub fn new(global: i32, renew: i32, local: i32) -> Self {
        let default = Self::default();
        let positive = |set: i32| u32::try_from(set).ok().filter(|&weight| weight > 0);
        let floor = positive(local).unwrap_or(0);
        let weight = |set: i32, default: u32| positive(set).map_or(default, |weight| weight.max(floor));
        Self {
            global: weight(global, default.global),
            renew: weight(renew, default.renew),
            local: positive(local).unwrap_or(default.local),
        }
    }
}

/// What a client that connects asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A new session.
    Global,
    /// A new session of this server alone.
    Local,
    /// A session it has already.
    Renew,
}

/// Decides which connect requests are looked at (`BlueThrottle`).
///
/// A bucket of tokens bounds the rate; before it, requests are dropped at random with a chance that grows while the
/// bucket is empty and shrinks while it is full. Time and chance are given.
#[derive(Clone, Debug)]
pub struct ConnectionThrottle {
    options: ThrottleOptions,
    tokens_max: u64,
    fill_count: u64,
    tokens: u64,
    filled: Now,
    frozen: Now,
    drop_chance: f64,
}

impl ConnectionThrottle {
    /// A full bucket.
    pub fn new(options: ThrottleOptions, now: Now) -> Self {
        // The settings are thought of in new global sessions.
        let factor = u64::from(options.weights.map_or(1, |weights| weights.global));
        let tokens_max = u64::from(options.tokens) * factor;
        Self {
            options,
            tokens_max,
            fill_count: u64::from(options.fill_count) * factor,
            tokens: tokens_max,
            filled: now,
            frozen: now,
            drop_chance: 0.0,
        }
    }

    /// Whether the request is looked at; false closes the connection without a word. `chance` is random in 0..1.
    pub fn admit(&mut self, what: Admission, now: Now, chance: f64) -> bool {
        if self.tokens_max == 0 {
            return true;
        }
        self.refill(now);
        if self.options.freeze_time_ms.is_some_and(|freeze_ms| self.drops(u64::from(freeze_ms), now, chance))
        {
            return false;
        }
        let needed = u64::from(self.options.weights.map_or(1, |weights| match what {
            Admission::Global => weights.global,
            Admission::Local => weights.local,
            Admission::Renew => weights.renew,
        }));
        match self.tokens.checked_sub(needed) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    /// The chance with which a request is dropped (`zk_connection_drop_probability`).
    pub fn drop_chance(&self) -> f64 {
        self.drop_chance
    }

    /// Tokens that are missing from the bucket (`connection_token_deficit`).
    pub fn deficit(&self) -> u64 {
        self.tokens_max - self.tokens
    }

    fn refill(&mut self, now: Now) {
        let passed = now.millis().saturating_sub(self.filled.millis());
        let fill_time = u64::from(self.options.fill_time_ms.max(1));
        // As in the genuine server a refill waits until more than the time has passed, then counts all of it.
        if passed > u64::from(self.options.fill_time_ms) {
            let refill = passed.saturating_mul(self.fill_count) / fill_time;
            self.tokens = self.tokens.saturating_add(refill).min(self.tokens_max);
            self.filled = now;
        }
    }

    /// Adjusts the drop chance if it is time to, and says whether this request is dropped.
    fn drops(&mut self, freeze_ms: u64, now: Now, chance: f64) -> bool {
        if now.millis().saturating_sub(self.frozen.millis()) > freeze_ms {
            let missing = self.deficit();
            let nearly_full = (self.tokens_max as f64 * self.options.decrease_ratio + 0.5) as u64;
            if missing == self.tokens_max && self.drop_chance < 1.0 {
                self.drop_chance = (self.drop_chance + self.options.drop_increase).min(1.0);
            } else if missing <= nearly_full && self.drop_chance > 0.0 {
                self.drop_chance = (self.drop_chance - self.options.drop_decrease).max(0.0);
            }
            self.frozen = now;
        }
        chance < self.drop_chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::time::Duration;

    fn at(ms: u64) -> Now {
        Now::new(Duration::from_millis(ms))
    }

    /// One request each: milliseconds, random number, admitted, drop chance afterwards in thousandths.
    type Row = (u64, f64, bool, u32);

    fn check(options: ThrottleOptions, rows: &[Row]) {
        let mut throttle = ConnectionThrottle::new(options, at(0));
        for &(ms, chance, admitted, drop_chance) in rows {
            assert_eq!(throttle.admit(Admission::Global, at(ms), chance), admitted, "{ms} ms");
            assert_eq!((throttle.drop_chance() * 1000.0 + 0.5) as u32, drop_chance, "{ms} ms");
        }
    }

    #[test]
    fn without_tokens_everybody_gets_in() {
        let mut throttle = ConnectionThrottle::new(ThrottleOptions::default(), at(0));
        assert!((0..10_000).all(|_| throttle.admit(Admission::Global, at(0), 0.0)));
    }

    #[test]
    fn the_bucket_empties_and_refills() {
        let options = ThrottleOptions { tokens: 2, fill_time_ms: 10, fill_count: 1, ..Default::default() };
        check(
            options,
            &[
                (0, 0.0, true, 0),
                (0, 0.0, true, 0),
                (0, 0.0, false, 0),
                (10, 0.0, false, 0), // only more than the fill time refills
                (11, 0.0, true, 0),
                (21, 0.0, false, 0),
                (41, 0.0, true, 0), // 30 ms passed since the last refill: 2 fit
                (41, 0.0, true, 0),
                (41, 0.0, false, 0),
                (u64::MAX, 0.0, true, 0),
                (5, 0.0, true, 0), // a clock that goes back refills nothing and breaks nothing
                (5, 0.0, false, 0),
            ],
        );
    }

    #[test]
    fn an_empty_bucket_raises_the_chance_and_a_full_one_lowers_it() {
        let options = ThrottleOptions {
            tokens: 1,
            fill_time_ms: 1000,
            freeze_time_ms: Some(10),
            drop_increase: 0.6,
            drop_decrease: 0.25,
            ..Default::default()
        };
        check(
            options,
            &[
                (0, 0.0, true, 0),
                (5, 0.0, false, 0),
                (11, 0.7, false, 600), // survives the chance, finds no token
                (22, 0.99, false, 1000),
                (33, 0.99, false, 1000),
                (1100, 0.8, true, 750), // full again: less likely, and this one passes
                (1101, 0.8, false, 750),
                (1111, 0.8, false, 1000),
            ],
        );
    }

    #[test]
    fn weights_scale_the_bucket() {
        let options =
            ThrottleOptions { tokens: 2, weights: Some(AdmissionWeights::default()), ..Default::default() };
        let mut throttle = ConnectionThrottle::new(options, at(0));
        let asked = [Admission::Global, Admission::Renew, Admission::Local, Admission::Local];
        let admitted: Vec<bool> = asked.map(|what| throttle.admit(what, at(0), 0.0)).into();
        assert_eq!((admitted, throttle.deficit()), ([true, true, true, false].into(), 6));
    }

    #[test]
    fn odd_weights_are_mended() {
        let weights = |global, renew, local| AdmissionWeights { global, renew, local };
        let cases = [
            ((3, 2, 1), weights(3, 2, 1)),
            ((0, -1, 0), weights(3, 2, 1)),
            ((1, 1, 5), weights(5, 5, 5)),
            ((9, 1, 2), weights(9, 2, 2)),
            ((0, 4, 5), weights(3, 5, 5)),
        ];
        for ((global, renew, local), expected) in cases {
            assert_eq!(AdmissionWeights::new(global, renew, local), expected);
        }
    }
}
