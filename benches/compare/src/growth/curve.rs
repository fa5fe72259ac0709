//! What was measured at growing sizes, and from where on it grows faster than the size.

use serde_json::{Value, json};

/// Costs up to this many times the best one at smaller sizes still count as linear: noise, and caches that overflow.
const LINEAR_FACTOR: f64 = 1.5;

/// How a figure is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is only shown.
    Shown,
    /// What one unit costs: the same at every size when cost is linear.
    Cost,
    /// What is done in a time; the reciprocal is the cost of one.
    Rate,
}

/// A figure measured at each size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Its name with its unit.
    pub(crate) name: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
    pub(crate) kind: Kind,
}

impl Column {
    pub(crate) const fn shown(name: &'static str, digits: usize) -> Self {
        Self { name, digits, kind: Kind::Shown }
    }

    pub(crate) const fn cost(name: &'static str, digits: usize) -> Self {
        Self { name, digits, kind: Kind::Cost }
    }

    pub(crate) const fn rate(name: &'static str, digits: usize) -> Self {
        Self { name, digits, kind: Kind::Rate }
    }
}

/// What was measured at one size.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) size: u64,
    /// One for each column; `None` where there is nothing to tell at this size.
    pub(crate) figures: Vec<Option<f64>>,
    /// Processors other programs kept busy, at worst.
    pub(crate) foreign_cpus: f64,
    /// Why there are no figures.
    pub(crate) failure: Option<String>,
}

/// The points of one dimension on one server, by size.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) columns: &'static [Column],
    pub(crate) points: Vec<Point>,
}

/// Where a cost stops being linear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bend {
    /// Fewer than two sizes have a figure.
    Unknown,
    /// Nowhere; the most a cost came to, as a multiple of the best before it.
    Nowhere { most: f64 },
    /// At this size it first cost `factor` times what it had cost at `best_at`.
    At { size: u64, factor: f64, best_at: u64 },
}

impl Curve {
    /// The cost of one unit at each size that has it.
    fn costs(&self, column: usize) -> impl Iterator<Item = (u64, f64)> {
        let kind = self.columns[column].kind;
        self.points.iter().filter_map(move |point| {
            let figure = point.figures.get(column).copied().flatten().filter(|figure| *figure > 0.0)?;
            Some((point.size, if kind == Kind::Rate { 1.0 / figure } else { figure }))
        })
    }

    /// What one unit costs at a size, as a multiple of what it costs at the smallest.
    pub(crate) fn relative(&self, column: usize, size: u64) -> Option<f64> {
        let (_, smallest) = self.costs(column).next()?;
        let (_, cost) = self.costs(column).find(|(at, _)| *at == size)?;
        (self.columns[column].kind != Kind::Shown).then_some(cost / smallest)
    }

    /// Where a figure stops being linear.
    pub(crate) fn bend(&self, column: usize) -> Bend {
        let mut costs = self.costs(column);
        let Some(mut best) = costs.next() else { return Bend::Unknown };
        let mut most = None;
        for (size, cost) in costs {
            let factor = cost / best.1;
            if factor > LINEAR_FACTOR {
                return Bend::At { size, factor, best_at: best.0 };
            }
            most = Some(f64::max(factor, most.unwrap_or(0.0)));
            if cost < best.1 {
                best = (size, cost);
            }
        }
        most.map_or(Bend::Unknown, |most| Bend::Nowhere { most })
    }

    /// Everything.
    pub(crate) fn json(&self) -> Value {
        let points = self.points.iter().map(|point| {
            let figures = self.columns.iter().enumerate().map(|(at, column)| {
                let relative = self.relative(at, point.size);
                (
                    column.name.to_owned(),
                    json!({ "value": point.figures.get(at), "cost_relative_to_smallest": relative }),
                )
            });
            json!({
                "size": point.size,
                "figures": serde_json::Map::from_iter(figures),
                "foreign_cpus": point.foreign_cpus,
                "failure": point.failure,
            })
        });
        let judged = self.columns.iter().enumerate().filter(|(_, column)| column.kind != Kind::Shown);
        let bends = judged.map(|(at, column)| {
            let bend = match self.bend(at) {
                Bend::Unknown => Value::Null,
                Bend::Nowhere { most } => json!({ "linear": true, "most": most }),
                Bend::At { size, factor, best_at } => {
                    json!({ "linear": false, "from": size, "factor": factor, "best_at": best_at })
                }
            };
            (column.name.to_owned(), bend)
        });
        json!({ "points": points.collect::<Vec<_>>(), "linear": serde_json::Map::from_iter(bends) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(kind: Kind, figures: &[(u64, Option<f64>)]) -> Curve {
        let columns: &'static [Column] = match kind {
            Kind::Cost => const { &[Column::cost("us", 1)] },
            Kind::Rate => const { &[Column::rate("ops/s", 0)] },
            Kind::Shown => const { &[Column::shown("MiB", 0)] },
        };
        let point = |&(size, figure)| Point { size, figures: vec![figure], foreign_cpus: 0.0, failure: None };
        Curve { columns, points: figures.iter().map(point).collect() }
    }

    #[test]
    fn bends_are_found_where_a_unit_costs_half_again_as_much() {
        let at = |size, factor, best_at| Bend::At { size, factor, best_at };
        for (kind, figures, bend) in [
            (Kind::Cost, &[][..], Bend::Unknown),
            (Kind::Cost, &[(1, Some(2.0))], Bend::Unknown),
            (Kind::Cost, &[(1, Some(2.0)), (10, None)], Bend::Unknown),
            (Kind::Cost, &[(1, Some(2.0)), (10, Some(3.0))], Bend::Nowhere { most: 1.5 }),
            (Kind::Cost, &[(1, Some(8.0)), (10, Some(2.0)), (100, Some(4.0))], at(100, 2.0, 10)),
            // The best before counts, not the last, and the first bend, not the worst.
            (Kind::Cost, &[(1, Some(2.0)), (2, Some(2.5)), (3, Some(3.5)), (4, Some(9.0))], at(3, 1.75, 1)),
            // What could not be measured is left out.
            (Kind::Cost, &[(1, None), (2, Some(1.0)), (3, None), (4, Some(2.0))], at(4, 2.0, 2)),
            (Kind::Cost, &[(1, Some(4.0)), (2, Some(2.0)), (3, Some(1.0))], Bend::Nowhere { most: 0.5 }),
            (Kind::Rate, &[(1, Some(100.0)), (10, Some(400.0)), (100, Some(200.0))], at(100, 2.0, 10)),
            (Kind::Rate, &[(1, Some(100.0)), (10, Some(0.0))], Bend::Unknown),
        ] {
            assert_eq!(curve(kind, figures).bend(0), bend, "{kind:?} {figures:?}");
        }
    }

    #[test]
    fn costs_are_told_relative_to_the_smallest_size_that_has_one() {
        let costs = curve(Kind::Cost, &[(1, None), (10, Some(2.0)), (100, Some(5.0))]);
        assert_eq!([1, 10, 100].map(|size| costs.relative(0, size)), [None, Some(1.0), Some(2.5)]);
        let rates = curve(Kind::Rate, &[(1, Some(10.0)), (10, Some(40.0))]);
        assert_eq!(rates.relative(0, 10), Some(0.25));
        assert_eq!(curve(Kind::Shown, &[(1, Some(10.0)), (10, Some(40.0))]).relative(0, 10), None);
    }

    #[test]
    fn json_says_what_the_table_says() {
        let json = curve(Kind::Cost, &[(1, Some(2.0)), (10, Some(8.0))]).json();
        assert_eq!(json["points"][1]["figures"]["us"]["cost_relative_to_smallest"], 4.0);
        assert_eq!(json["linear"]["us"]["from"], 10);
    }
}
