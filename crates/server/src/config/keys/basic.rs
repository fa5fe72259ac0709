//! The keys that a small `zoo.cfg` consists of.

use super::Parse::{Bool, Int, Path, Port, Special, Text};
use super::{Bound, Class, Key};
use crate::config::draft::{count, limit, purge_interval};

pub(super) static KEYS: &[Key] = &[
    Key::new("dataDir", Path(|d, path| d.data_dir = Some(path)))
        .file()
        .default("required")
        .unit("path")
        .about("Snapshots, `myid` and epoch files; also the transaction logs, without `dataLogDir`."),
    Key::new("dataLogDir", Path(|d, path| d.data_log_dir = Some(path)))
        .file()
        .default("`dataDir`")
        .unit("path")
        .about("Transaction logs, best on a disk of their own."),
    Key::new("clientPort", Port(|d, port| d.client_port = Some(port)))
        .file()
        .default("none")
        .unit("port")
        .about("The plain client port."),
    Key::new("clientPortAddress", Text(|d, host| d.client_address = Some(host.to_owned())))
        .file()
        .default("all addresses")
        .unit("host or IP")
        .about("The address of the plain client port."),
    Key::new("secureClientPort", Port(|d, port| d.secure_client_port = Some(port)))
        .file()
        .class(Class::Refused)
        .default("none")
        .unit("port")
        .about("The TLS client port."),
    Key::new("secureClientPortAddress", Text(|d, host| d.secure_client_address = Some(host.to_owned())))
        .file()
        .class(Class::Refused)
        .default("all addresses")
        .unit("host or IP")
        .about("The address of the TLS client port."),
    Key::new("clientPortListenBacklog", Int(|d, n| d.config.listen.backlog = u32::try_from(n).ok()))
        .file()
        .default("-1, the system's")
        .unit("connections")
        .about("Connections that wait to be accepted."),
    Key::new("tickTime", Int(|d, n| d.tick_time_ms = Some(count(n))))
        .file()
        .bound(Bound::Min(1))
        .default("3000")
        .unit("ms")
        .about("The base unit of time; session bounds and ensemble limits are multiples of it."),
    Key::new("minSessionTimeout", Int(|d, n| d.session_timeout_min_ms = u32::try_from(n).ok()))
        .file()
        .bound(Bound::Min(-1))
        .default("-1, 2 ticks")
        .unit("ms")
        .about("The shortest session time-out a client can get."),
    Key::new("maxSessionTimeout", Int(|d, n| d.session_timeout_max_ms = u32::try_from(n).ok()))
        .file()
        .bound(Bound::Min(-1))
        .default("-1, 20 ticks")
        .unit("ms")
        .about("The longest session time-out a client can get."),
    Key::new("maxClientCnxns", Int(|d, n| d.config.listen.connections_per_host_max = limit(n)))
        .file()
        .default("60")
        .unit("connections")
        .about("Connections from one address; 0 is no limit."),
    Key::new("autopurge.snapRetainCount", Int(|d, n| d.config.storage.purge.retain_count = count(n)))
        .file()
        .bound(Bound::Raised(3))
        .default("3")
        .unit("snapshots")
        .about("Snapshots that purging keeps."),
    Key::new("autopurge.purgeInterval", Special(purge_interval))
        .file()
        .default("0, never")
        .unit("h, or with a unit: ms s m h d")
        .about("How often old snapshots and logs are removed."),
    Key::new("localSessionsEnabled", Bool(|d, on| d.config.sessions.local_enabled = on))
        .file()
        .class(Class::Ensemble)
        .default("false")
        .about("Sessions begin as local ones, known to one server only."),
    Key::new("localSessionsUpgradingEnabled", Bool(|d, on| d.config.sessions.local_upgrading = on))
        .file()
        .class(Class::Ensemble)
        .default("false")
        .about("A local session becomes global with its first ephemeral node."),
    Key::new("reconfigEnabled", Bool(|d, on| d.config.reconfig_enabled = on))
        .file()
        .class(Class::Refused)
        .default("false")
        .about("Membership may change at run time."),
];
