//! The core among model servers.

mod model;
mod nonsense;
mod random;
mod scenarios;
mod world;
