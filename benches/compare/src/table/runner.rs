//! Alternates between the sides, and gathers what comes of it.

use super::case::Case;
use super::effort::Effort;
use super::print::{Result as Line, head};
use super::progress::Progress;
use super::selection::Selection;
use super::series::{Round, Series};
use crate::Failure;
use crate::side::Side;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// Rounds in which the floor is measured: it does not vary much.
const FLOOR_ROUNDS: usize = 2;
/// Failures after which a contest is given up.
const FAILURES_MAX: usize = 2;

/// What measures, prints and keeps the table.
pub(crate) struct Runner<'a> {
    effort: &'a Effort,
    selection: &'a Selection,
    sides: &'a [Side],
    /// Set when the part takes too long: nothing more is to be begun.
    late: &'a AtomicBool,
    progress: Progress,
    out: &'a mut dyn Write,
    measured: Vec<Measured>,
    notes: Vec<String>,
}

/// A case with all its rounds.
struct Measured {
    line: Line,
    rounds: Value,
}

impl<'a> Runner<'a> {
    /// One that measures these rows on these sides, in parts that take so long each, until it is too `late` for a part.
    pub(crate) fn new(
        effort: &'a Effort,
        selection: &'a Selection,
        sides: &'a [Side],
        late: &'a AtomicBool,
        parts: Vec<Duration>,
        out: &'a mut dyn Write,
    ) -> Self {
        let (measured, notes) = (Vec::new(), Vec::new());
        Self { effort, selection, sides, late, progress: Progress::new(parts), out, measured, notes }
    }

    /// How thoroughly to measure.
    pub(crate) const fn effort(&self) -> &'a Effort {
        self.effort
    }

    /// Whether a row was asked for.
    pub(crate) fn wants(&self, row: u8) -> bool {
        self.selection.has(row)
    }

    /// Those of the sides that are measured.
    pub(crate) fn sides(&self, of: &[Side]) -> Vec<Side> {
        of.iter().copied().filter(|side| self.sides.contains(side)).collect()
    }

    /// Says what is done now, when it takes its time.
    pub(crate) fn doing(&self, what: &str) {
        self.progress.doing(what);
    }

    /// Measures `cases` together, in rounds, on each of `sides` in turn. A round gives a figure for each case. The first case
    /// shows the processor time of an operation. What fails is reported and does not count.
    ///
    /// # Errors
    /// The part takes too long, or the table cannot be printed.
    pub(crate) fn contest(
        &mut self,
        cases: &[Case],
        sides: &[Side],
        mut measure: impl FnMut(Side) -> Result<Round, Failure>,
    ) -> Result<(), Failure> {
        let rounds = self.effort.rounds;
        self.contest_of(rounds, cases, sides, |side, _| measure(side))
    }

    /// As [`Runner::contest`] with another number of rounds, counted from 0.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn contest_of(
        &mut self,
        rounds: usize,
        cases: &[Case],
        sides: &[Side],
        mut measure: impl FnMut(Side, usize) -> Result<Round, Failure>,
    ) -> Result<(), Failure> {
        let cases: Vec<&Case> = cases.iter().collect();
        let Some(name) = cases.first().map(|case| case.name.clone()) else { return Ok(()) };
        let mut all: Vec<(Side, Series)> =
            self.sides(sides).into_iter().map(|side| (side, Series::default())).collect();
        let mut failures = 0;
        for round in 0..rounds {
            for (side, series) in &mut all {
                if (*side == Side::Floor && round >= FLOOR_ROUNDS) || failures >= FAILURES_MAX {
                    continue;
                }
                if self.late.load(SeqCst) {
                    return Err(format!("{name}: the part takes too long and is given up").into());
                }
                self.doing(&format!("{name}, round {} of {rounds}, {}", round + 1, side.name()));
                match measure(*side, round) {
                    Ok(round) => series.push(round),
                    Err(failure) => {
                        failures += 1;
                        self.failed(&format!("{name}, round {}, {}", round + 1, side.name()), &failure);
                    }
                }
            }
        }
        for (at, case) in cases.into_iter().enumerate() {
            let of = |side| all.iter().find(|(other, _)| *other == side);
            let middle =
                |side| of(side).map_or_else(|| Series::default().middle(at), |(_, series)| series.middle(at));
            let rounds = all.iter().map(|(side, series)| (side.name().to_owned(), series.json(at))).collect();
            let line = Line {
                case: case.clone(),
                genuine: middle(Side::Genuine),
                ours: middle(Side::Zabra),
                floor: middle(Side::Floor),
                with_cpu: at == 0,
            };
            self.print(&line.line())?;
            self.measured.push(Measured { line, rounds: Value::Object(rounds) });
        }
        Ok(())
    }

    /// Prints a remark that belongs to the table, and keeps it.
    ///
    /// # Errors
    /// It cannot be printed.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), Failure> {
        self.print(&format!("   {text}"))?;
        self.notes.push(text.to_owned());
        Ok(())
    }

    /// Reports what could not be measured.
    pub(crate) fn failed(&mut self, what: &str, failure: &Failure) {
        let mut text = format!("FAILED {what}: {failure}");
        let mut source = failure.source();
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        // When nothing can be printed the next line of the table says so.
        let _ = self.note(&text);
    }

    /// A part begins.
    pub(super) fn begin(&mut self, name: &str) -> Result<(), Failure> {
        self.progress.next_part();
        self.print(&format!("\n{name}\n{}", head()))
    }

    /// A part is over.
    pub(super) fn end(&self) {
        self.doing("");
    }

    /// All rounds of all cases.
    pub(super) fn json(&self) -> Value {
        let cases = self.measured.iter().map(|Measured { line, rounds }| {
            json!({
                "row": line.case.row, "case": line.case.name, "unit": line.case.unit,
                "target": line.case.target.text(), "reached": line.reached(), "ratio": line.ratio(),
                "genuine": line.genuine.value, "zabra": line.ours.value, "floor": line.floor.value,
                "cpu_us_per_op": {
                    "genuine": line.genuine.cpu_us_per_op, "zabra": line.ours.cpu_us_per_op,
                    "floor": line.floor.cpu_us_per_op, "ratio": line.cpu_ratio(),
                },
                "noisy": line.noisy(), "rounds": rounds,
            })
        });
        cases.collect()
    }

    /// The remarks.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Prints the whole table again in the order of the rows, and how much of it was reached.
    ///
    /// # Errors
    /// Something could not be measured, or printed.
    pub(super) fn summary(&mut self, took: Duration) -> Result<(), Failure> {
        self.progress.finish();
        self.measured.sort_by_key(|measured| measured.line.case.row);
        let lines: Vec<String> = self.measured.iter().map(|measured| measured.line.line()).collect();
        self.print(&format!("\nAll rows, after {} s\n{}\n{}", took.as_secs(), head(), lines.join("\n")))?;
        let count = |reached| {
            self.measured.iter().filter(|measured| measured.line.reached() == Some(reached)).count()
        };
        let failed = self.notes.iter().filter(|note| note.starts_with("FAILED")).count();
        self.print(&format!(
            "{} targets reached, {} not; {failed} failures; ~ stands for rounds in which other programs were busy",
            count(true),
            count(false)
        ))?;
        if failed > 0 {
            Err(format!("{failed} measurements failed; see FAILED above").into())
        } else {
            Ok(())
        }
    }

    fn print(&mut self, text: &str) -> Result<(), Failure> {
        let out = &mut self.out;
        self.progress.aside(|| writeln!(out, "{text}").and_then(|()| out.flush()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Target;

    const SIDES: [Side; 3] = [Side::Genuine, Side::Zabra, Side::Floor];

    fn round(value: f64) -> Round {
        Round { values: vec![value], cpu_us_per_op: None, foreign_cpus: Some(0.0), details: Value::Null }
    }

    /// What a contest of three rounds prints and gathers.
    fn contest(measure: impl FnMut(Side) -> Result<Round, Failure>) -> (String, Value, Result<(), Failure>) {
        let effort = Effort::of(true, Some(3), std::env::temp_dir());
        let selection = "2".parse().unwrap();
        let late = AtomicBool::new(false);
        let mut out = Vec::new();
        let mut runner = Runner::new(&effort, &selection, &SIDES, &late, Vec::new(), &mut out);
        let case = Case::more(2, "set", "op/s", Target::Times(2.0));
        runner.contest(&[case], &SIDES, measure).unwrap();
        let (json, end) = (runner.json(), runner.summary(Duration::ZERO));
        (String::from_utf8(out).unwrap(), json, end)
    }

    #[test]
    fn sides_take_turns() {
        let mut seen = Vec::new();
        let (printed, json, end) = contest(|side| {
            seen.push(side);
            Ok(round(if side == Side::Genuine { 10.0 } else { 25.0 }))
        });
        let (g, z, f) = (Side::Genuine, Side::Zabra, Side::Floor);
        assert_eq!(seen, [g, z, f, g, z, f, g, z]);
        assert!(printed.contains("2.50x"), "{printed}");
        assert!(printed.contains("1 targets reached, 0 not; 0 failures"), "{printed}");
        assert_eq!((&json[0]["ratio"], &json[0]["reached"]), (&json!(2.5), &json!(true)));
        assert_eq!(json[0]["rounds"]["zabra"].as_array().unwrap().len(), 3);
        end.unwrap();
    }

    #[test]
    fn what_fails_is_reported_and_the_rest_goes_on() {
        let mut left = 1;
        let (printed, json, end) = contest(|side| {
            if side == Side::Genuine && std::mem::take(&mut left) > 0 {
                return Err("the disk is full".into());
            }
            Ok(round(1.0))
        });
        assert!(printed.contains("FAILED set, round 1, genuine: the disk is full"), "{printed}");
        assert_eq!(json[0]["genuine"], json!(1.0));
        end.unwrap_err();

        let mut asked = 0;
        let (_, json, _) = contest(|_| {
            asked += 1;
            Err("it is gone".into())
        });
        assert_eq!((asked, &json[0]["ratio"]), (FAILURES_MAX, &Value::Null));
    }
}
