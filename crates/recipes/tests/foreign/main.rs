//! The same nodes under the hands of Curator and kazoo: what one writes, the other reads.
//!
//! Needs `testing/interop/install jars kazoo`; says so and passes without.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod curator;
mod kazoo;
mod peer;
