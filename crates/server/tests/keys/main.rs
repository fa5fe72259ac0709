//! Each key of `zoo.cfg` that one server honours, from the line in the file to what a client, the disk or the log sees.

mod access;
mod audit;
mod capture;
mod containers;
mod disk;
mod history;
mod limits;
mod running;
mod sessions;
mod storage;
mod throttles;
mod tree;
