//! The numbers of sequential nodes under a parent are never given twice, and they ascend in the order of the history.

use std::collections::BTreeMap;

use zabra_types::{CreateMode, Zxid};

use super::{Facts, Observation, Property};
use crate::messages::{Answer, Op};

/// Digits of a number.
const DIGITS: usize = 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SequentialNumbers {
    /// By parent: the numbers given, with their zxids.
    given: BTreeMap<String, BTreeMap<Zxid, i64>>,
}

impl Property for SequentialNumbers {
    fn name(&self) -> &'static str {
        "sequential_numbers"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Facts) -> Result<(), String> {
        let Observation::Told {
            op: Op::Create { path, mode, .. }, zxid, answer: Answer::Created(made), ..
        } = seen
        else {
            return Ok(());
        };
        if !CreateMode::is_sequential(*mode) {
            return Ok(());
        }
        let number = made.strip_prefix(path.as_str()).filter(|digits| digits.len() == DIGITS);
        let Some(number) = number.and_then(|digits| digits.parse::<i64>().ok()) else {
            return Err(format!("{path} became {made}"));
        };
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let given = self.given.entry(parent.to_owned()).or_default();
        let before = given.range(..*zxid).next_back().is_none_or(|(_, &other)| other < number);
        let after = given.range(*zxid..).next().is_none_or(|(_, &other)| other > number);
        given.insert(*zxid, number);
        if before && after { Ok(()) } else { Err(format!("{made} at {zxid} is out of order: {given:?}")) }
    }
}
