//! Two results of `zabra bench run --json`, row beside row.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::exit::{Code, Failure};
use crate::stdio::{print, tell};

/// What is compared: how it is called, where it is, and whether more of it is better.
const FIGURES: [(&str, &str, bool); 4] = [
    ("ops/s", "/ops_per_second", true),
    ("p50 us", "/latency/p50_us", false),
    ("p99 us", "/latency/p99_us", false),
    ("CPU us/op", "/server_cpu_us_per_op", false),
];

/// Prints the rows that both have; a factor above one is for the better.
pub(crate) fn run(before: &Path, after: &Path, as_json: bool) -> Result<(), Failure> {
    let (before, after) = (rows(before)?, rows(after)?);
    let mut seen = Vec::new();
    if !as_json {
        let head: Vec<String> =
            FIGURES.iter().map(|(name, ..)| format!("{:>10} {name:>10} {:>7}", "", "x")).collect();
        print(&format!("{:<22}{}", "", head.concat()))?;
    }
    for (label, old) in &before {
        let Some((_, new)) = after.iter().find(|(other, _)| other == label) else {
            tell(&format!("{label} is in one of the results only"));
            continue;
        };
        let figures = FIGURES.map(|(name, at, more_is_better)| {
            let [old, new] = [old, new].map(|row| row.pointer(at).and_then(Value::as_f64));
            (name, old, new, factor(old, new, more_is_better))
        });
        if as_json {
            let figures = figures.map(|(name, old, new, factor)| {
                (name.to_owned(), json!({ "before": old, "after": new, "factor": factor }))
            });
            seen.push(json!({ "row": label, "figures": Value::Object(figures.into_iter().collect()) }));
        } else {
            let line = figures.map(|(_, old, new, factor)| {
                let text =
                    |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
                let factor = factor.map_or_else(|| "-".to_owned(), |factor| format!("{factor:.2}"));
                format!("{:>10} {:>10} {factor:>7}", text(old), text(new))
            });
            print(&format!("{label:<22}{}", line.concat()))?;
        }
    }
    if as_json {
        print(&format!("{:#}", Value::from(seen)))?;
    }
    Ok(())
}

fn factor(old: Option<f64>, new: Option<f64>, more_is_better: bool) -> Option<f64> {
    let (old, new) = (old?, new?);
    let factor = if more_is_better { new / old } else { old / new };
    factor.is_finite().then_some(factor)
}

fn rows(path: &Path) -> Result<Vec<(String, Value)>, Failure> {
    let bad = |what: String| Failure::new(Code::Invocation, format!("{}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let all: Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let rows = all["rows"].as_array().ok_or_else(|| bad("no result of zabra bench run --json".to_owned()))?;
    Ok(rows.iter().filter_map(|row| Some((row["row"].as_str()?.to_owned(), row["result"].clone()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_above_one_is_for_the_better() {
        assert_eq!(factor(Some(10.0), Some(20.0), true), Some(2.0));
        assert_eq!(factor(Some(10.0), Some(5.0), false), Some(2.0));
        assert_eq!(factor(None, Some(5.0), false), None);
        assert_eq!(factor(Some(0.0), Some(5.0), true), None);
    }
}
