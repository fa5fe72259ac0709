//! Replies to writes.
