//! Recipes that follow or keep nodes, on a real server whose connections break, whose sessions expire and which is
//! killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocking;
mod cache;
mod configuration;
mod discovery;
mod membership;
mod persistent;
mod support;
