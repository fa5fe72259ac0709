//! Small sets of numbers that grow into bitmaps.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Entries kept without an allocation.
const INLINE: usize = 4;
/// A sorted array longer than this becomes words: inserting into it starts to cost.
const SORTED_MAX: usize = 4096;
/// Words holding fewer entries than this become a sorted array again. Well below [`SORTED_MAX`], so that a set of a
/// size in between does not go to and fro.
const WORDS_MIN: usize = 1024;

/// A map from numbers to values of `BITS` bits (1 or 4), where zero stands for absent.
///
/// Both directions of the watch table are such maps: path to connections, connection to paths. Most have a handful of
/// entries and a few have very many, so three forms follow each other: in place, a sorted array of four bytes an
/// entry, and words of 64 bits that cover 64 or 16 neighbours each.
#[derive(Debug, Default)]
pub(super) struct SparseMap<const BITS: u32>(Form);

/// Array forms hold `number << BITS | value`, ascending. A value is never zero, so neither is an entry.
#[derive(Debug)]
enum Form {
    /// Entries, then zeros.
    Inline([u32; INLINE]),
    Sorted(Vec<u32>),
    Words(Box<Words>),
}

#[derive(Debug, Default)]
struct Words {
    /// Word `n` holds the values of the numbers from `n * (64 / BITS)`; no word is zero.
    words: BTreeMap<u32, u64>,
    len: usize,
}

impl Default for Form {
    fn default() -> Self {
        Self::Inline([0; INLINE])
    }
}

impl<const BITS: u32> SparseMap<BITS> {
    /// One more than the greatest number that fits.
    pub(super) const NUMBERS: u32 = 1 << (32 - BITS);

    const VALUE: u32 = (1 << BITS) - 1;
    const LANES: u32 = 64 / BITS;

    /// Whether no number has a value.
    pub(super) fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Inline(entries) => entries[0] == 0,
            Form::Sorted(entries) => entries.is_empty(),
            Form::Words(words) => words.len == 0,
        }
    }

    /// The value of `number`, zero if it has none.
    pub(super) fn get(&self, number: u32) -> u8 {
        if let Form::Words(words) = &self.0 {
            let (word, shift) = Self::place(number);
            return words.words.get(&word).map_or(0, |bits| Self::lane(*bits, shift));
        }
        match self.search(number) {
            Ok(at) => Self::value(self.array()[at]),
            Err(_) => 0,
        }
    }

    /// Sets the value of `number`, zero to remove it, and returns what it was.
    pub(super) fn set(&mut self, number: u32, value: u8) -> u8 {
        debug_assert!(number < Self::NUMBERS && u32::from(value) <= Self::VALUE);
        if let Form::Words(words) = &mut self.0 {
            let old = words.set::<BITS>(number, value);
            if words.len < WORDS_MIN {
                self.shrink();
            }
            return old;
        }
        let entry = number << BITS | u32::from(value);
        match self.search(number) {
            Ok(at) if value == 0 => self.take_at(at),
            Ok(at) => {
                let slot = &mut self.array_mut()[at];
                Self::value(core::mem::replace(slot, entry))
            }
            Err(_) if value == 0 => 0,
            Err(at) => {
                self.insert_at(at, entry);
                0
            }
        }
    }

    /// Lets `change` give every entry a new value; zero removes it.
    pub(super) fn rewrite(&mut self, mut change: impl FnMut(u32, u8) -> u8) {
        match &mut self.0 {
            Form::Words(words) => {
                let mut len = 0;
                words.words.retain(|&word, bits| {
                    for (number, value) in Self::lanes(word, *bits) {
                        let (_, shift) = Self::place(number);
                        let new = change(number, value);
                        *bits = *bits & !(u64::from(Self::VALUE) << shift) | u64::from(new) << shift;
                        len += usize::from(new != 0);
                    }
                    *bits != 0
                });
                words.len = len;
            }
            Form::Sorted(entries) => entries.retain_mut(|entry| Self::rewrite_entry(entry, &mut change)),
            Form::Inline(entries) => {
                let mut kept = 0;
                for at in 0..INLINE {
                    let mut entry = core::mem::take(&mut entries[at]);
                    if entry != 0 && Self::rewrite_entry(&mut entry, &mut change) {
                        entries[kept] = entry;
                        kept += 1;
                    }
                }
            }
        }
        self.shrink();
    }

    /// All numbers that have a value, ascending, with their values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u8)> + '_ {
        let words = match &self.0 {
            Form::Words(words) => Some(&words.words),
            _ => None,
        };
        let entries = self.array().iter().map(|&entry| (entry >> BITS, Self::value(entry)));
        entries.chain(words.into_iter().flatten().flat_map(|(&word, &bits)| Self::lanes(word, bits)))
    }

    fn rewrite_entry(entry: &mut u32, change: &mut impl FnMut(u32, u8) -> u8) -> bool {
        let number = *entry >> BITS;
        let value = change(number, Self::value(*entry));
        *entry = number << BITS | u32::from(value);
        value != 0
    }

    const fn value(entry: u32) -> u8 {
        (entry & Self::VALUE) as u8
    }

    const fn place(number: u32) -> (u32, u32) {
        (number / Self::LANES, number % Self::LANES * BITS)
    }

    const fn lane(bits: u64, shift: u32) -> u8 {
        (bits >> shift) as u8 & Self::VALUE as u8
    }

    /// The numbers with a value in one word.
    fn lanes(word: u32, mut bits: u64) -> impl Iterator<Item = (u32, u8)> {
        core::iter::from_fn(move || {
            if bits == 0 {
                return None;
            }
            let lane = bits.trailing_zeros() / BITS;
            let value = Self::lane(bits, lane * BITS);
            bits &= !(u64::from(Self::VALUE) << (lane * BITS));
            Some((word * Self::LANES + lane, value))
        })
    }

    fn array(&self) -> &[u32] {
        match &self.0 {
            Form::Inline(entries) => {
                let len = entries.iter().position(|&entry| entry == 0).unwrap_or(INLINE);
                &entries[..len]
            }
            Form::Sorted(entries) => entries,
            Form::Words(_) => &[],
        }
    }

    fn array_mut(&mut self) -> &mut [u32] {
        match &mut self.0 {
            Form::Inline(entries) => entries,
            Form::Sorted(entries) => entries,
            Form::Words(_) => &mut [],
        }
    }

    fn search(&self, number: u32) -> Result<usize, usize> {
        let entries = self.array();
        // Numbers are mostly handed out in ascending order, so a new one belongs at the end.
        match entries.last() {
            Some(&last) if last >> BITS < number => Err(entries.len()),
            _ => entries.binary_search_by_key(&number, |&entry| entry >> BITS),
        }
    }

    fn take_at(&mut self, at: usize) -> u8 {
        match &mut self.0 {
            Form::Inline(entries) => {
                let entry = entries[at];
                entries.copy_within(at + 1.., at);
                entries[INLINE - 1] = 0;
                Self::value(entry)
            }
            Form::Sorted(entries) => {
                let entry = entries.remove(at);
                self.shrink();
                Self::value(entry)
            }
            Form::Words(_) => 0,
        }
    }

    fn insert_at(&mut self, at: usize, entry: u32) {
        match &mut self.0 {
            Form::Inline(entries) if entries[INLINE - 1] == 0 => {
                entries.copy_within(at..INLINE - 1, at + 1);
                entries[at] = entry;
            }
            Form::Inline(entries) => {
                let mut sorted = Vec::with_capacity(2 * INLINE);
                sorted.extend_from_slice(&entries[..at]);
                sorted.push(entry);
                sorted.extend_from_slice(&entries[at..]);
                self.0 = Form::Sorted(sorted);
            }
            Form::Sorted(entries) if entries.len() < SORTED_MAX => {
                if entries.len() == entries.capacity() {
                    // A quarter more instead of twice as much: most sets stop growing soon.
                    entries.reserve_exact(entries.len() / 4 + INLINE);
                }
                entries.insert(at, entry);
            }
            Form::Sorted(entries) => {
                let mut words = Words::default();
                for &entry in entries.iter().chain([&entry]) {
                    words.set::<BITS>(entry >> BITS, Self::value(entry));
                }
                self.0 = Form::Words(Box::new(words));
            }
            Form::Words(_) => {}
        }
    }

    /// Takes a smaller form when one will do.
    fn shrink(&mut self) {
        match &mut self.0 {
            Form::Words(words) if words.len < WORDS_MIN => {
                let entries = self.iter().map(|(number, value)| number << BITS | u32::from(value));
                self.0 = Form::Sorted(entries.collect());
                self.shrink();
            }
            Form::Sorted(entries) if entries.len() <= INLINE / 2 => {
                let mut inline = [0; INLINE];
                inline[..entries.len()].copy_from_slice(entries);
                self.0 = Form::Inline(inline);
            }
            Form::Sorted(entries) if entries.len() < entries.capacity() / 4 => entries.shrink_to_fit(),
            _ => {}
        }
    }
}

impl Words {
    fn set<const BITS: u32>(&mut self, number: u32, value: u8) -> u8 {
        let (word, shift) = SparseMap::<BITS>::place(number);
        let bits = self.words.entry(word).or_default();
        let old = SparseMap::<BITS>::lane(*bits, shift);
        *bits ^= u64::from(old ^ value) << shift;
        if *bits == 0 {
            self.words.remove(&word);
        }
        self.len = self.len + usize::from(value != 0) - usize::from(old != 0);
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_map_takes_no_more_room_than_a_vector() {
        assert_eq!(size_of::<SparseMap<4>>(), size_of::<Vec<u32>>());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, u8),
        /// Sets a run of neighbours, to reach the larger forms.
        Fill(u32, u32, u8),
        /// Clears the bits of the mask in every value.
        Mask(u8),
    }

    fn steps(value_max: u8) -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0..40_u32, 0..=value_max).prop_map(|(number, value)| Step::Set(number * 97, value)),
            2 => (0..20_000_u32, 0..7000_u32, 0..=value_max).prop_map(|(from, len, value)| Step::Fill(from, len, value)),
            1 => (0..=value_max).prop_map(Step::Mask),
        ];
        proptest::collection::vec(step, 1..20)
    }

    fn agrees<const BITS: u32>(steps: &[Step]) -> Result<(), TestCaseError> {
        let mut map = SparseMap::<BITS>::default();
        let mut model = BTreeMap::<u32, u8>::new();
        for step in steps {
            match *step {
                Step::Set(number, value) => set_both(&mut map, &mut model, number, value)?,
                Step::Fill(from, len, value) => {
                    for number in from..from + len {
                        set_both(&mut map, &mut model, number, value)?;
                    }
                }
                Step::Mask(mask) => {
                    map.rewrite(|_, value| value & !mask);
                    model.retain(|_, value| {
                        *value &= !mask;
                        *value != 0
                    });
                }
            }
            prop_assert_eq!(map.is_empty(), model.is_empty());
            prop_assert!(map.iter().eq(model.iter().map(|(&number, &value)| (number, value))));
        }
        Ok(())
    }

    fn set_both<const BITS: u32>(
        map: &mut SparseMap<BITS>,
        model: &mut BTreeMap<u32, u8>,
        number: u32,
        value: u8,
    ) -> Result<(), TestCaseError> {
        let expected = model.get(&number).copied().unwrap_or(0);
        prop_assert_eq!(map.get(number), expected);
        prop_assert_eq!(map.set(number, value), expected);
        if value == 0 {
            model.remove(&number)
        } else {
            model.insert(number, value)
        };
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sets_agree_with_a_model(steps in steps(1)) {
            agrees::<1>(&steps)?;
        }

        #[test]
        fn maps_agree_with_a_model(steps in steps(15)) {
            agrees::<4>(&steps)?;
        }
    }
}
