//! Which rows are measured.

use std::collections::BTreeSet;
use std::str::FromStr;

/// The rows there are.
const ROWS: std::ops::RangeInclusive<u8> = 1..=14;

/// Some of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection(BTreeSet<u8>);

impl Selection {
    /// Whether this row is one of them.
    pub(crate) fn has(&self, row: u8) -> bool {
        self.0.contains(&row)
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is no list of rows from 1 to 14, such as 1,2,9 or 1-6");
        let number = |text: &str| text.parse().ok().filter(|row| ROWS.contains(row)).ok_or_else(refused);
        let mut rows = BTreeSet::new();
        for item in text.split(',') {
            match item.split_once('-') {
                None => _ = rows.insert(number(item)?),
                Some((from, to)) => {
                    let (from, to) = (number(from)?, number(to)?);
                    if from > to {
                        return Err(refused());
                    }
                    rows.extend(from..=to);
                }
            }
        }
        Ok(Self(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        let rows = |text: &str| Selection::from_str(text).map(|rows| rows.0.into_iter().collect::<Vec<_>>());
        assert_eq!(rows("9,1,2").unwrap(), [1, 2, 9]);
        assert_eq!(rows("1-3,14").unwrap(), [1, 2, 3, 14]);
        for bad in ["", "0", "15", "1,", "3-1", "1-", "a", "-2", "1-2-3"] {
            assert!(rows(bad).is_err(), "{bad}");
        }
    }
}
