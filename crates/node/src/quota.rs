//! Hard quotas, tested while preparing.

use zabra_tree::{QuotaLimits, QuotaUsage, Tree};
use zabra_types::KeeperError;

/// Whether the quota over `path` has room for so many more nodes and bytes of data (`ZooKeeperServer.checkQuota`).
///
/// Limits and usage are the applied ones, so writes in a row can overshoot, as they can in the genuine server. Soft
/// limits refuse nothing.
///
/// # Errors
/// `QuotaExceeded`; `MarshallingError` when the limits are no numbers, as in the genuine server. Usage that is no
/// numbers refuses nothing: the tree counts it anew with the next change.
pub(crate) fn check(tree: &Tree, path: &str, more_nodes: i64, more_bytes: i64) -> Result<(), KeeperError> {
    let Some(quota) = tree.quota_of(path) else { return Ok(()) };
    let limits = quota.limits.ok_or(KeeperError::MarshallingError)?;
    match quota.usage {
        Some(usage) if exceeds(limits, usage, more_nodes, more_bytes) => Err(KeeperError::QuotaExceeded),
        _ => Ok(()),
    }
}

/// What does not change is not tested, even when it is over the limit already.
fn exceeds(limits: QuotaLimits, usage: QuotaUsage, more_nodes: i64, more_bytes: i64) -> bool {
    let over =
        |limit: i64, used: i64, more: i64| more != 0 && limit > -1 && used.saturating_add(more) > limit;
    over(limits.count_hard, usage.count, more_nodes) || over(limits.bytes_hard, usage.bytes, more_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_limits_refuse_and_soft_ones_do_not() {
        let none = QuotaLimits { count: -1, bytes: -1, count_hard: -1, bytes_hard: -1 };
        let count = QuotaLimits { count_hard: 3, ..none };
        let bytes = QuotaLimits { bytes_hard: 10, ..none };
        let soft = QuotaLimits { count: 0, bytes: 0, ..none };
        let used = QuotaUsage { count: 3, bytes: 8 };
        let cases = [
            (none, 1, 100, false),
            (soft, 1, 100, false),
            (count, 1, 0, true),
            (count, 0, 100, false),
            (bytes, 1, 2, false),
            (bytes, 1, 3, true),
            (QuotaLimits { bytes_hard: 5, ..none }, 0, -1, true),
            (QuotaLimits { bytes_hard: 5, ..none }, 0, -3, false),
            (QuotaLimits { bytes_hard: 5, ..none }, 1, 0, false),
            (QuotaLimits { count_hard: 0, ..none }, 1, 0, true),
        ];
        for (limits, nodes, more, expected) in cases {
            assert_eq!(exceeds(limits, used, nodes, more), expected, "{limits:?} {nodes} {more}");
        }
    }
}
