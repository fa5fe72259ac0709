//! The nearest right word.

/// The candidate that `word` was probably meant to be: at most one slip in every four characters, and only the
/// nearest. Letter case does not count as a slip.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(LENGTH_MAX).collect();
    let slips_max = (word.len() / 4).clamp(1, 3);
    candidates
        .into_iter()
        // Each letter more or less is a slip, so most candidates need no closer look.
        .filter(|candidate| candidate.chars().count().abs_diff(word.len()) <= slips_max)
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(slips, candidate)| *slips <= slips_max && *slips < candidate.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// The end of a message about a wrong word: a question, if there is a near one.
pub(super) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
}

/// Longer words are cut: a hint is not worth more work.
const LENGTH_MAX: usize = 100;

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(word: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.to_lowercase().chars().collect();
    let width = candidate.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (row, letter) in word.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, other) in candidate.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *letter == candidate[column - 1] && word[row - 1] == *other {
                best = best.min(before[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before = std::mem::replace(&mut above, current);
    }
    above[candidate.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (word, candidate, slips) in [
            ("tickTime", "ticktime", 0),
            ("tikcTime", "tickTime", 1),
            ("tickTim", "tickTime", 1),
            ("ttickTime", "tickTime", 1),
            ("observr", "observer", 1),
            ("", "abc", 3),
        ] {
            let letters: Vec<char> = word.to_lowercase().chars().collect();
            assert_eq!(distance(&letters, candidate), slips, "{word} {candidate}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let words = ["tickTime", "initLimit", "syncLimit", "dataDir"];
        for (word, meant) in [
            ("ticktime", Some("tickTime")),
            ("datadri", Some("dataDir")),
            ("sycLimit", Some("syncLimit")),
            ("somethingElse", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, words), meant, "{word}");
        }
    }
}
