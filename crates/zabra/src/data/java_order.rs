//! The order in which Java's hash tables are walked, which is the order in which the genuine toolkits print.

/// Children as a `HashSet` of 8 buckets that grew gives them, added in the order given.
pub(super) fn of_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    order(names.map(|name| (text_hash(name), name)).collect(), 8)
}

/// Sessions as a `HashMap` of 16 buckets that grew gives them, added in the order given.
pub(super) fn of_numbers<T>(items: impl Iterator<Item = (i64, T)>) -> Vec<(i64, T)> {
    let hashed = |(key, value): (i64, T)| {
        // The two halves, one over the other.
        let hash = ((key as u64) ^ ((key as u64) >> 32)) as u32;
        (hash, (key, value))
    };
    order(items.map(hashed).collect(), 16)
}

/// `String.hashCode`.
fn text_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// A table doubles when more than three quarters of it would be full; within a bucket the first stays first.
fn order<T>(mut items: Vec<(u32, T)>, buckets: usize) -> Vec<T> {
    let mut buckets = buckets;
    while items.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    let mask = (buckets - 1) as u32;
    items.sort_by_key(|(hash, _)| (hash ^ (hash >> 16)) & mask);
    items.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(text_hash(""), 0);
        assert_eq!(text_hash("zookeeper") as i32, 1_600_681_804);
        assert_eq!(text_hash("Aa"), text_hash("BB"));
    }

    #[test]
    fn what_collides_keeps_its_order() {
        assert_eq!(of_names(["BB", "Aa", "c"].into_iter()), ["BB", "Aa", "c"]);
        assert_eq!(of_names(["Aa", "BB", "c"].into_iter()), ["Aa", "BB", "c"]);
    }

    #[test]
    fn tables_grow() {
        let names: Vec<_> = (0..13).map(|number| number.to_string()).collect();
        // "0" to "9" hash to 48..57, "10" to "12" to 1567..1569; 13 names take 32 buckets.
        let expected = ["11", "12", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
        assert_eq!(of_names(names.iter().map(String::as_str)), expected);
        let numbers = of_numbers([(17, 'a'), (1, 'b'), (0x1_0000_0000, 'c')].into_iter());
        assert_eq!(numbers, [(17, 'a'), (1, 'b'), (0x1_0000_0000, 'c')]);
    }
}
