//! One line of the table: what is measured, and what is to be reached.

/// What is compared.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The number of its row in the list of targets.
    pub(crate) row: u8,
    /// What is done: `set 100 B 64x1`.
    pub(crate) name: String,
    /// Of what the figures are: `op/s`, `ms`.
    pub(crate) unit: &'static str,
    /// Which of two figures is the better one.
    pub(crate) better: Better,
    /// What is to be reached.
    pub(crate) target: Target,
}

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// The larger, as with throughput.
    More,
    /// The smaller, as with time and memory.
    Less,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// So many times better than the genuine server.
    Times(f64),
    /// Our figure at most this, in the case's unit.
    AtMost(f64),
    /// Nothing: it is shown.
    Shown,
}

impl Case {
    /// A case where more is better.
    pub(crate) fn more(row: u8, name: impl Into<String>, unit: &'static str, target: Target) -> Self {
        Self { row, name: name.into(), unit, better: Better::More, target }
    }

    /// A case where less is better.
    pub(crate) fn less(row: u8, name: impl Into<String>, unit: &'static str, target: Target) -> Self {
        Self { row, name: name.into(), unit, better: Better::Less, target }
    }

    /// How many times better ours is; below 1 it is worse. `None` when either is missing or nothing.
    pub(crate) fn ratio(&self, genuine: Option<f64>, ours: Option<f64>) -> Option<f64> {
        let (genuine, ours) = (genuine?, ours?);
        let ratio = match self.better {
            Better::More => ours / genuine,
            Better::Less => genuine / ours,
        };
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    }

    /// Whether the target is reached. `None` when there is none, or what it needs was not measured.
    pub(crate) fn reached(&self, genuine: Option<f64>, ours: Option<f64>) -> Option<bool> {
        match self.target {
            Target::Times(times) => Some(self.ratio(genuine, ours)? >= times),
            Target::AtMost(limit) => Some(ours? <= limit),
            Target::Shown => None,
        }
    }
}

impl Target {
    /// As it stands in the table.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Times(times) => format!("{times}x"),
            Self::AtMost(limit) => format!("<= {limit}"),
            Self::Shown => "shown".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_above_one_are_for_the_better() {
        let more = Case::more(1, "get", "op/s", Target::Times(2.5));
        let less = Case::less(3, "p99", "us", Target::Times(5.0));
        assert_eq!(more.ratio(Some(10.0), Some(25.0)), Some(2.5));
        assert_eq!(less.ratio(Some(10.0), Some(2.5)), Some(4.0));
        assert_eq!(more.ratio(None, Some(25.0)), None);
        assert_eq!(more.ratio(Some(0.0), Some(25.0)), None);
        assert_eq!(less.ratio(Some(1.0), Some(f64::NAN)), None);
    }

    #[test]
    fn targets_are_reached_or_not_or_not_known() {
        let times = Case::more(1, "get", "op/s", Target::Times(2.5));
        assert_eq!(times.reached(Some(10.0), Some(25.0)), Some(true));
        assert_eq!(times.reached(Some(10.0), Some(24.9)), Some(false));
        assert_eq!(times.reached(None, Some(24.9)), None);
        let limit = Case::less(9, "memory", "B", Target::AtMost(220.0));
        assert_eq!(limit.reached(None, Some(220.0)), Some(true));
        assert_eq!(limit.reached(Some(1000.0), Some(221.0)), Some(false));
        let shown = Case::less(14, "sync off", "us", Target::Shown);
        assert_eq!(shown.reached(Some(1.0), Some(1.0)), None);
    }

    #[test]
    fn targets_read_as_in_the_list() {
        let texts = [Target::Times(2.5), Target::Times(20.0), Target::AtMost(0.5), Target::Shown];
        assert_eq!(texts.map(Target::text), ["2.5x", "20x", "<= 0.5", "shown"]);
    }
}
