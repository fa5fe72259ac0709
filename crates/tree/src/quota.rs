//! Quotas: the two nodes that keep one, their text, and the usage kept up to date in it.

use crate::arena::Slot;
use crate::{QUOTA_PATH, Tree};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The node below a quota that says what is allowed.
const LIMITS: &str = "zookeeper_limits";
/// The node below a quota that says what is used.
const STATS: &str = "zookeeper_stats";

/// What a quota allows; -1 is no limit. Soft limits only warn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Nodes, soft.
    pub count: i64,
    /// Bytes of data, soft.
    pub bytes: i64,
    /// Nodes, hard.
    pub count_hard: i64,
    /// Bytes of data, hard.
    pub bytes_hard: i64,
}

/// What is used of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaUsage {
    /// Nodes, the quota's own included.
    pub count: i64,
    /// Bytes of data.
    pub bytes: i64,
}

/// A quota that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaView {
    /// The node whose subtree it limits.
    pub path: String,
    /// What is allowed; `None` when the text does not parse.
    pub limits: Option<QuotaLimits>,
    /// What is used; `None` when there is no usage node or its text does not parse.
    pub usage: Option<QuotaUsage>,
}

/// The text of both quota nodes: `count=3,bytes=100`, and behind it `=;key=value` for every other key (`StatsTrack`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaText {
    values: BTreeMap<String, i64>,
}

impl QuotaText {
    /// Reads the text; `None` when it is not `key=number` pairs separated by commas or semicolons. Empty text is allowed,
    /// and missing keys read as -1. What the genuine server stumbles over does not parse here either: null, separators
    /// before the first pair, and a pair with nothing behind the `=`.
    pub fn parse(data: Option<&[u8]>) -> Option<Self> {
        let text = core::str::from_utf8(data?).ok()?;
        let mut values = BTreeMap::new();
        let text = text.trim_end_matches([',', ';']);
        for pair in text.split([',', ';']) {
            // Java's split leaves out what is empty at the end, which here is the lone = that keeps old parsers from
            // what follows.
            let mut parts = pair.trim_end_matches('=').split('=');
            let (key, value) = match (parts.next()?, parts.next()) {
                ("", None) if text.is_empty() || !values.is_empty() => continue,
                (_, None) => return None,
                (key, Some(value)) => (key, value),
            };
            values.insert(key.to_string(), if value.is_empty() { -1 } else { value.parse().ok()? });
        }
        Some(Self { values })
    }

    fn get(&self, key: &str) -> i64 {
        self.values.get(key).copied().unwrap_or(-1)
    }

    /// Read as limits.
    pub fn limits(&self) -> QuotaLimits {
        QuotaLimits {
            count: self.get("count"),
            bytes: self.get("bytes"),
            count_hard: self.get("countHardLimit"),
            bytes_hard: self.get("byteHardLimit"),
        }
    }

    /// Read as usage.
    pub fn usage(&self) -> QuotaUsage {
        QuotaUsage { count: self.get("count"), bytes: self.get("bytes") }
    }

    fn set_usage(&mut self, usage: QuotaUsage) {
        self.values.insert("count".to_string(), usage.count);
        self.values.insert("bytes".to_string(), usage.bytes);
    }
}

impl fmt::Display for QuotaText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "count={},bytes={}", self.get("count"), self.get("bytes"))?;
        let mut separator = "=;";
        for (key, value) in self.values.iter().filter(|(key, _)| !matches!(key.as_str(), "count" | "bytes")) {
            write!(f, "{separator}{key}={value}")?;
            separator = ";";
        }
        Ok(())
    }
}

impl Tree {
    /// The deepest quota on `path` or above it, if any. A quota on the root counts as none.
    pub fn quota_of(&self, path: &str) -> Option<QuotaView> {
        Some(self.quota_view(self.find_quota(path)?.to_string()))
    }

    /// Every quota in force, a parent's before its children's.
    pub fn quotas(&self) -> Vec<QuotaView> {
        self.quota_paths().into_iter().map(|path| self.quota_view(path)).collect()
    }

    fn quota_view(&self, path: String) -> QuotaView {
        let text = |name| QuotaText::parse(self.arena.look(self.quota_part(&path, name)?).data());
        let (limits, usage) = (text(LIMITS), text(STATS));
        QuotaView { limits: limits.map(|text| text.limits()), usage: usage.map(|text| text.usage()), path }
    }

    /// The path of the deepest quota on `path` or above it. A quota exists where its limits node does, so the tree itself
    /// is the registry.
    fn find_quota<'p>(&self, path: &'p str) -> Option<&'p str> {
        if !self.had_quotas {
            return None;
        }
        self.quota_root.filter(|&root| self.arena.look(root).num_children() != 0)?;
        let mut below = String::with_capacity(QUOTA_PATH.len() + path.len() + 1 + LIMITS.len());
        below.push_str(QUOTA_PATH);
        let mut found = None;
        for name in path.strip_prefix('/')?.split('/') {
            below.push('/');
            below.push_str(name);
            if self.arena.resolve(&below).is_none() {
                break;
            }
            below.push('/');
            below.push_str(LIMITS);
            let is_quota = self.arena.resolve(&below).is_some();
            below.truncate(below.len() - 1 - LIMITS.len());
            if is_quota {
                found = Some(&path[..below.len() - QUOTA_PATH.len()]);
            }
        }
        found
    }

    /// The node with the limits or the usage of the quota on `path`.
    fn quota_part(&self, path: &str, name: &str) -> Option<Slot> {
        self.arena.resolve(&format!("{QUOTA_PATH}{path}/{name}"))
    }

    fn quota_paths(&self) -> Vec<String> {
        let mut quotas = Vec::new();
        let mut pending: Vec<(Slot, String)> =
            self.quota_root.map(|root| (root, String::new())).into_iter().collect();
        while let Some((node, path)) = pending.pop() {
            for child in self.arena.children(node) {
                let child_look = self.arena.look(child);
                match child_look.name() {
                    LIMITS | STATS if child_look.num_children() == 0 => {}
                    name => pending.push((child, format!("{path}/{name}"))),
                }
            }
            if !path.is_empty() && self.quota_part(&path, LIMITS).is_some() {
                quotas.push(path);
            }
        }
        quotas
    }

    /// A node was created at `path`: when it is a usage node, what is used is counted.
    pub(crate) fn quota_node_created(&mut self, path: &str) {
        let Some(below) = path.strip_prefix(QUOTA_PATH) else { return };
        let Some((of, STATS)) = below.rsplit_once('/') else { return };
        if of.is_empty() {
            return;
        }
        if let Some(stats) = self.arena.resolve(path) {
            self.recompute_usage(stats, of);
        }
    }

    /// Adds to the usage of the deepest quota over `path`. The usage node changes in place: no version, no zxid, no
    /// time, no event, and it is outside the digest.
    pub(crate) fn add_usage(&mut self, path: &str, count: i64, bytes: i64) {
        let Some(quota) = self.find_quota(path) else { return };
        let Some(stats) = self.quota_part(quota, STATS) else { return };
        match QuotaText::parse(self.arena.look(stats).data()) {
            Some(mut text) => {
                let usage = text.usage();
                text.set_usage(QuotaUsage {
                    count: usage.count.wrapping_add(count),
                    bytes: usage.bytes.wrapping_add(bytes),
                });
                self.write_usage(stats, &text);
            }
            // Anybody may write to the node; the genuine server stops on text it cannot read.
            None => self.recompute_usage(stats, quota),
        }
    }

    /// Counts every quota anew, as after loading.
    pub(crate) fn recompute_quotas(&mut self) {
        for path in self.quota_paths() {
            if let Some(stats) = self.quota_part(&path, STATS) {
                self.recompute_usage(stats, &path);
            }
        }
    }

    fn recompute_usage(&mut self, stats: Slot, of: &str) {
        let mut usage = QuotaUsage::default();
        let mut pending: Vec<Slot> = self.arena.resolve(of).into_iter().collect();
        while let Some(slot) = pending.pop() {
            usage.count += 1;
            usage.bytes += self.arena.look(slot).data().map_or(0, |data| data.len() as i64);
            pending.extend(self.arena.children(slot));
        }
        let mut text = QuotaText::default();
        text.set_usage(usage);
        self.write_usage(stats, &text);
    }

    fn write_usage(&mut self, stats: Slot, text: &QuotaText) {
        let text = text.to_string();
        let before = self.arena.look(stats).data().map_or(0, <[u8]>::len);
        self.data_size = self.data_size.wrapping_add(text.len() as u64).wrapping_sub(before as u64);
        self.arena.set_data(stats, Some(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let cases: &[(&str, Option<&str>)] = &[
            ("", Some("count=-1,bytes=-1")),
            ("count=3,bytes=100", Some("count=3,bytes=100")),
            (
                "bytes=100=;countHardLimit=2;byteHardLimit=10;count=3",
                Some("count=3,bytes=100=;byteHardLimit=10;countHardLimit=2"),
            ),
            ("count==,bytes=+5", None),
            ("count==1,bytes=+5", Some("count=-1,bytes=5")),
            ("count=,bytes=5", None),
            ("bytes=5,count=", None),
            (",count=3", None),
            (",", Some("count=-1,bytes=-1")),
            ("=", None),
            ("count=3,,", Some("count=3,bytes=-1")),
            ("count=3,,;bytes=4", Some("count=3,bytes=4")),
            ("count", None),
            ("count=x", None),
            ("count=9223372036854775808", None),
        ];
        for (text, expected) in cases {
            let shown = QuotaText::parse(Some(text.as_bytes())).map(|text| text.to_string());
            assert_eq!(shown.as_deref(), *expected, "{text}");
        }
        assert_eq!(QuotaText::parse(Some(&[0xff])), None);
        assert_eq!(QuotaText::parse(None), None);
    }
}
