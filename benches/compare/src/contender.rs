//! The servers that are compared.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use zabra_load::Process;
use zabra_testkit::{Genuine, JvmOptions, Program, ServerProcess, ServerSpec, zabra_program};

/// Heap of the genuine server.
const HEAP_MIB: u32 = 1024;

/// A server to start or to use.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Start { name: String, program: Program },
    Running(SocketAddr),
}

/// A server that runs.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    /// Present when this program started it.
    pub(crate) server: Option<ServerProcess>,
}

impl Source {
    /// `genuine`, `zabra`, or an address.
    pub(crate) fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let start = |program| Self::Start { name: text.to_owned(), program };
        Ok(match text {
            "genuine" => start(Genuine::find()?.program(&JvmOptions::production(HEAP_MIB))),
            "zabra" => start(zabra_program()?),
            addr => Self::Running(addr.parse().map_err(|_| {
                format!("{addr:?} is neither genuine, zabra nor an address such as 127.0.0.1:2181")
            })?),
        })
    }

    /// How the server is set up, its data below `data_root`; `None` for one that runs already.
    pub(crate) fn spec(&self, data_root: Option<&Path>) -> Option<ServerSpec> {
        match self {
            Self::Start { program, .. } => Some(spec(program, data_root)),
            Self::Running(_) => None,
        }
    }

    /// Starts the server, its data below `data_root`.
    pub(crate) fn start(&self, data_root: Option<&Path>) -> Result<Contender, Box<dyn Error>> {
        Ok(match self {
            Self::Running(addr) => Contender { name: addr.to_string(), addr: *addr, server: None },
            Self::Start { name, program } => {
                let server = spec(program, data_root).start()?;
                Contender { name: name.clone(), addr: server.addr(), server: Some(server) }
            }
        })
    }
}

/// Everything as shipped, except that connections are not limited and sessions may last as long as a measurement.
fn spec(program: &Program, data_root: Option<&Path>) -> ServerSpec {
    let mut spec = ServerSpec::new(program.clone()).with("maxSessionTimeout", "3600000");
    spec.data_root = data_root.map(Path::to_path_buf);
    spec
}

impl Contender {
    /// Its process, if it is on this machine.
    pub(crate) fn process(&self) -> Option<Process> {
        match self.server.as_ref().and_then(ServerProcess::pid) {
            Some(pid) => Some(Process::new(pid)),
            None => Process::listening_at(self.addr),
        }
    }
}
