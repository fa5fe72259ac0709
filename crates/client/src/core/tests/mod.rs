//! The core among model servers.

mod model;
mod random;
mod scenarios;
mod world;
