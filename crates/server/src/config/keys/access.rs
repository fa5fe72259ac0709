//! Authentication and authorization.

use std::path::PathBuf;

use super::Parse::{Bool, Family, List, Long, Special, Text};
use super::{Class, Key, Wrong, java};
use crate::config::draft::{Draft, millis};
use crate::config::settings::{AuthProvider, DigestAlgorithm, ProviderClass, Secret};

fn auth_provider(draft: &mut Draft, suffix: &str, class: &str) -> Result<(), Wrong> {
    let provider = AuthProvider { suffix: suffix.to_owned(), class: ProviderClass::new(class) };
    draft.config.access.providers.push(provider);
    Ok(())
}

fn super_user(draft: &mut Draft, _: &str, id: &str) -> Result<(), Wrong> {
    draft.add_super_user(id);
    Ok(())
}

fn digest_algorithm(draft: &mut Draft, name: &str) -> Result<(), Wrong> {
    draft.config.access.digest.algorithm = match name.to_ascii_uppercase().as_str() {
        "SHA" | "SHA1" | "SHA-1" => DigestAlgorithm::Sha1,
        "SHA-256" => DigestAlgorithm::Sha256,
        "SHA-384" => DigestAlgorithm::Sha384,
        "SHA-512" => DigestAlgorithm::Sha512,
        _ => {
            return Err(Wrong {
                expected: "expected SHA1, SHA-256, SHA-384 or SHA-512".to_owned(),
                words: vec!["SHA1", "SHA-256", "SHA-384", "SHA-512"],
            });
        }
    };
    Ok(())
}

pub(super) static KEYS: &[Key] = &[
    Key::new("authProvider.", Family(auth_provider))
        .default("none")
        .unit("class")
        .about("A provider beside digest and ip. Of the classes that come with ZooKeeper, EnsembleAuthenticationProvider is served; the others not yet."),
    Key::new("DigestAuthenticationProvider.enabled", Bool(|d, on| d.config.access.digest.enabled = on))
        .default("true")
        .about("The scheme digest is there."),
    Key::new("DigestAuthenticationProvider.digestAlg", Special(digest_algorithm))
        .strict()
        .default("SHA1")
        .unit("SHA1, SHA-256, SHA-384, SHA-512")
        .about("The hash of digest ids."),
    Key::new(
        "DigestAuthenticationProvider.superDigest",
        Text(|d, id| d.config.access.digest.super_digest = Some(Secret::new(id.to_owned()))),
    )
    .secret()
    .default("none")
    .unit("super:base64")
    .about("The digest id that passes every ACL."),
    Key::new(
        "X509AuthenticationProvider.superUser",
        Text(|d, id| d.config.access.super_users.x509 = Some(id.to_owned())),
    )
    .class(Class::NotYet)
    .default("none")
    .unit("X.500 name")
    .about("The certificate subject that passes every ACL."),
    Key::new("ssl.authProvider", Text(|d, scheme| d.config.client_tls.auth_provider = scheme.to_owned()))
        .class(Class::NotYet)
        .default("x509")
        .unit("scheme")
        .about("Which provider judges client certificates."),
    Key::new("superUser", Text(Draft::add_super_user))
        .class(Class::NotYet)
        .default("none")
        .unit("SASL id")
        .about("The SASL id that passes every ACL."),
    Key::new("superUser.", Family(super_user))
        .class(Class::NotYet)
        .default("none")
        .unit("SASL id")
        .about("More of them."),
    Key::new(
        "IPAuthenticationProvider.usexforwardedfor",
        Bool(|d, on| d.config.access.use_x_forwarded_for = on),
    )
    .default("false")
    .about("The admin server takes the client's address from `X-Forwarded-For`."),
    Key::new(
        "SASLAuthenticationProvider.superPassword",
        Text(|d, word| d.config.access.sasl.super_password = Some(Secret::new(word.to_owned()))),
    )
    .secret()
    .class(Class::NotYet)
    .default("none")
    .unit("password")
    .about("The password of the user `super` in DIGEST-MD5."),
    Key::new("sessionRequireClientSASLAuth", Bool(|d, on| d.require_sasl = on))
        .class(Class::Refused)
        .default("false")
        .about("Only sessions that passed SASL may work."),
    Key::new("enforce.auth.enabled", Bool(|d, on| d.enforce_auth = on))
        .default("false")
        .about("A session must have used one of the schemes listed."),
    Key::new("enforce.auth.schemes", List(|d, schemes| d.enforced_schemes = schemes))
        .default("none")
        .unit("schemes, `,` between")
        .about("Those schemes. Only digest and ip are served yet."),
    Key::new("allowSaslFailedClients", Bool(|d, on| d.config.access.sasl.allow_failed_clients = on))
        .class(Class::NotYet)
        .default("false")
        .about("A session goes on although SASL failed."),
    Key::new(
        "letAnySaslUserDoX",
        Text(|d, name| d.config.access.sasl.let_any_user_do = Some(name.to_owned())),
    )
    .class(Class::NotYet)
    .default("none")
    .unit("any")
    .about("Every SASL user passes SASL ACLs; an old escape hatch."),
    Key::new("sasl.serverconfig", Text(|d, name| d.config.access.sasl.section = Some(name.to_owned())))
        .class(Class::NotYet)
        .default("Server")
        .unit("name")
        .about("The JAAS section of this server."),
    Key::new(
        "java.security.auth.login.config",
        Text(|d, path| d.config.access.sasl.login_config = Some(PathBuf::from(path))),
    )
    .bare()
    .class(Class::NotYet)
    .default("none")
    .unit("path")
    .about("The JAAS file."),
    Key::new("kerberos.removeHostFromPrincipal", Bool(|d, on| d.config.access.sasl.remove_host = on))
        .class(Class::NotYet)
        .default("false")
        .about("`name/host@REALM` loses its host."),
    Key::new("kerberos.removeRealmFromPrincipal", Bool(|d, on| d.config.access.sasl.remove_realm = on))
        .class(Class::NotYet)
        .default("false")
        .about("`name@REALM` loses its realm."),
    Key::new(
        "kerberos.canonicalizeHostNames",
        Bool(|d, on| d.config.access.sasl.canonicalize_host_names = on),
    )
    .class(Class::NotYet)
    .default("false")
    .about("Hosts in service names are looked up."),
    Key::new("kerberos.minReLoginTimeMs", Long(|d, n| d.config.access.sasl.relogin_min = millis(n)))
        .class(Class::NotYet)
        .default("60000")
        .unit("ms")
        .about("The least time between two logins."),
    Key::new(
        "security.auth_to_local",
        Text(|d, rules| d.config.access.sasl.auth_to_local = rules.to_owned()),
    )
    .class(Class::NotYet)
    .default("DEFAULT")
    .unit("rules")
    .about("How principals become user names."),
    Key::new("server.realm", Text(|d, realm| d.config.access.sasl.server_realm = Some(realm.to_owned())))
        .class(Class::NotYet)
        .default("none")
        .unit("realm")
        .about("The realm of the server's principal."),
    java("requireKerberosConfig", "krb5.conf is looked at only when Kerberos is used"),
    java("kinit", "tickets are renewed without another program"),
    java("jaasLoginRenew", "the Java server does not know it either, though many examples give it"),
    java("requireClientAuthScheme", "the Java server does not know it either; see `enforce.auth.schemes`"),
    Key::new(
        "ensembleAuthName",
        List(|d, names| d.config.access.ensemble_names = names.into_iter().collect()),
    )
    .default("any")
    .unit("names, `,` between")
    .about("The names of this ensemble, for its provider; a client that asks for another one is refused."),
];
