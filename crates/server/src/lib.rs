//! TODO crate docs.
