//! Who is measured: the genuine server, Zabra, and the floor under both.

use crate::Failure;
use crate::floor::FloorProcess;
use std::net::SocketAddr;
use std::path::Path;
use zabra_load::Process;
use zabra_testkit::{Genuine, JvmOptions, Program, ServerProcess, ServerSpec, zabra_program};

/// Heap of a genuine server that stands alone, and of one in an ensemble, in MiB.
pub(crate) const HEAP_MIB: u32 = 1024;
pub(crate) const HEAP_ENSEMBLE_MIB: u32 = 512;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Side {
    /// Apache ZooKeeper.
    Genuine,
    /// This project's release build.
    Zabra,
    /// A server that does nothing but log and answer.
    Floor,
}

impl Side {
    /// Those with a tree: everything that is a server.
    pub(crate) const SERVERS: [Self; 2] = [Self::Genuine, Self::Zabra];

    /// As it stands in a heading and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Genuine => "genuine",
            Self::Zabra => "zabra",
            Self::Floor => "floor",
        }
    }

    /// The program of a server; the floor is none.
    pub(crate) fn program(self, heap_mib: u32) -> Result<Program, Failure> {
        match self {
            Self::Genuine => Ok(Genuine::find()?.program(&JvmOptions::production(heap_mib))),
            Self::Zabra => Ok(zabra_program()?),
            Self::Floor => Err("the floor is no server to be configured".into()),
        }
    }

    /// How both servers are set up alike: as shipped, with syncs, but connections are not limited and sessions may last
    /// as long as a measurement.
    pub(crate) fn spec(self, heap_mib: u32, data_root: &Path) -> Result<ServerSpec, Failure> {
        let mut spec = ServerSpec::new(self.program(heap_mib)?).with("maxSessionTimeout", "3600000");
        spec.data_root = Some(data_root.to_path_buf());
        Ok(spec)
    }
}

/// A single server of some side that runs until it is dropped.
#[derive(Debug)]
pub(crate) enum Alone {
    /// With a tree.
    Server(Box<ServerProcess>),
    /// Without.
    Floor(FloorProcess),
}

impl Alone {
    /// Starts one with its data below `data_root`; a floor answers reads with `data_len` bytes.
    pub(crate) fn start(
        side: Side,
        heap_mib: u32,
        data_root: &Path,
        data_len: usize,
    ) -> Result<Self, Failure> {
        Ok(match side {
            Side::Floor => Self::Floor(FloorProcess::start(data_root, data_len)?),
            Side::Genuine | Side::Zabra => Self::Server(Box::new(side.spec(heap_mib, data_root)?.start()?)),
        })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Self::Server(server) => server.addr(),
            Self::Floor(floor) => floor.addr(),
        }
    }

    /// Its process.
    pub(crate) fn process(&self) -> Result<Process, Failure> {
        match self {
            Self::Server(server) => Ok(Process::new(server.pid().ok_or("the server does not run")?)),
            Self::Floor(floor) => Ok(floor.process()),
        }
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        Ok(self.server()?.stop()?)
    }

    /// Starts the process again on its data without waiting for it.
    pub(crate) fn spawn(&mut self) -> Result<(), Failure> {
        Ok(self.server()?.spawn()?)
    }

    /// Waits until it serves.
    pub(crate) fn wait_serving(&mut self) -> Result<(), Failure> {
        Ok(self.server()?.wait_serving()?)
    }

    /// Ends it, starts it again and waits until it serves.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        Ok(self.server()?.restart()?)
    }

    /// The server behind it.
    fn server(&mut self) -> Result<&mut ServerProcess, Failure> {
        match self {
            Self::Server(server) => Ok(server),
            Self::Floor(_) => Err("the floor keeps nothing and is not restarted".into()),
        }
    }
}
