//! Tables of growth.

use super::Dimension;
use super::curve::{Bend, Curve, Kind};
use crate::side::Side;
use std::io::{self, Write};

/// Foreign processor time above which figures are worth little.
const FOREIGN_CPUS_MAX: f64 = 0.1;

/// Prints a table for each server, and a line for each figure that says whether it is linear.
pub(super) fn print(
    dimension: &dyn Dimension,
    curves: &[(Side, Curve)],
    out: &mut impl Write,
) -> io::Result<()> {
    for (side, curve) in curves {
        writeln!(out, "\n{} on {}: {}", dimension.name(), side.name(), dimension.method())?;
        for line in table(dimension, curve) {
            writeln!(out, "{line}")?;
        }
        for line in verdicts(dimension, curve) {
            writeln!(out, "  {line}")?;
        }
        for point in &curve.points {
            if let Some(failure) = &point.failure {
                writeln!(out, "  {} FAILED: {failure}", dimension.label(point.size))?;
            } else if point.foreign_cpus > FOREIGN_CPUS_MAX {
                let (label, busy) = (dimension.label(point.size), point.foreign_cpus);
                writeln!(out, "  {label}: other programs kept {busy:.2} processors busy")?;
            }
        }
    }
    Ok(())
}

/// Head and rows, each column as wide as it must be. A cost stands beside its multiple of the cost at the smallest size.
fn table(dimension: &dyn Dimension, curve: &Curve) -> Vec<String> {
    let mut rows = vec![vec![dimension.name().to_owned()]];
    for column in curve.columns {
        rows[0].push(column.name.to_owned());
        if column.kind != Kind::Shown {
            rows[0].push("cost".to_owned());
        }
    }
    for point in &curve.points {
        let mut row = vec![dimension.label(point.size)];
        for (at, column) in curve.columns.iter().enumerate() {
            row.push(point.figures.get(at).copied().flatten().map_or_else(
                || "-".to_owned(),
                |figure| format!("{figure:.digits$}", digits = column.digits),
            ));
            if column.kind != Kind::Shown {
                row.push(
                    curve
                        .relative(at, point.size)
                        .map_or_else(|| "-".to_owned(), |relative| format!("{}x", times(relative))),
                );
            }
        }
        rows.push(row);
    }
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect()
}

/// Where each figure stops being linear.
fn verdicts(dimension: &dyn Dimension, curve: &Curve) -> Vec<String> {
    let judged = curve.columns.iter().enumerate().filter(|(_, column)| column.kind != Kind::Shown);
    judged
        .map(|(at, column)| match curve.bend(at) {
            Bend::Unknown => format!("{}: too few sizes to tell", column.name),
            Bend::Nowhere { most } => {
                format!("{}: linear; never more than {}x the least before", column.name, times(most))
            }
            Bend::At { size, factor, best_at } => format!(
                "{}: NOT LINEAR from {} {} on: {}x the cost at {}",
                column.name,
                dimension.label(size),
                dimension.name(),
                times(factor),
                dimension.label(best_at)
            ),
        })
        .collect()
}

/// A multiple with as many digits as it deserves.
fn times(factor: f64) -> String {
    if factor >= 0.095 { format!("{factor:.2}") } else { format!("{factor:.4}") }
}

/// A number with a comma at every third digit.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::connections::Connections;
    use super::super::curve::Point;
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_table_has_costs_and_verdicts() {
        let point = |size, ops, failure| Point {
            size,
            figures: vec![ops, None, None, None, None],
            foreign_cpus: 0.2,
            failure,
        };
        let points = vec![
            point(1, Some(1000.0), None),
            point(1000, Some(500.0), None),
            point(5000, None, Some("it broke".to_owned())),
        ];
        let curve = Curve { columns: Connections.columns(), points };
        let mut out = Vec::new();
        print(&Connections, &[(Side::Zabra, curve)], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "2.00x",
            "get ops/s: NOT LINEAR from 1,000 connections on: 2.00x the cost at 1",
            "set ops/s: too few sizes to tell",
            "5,000 FAILED: it broke",
            "1,000: other programs kept 0.20 processors busy",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
