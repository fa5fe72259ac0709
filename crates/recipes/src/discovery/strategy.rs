//! How a provider chooses among the instances that are up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ServiceInstance;

/// An instance a provider may choose.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The instance.
    pub instance: Arc<ServiceInstance>,
    /// How many times this provider has it chosen at present: the [`Chosen`](super::Chosen) that were not dropped.
    pub in_use: usize,
}

/// Chooses one of several instances. Mirrors Curator's `ProviderStrategy`.
///
/// A closure `Fn(&[Candidate]) -> Option<usize>` is one too.
pub trait Strategy: Send + Sync {
    /// The index of the chosen one; `None` for none of them.
    ///
    /// The candidates are in the order of their znodes' names, and there may be none.
    fn choose(&self, candidates: &[Candidate]) -> Option<usize>;
}

impl<F: Fn(&[Candidate]) -> Option<usize> + Send + Sync> Strategy for F {
    fn choose(&self, candidates: &[Candidate]) -> Option<usize> {
        self(candidates)
    }
}

/// One after the other.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: AtomicUsize,
}

impl RoundRobin {
    /// Begins with the first.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Strategy for RoundRobin {
    fn choose(&self, candidates: &[Candidate]) -> Option<usize> {
        if candidates.is_empty() {
            return None;
        }
        Some(self.next.fetch_add(1, Ordering::Relaxed) % candidates.len())
    }
}

/// Any of them, each as likely as the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Strategy for Random {
    fn choose(&self, candidates: &[Candidate]) -> Option<usize> {
        (!candidates.is_empty()).then(|| fastrand::usize(..candidates.len()))
    }
}

/// The same one for as long as it is a candidate; then another, chosen by the strategy inside.
#[derive(Debug)]
pub struct Sticky<S> {
    first: S,
    chosen: Mutex<Stuck>,
}

#[derive(Debug, Default)]
struct Stuck {
    id: Option<String>,
    changes: u64,
}

impl<S: Strategy> Sticky<S> {
    /// Chooses with `first` whenever it has to choose.
    pub fn new(first: S) -> Self {
        Self { first, chosen: Mutex::default() }
    }

    /// How many times it has chosen another instance.
    pub fn changes(&self) -> u64 {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner).changes
    }
}

impl<S: Strategy> Strategy for Sticky<S> {
    fn choose(&self, candidates: &[Candidate]) -> Option<usize> {
        let mut stuck = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        let present =
            candidates.iter().position(|candidate| Some(&candidate.instance.id) == stuck.id.as_ref());
        if present.is_some() {
            return present;
        }
        let index = self.first.choose(candidates)?;
        if let Some(candidate) = candidates.get(index) {
            stuck.id = Some(candidate.instance.id.clone());
            stuck.changes += 1;
        }
        Some(index)
    }
}

type Load = dyn Fn(&ServiceInstance) -> f64 + Send + Sync;

/// The one with the least to do; among equals, any.
///
/// What an instance has to do is the number of times this provider has it chosen at present, or a figure the instance
/// reports about itself, see [`reported`](Self::reported).
#[derive(Default)]
pub struct LeastLoaded {
    reported: Option<Box<Load>>,
}

impl LeastLoaded {
    /// By the choices of this provider that are still in use.
    pub fn new() -> Self {
        Self::default()
    }

    /// By what instances say in their payload, as they update it. Of instances that report the same load, the one
    /// with the fewest choices in use. One whose load is not a number is taken last.
    pub fn reported(load: impl Fn(&ServiceInstance) -> f64 + Send + Sync + 'static) -> Self {
        Self { reported: Some(Box::new(load)) }
    }
}

impl std::fmt::Debug for LeastLoaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeastLoaded").field("reported", &self.reported.is_some()).finish()
    }
}

impl Strategy for LeastLoaded {
    fn choose(&self, candidates: &[Candidate]) -> Option<usize> {
        let load = |candidate: &Candidate| match &self.reported {
            // A NaN of either sign would otherwise sort before or after all numbers as its sign says.
            Some(load) => {
                Some(load(&candidate.instance)).filter(|load| !load.is_nan()).unwrap_or(f64::INFINITY)
            }
            None => 0.0,
        };
        let mut best: Option<(f64, usize)> = None;
        let mut equals = Vec::new();
        for (index, candidate) in candidates.iter().enumerate() {
            let this = (load(candidate), candidate.in_use);
            let order = best.map_or(std::cmp::Ordering::Less, |best| {
                this.0.total_cmp(&best.0).then_with(|| this.1.cmp(&best.1))
            });
            if order.is_lt() {
                best = Some(this);
                equals.clear();
            }
            if order.is_le() {
                equals.push(index);
            }
        }
        (!equals.is_empty()).then(|| equals[fastrand::usize(..equals.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(in_use: &[(&str, usize)]) -> Vec<Candidate> {
        let candidate = |&(id, in_use): &(&str, usize)| Candidate {
            instance: Arc::new(ServiceInstance::new("web").id(id).payload(serde_json::json!(id.len()))),
            in_use,
        };
        in_use.iter().map(candidate).collect()
    }

    #[test]
    fn nothing_is_chosen_of_nothing() {
        let strategies: [&dyn Strategy; 4] =
            [&RoundRobin::new(), &Random, &Sticky::new(Random), &LeastLoaded::new()];
        for strategy in strategies {
            assert_eq!(strategy.choose(&[]), None);
        }
    }

    #[test]
    fn round_robin_takes_turns() {
        let strategy = RoundRobin::new();
        let three = candidates(&[("a", 0), ("b", 0), ("c", 0)]);
        let chosen: Vec<_> = (0..7).filter_map(|_| strategy.choose(&three)).collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn random_reaches_everyone() {
        let three = candidates(&[("a", 0), ("b", 0), ("c", 0)]);
        let mut seen = [false; 3];
        for _ in 0..1_000 {
            seen[Random.choose(&three).unwrap()] = true;
        }
        assert_eq!(seen, [true; 3]);
    }

    #[test]
    fn sticky_stays_until_its_instance_goes() {
        let strategy = Sticky::new(RoundRobin::new());
        let three = candidates(&[("a", 0), ("b", 0), ("c", 0)]);
        assert_eq!((strategy.choose(&three), strategy.choose(&three)), (Some(0), Some(0)));
        // "a" is gone, and the second choice of the round robin is its second.
        assert_eq!(strategy.choose(&three[1..]), Some(1));
        // Back again, but no reason to change.
        assert_eq!(strategy.choose(&three), Some(2));
        assert_eq!(strategy.changes(), 2);
    }

    #[test]
    fn least_loaded_takes_the_idle_one() {
        let strategy = LeastLoaded::new();
        for _ in 0..50 {
            assert_eq!(strategy.choose(&candidates(&[("a", 3), ("b", 1), ("c", 2)])), Some(1));
            assert_ne!(strategy.choose(&candidates(&[("a", 1), ("b", 2), ("c", 1)])), Some(1));
        }
    }

    #[test]
    fn reported_load_counts_before_choices_in_use() {
        let load = |instance: &ServiceInstance| match instance.id.as_str() {
            "not-a-number" => -f64::NAN,
            _ => instance.payload.as_ref().and_then(|payload| payload.get().ok()).unwrap_or(f64::NAN),
        };
        let strategy = LeastLoaded::reported(load);
        assert_eq!(strategy.choose(&candidates(&[("aaa", 0), ("b", 9), ("cc", 0)])), Some(1));
        assert_eq!(strategy.choose(&candidates(&[("a", 5), ("b", 4)])), Some(1));
        assert_eq!(strategy.choose(&candidates(&[("not-a-number", 0), ("b", 4)])), Some(1));
    }
}
