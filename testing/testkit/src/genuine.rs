//! The genuine Apache ZooKeeper server, when it is installed.

use crate::server::{HarnessError, Program};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the Java virtual machine of a genuine server is set up.
#[derive(Clone, Debug)]
pub struct JvmOptions {
    /// `-Xmx`, in MiB.
    pub heap_mib: u32,
    /// Further options, such as `-XX:+UseG1GC`.
    pub flags: Vec<String>,
}

impl JvmOptions {
    /// Small and quick to start, for tests of behaviour.
    pub fn small() -> Self {
        Self { heap_mib: 256, flags: vec!["-XX:+UseSerialGC".into(), "-XX:TieredStopAtLevel=1".into()] }
    }

    /// As an operator would run it: G1, the whole compiler, and this much heap.
    pub fn production(heap_mib: u32) -> Self {
        Self { heap_mib, flags: vec!["-XX:+UseG1GC".into(), format!("-Xms{heap_mib}m")] }
    }
}

/// The jars of a genuine server.
#[derive(Clone, Debug)]
pub struct Genuine {
    jars: PathBuf,
    logback: PathBuf,
}

impl Genuine {
    /// Finds the jars `testing/interop/install jars` puts into its cache (`$INTEROP_CACHE` when set).
    ///
    /// # Errors
    /// They are not there.
    pub fn find() -> Result<Self, HarnessError> {
        let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop");
        let cache = std::env::var_os("INTEROP_CACHE").map_or_else(|| interop.join(".cache"), PathBuf::from);
        let jars = cache.join("jars");
        let installed = std::fs::read_dir(&jars).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("zookeeper-3."))
        });
        if !installed {
            return Err(HarnessError::NotInstalled { jars, install: interop.join("install") });
        }
        Ok(Self { jars, logback: interop.join("logback.xml") })
    }

    /// As [`Genuine::find`]; when it is not installed, says on stderr which test is skipped and how to get it.
    #[expect(clippy::print_stderr, reason = "a skipped test has to say so")]
    pub fn find_or_skip(test: &str) -> Option<Self> {
        Self::find().map_err(|error| eprintln!("SKIPPED {test}: {error}")).ok()
    }

    /// Java, ready to run a program that uses the genuine client. It logs nothing.
    pub fn java(&self, heap_mib: u32) -> Command {
        let mut command = Command::new("java");
        command.args([&format!("-Xmx{heap_mib}m"), "-XX:+UseSerialGC", "-Dinterop.log=OFF"]);
        command.arg(format!("-Dlogback.configurationFile={}", self.logback.display()));
        command.arg("-cp").arg(self.jars.join("*"));
        command
    }

    /// The Python interpreter that has kazoo, installed by `testing/interop/install kazoo`.
    pub fn kazoo_python(&self) -> PathBuf {
        self.jars.with_file_name("venv").join("bin/python")
    }

    /// As [`Genuine::kazoo_python`]; when it is not installed, says on stderr which test is skipped and how to get it.
    #[expect(clippy::print_stderr, reason = "a skipped test has to say so")]
    pub fn kazoo_or_skip(&self, test: &str) -> Option<PathBuf> {
        let python = self.kazoo_python();
        if !python.exists() {
            let (python, install) = (python.display(), self.logback.with_file_name("install"));
            eprintln!("SKIPPED {test}: there is no {python}: run `{} kazoo`", install.display());
            return None;
        }
        Some(python)
    }

    /// Compiles a Java program against the jars into the folder `classes`, and returns the class path to run it with.
    ///
    /// # Errors
    /// There is no compiler, or it finds mistakes, which it says on stderr.
    pub fn compile(&self, source: &Path, classes: &Path) -> Result<OsString, HarnessError> {
        let mut class_path = self.jars.join("*").into_os_string();
        let doing = format!("compiling {}", source.display());
        let compiled =
            Command::new("javac").arg("-d").arg(classes).arg("-cp").arg(&class_path).arg(source).status();
        let compiled = compiled.and_then(|status| {
            if status.success() { Ok(()) } else { Err(io::Error::other(format!("javac: {status}"))) }
        });
        compiled.map_err(HarnessError::io(doing))?;
        class_path.push(":");
        class_path.push(classes);
        Ok(class_path)
    }

    /// The server as a program that takes a zoo.cfg.
    pub fn program(&self, jvm: &JvmOptions) -> Program {
        let mut argv = vec!["java".into(), format!("-Xmx{}m", jvm.heap_mib).into()];
        argv.extend(jvm.flags.iter().map(Into::into));
        argv.push(format!("-Dlogback.configurationFile={}", self.logback.display()).into());
        let after = vec![
            "-cp".into(),
            self.jars.join("*").into_os_string(),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain".into(),
        ];
        Program::Java { before_properties: argv, after_properties: after }
    }
}
