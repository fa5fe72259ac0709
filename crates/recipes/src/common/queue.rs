//! Who is next among the contenders at a path.

use super::name;

/// How a lock writes its contenders down, and so with whom it can share a path.
///
/// Whatever it writes, it *reads* both: every child that ends in a sequence number is a contender, in the order of
/// these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameStyle {
    /// `_c_<uuid>-lock-0000000001`, `__READ__`, `__WRIT__`: shared with Curator, and with kazoo locks that were made
    /// with `extra_lock_patterns=["-lock-"]`.
    #[default]
    Curator,
    /// `<uuid>__lock__0000000001`, `__rlock__`: shared with kazoo's `Lock`, `ReadLock`, `WriteLock` and `Election` as
    /// they are. Curator does not understand these names.
    Kazoo,
}

/// What a contender waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Everyone before it.
    Exclusive,
    /// Those before it that do not share.
    Shared,
    /// Nobody: its right comes from elsewhere.
    Granted,
    /// Fewer children than there are leases.
    AtMost(usize),
}

/// What a contender's look at the children tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its turn.
    Granted,
    /// Not its turn before this child is gone.
    Behind(String),
    /// Not its turn before there are fewer children.
    Crowded,
    /// Its own node is gone.
    Missing,
}

impl Rule {
    /// The verdict for the contender `own` among these children.
    ///
    /// A contender waits for one other, the nearest before it that stands in its way, so that a release wakes one: the
    /// readers behind a writer excepted, who are all let in together.
    pub(crate) fn judge(self, own: &str, mut children: Vec<String>) -> Verdict {
        let present = children.iter().any(|child| child == own);
        match self {
            _ if !present => return Verdict::Missing,
            Self::Granted => return Verdict::Granted,
            Self::AtMost(leases) if children.len() <= leases => return Verdict::Granted,
            Self::AtMost(_) => return Verdict::Crowded,
            Self::Exclusive | Self::Shared => {}
        }
        name::sort_by_sequence(&mut children);
        let before = children.into_iter().take_while(|child| child != own);
        before.filter(|child| self.waits_for(child)).last().map_or(Verdict::Granted, Verdict::Behind)
    }

    /// Whether one who came now would have to wait.
    pub(crate) fn keeps_out(self, children: &[String]) -> bool {
        match self {
            Self::AtMost(leases) => children.len() >= leases,
            _ => children.iter().any(|child| self.waits_for(child)),
        }
    }

    /// Whether this child, if it came before, stands in the way.
    fn waits_for(self, child: &str) -> bool {
        let contends = name::sequence(child).is_some();
        match self {
            Self::Exclusive => contends,
            Self::Shared => contends && !name::is_shared(child),
            Self::Granted | Self::AtMost(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers() {
        let table: &[(Rule, &[&str], bool)] = &[
            (Rule::Exclusive, &[], false),
            (Rule::Exclusive, &["notes"], false),
            (Rule::Exclusive, &["a__rlock__0000000001"], true),
            (Rule::Shared, &["a__rlock__0000000001"], false),
            (Rule::Shared, &["_c_b-__WRIT__0000000001"], true),
            (Rule::AtMost(2), &["a"], false),
            (Rule::AtMost(2), &["a", "b"], true),
            (Rule::Granted, &["a__lock__0000000001"], false),
        ];
        for (rule, children, kept_out) in table {
            let children: Vec<_> = children.iter().map(|&child| child.to_owned()).collect();
            assert_eq!(rule.keeps_out(&children), *kept_out, "{rule:?} {children:?}");
        }
    }

    fn behind(child: &str) -> Verdict {
        Verdict::Behind(child.to_owned())
    }

    #[test]
    fn verdicts() {
        const A: &str = "_c_z-lock-0000000001";
        const B: &str = "b__lock__0000000002";
        const C: &str = "_c_a-lock-0000000003";
        const R1: &str = "_c_z-__READ__0000000001";
        const W2: &str = "_c_y-__WRIT__0000000002";
        const R3: &str = "_c_x-__READ__0000000003";
        const R4: &str = "_c_w-__READ__0000000004";
        const W5: &str = "_c_v-__WRIT__0000000005";
        let table: &[(Rule, &str, &[&str], Verdict)] = &[
            (Rule::Exclusive, A, &[C, B, A], Verdict::Granted),
            (Rule::Exclusive, B, &[C, B, A], behind(A)),
            (Rule::Exclusive, C, &[C, B, A], behind(B)),
            (Rule::Exclusive, C, &["notes", C], Verdict::Granted),
            (Rule::Exclusive, C, &[B, A], Verdict::Missing),
            (Rule::Shared, R1, &[R1, W2, R3], Verdict::Granted),
            (Rule::Exclusive, W2, &[R1, W2, R3], behind(R1)),
            (Rule::Shared, R3, &[R1, W2, R3, R4], behind(W2)),
            (Rule::Shared, R4, &[R1, W2, R3, R4], behind(W2)),
            (Rule::Shared, R4, &[R1, R3, R4, W5], Verdict::Granted),
            (Rule::Exclusive, W5, &[R1, R3, R4, W5], behind(R4)),
            (
                Rule::Shared,
                R4,
                &["k__rlock__0000000001", "k__lock__0000000002", R4],
                behind("k__lock__0000000002"),
            ),
            (Rule::AtMost(2), "l1", &["l1", "l2"], Verdict::Granted),
            (Rule::AtMost(1), "l1", &["l1", "l2"], Verdict::Crowded),
            (Rule::AtMost(1), "l3", &["l1", "l2"], Verdict::Missing),
            (Rule::Granted, R3, &[W2, R3], Verdict::Granted),
        ];
        for (rule, own, children, expected) in table {
            let children = children.iter().map(|&child| child.to_owned()).collect();
            assert_eq!(rule.judge(own, children), *expected, "{rule:?} {own}");
        }
    }
}
