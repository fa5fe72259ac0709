//! A value that several processes share and follow.

mod count;
mod value;

pub use count::SharedCount;
pub use value::{Changes, SharedValue, Versioned};
