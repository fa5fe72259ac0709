//! Reading the configuration of a server: `zoo.cfg`, the `-D` flags of the Java server, the command line.

pub mod properties;
mod settings;

pub use settings::*;
