//! The configurations the servers are compared under.

use crate::plan::SUPER_DIGEST;
use zabra_testkit::{Program, ServerSpec};

/// A configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Variant {
    /// TTL nodes switched on, everything else as shipped.
    Extended,
    /// TTL nodes and enforced quotas.
    Quota,
    /// As shipped.
    Plain,
    /// Every access check passes.
    SkipAcl,
    /// Short frames, close transactions without a list of nodes.
    Small,
}

impl Variant {
    /// The variant a seed uses unless told otherwise.
    pub(crate) fn of_seed(seed: u64) -> Self {
        const ALL: [Variant; 5] =
            [Variant::Extended, Variant::Quota, Variant::Plain, Variant::Extended, Variant::Small];
        if seed % 20 == 13 { Self::SkipAcl } else { ALL[(seed % 5) as usize] }
    }

    /// `jute.maxbuffer`.
    pub(crate) const fn frame_len_max(self) -> usize {
        match self {
            Self::Small => 4096,
            _ => 0xF_FFFF,
        }
    }

    /// A server of this configuration.
    ///
    /// Sessions last ten minutes at least, and containers are looked at once an hour, so that nothing happens by the
    /// clock while a plan runs. The log is not synced: this is no test of the disk.
    pub(crate) fn spec(self, program: Program) -> ServerSpec {
        let spec = ServerSpec::new(program)
            .with("minSessionTimeout", "600000")
            .with("maxSessionTimeout", "1200000")
            .with("forceSync", "no")
            .with("DigestAuthenticationProvider.superDigest", SUPER_DIGEST)
            .with_property("znode.container.checkIntervalMs", "3600000");
        match self {
            Self::Extended => spec.with("extendedTypesEnabled", "true"),
            Self::Quota => spec.with("extendedTypesEnabled", "true").with("enforceQuota", "true"),
            Self::Plain => spec,
            Self::SkipAcl => spec.with("skipACL", "yes"),
            Self::Small => {
                spec.with("closeSessionTxn.enabled", "false").with_property("jute.maxbuffer", "4096")
            }
        }
    }
}
