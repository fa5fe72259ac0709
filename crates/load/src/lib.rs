//! A load for any server that speaks the ZooKeeper protocol, and what it measures.
//!
//! The load comes from one thread that speaks the protocol itself and does as much as it can at each wake-up, so that it
//! costs little beside the server. [`Engine`] keeps a number of requests in flight (a closed loop); [`paced`] keeps to a
//! timetable, whatever the server does (an open loop), so that a pause is felt by all that were due in it. [`drive`] and
//! [`drive_paced`] do one measurement and give a [`Row`].

mod engine;
mod floor;
mod limits;
mod measure;
pub mod paced;
pub mod requests;
mod row;
mod spread;
mod storm;
mod wire;
mod workload;

pub use engine::{Class, Engine, LATENCY_MAX, Sample, Until, Workload};
pub use floor::Floor;
pub use limits::{connections_max, require_connections};
pub use measure::{Process, busy, sync_time};
pub use row::{
    Drive, Percentiles, Row, drive, drive_on, drive_paced, drive_paced_on, label, micros, micros_exact,
    op_name,
};
pub use spread::Spread;
pub use storm::{Storm, first_back, storm};
pub use wire::{Handshake, Template, connect, put_request};
pub use workload::{
    Layout, Op, Queue, Shape, fill, fill_as, fill_flat, filled_node, node, prepare, workload,
};
