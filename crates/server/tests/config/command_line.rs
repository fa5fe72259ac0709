//! `zabra server` with no argument, one, or several.

use std::fs;
use std::time::Duration;

use zabra_server::config::{BusyPort, Config, ConfigError, Endpoint, Flags, Loaded, Mode, Source};

use super::flags;

fn run(arguments: &[&str]) -> Result<Loaded, ConfigError> {
    let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Config::from_command_line(&arguments, &Flags::default())
}

#[test]
fn nothing_is_the_embedded_server() {
    let Loaded { config, notices } = run(&[]).unwrap();
    assert_eq!(notices, []);
    assert_eq!(config, Config::default());
    assert_eq!(config.listen.client, Some(Endpoint::loopback(2181)));
    assert_eq!(config.storage.data_dir.to_str(), Some("./zabra-data"));
    assert_eq!(config.admin.listen, Endpoint::loopback(8080));
    assert!(config.admin.enabled);
    assert_eq!(config.admin.busy_port, BusyPort::GoOnWithout);
    assert_eq!(config.metrics.http, None);
    assert_eq!(config.refusals(), []);
}

#[test]
fn flags_change_the_embedded_server() {
    let given = flags("-Dzookeeper.snapCount=7 -Dzookeeper.admin.enableServer=false -Djute.maxbuffer=5000");
    let config = Config::from_command_line(&[], &given).unwrap().config;
    assert_eq!(config.storage.snap_count, 7);
    assert!(!config.admin.enabled);
    assert_eq!((config.requests.packet_max, config.requests.extra_size), (5000, 5000));
    assert_eq!(config.listen.client, Some(Endpoint::loopback(2181)));
}

#[test]
fn two_to_four_arguments_are_a_standalone_server() {
    let config = run(&["2182", "/nowhere/zabra"]).unwrap().config;
    assert_eq!(config.source, Source::Arguments);
    assert_eq!(config.mode, Mode::Standalone);
    assert_eq!(config.listen.client, Some(Endpoint::any(2182)));
    assert_eq!(config.storage.data_log_dir.to_str(), Some("/nowhere/zabra"));
    assert_eq!(config.sessions.tick_time, Duration::from_secs(3));
    assert_eq!(config.listen.connections_per_host_max, None);
    let config = run(&["2182", "/nowhere/zabra", "100", "5"]).unwrap().config;
    assert_eq!(config.sessions.timeout_max, Duration::from_secs(2));
    assert_eq!(config.listen.connections_per_host_max, Some(5));
}

#[test]
fn wrong_arguments_are_told() {
    let many = "command line: expected a configuration file, or port dataDir [tickTime] [maxClientCnxns]";
    for (arguments, message) in [
        (&["port", "/d"][..], "command line: clientPort=port: expected a port, 0 to 65535"),
        (&["1", ""], "command line: dataDir=: expected a path"),
        (&["1", "/d", "0"], "command line: tickTime=0: expected a whole number of at least 1 (ms)"),
        (&["1", "/d", "2", "3", "4"], many),
    ] {
        assert_eq!(run(arguments).unwrap_err().to_string(), message);
    }
    assert_eq!(ConfigError::EXIT_CODE, 2);
}

#[test]
fn one_argument_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("zoo.cfg");
    let text = "# mine\ndataDir=./data\nclientPort=2181\n";
    fs::write(&path, text).unwrap();
    let config = run(&[path.to_str().unwrap()]).unwrap().config;
    assert_eq!(config.source.text(), Some(text));
    assert_eq!(config.source, Source::File { path, text: text.to_owned() });

    let missing = dir.path().join("nothing.cfg");
    let error = run(&[missing.to_str().unwrap()]).unwrap_err();
    assert!(matches!(&error, ConfigError::Unreadable { path, .. } if *path == missing));
    assert_eq!(error.to_string(), format!("{}: cannot be read", missing.display()));
}
