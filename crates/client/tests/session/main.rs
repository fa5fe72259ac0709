//! Sessions with real servers: Zabra, and Apache ZooKeeper where it is installed.

mod against;
mod life;
