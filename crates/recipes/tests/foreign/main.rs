//! The same nodes under the hands of Curator and kazoo: what one writes, the other reads, and what they share is right.
//!
//! Needs `testing/interop/install jars kazoo`; says so and passes without. How they contend under faults is seen in
//! `testing/contention`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod barriers;
mod caches;
mod numbers;
mod peer;
mod presence;
mod queues;
mod services;
#[path = "../support/mod.rs"]
mod support;
