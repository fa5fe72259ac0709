//! The admin HTTP server and the four-letter words.

use super::Parse::{Bool, Int, List, Port, Special, Text};
use super::{Bound, Class, Key, Wrong, java};
use crate::config::draft::{Draft, millis};
use crate::config::settings::Host;

fn command_url(draft: &mut Draft, path: &str) -> Result<(), Wrong> {
    if !path.starts_with('/') {
        return Err(Wrong::expected("expected a path that begins with /"));
    }
    draft.config.admin.command_url = path.trim_end_matches('/').to_owned();
    Ok(())
}

pub(super) static KEYS: &[Key] = &[
    Key::new("admin.enableServer", Bool(|d, on| d.config.admin.enabled = on))
        .default("true")
        .about("The admin server runs."),
    Key::new("admin.serverAddress", Text(|d, host| d.config.admin.listen.host = Host::new(host)))
        .default("0.0.0.0")
        .unit("host or IP")
        .about("Its address."),
    Key::new("admin.serverPort", Port(|d, port| d.config.admin.listen.port = port))
        .default("8080")
        .unit("port")
        .about("Its port."),
    Key::new("admin.idleTimeout", Int(|d, n| d.config.admin.idle_timeout = millis(n)))
        .default("30000")
        .unit("ms")
        .about("How long a connection to it may idle."),
    Key::new("admin.commandURL", Special(command_url))
        .strict()
        .default("/commands")
        .unit("path")
        .about("The path before a command's name."),
    java("admin.httpVersion", "HTTP/1.1 is spoken"),
    Key::new("admin.portUnification", Bool(|d, on| d.config.admin.port_unification = on))
        .class(Class::Refused)
        .default("false")
        .about("The port takes TLS as well, with the stores of `ssl.quorum.*`."),
    Key::new("admin.forceHttps", Bool(|d, on| d.config.admin.force_https = on))
        .class(Class::Refused)
        .default("false")
        .about("The port takes only TLS."),
    Key::new("admin.needClientAuth", Bool(|d, on| d.config.admin.need_client_auth = on))
        .class(Class::NotYet)
        .default("false")
        .about("A TLS client needs a certificate."),
    Key::new("admin.snapshot.enabled", Bool(|d, on| d.config.admin.snapshot_enabled = on))
        .default("true")
        .about("The command snapshot works."),
    Key::new("admin.restore.enabled", Bool(|d, on| d.config.admin.restore_enabled = on))
        .default("true")
        .about("The command restore works."),
    Key::new("admin.rateLimiterIntervalInMS", Int(|d, n| d.config.admin.rate_limiter_interval = millis(n)))
        .strict()
        .bound(Bound::Min(0))
        .default("300000")
        .unit("ms")
        .about("The least time between two restores; a thousandth of it between two snapshots, as in the Java server."),
    Key::new("4lw.commands.whitelist", List(|d, words| d.words = words))
        .default("srvr")
        .unit("words, `,` between, or *")
        .about("The four-letter words that are answered; `srvr` always is."),
];
