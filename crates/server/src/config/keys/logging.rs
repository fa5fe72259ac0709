//! Logging and JMX of the Java server, and keys of old releases.

use super::{Key, java};

const OWN_LOGS: &str =
    "logs go to standard error, and where they go from there is the service manager's business";
const NO_JMX: &str = "there is no JMX; the admin server tells the same";

pub(super) static KEYS: &[Key] = &[
    java("log.dir", OWN_LOGS),
    java("log.file", OWN_LOGS),
    java("log.threshold", "the level is set with the environment variable ZABRA_LOG"),
    java("log.maxfilesize", OWN_LOGS),
    java("log.maxbackupindex", OWN_LOGS),
    java("console.threshold", "the level is set with the environment variable ZABRA_LOG"),
    java("root.logger", OWN_LOGS),
    java("auditlog.file", OWN_LOGS),
    java("auditlog.threshold", OWN_LOGS),
    java("audit.logger", OWN_LOGS).bare(),
    java("tracelog.dir", OWN_LOGS),
    java("tracelog.file", OWN_LOGS),
    java("jmx.log4j.disable", NO_JMX),
    java("jmx.log4j.mbean", NO_JMX),
    java("configuration", "the Java server uses it for itself only"),
    java("traceFile", "release 3.5 dropped it"),
    java("requestTraceFile", "release 3.5 dropped it"),
];
