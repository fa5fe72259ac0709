//! Lines of the table.

use super::case::Case;
use super::series::Middle;

/// A case and the middle of its rounds on each side.
#[derive(Clone, Debug)]
pub(crate) struct Result {
    pub(crate) case: Case,
    pub(crate) genuine: Middle,
    pub(crate) ours: Middle,
    pub(crate) floor: Middle,
    /// Whether processor time for an operation is shown: once for the cases of a contest.
    pub(crate) with_cpu: bool,
}

/// The head over the lines.
pub(crate) fn head() -> String {
    format!(
        "{:>2} {:<42} {:<6} {:>9} {:>9} {:>9} {:>8} {:>7} {:<7} {:>9} {:>9} {:>7} {:>7}",
        "#",
        "",
        "",
        "genuine",
        "zabra",
        "floor",
        "ratio",
        "target",
        "reached",
        "CPU us/op",
        "zabra",
        "ratio",
        "foreign"
    )
}

impl Result {
    /// Whether the target is reached, if that is known.
    pub(crate) fn reached(&self) -> Option<bool> {
        self.case.reached(self.genuine.value, self.ours.value)
    }

    /// How many times better ours is.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.case.ratio(self.genuine.value, self.ours.value)
    }

    /// How many times less processor time an operation takes.
    pub(crate) fn cpu_ratio(&self) -> Option<f64> {
        let ratio = self.genuine.cpu_us_per_op? / self.ours.cpu_us_per_op?;
        ratio.is_finite().then_some(ratio)
    }

    /// Whether other programs were busy in rounds that count.
    pub(crate) fn noisy(&self) -> bool {
        self.genuine.noisy || self.ours.noisy
    }

    /// As a line of the table.
    pub(crate) fn line(&self) -> String {
        let reached = match self.reached() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        let noisy = if self.noisy() { "~" } else { "" };
        let cpu = |value: Option<f64>| figure(value.filter(|_| self.with_cpu));
        let foreign = [self.genuine, self.ours].iter().filter_map(|side| side.foreign_cpus).reduce(f64::max);
        let foreign = foreign.map_or_else(|| "-".to_owned(), |cpus| format!("{cpus:.2}"));
        let discarded = self.genuine.discarded + self.ours.discarded;
        let discarded = if discarded > 0 { format!("  {discarded} rounds discarded") } else { String::new() };
        format!(
            "{:>2} {:<42} {:<6} {:>9} {:>9} {:>9} {:>8} {:>7} {:<7} {:>9} {:>9} {:>7} {foreign:>7}{discarded}",
            self.case.row,
            self.case.name,
            self.case.unit,
            figure(self.genuine.value),
            figure(self.ours.value),
            figure(self.floor.value),
            format!("{noisy}{}", times(self.ratio())),
            self.case.target.text(),
            reached,
            cpu(self.genuine.cpu_us_per_op),
            cpu(self.ours.cpu_us_per_op),
            times(self.cpu_ratio().filter(|_| self.with_cpu)),
        )
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x"))
}

/// A figure to three places or whole.
fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 1000.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 100.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Target;

    fn middle(value: f64, noisy: bool) -> Middle {
        let cpu_us_per_op = Some(value / 10.0);
        Middle { value: Some(value), cpu_us_per_op, foreign_cpus: Some(0.04), discarded: 0, noisy }
    }

    fn words(result: &Result) -> Vec<String> {
        result.line().split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_has_all_columns() {
        let none =
            Middle { value: None, cpu_us_per_op: None, foreign_cpus: None, discarded: 0, noisy: false };
        let mut result = Result {
            case: Case::less(9, "memory", "B", Target::Times(5.0)),
            genuine: middle(1234.5, false),
            ours: middle(123.45, false),
            floor: none,
            with_cpu: true,
        };
        let expected = "9 memory B 1234 123.5 - 10.00x 5x yes 123.5 12.35 10.00x 0.04";
        assert_eq!(words(&result).join(" "), expected);
        assert_eq!(head().split_whitespace().count(), 12);
        result.ours = middle(400.0, true);
        result.with_cpu = false;
        assert_eq!(words(&result).join(" "), "9 memory B 1234 400.0 - ~3.09x 5x NO - - - 0.04");
    }
}
