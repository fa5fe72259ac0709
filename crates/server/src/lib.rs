//! TODO crate docs.

pub mod config;
