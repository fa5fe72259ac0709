//! The scripts in `bin/`, with a real server behind them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use zabra_testkit::free_port;

/// An installation: a configuration directory and a place for data and logs. Stops its server when dropped.
struct Install {
    dir: TempDir,
    port: u16,
}

impl Install {
    fn new(more: &str) -> Self {
        let install = Self { dir: TempDir::new().unwrap(), port: free_port().unwrap() };
        fs::create_dir(install.conf()).unwrap();
        let text = format!(
            "# dataDir=/nowhere\ntickTime=2000\ndataDir = {}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\n{more}",
            install.data().display(),
            install.port
        );
        fs::write(install.conf().join("zoo.cfg"), text).unwrap();
        install
    }

    fn conf(&self) -> PathBuf {
        self.dir.path().join("conf")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn pid_file(&self) -> PathBuf {
        self.data().join("zookeeper_server.pid")
    }

    fn command(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(bin().join(script));
        command
            .arg("--config")
            .arg(self.conf())
            .args(arguments)
            .env("ZABRA", env!("CARGO_BIN_EXE_zabra"))
            .env("ZOO_LOG_DIR", self.dir.path().join("logs"))
            .current_dir(self.dir.path());
        for name in ["ZOOCFG", "ZOOCFGDIR", "ZOOPIDFILE", "JVMFLAGS", "SERVER_JVMFLAGS", "JMXDISABLE"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        self.command(script, arguments).output().unwrap()
    }

    fn server(&self, arguments: &[&str]) -> Output {
        self.run("zkServer.sh", arguments)
    }
}

impl Drop for Install {
    fn drop(&mut self) {
        if self.pid_file().exists() {
            self.server(&["stop"]);
        }
    }
}

fn bin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_server_is_started_asked_restarted_and_stopped() {
    let install = Install::new("");
    let status = install.server(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(stdout(&status).ends_with("Error contacting service. It is probably not running.\n"));

    let started = install.server(&["start"]);
    assert!(started.status.success(), "{started:?}");
    assert_eq!(stdout(&started), "Starting zookeeper ... STARTED\n");
    let config = install.conf().join("zoo.cfg");
    assert_eq!(
        stderr(&started),
        format!("ZooKeeper JMX enabled by default\nUsing config: {}\n", config.display())
    );
    let pid = fs::read_to_string(install.pid_file()).unwrap();

    let again = install.server(&["start"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(stdout(&again), format!("Starting zookeeper ... already running as process {pid}.\n"));

    let status = install.server(&["status"]);
    assert!(status.status.success(), "{status:?}");
    let port = install.port;
    assert_eq!(
        stdout(&status),
        format!(
            "Client port found: {port}. Client address: 127.0.0.1. Client SSL: false.\nMode: standalone\n"
        )
    );

    let listed = install.run("zkCli.sh", &["-server", &format!("127.0.0.1:{port}"), "ls", "/"]);
    assert!(listed.status.success() && stdout(&listed).ends_with("\n[zookeeper]\n"), "{listed:?}");

    let restarted = install.server(&["restart"]);
    assert_eq!(
        stdout(&restarted),
        "Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n",
        "{restarted:?}"
    );
    assert_ne!(fs::read_to_string(install.pid_file()).unwrap(), pid);

    let stopped = install.server(&["stop"]);
    assert!(stopped.status.success());
    assert_eq!(stdout(&stopped), "Stopping zookeeper ... STOPPED\n");
    assert!(!install.pid_file().exists());
    let none = install.server(&["stop"]);
    assert!(none.status.success());
    assert_eq!(
        stdout(&none),
        format!(
            "Stopping zookeeper ... no zookeeper to stop (could not find file {})\n",
            install.pid_file().display()
        )
    );
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let install = Install::new("initLimit=many\n");
    let started = install.server(&["start"]);
    assert_eq!(started.status.code(), Some(1));
    assert_eq!(stdout(&started), "Starting zookeeper ... FAILED TO START\n");
    assert!(stderr(&started).contains("initLimit"), "{started:?}");
}

#[test]
fn without_a_configuration_nothing_is_written() {
    let install = Install::new("");
    for words in [["start", "none.cfg"], ["stop", "none.cfg"]] {
        let refused = install.server(&words);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stdout(&refused).contains(" ... Unable to determine dataDir from "), "{refused:?}");
    }
    assert_eq!(fs::read_dir(install.dir.path()).unwrap().count(), 1);
}

#[test]
fn the_environment_files_count() {
    let install = Install::new("");
    let pid_file = install.dir.path().join("run/zk.pid");
    let environment = format!("ZOOPIDFILE={}\nJMXDISABLE=true\n", pid_file.display());
    fs::write(install.conf().join("zookeeper-env.sh"), environment).unwrap();
    // Not exported: the genuine script does not need it.
    fs::write(
        install.conf().join("java.env"),
        "JVMFLAGS=\"-Xmx64m -Dzookeeper.admin.enableServer=false -Dzookeeper.snapCount=77\"\n",
    )
    .unwrap();
    let started = install.server(&["start"]);
    assert!(started.status.success(), "{started:?}");
    assert!(stderr(&started).starts_with("JMX disabled by user request\n"));
    assert!(pid_file.exists() && !install.pid_file().exists());

    let conf = Command::new(env!("CARGO_BIN_EXE_zabra"))
        .args(["ask", "--server", &format!("127.0.0.1:{}", install.port), "envi"])
        .output()
        .unwrap();
    assert!(conf.status.success(), "{conf:?}");

    let printed = stdout(&install.server(&["print-cmd"]));
    assert!(printed.contains("-Dzookeeper.snapCount=77") && printed.contains("zoo.cfg"), "{printed}");
    assert_eq!(stdout(&install.server(&["stop"])), "Stopping zookeeper ... STOPPED\n");
}

#[test]
fn directories_are_not_made_when_that_is_forbidden() {
    let install = Install::new("");
    let forbidden = |script: &str, arguments: &[&str]| {
        let mut command = install.command(script, arguments);
        command.env("ZOO_DATADIR_AUTOCREATE_DISABLE", "1").output().unwrap()
    };
    let refused = forbidden("zkServer.sh", &["start"]);
    assert_eq!(refused.status.code(), Some(1));
    let data = install.data();
    assert_eq!(
        stdout(&refused),
        format!("ZooKeeper data directory is missing at {} fix the path or run initialize\n", data.display())
    );
    assert!(!data.exists());

    let initialized = install.run("zkServer-initialize.sh", &["--myid=3"]);
    assert!(initialized.status.success());
    assert_eq!(stdout(&initialized), "Using myid of 3\n");
    assert_eq!(fs::read_to_string(data.join("myid")).unwrap(), "3\n");
    assert!(data.join("initialize").exists() && data.join("version-2").is_dir());
    let again = install.run("zkServer-initialize.sh", &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stdout(&again).starts_with("ZooKeeper data directory already exists at "));
    assert!(install.run("zkServer-initialize.sh", &["--force"]).status.success());
    assert!(!data.join("myid").exists());

    assert!(forbidden("zkServer.sh", &["start"]).status.success());
}

#[test]
fn status_finds_the_client_port_wherever_it_stands() {
    let install = Install::new("");
    assert!(install.server(&["start"]).status.success());
    let (port, data) = (install.port, install.data());
    fs::write(data.join("myid"), "4\n").unwrap();
    let dynamic = install.conf().join("dynamic");
    let found = |address: &str| {
        format!(
            "Client port found: {port}. Client address: {address}. Client SSL: false.\nMode: standalone\n"
        )
    };
    let looked = "Client port not found in static config file. Looking in dynamic config file.\n";
    let cases = [
        (format!("server.4=h:1:2;127.0.0.1:{port}\n"), String::new(), found("127.0.0.1")),
        (format!("server.4=h:1:2;{port}\n"), String::new(), found("localhost")),
        (
            format!("dynamicConfigFile={}\n", dynamic.display()),
            format!("server.14=h:1:2;1\nserver.4=h:1:2:participant;127.0.0.1:{port}\n"),
            format!("{looked}{}", found("127.0.0.1")),
        ),
    ];
    for (more, dynamic_text, expected) in cases {
        let text = format!("dataDir={}\n{more}", data.display());
        fs::write(install.conf().join("other.cfg"), text).unwrap();
        fs::write(&dynamic, dynamic_text).unwrap();
        let status = install.server(&["status", "other.cfg"]);
        assert_eq!(stdout(&status), expected, "{more}");
    }
    let text = format!("dataDir={}\nserver.4=h:1:2\n", data.display());
    fs::write(install.conf().join("other.cfg"), text).unwrap();
    let status = install.server(&["status", "other.cfg"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(
        stdout(&status)
            .ends_with("Unable to find either secure or unsecure client port in any configs. Terminating.\n")
    );
}

#[test]
fn old_files_are_cleaned_up() {
    let install = Install::new("");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures/datadir-snappy/version-2");
    let version = install.data().join("version-2");
    fs::create_dir_all(&version).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), version.join(entry.file_name())).unwrap();
    }
    let refused = install.run("zkCleanup.sh", &["-n", "2"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("count should be greater than or equal to 3"));
    let cleaned = install.run("zkCleanup.sh", &["-n", "3"]);
    assert!(cleaned.status.success(), "{cleaned:?}");
    let told = stdout(&cleaned);
    let mut removed: Vec<_> = told
        .lines()
        .map(|line| {
            let (head, path) = line.split_once('\t').unwrap();
            assert!(head.starts_with("Removing file: "), "{line}");
            let path = Path::new(path);
            assert!(!path.exists() && path.parent() == Some(version.as_path()));
            path.file_name().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    removed.sort();
    assert_eq!(removed, ["log.1", "snapshot.0.snappy", "snapshot.12.snappy"]);
    assert_eq!(stdout(&install.run("zkCleanup.sh", &["-n", "3"])), "");
}

#[test]
fn toolkits_take_the_genuine_options() {
    let install = Install::new("");
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/fixtures/datadir-plain/version-2");
    let file = |name: &str| fixture.join(name).to_str().unwrap().to_owned();
    let cases: [(&str, Vec<String>, &str); 6] = [
        (
            "zkTxnLogToolkit.sh",
            vec!["-d".into(), file("log.1")],
            "ZooKeeper Transactional Log File with dbid 0",
        ),
        ("zkSnapShotToolkit.sh", vec!["-d".into(), file("snapshot.18")], "ZNode Details (count="),
        ("zkSnapShotToolkit.sh", vec!["-json".into(), file("snapshot.18")], "[1,0,{\"progname\":"),
        (
            "zkSnapshotComparer.sh",
            vec![
                "-l".into(),
                file("snapshot.0"),
                "-r".into(),
                file("snapshot.18"),
                "-b".into(),
                "2".into(),
                "-n".into(),
                "1".into(),
            ],
            "Successfully parsed options!",
        ),
        ("zkSnapshotRecursiveSummaryToolkit.sh", vec![file("snapshot.18"), "/".into(), "1".into()], " /\n"),
        ("zkServer.sh", vec!["version".into()], "Apache ZooKeeper, version 3."),
    ];
    for (script, arguments, beginning) in cases {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = install.run(script, &arguments);
        assert!(output.status.success(), "{script} {output:?}");
        assert!(stdout(&output).starts_with(beginning), "{script} {output:?}");
    }
    let usage = install.server(&["dance"]);
    assert!(stderr(&usage).contains("{start|start-foreground|stop|version|restart|status|print-cmd}"));
}
