//! Rounds, and the middle of them.

use serde_json::{Value, json};

/// Processors that other programs may keep busy before a round is worth little.
pub(crate) const FOREIGN_CPUS_MAX: f64 = 0.1;
/// Rounds that must be left when others are discarded.
const ROUNDS_LEFT_MIN: usize = 3;

/// What one round on one side came to.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// One figure for each case, in their order; not a number where this side has none.
    pub(crate) values: Vec<f64>,
    /// Processor time of the servers for one operation, in microseconds.
    pub(crate) cpu_us_per_op: Option<f64>,
    /// Processors other programs kept busy; `None` where that cannot be told.
    pub(crate) foreign_cpus: Option<f64>,
    /// Everything else, for the file.
    pub(crate) details: Value,
}

/// All rounds of one side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    rounds: Vec<Round>,
}

/// The middle of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Middle {
    /// Of the figures.
    pub(crate) value: Option<f64>,
    /// Of processor time for an operation, in microseconds.
    pub(crate) cpu_us_per_op: Option<f64>,
    /// Of the processors others kept busy, in the rounds that count.
    pub(crate) foreign_cpus: Option<f64>,
    /// Rounds that do not count because of what others did.
    pub(crate) discarded: usize,
    /// Whether rounds had to count in which others were busy.
    pub(crate) noisy: bool,
}

impl Series {
    /// One more round.
    pub(crate) fn push(&mut self, round: Round) {
        self.rounds.push(round);
    }

    /// The middle of what the case at `at` came to, without the rounds in which other programs were busy if enough are left.
    pub(crate) fn middle(&self, at: usize) -> Middle {
        let quiet = |round: &&Round| round.foreign_cpus.is_none_or(|cpus| cpus <= FOREIGN_CPUS_MAX);
        let clean: Vec<&Round> = self.rounds.iter().filter(quiet).collect();
        let noisy = clean.len() < self.rounds.len() && clean.len() < ROUNDS_LEFT_MIN;
        let counted: Vec<&Round> = if noisy { self.rounds.iter().collect() } else { clean };
        let of = |value: &dyn Fn(&Round) -> Option<f64>| {
            median(counted.iter().filter_map(|round| value(round)).collect())
        };
        Middle {
            value: of(&|round| round.values.get(at).copied()),
            cpu_us_per_op: of(&|round| round.cpu_us_per_op),
            foreign_cpus: of(&|round| round.foreign_cpus),
            discarded: self.rounds.len() - counted.len(),
            noisy,
        }
    }

    /// Every round.
    pub(crate) fn json(&self, at: usize) -> Value {
        let rounds = self.rounds.iter().map(|round| {
            json!({
                "value": round.values.get(at),
                "cpu_us_per_op": round.cpu_us_per_op,
                "foreign_cpus": round.foreign_cpus,
                "details": round.details,
            })
        });
        rounds.collect()
    }
}

/// The middle one, or the mean of the two in the middle; what is not a number does not count.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rounds: &[(f64, f64)]) -> Series {
        let mut series = Series::default();
        for &(value, foreign) in rounds {
            series.push(Round {
                values: vec![f64::NAN, value],
                cpu_us_per_op: Some(value / 10.0),
                foreign_cpus: Some(foreign),
                details: Value::Null,
            });
        }
        series
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
        assert_eq!(median(vec![f64::NAN, 5.0]), Some(5.0));
        assert_eq!(median(vec![f64::NAN]), None);
    }

    #[test]
    fn rounds_with_busy_neighbours_are_discarded_if_enough_are_left() {
        let middle = series(&[(1.0, 0.0), (2.0, 0.05), (3.0, 0.1), (90.0, 0.11), (80.0, 2.0)]).middle(1);
        assert_eq!((middle.value, middle.discarded, middle.noisy), (Some(2.0), 2, false));
        assert_eq!((middle.cpu_us_per_op, middle.foreign_cpus), (Some(0.2), Some(0.05)));
        let middle = series(&[(1.0, 0.0), (2.0, 0.05), (90.0, 0.2)]).middle(1);
        assert_eq!((middle.value, middle.discarded, middle.noisy), (Some(2.0), 0, true));
    }

    #[test]
    fn few_rounds_that_are_quiet_are_not_noisy() {
        let middle = series(&[(1.0, 0.0), (3.0, 0.05)]).middle(1);
        assert_eq!((middle.value, middle.noisy), (Some(2.0), false));
        assert_eq!(series(&[(1.0, 0.0)]).middle(0).value, None, "this side has no such figure");
        assert_eq!(Series::default().middle(0).value, None);
    }
}
