//! What operators ask a running server, over its real ports.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod common;
mod four_letter;
mod http;
mod metrics;
mod restore;
