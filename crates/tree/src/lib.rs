//! TODO crate docs.
#![no_std]
extern crate alloc;
