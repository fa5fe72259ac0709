//! How queues name their znodes, order them and write their data: what has to be equal in every process of a queue.

use std::cmp::Ordering;
use std::fmt::Write as _;

use bytes::Bytes;

use super::item::{MessageError, decode_message, encode_message};

/// A way of keeping a queue in znodes. Sealed: the layouts are those of Curator and kazoo, and each is a type of this module.
pub trait Layout: sealed::Sealed + Clone + Send + Sync + 'static {
    /// What every item's name begins with. Children with other names are left alone.
    const PREFIX: &'static str;
    /// Whether the queue's znode is a container, which the server removes when it has been empty for a while.
    const CONTAINER: bool = false;
    /// Whether an item that arrives later may have to be taken before those that wait.
    const OVERTAKES: bool = false;

    /// What a znode with these items holds.
    #[doc(hidden)]
    fn encode(items: &[Bytes]) -> Bytes;

    /// The items in a znode.
    #[doc(hidden)]
    fn decode(data: Bytes) -> Result<Vec<Bytes>, MessageError>;

    /// Which of two names is taken first.
    #[doc(hidden)]
    fn compare(a: &str, b: &str) -> Ordering {
        a.cmp(b)
    }

    /// From when an item may be taken, in milliseconds since the epoch; zero for at once.
    #[doc(hidden)]
    fn not_before_ms(_name: &str) -> i64 {
        0
    }

    /// The name, without sequence, under which an item that failed is put back.
    #[doc(hidden)]
    fn requeue_name(name: &str) -> String;
}

mod sealed {
    pub trait Sealed {}
}

/// Curator's `DistributedQueue`: `queue-0000000007`, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Fifo;

/// Curator's `DistributedPriorityQueue`: `queue-1000000050000000007`, lowest number first, then oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Prioritized;

/// Curator's `DistributedDelayQueue`: `queue-|18BCFE56800|0000000007`, by the time from which an item may be taken.
#[derive(Debug, Clone, Copy)]
pub struct Delayed;

/// Curator's `DistributedIdQueue`: `queue-|id|0000000007`, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Identified;

/// The queue of ZooKeeper's own recipe and of Curator's `SimpleDistributedQueue`: `qn-0000000007`, bare data.
#[derive(Debug, Clone, Copy)]
pub struct Simple;

/// kazoo's `Queue` and the entries of its `LockingQueue`: `entry-100-0000000007`, lowest priority number first, bare data.
#[derive(Debug, Clone, Copy)]
pub struct Entry;

/// Curator's prefix of four of its queues.
pub(crate) const CURATOR_PREFIX: &str = "queue-";
const SEPARATOR: char = '|';

/// Defines what the four queues with Curator's messages share.
macro_rules! curator_messages {
    () => {
        const PREFIX: &'static str = CURATOR_PREFIX;

        fn encode(items: &[Bytes]) -> Bytes {
            encode_message(items)
        }

        fn decode(data: Bytes) -> Result<Vec<Bytes>, MessageError> {
            decode_message(data)
        }
    };
}

/// Defines what the queues without a format of their own share: one item a znode, its data the item.
macro_rules! bare_items {
    () => {
        fn encode(items: &[Bytes]) -> Bytes {
            items.first().cloned().unwrap_or_default()
        }

        fn decode(data: Bytes) -> Result<Vec<Bytes>, MessageError> {
            Ok(vec![data])
        }

        fn requeue_name(name: &str) -> String {
            without_sequence(name).to_owned()
        }
    };
}

impl sealed::Sealed for Fifo {}
impl Layout for Fifo {
    curator_messages!();

    fn requeue_name(_name: &str) -> String {
        CURATOR_PREFIX.to_owned()
    }
}

impl sealed::Sealed for Prioritized {}
impl Layout for Prioritized {
    curator_messages!();
    const OVERTAKES: bool = true;

    fn requeue_name(name: &str) -> String {
        without_sequence(name).to_owned()
    }
}

impl sealed::Sealed for Delayed {}
impl Layout for Delayed {
    curator_messages!();
    const OVERTAKES: bool = true;

    fn compare(a: &str, b: &str) -> Ordering {
        (Self::not_before_ms(a), sequence(a)).cmp(&(Self::not_before_ms(b), sequence(b)))
    }

    fn not_before_ms(name: &str) -> i64 {
        let mut parts = name.rsplitn(3, SEPARATOR);
        let (_sequence, time, before) = (parts.next(), parts.next(), parts.next());
        match (before, time) {
            (Some(before), Some(time)) if !before.is_empty() => i64::from_str_radix(time, 16).unwrap_or(0),
            _ => 0,
        }
    }

    fn requeue_name(name: &str) -> String {
        without_sequence(name).to_owned()
    }
}

impl sealed::Sealed for Identified {}
impl Layout for Identified {
    curator_messages!();

    fn compare(a: &str, b: &str) -> Ordering {
        without_id(a).cmp(without_id(b))
    }

    fn requeue_name(name: &str) -> String {
        without_sequence(name).to_owned()
    }
}

impl sealed::Sealed for Simple {}
impl Layout for Simple {
    const PREFIX: &'static str = "qn-";
    const CONTAINER: bool = true;
    bare_items!();
}

impl sealed::Sealed for Entry {}
impl Layout for Entry {
    const PREFIX: &'static str = "entry-";
    const OVERTAKES: bool = true;
    bare_items!();
}

/// The name, without sequence, of an item of this priority: a digit for the sign, so that names sort as numbers do.
pub(crate) fn prioritized_name(priority: i32) -> String {
    let sign = if priority < 0 { '0' } else { '1' };
    format!("{CURATOR_PREFIX}{sign}{:08X}", priority as u32)
}

/// The name, without sequence, of an item that waits until this time, in milliseconds since the epoch.
pub(crate) fn delayed_name(not_before_ms: i64) -> String {
    format!("{CURATOR_PREFIX}{SEPARATOR}{not_before_ms:08X}{SEPARATOR}")
}

/// The name, without sequence, of an item with this id. What cannot stand in it becomes `_`.
pub(crate) fn identified_name(id: &str) -> String {
    let mut name = format!("{CURATOR_PREFIX}{SEPARATOR}");
    for character in id.chars() {
        name.push(if matches!(character, '/' | SEPARATOR) { '_' } else { character });
    }
    name.push(SEPARATOR);
    name
}

/// Whether the item of this name has this id.
pub(crate) fn has_id(name: &str, id: &str) -> bool {
    id_and_rest(name).is_some_and(|(of_name, _)| {
        of_name.chars().eq(id.chars().map(|c| if matches!(c, '/' | SEPARATOR) { '_' } else { c }))
    })
}

/// The name, without sequence, of kazoo's entry with this priority.
pub(crate) fn entry_name(priority: u16) -> String {
    let mut name = String::from(Entry::PREFIX);
    // Writing to a string cannot fail.
    let _ = write!(name, "{priority:03}-");
    name
}

/// The bytes of a name but for the id in it.
fn without_id(name: &str) -> impl Iterator<Item = u8> {
    let start = name.split_once(SEPARATOR).map_or(name, |(start, _)| start);
    let (start, rest) = id_and_rest(name).map_or((name, ""), |(_, rest)| (start, rest));
    start.bytes().chain(rest.bytes())
}

fn id_and_rest(name: &str) -> Option<(&str, &str)> {
    let (_, rest) = name.split_once(SEPARATOR)?;
    rest.split_once(SEPARATOR)
}

/// How many digits the server appends; more when a queue has seen more than that many changes.
const SEQUENCE_DIGITS: usize = 10;

fn without_sequence(name: &str) -> &str {
    let cut = name.len().saturating_sub(SEQUENCE_DIGITS);
    match name.get(cut..) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => &name[..cut],
        _ => name,
    }
}

fn sequence(name: &str) -> &str {
    &name[without_sequence(name).len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted<L: Layout>(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| String::from(*name)).collect();
        names.sort_by(|a, b| L::compare(a, b));
        names
    }

    #[test]
    fn priorities_sort_as_numbers() {
        let numbers = [i32::MIN, -255, -1, 0, 1, 255, i32::MAX];
        let names: Vec<String> = numbers.iter().map(|number| prioritized_name(*number)).collect();
        let mut again = names.clone();
        again.sort();
        assert_eq!(again, names);
    }

    #[test]
    fn delayed_items_sort_by_time_not_by_name() {
        let names =
            ["queue-|18BCFE56800|0000000002", "queue-|ABCDEF12|0000000003", "queue-|ABCDEF12|0000000001"];
        assert_eq!(sorted::<Delayed>(&names), [names[2], names[1], names[0]]);
        assert_eq!(Delayed::not_before_ms("queue-0000000001"), 0, "an item that Curator put back");
    }

    #[test]
    fn items_with_ids_sort_by_age() {
        let names = ["queue-|z|0000000001", "queue-|a|0000000002", "queue-0000000000"];
        assert_eq!(sorted::<Identified>(&names), [names[2], names[0], names[1]]);
        assert!(has_id("queue-|b_c_d|0000000001", "b/c|d"));
        assert!(!has_id("queue-|b_c_d|0000000001", "b"));
    }

    #[test]
    fn an_item_is_put_back_under_the_name_it_had() {
        assert_eq!(Fifo::requeue_name("queue-0000000007"), "queue-");
        assert_eq!(Prioritized::requeue_name("queue-1000000050000000007"), "queue-100000005");
        assert_eq!(Delayed::requeue_name("queue-|00000001|0000000007"), "queue-|00000001|");
        assert_eq!(Identified::requeue_name("queue-|id|0000000007"), "queue-|id|");
        assert_eq!(Entry::requeue_name("entry-100-0000000007"), "entry-100-");
        assert_eq!(Simple::requeue_name("qn-0000000007"), "qn-");
    }
}
