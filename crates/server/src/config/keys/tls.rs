//! TLS: each key twice, `ssl.` for client ports and `ssl.quorum.` between servers.

use super::Parse::{Bool, Choice, Int, List, Path, Text};
use super::{Class, Key, java};
use crate::config::draft::millis;
use crate::config::settings::{ClientAuth, Secret};

/// The rows of one kind of port: the prefix of its keys, the field of [`Config`](crate::config::Config) they go
/// to, and the default of the one key in which the two differ.
macro_rules! rows {
    ($prefix:literal, $tls:ident, $verifies_clients:literal) => {
        [
            key(concat!($prefix, "protocol"), Text(|d, name| d.config.$tls.protocol = Some(name.to_owned())))
                .default("the newest")
                .unit("TLSv1.3, TLSv1.2")
                .about("The TLS version."),
            key(
                concat!($prefix, "enabledProtocols"),
                List(|d, names| d.config.$tls.enabled_protocols = names),
            )
            .default("`protocol`")
            .unit("versions, `,` between")
            .about("The TLS versions on offer."),
            key(concat!($prefix, "ciphersuites"), List(|d, names| d.config.$tls.cipher_suites = names))
                .default("AES-GCM first")
                .unit("names, `,` between")
                .about("The cipher suites on offer."),
            key(
                concat!($prefix, "keyStore.location"),
                Path(|d, path| d.config.$tls.key_store.location = Some(path)),
            )
            .default("none")
            .unit("path")
            .about("The own key and certificate."),
            key(
                concat!($prefix, "keyStore.password"),
                Text(|d, word| d.config.$tls.key_store.password = Some(Secret::new(word.to_owned()))),
            )
            .secret()
            .default("empty")
            .about("Their password."),
            key(
                concat!($prefix, "keyStore.passwordPath"),
                Path(|d, path| d.config.$tls.key_store.password_path = Some(path)),
            )
            .default("none")
            .unit("path")
            .about("A file with their password, which wins."),
            key(
                concat!($prefix, "keyStore.type"),
                Text(|d, format| d.config.$tls.key_store.format = Some(format.to_owned())),
            )
            .default("by the file's name")
            .unit("JKS, PEM, PKCS12, BCFKS")
            .about("Their format."),
            key(
                concat!($prefix, "trustStore.location"),
                Path(|d, path| d.config.$tls.trust_store.location = Some(path)),
            )
            .default("none")
            .unit("path")
            .about("The certificate authorities."),
            key(
                concat!($prefix, "trustStore.password"),
                Text(|d, word| d.config.$tls.trust_store.password = Some(Secret::new(word.to_owned()))),
            )
            .secret()
            .default("empty")
            .about("Their password."),
            key(
                concat!($prefix, "trustStore.passwordPath"),
                Path(|d, path| d.config.$tls.trust_store.password_path = Some(path)),
            )
            .default("none")
            .unit("path")
            .about("A file with their password, which wins."),
            key(
                concat!($prefix, "trustStore.type"),
                Text(|d, format| d.config.$tls.trust_store.format = Some(format.to_owned())),
            )
            .default("by the file's name")
            .unit("JKS, PEM, PKCS12, BCFKS")
            .about("Their format."),
            java(concat!($prefix, "context.supplier.class"), "classes of other people cannot be loaded"),
            key(
                concat!($prefix, "hostnameVerification"),
                Bool(|d, on| d.config.$tls.hostname_verification = on),
            )
            .default("true")
            .about("The name of the peer is checked."),
            key(
                concat!($prefix, "clientHostnameVerification"),
                Bool(|d, on| d.config.$tls.client_hostname_verification = on),
            )
            .default($verifies_clients)
            .about("A server checks the name of its client too."),
            key(
                concat!($prefix, "allowReverseDnsLookup"),
                Bool(|d, on| d.config.$tls.allow_reverse_dns = on),
            )
            .default("false")
            .about("The check may fall back to a reverse look-up."),
            key(concat!($prefix, "crl"), Bool(|d, on| d.config.$tls.crl = on))
                .default("false")
                .about("Revocation lists are asked."),
            key(concat!($prefix, "ocsp"), Bool(|d, on| d.config.$tls.ocsp = on))
                .default("false")
                .about("OCSP is asked."),
            key(
                concat!($prefix, "clientAuth"),
                Choice(&[
                    ("none", |d| d.config.$tls.client_auth = ClientAuth::None),
                    ("want", |d| d.config.$tls.client_auth = ClientAuth::Want),
                    ("need", |d| d.config.$tls.client_auth = ClientAuth::Need),
                ]),
            )
            .strict()
            .default("need")
            .unit("none, want, need")
            .about("Whether the other side needs a certificate."),
            key(
                concat!($prefix, "handshakeDetectionTimeoutMillis"),
                Int(|d, n| d.config.$tls.detection_timeout = millis(n)),
            )
            .default("5000")
            .unit("ms")
            .about("How long a port for TLS and plain waits for the first bytes."),
        ]
    };
}

/// TLS is not there yet. The ports that need it are refused; stores and switches alone do no harm.
const fn key(name: &'static str, parse: super::Parse) -> Key {
    Key::new(name, parse).class(Class::NotYet)
}

/// What concerns all TLS, or only the client port.
pub(super) static SWITCHES: &[Key] = &[
    Key::new("client.portUnification", Bool(|d, on| d.config.listen.port_unification = on))
        .class(Class::Refused)
        .default("false")
        .about("The plain client port takes TLS as well."),
    key("client.certReload", Bool(|d, on| d.config.client_tls.reload = on))
        .default("false")
        .about("Changed key and trust stores of the client port are read again."),
    key(
        "fips-mode",
        Bool(|d, on| {
            d.config.client_tls.fips = on;
            d.config.quorum_tls.fips = on;
        }),
    )
    .default("true")
    .about("Only approved algorithms are used, and names are checked by TLS itself."),
    java("ssl.sslProvider", "there is one TLS engine"),
];

/// TLS on client ports.
pub(super) static CLIENT: &[Key] = &rows!("ssl.", client_tls, "false");

/// TLS between servers and on the admin port.
pub(super) static QUORUM: &[Key] = &rows!("ssl.quorum.", quorum_tls, "true");
