//! The programs that do the work.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zabra_testkit::Genuine;

use crate::work::{Figures, Load};

/// A client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// zabra-client.
    Zabra,
    /// The crate zookeeper-client.
    OtherRust,
    /// The client of ZooKeeper's own distribution.
    Java,
    /// libzookeeper_mt.
    C,
    /// kazoo.
    Kazoo,
}

impl Library {
    pub(crate) const ALL: [Self; 5] = [Self::Zabra, Self::OtherRust, Self::Java, Self::C, Self::Kazoo];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zabra => "zabra-client",
            Self::OtherRust => "zookeeper-client",
            Self::Java => "java",
            Self::C => "c",
            Self::Kazoo => "kazoo",
        }
    }
}

/// How the programs are started.
#[derive(Debug)]
pub(crate) struct Programs {
    genuine: Genuine,
    /// None where the library is not installed.
    c: Option<PathBuf>,
}

impl Programs {
    /// Finds them, and builds that of the C client into a directory.
    pub(crate) fn find(dir: &Path) -> Result<Self, Box<dyn Error>> {
        let genuine = Genuine::find()?;
        let program = dir.join("load-c");
        let source = folder().join("load.c");
        let built = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-DTHREADED", "-o"])
            .args([&program, &source])
            .args(["-lzookeeper_mt", "-lpthread"])
            .stderr(Stdio::inherit())
            .status();
        let c = built.is_ok_and(|status| status.success()).then_some(program);
        Ok(Self { genuine, c })
    }

    /// Whether this library can be measured.
    pub(crate) fn has(&self, library: Library) -> bool {
        library != Library::C || self.c.is_some()
    }

    /// Lets a library do the work.
    pub(crate) fn measure(
        &self,
        library: Library,
        hosts: &str,
        load: Load,
    ) -> Result<Figures, Box<dyn Error>> {
        let mut command = match (library, &self.c) {
            (Library::Java, _) => {
                let mut command = self.genuine.java(512);
                command.arg(folder().join("Load.java"));
                command
            }
            (Library::Kazoo, _) => {
                let mut command = Command::new(self.genuine.kazoo_python());
                command.arg(folder().join("load.py"));
                command
            }
            (Library::C, Some(program)) => Command::new(program),
            (library, _) => {
                let name = if library == Library::Zabra { "zabra" } else { "zookeeper-client" };
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["load", name]);
                command
            }
        };
        let Load { op, sessions, depth, warm_up, measured } = load;
        let numbers = [sessions as u128, depth as u128, warm_up.as_millis(), measured.as_millis()];
        command.args([hosts, op.name()]).args(numbers.map(|number| number.to_string()));
        let output = command.stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let figures = text.lines().find_map(Figures::parse);
        figures.ok_or_else(|| {
            let log = String::from_utf8_lossy(&output.stderr);
            format!("{} failed ({}): {text}{log}", library.name(), output.status).into()
        })
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}
