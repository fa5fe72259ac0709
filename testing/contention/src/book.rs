//! What the witness writes down, and what is wrong with it.
//!
//! Contenders tell when they are inside of something, always after they got it and before they give it back. So whatever
//! overlaps here overlapped out there.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that was told in one scenario.
#[derive(Debug, Default)]
pub(crate) struct Book {
    places: BTreeMap<String, Place>,
    items: BTreeMap<String, Item>,
    counters: BTreeMap<String, Counter>,
    /// How often something was announced: the arrival at a barrier, its opening.
    signs: BTreeMap<String, usize>,
    /// Processes that are frozen now, and those that ever were.
    frozen: BTreeSet<String>,
    ever_frozen: BTreeSet<String>,
    /// What was wrong.
    violations: Vec<String>,
    /// How often who got in, took an item, counted or passed.
    turns: BTreeMap<String, u64>,
    stale: u64,
}

/// Something that contenders are inside of.
#[derive(Debug, Default)]
struct Place {
    inside: Vec<Visitor>,
    /// The highest fencing token of those that went in.
    fence: Option<i64>,
}

#[derive(Debug)]
struct Visitor {
    who: String,
    mode: Mode,
    /// Somebody else got in while its process was frozen: its session had ended.
    usurped: bool,
}

/// Who else may be inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nobody.
    Exclusive,
    /// Others that share.
    Shared,
    /// So many with this one.
    AtMost(usize),
}

#[derive(Debug, Default)]
struct Item {
    sure: u64,
    maybe: u64,
    taken: u64,
}

#[derive(Debug, Default)]
struct Counter {
    /// The values after each sure addition.
    values: BTreeSet<i64>,
    maybe: u64,
}

/// What is told to the witness.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word<'a> {
    /// Gets in.
    Enter { place: &'a str, mode: Mode, fence: Option<i64> },
    /// Gets out.
    Leave(&'a str),
    /// Knows that it is inside no more.
    Lost(&'a str),
    /// Writes under a token.
    Write { place: &'a str, fence: Option<i64> },
    /// Put an item into a queue, or perhaps.
    Put { item: &'a str, sure: bool },
    /// Took one out.
    Take(&'a str),
    /// Added one to a counter, which then had this value; perhaps, if there is none.
    Add { counter: &'a str, value: Option<i64> },
    /// Announces something.
    Sign(&'a str),
    /// Went on, which it may only after so many announcements.
    Passed { sign: &'a str, least: usize },
}

/// What was left in the queues and counters, and what may be excused.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excuses {
    /// How many items may be lost, and how many additions may count twice, because a library that is not ours took or
    /// added while its connection was lost. Those cannot know, and do not say so.
    pub(crate) unsure: u64,
}

impl Book {
    /// Writes down what somebody says. The answer is "ok", or what is to be told instead.
    pub(crate) fn hear(&mut self, who: &str, word: Word<'_>) -> &'static str {
        match word {
            Word::Enter { place, mode, fence } => return self.enter(who, place, mode, fence),
            Word::Leave(place) => {
                if !self.remove(who, place) {
                    self.wrong(format!("{who} left {place} without being inside"));
                }
            }
            Word::Lost(place) => {
                self.remove(who, place);
            }
            Word::Write { place, fence } => {
                let newest = self.places.get(place).and_then(|place| place.fence);
                if fence < newest {
                    self.stale += 1;
                    if !self.may_be_stale(who) {
                        self.wrong(format!("{who} wrote to {place} under {fence:?} after {newest:?}"));
                    }
                    return "stale";
                }
            }
            Word::Put { item, sure } => {
                let item = self.items.entry(item.to_owned()).or_default();
                *(if sure { &mut item.sure } else { &mut item.maybe }) += 1;
                self.turn(who);
            }
            Word::Take(item) => {
                self.items.entry(item.to_owned()).or_default().taken += 1;
                self.turn(who);
            }
            Word::Add { counter, value } => {
                let book = self.counters.entry(counter.to_owned()).or_default();
                match value {
                    Some(value) if !book.values.insert(value) => {
                        self.wrong(format!("{who} added to {counter} and got {value}, as somebody else did"));
                    }
                    Some(_) => self.turn(who),
                    None => book.maybe += 1,
                }
            }
            Word::Sign(sign) => *self.signs.entry(sign.to_owned()).or_default() += 1,
            Word::Passed { sign, least } => {
                let count = self.signs.get(sign).copied().unwrap_or(0);
                if count < least {
                    self.wrong(format!("{who} passed {sign} after {count} of {least}"));
                }
                self.turn(who);
            }
        }
        "ok"
    }

    fn enter(&mut self, who: &str, name: &str, mode: Mode, fence: Option<i64>) -> &'static str {
        let may_be_stale = self.may_be_stale(who);
        let place = self.places.entry(name.to_owned()).or_default();
        if mode == Mode::Exclusive && fence.is_some() && fence <= place.fence {
            let newest = place.fence;
            if may_be_stale {
                self.stale += 1;
            } else {
                self.wrong(format!("{who} entered {name} under {fence:?} after {newest:?}"));
            }
            return "stale";
        }
        for visitor in &mut place.inside {
            if self.frozen.contains(process(&visitor.who)) && !mode.is_with(visitor.mode, 1) {
                visitor.usurped = true;
            }
        }
        let there = || place.inside.iter().filter(|visitor| !visitor.usurped);
        let count = there().count();
        let clash = there().find(|visitor| !mode.is_with(visitor.mode, count));
        let clash = clash.map(|other| format!("{who} entered {name} ({mode:?}) beside {}", other.who));
        place.fence = place.fence.max(fence);
        place.inside.push(Visitor { who: who.to_owned(), mode, usurped: false });
        if let Some(clash) = clash {
            self.wrong(clash);
        }
        self.turn(who);
        "ok"
    }

    fn remove(&mut self, who: &str, place: &str) -> bool {
        let Some(place) = self.places.get_mut(place) else { return false };
        let at = place.inside.iter().position(|visitor| visitor.who == who);
        at.map(|at| place.inside.remove(at)).is_some()
    }

    /// Notes that a process does not run for longer than its sessions last.
    pub(crate) fn freeze(&mut self, process: &str) {
        self.frozen.insert(process.to_owned());
        self.ever_frozen.insert(process.to_owned());
    }

    /// Notes that it runs again.
    pub(crate) fn thaw(&mut self, process: &str) {
        self.frozen.remove(process);
    }

    /// Whether a client of the process is inside of anything.
    pub(crate) fn has_inside(&self, wanted: &str) -> bool {
        self.places.values().flat_map(|place| &place.inside).any(|visitor| process(&visitor.who) == wanted)
    }

    /// Whoever was frozen may come with an old token, which is what tokens are for.
    fn may_be_stale(&self, who: &str) -> bool {
        self.ever_frozen.contains(process(who))
    }

    /// How often something was announced.
    pub(crate) fn signs(&self, sign: &str) -> usize {
        self.signs.get(sign).copied().unwrap_or(0)
    }

    /// Notes something wrong that was seen elsewhere.
    pub(crate) fn wrong(&mut self, what: String) {
        self.violations.push(what);
    }

    fn turn(&mut self, who: &str) {
        *self.turns.entry(who.to_owned()).or_default() += 1;
    }

    /// How often who had a turn.
    pub(crate) fn turns(&self) -> &BTreeMap<String, u64> {
        &self.turns
    }

    /// How often an old token was refused.
    pub(crate) fn stale(&self) -> u64 {
        self.stale
    }

    /// Everything that is wrong, once all have finished. `values` is what the counters ended with.
    pub(crate) fn verdict(&self, values: &BTreeMap<String, i64>, excuses: Excuses) -> Verdict {
        let mut wrong = self.violations.clone();
        for (name, place) in &self.places {
            for visitor in &place.inside {
                wrong.push(format!("{} never left {name}", visitor.who));
            }
        }
        let mut unsure = 0;
        let mut lost = Vec::new();
        for (name, item) in &self.items {
            let &Item { sure, maybe, taken } = item;
            if taken < sure {
                lost.push(format!("{name} was put and never taken"));
            }
            if taken > sure + maybe {
                if sure + maybe > 0 && !is_ours(name) && unsure < excuses.unsure {
                    unsure += 1;
                } else {
                    wrong.push(format!("{name} was put {} times and taken {taken} times", sure + maybe));
                }
            }
        }
        for lost in lost {
            if unsure < excuses.unsure {
                unsure += 1;
            } else {
                wrong.push(lost);
            }
        }
        for (name, counter) in &self.counters {
            let sure = counter.values.len() as u64;
            let most = sure + counter.maybe + excuses.unsure;
            match values.get(name).map(|&value| u64::try_from(value).unwrap_or(0)) {
                None => wrong.push(format!("nobody knows what {name} ended with")),
                Some(value) if value < sure || value > most => wrong.push(format!(
                    "{name} ended with {value} after {sure} additions and {} that are not sure",
                    counter.maybe
                )),
                Some(value) => unsure += value.saturating_sub(sure + counter.maybe),
            }
        }
        Verdict { wrong, excused: unsure }
    }
}

/// What comes of it all.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Broken promises.
    pub(crate) wrong: Vec<String>,
    /// What was lost or doubled and excused.
    pub(crate) excused: u64,
}

impl Mode {
    fn is_with(self, other: Self, count: usize) -> bool {
        match (self, other) {
            (Self::Shared, Self::Shared) => true,
            (Self::AtMost(most), Self::AtMost(_)) => count < most,
            _ => false,
        }
    }
}

/// The process of a contender named `process/number`.
fn process(who: &str) -> &str {
    who.split('/').next().unwrap_or(who)
}

/// Whether an item named `library:...` was made by our own library.
fn is_ours(item: &str) -> bool {
    item.starts_with("rust:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(mode: Mode, fence: i64) -> Word<'static> {
        Word::Enter { place: "p", mode, fence: (fence >= 0).then_some(fence) }
    }

    fn wrong_of(words: &[(&str, Word<'_>)]) -> Vec<String> {
        let mut book = Book::default();
        for &(who, word) in words {
            book.hear(who, word);
        }
        book.verdict(&BTreeMap::from([("c".to_owned(), 2)]), Excuses::default()).wrong
    }

    const OUT: Word<'_> = Word::Leave("p");
    const PUT: Word<'_> = Word::Put { item: "rust:i", sure: true };
    const MAYBE: Word<'_> = Word::Put { item: "rust:i", sure: false };
    const TAKE: Word<'_> = Word::Take("rust:i");

    fn add(value: Option<i64>) -> Word<'static> {
        Word::Add { counter: "c", value }
    }

    #[test]
    fn what_is_right_passes() {
        use Mode::{AtMost, Exclusive, Shared};
        let right: &[&[(&str, Word<'_>)]] = &[
            &[("a/0", enter(Exclusive, 1)), ("a/0", OUT), ("b/0", enter(Exclusive, 2)), ("b/0", OUT)],
            &[("a/0", enter(Shared, -1)), ("b/0", enter(Shared, -1)), ("a/0", OUT), ("b/0", OUT)],
            &[("a/0", enter(AtMost(2), -1)), ("b/0", enter(AtMost(2), -1)), ("a/0", OUT), ("b/0", OUT)],
            &[("a/0", PUT), ("b/0", TAKE)],
            &[("b/0", TAKE), ("a/0", PUT)],
            &[("a/0", MAYBE), ("b/0", TAKE)],
            &[("a/0", MAYBE)],
            &[("a/0", add(Some(1))), ("b/0", add(Some(2)))],
            &[("a/0", add(Some(2))), ("b/0", add(None))],
            &[("a/0", Word::Sign("s")), ("a/0", Word::Passed { sign: "s", least: 1 })],
        ];
        for words in right {
            assert_eq!(wrong_of(words), Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_wrong_is_found() {
        use Mode::{AtMost, Exclusive, Shared};
        let wrong: &[(&str, &[(&str, Word<'_>)])] = &[
            (
                "beside a/0",
                &[("a/0", enter(Exclusive, 1)), ("b/0", enter(Exclusive, 2)), ("a/0", OUT), ("b/0", OUT)],
            ),
            (
                "beside a/0",
                &[("a/0", enter(Shared, -1)), ("b/0", enter(Exclusive, -1)), ("a/0", OUT), ("b/0", OUT)],
            ),
            (
                "beside a/0",
                &[("a/0", enter(AtMost(1), -1)), ("b/0", enter(AtMost(1), -1)), ("a/0", OUT), ("b/0", OUT)],
            ),
            ("after Some(5)", &[("a/0", enter(Exclusive, 5)), ("a/0", OUT), ("b/0", enter(Exclusive, 5))]),
            ("without being inside", &[("a/0", OUT)]),
            ("never left", &[("a/0", enter(Exclusive, 1))]),
            (
                "wrote to p",
                &[
                    ("a/0", enter(Exclusive, 5)),
                    ("a/0", Word::Write { place: "p", fence: Some(4) }),
                    ("a/0", OUT),
                ],
            ),
            ("never taken", &[("a/0", PUT)]),
            ("taken 2 times", &[("a/0", PUT), ("b/0", TAKE), ("b/0", TAKE)]),
            ("put 0 times", &[("b/0", TAKE)]),
            ("as somebody else did", &[("a/0", add(Some(1))), ("b/0", add(Some(1))), ("b/0", add(None))]),
            ("ended with 2", &[("a/0", add(Some(1)))]),
            ("after 0 of 1", &[("a/0", Word::Passed { sign: "s", least: 1 })]),
        ];
        for (expected, words) in wrong {
            let found = wrong_of(words);
            assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_frozen_holder_may_be_usurped_under_a_higher_token_only() {
        let mut book = Book::default();
        assert_eq!(book.hear("a/0", enter(Mode::Exclusive, 5)), "ok");
        book.freeze("a");
        assert!(book.has_inside("a") && !book.has_inside("b"));
        assert_eq!(book.hear("b/0", enter(Mode::Exclusive, 6)), "ok");
        book.thaw("a");
        assert_eq!(book.hear("a/0", Word::Write { place: "p", fence: Some(5) }), "stale");
        assert_eq!(book.hear("a/0", OUT), "ok");
        assert_eq!(book.hear("a/1", enter(Mode::Exclusive, 4)), "stale");
        assert_eq!(book.hear("b/0", OUT), "ok");
        assert_eq!(book.stale(), 2);
        assert!(book.verdict(&BTreeMap::new(), Excuses::default()).wrong.is_empty());
        assert_eq!(book.hear("a/0", enter(Mode::Exclusive, 7)), "ok");
        assert_eq!(book.hear("c/0", enter(Mode::Exclusive, 8)), "ok");
        assert!(!book.verdict(&BTreeMap::new(), Excuses::default()).wrong.is_empty(), "a runs again");
    }

    #[test]
    fn only_others_are_excused() {
        let mut book = Book::default();
        for item in ["kazoo:1", "rust:1"] {
            book.hear("a/0", Word::Put { item, sure: true });
            book.hear("a/0", Word::Take(item));
            book.hear("a/0", Word::Take(item));
        }
        let verdict = book.verdict(&BTreeMap::new(), Excuses { unsure: 5 });
        assert_eq!(verdict.excused, 1);
        assert!(verdict.wrong.len() == 1 && verdict.wrong[0].contains("rust:1"), "{verdict:?}");
    }
}
