//! The address of an instance as a template.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::ServiceInstance;

/// A URI with fields in braces, as `{scheme}://{address}:{port}/`. Mirrors Curator's `UriSpec`.
///
/// Known fields are `scheme` (`https` when the instance has a TLS port, else `http`), `name`, `id`, `address`, `port`,
/// `ssl-port`, `registration-time-utc` and `service-type`; `{[}` and `{]}` give literal braces. Others come from the
/// caller of [`build`](Self::build); a field nobody knows becomes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UriSpec {
    #[serde(default)]
    parts: Vec<UriPart>,
}

/// A piece of a [`UriSpec`]: literal text, or the name of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UriPart {
    /// The text, or the field's name.
    #[serde(default)]
    pub value: String,
    /// Whether it names a field.
    #[serde(default)]
    pub variable: bool,
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriSpecError {
    /// A field opens inside a field.
    #[error("'{{' at byte {at} opens a field inside a field")]
    Nested {
        /// Where.
        at: usize,
    },
    /// A field closes that never opened.
    #[error("'}}' at byte {at} closes no field")]
    NotOpen {
        /// Where.
        at: usize,
    },
    /// The last field never closes.
    #[error("the field that opens at byte {at} is not closed")]
    NotClosed {
        /// Where.
        at: usize,
    },
}

impl UriSpec {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// When braces do not match.
    pub fn parse(text: &str) -> Result<Self, UriSpecError> {
        let mut parts = Vec::new();
        let mut opened = None;
        let mut start = 0;
        for (at, brace) in text.match_indices(['{', '}']) {
            let piece = &text[start..at];
            let part = |value: &str, variable| UriPart { value: value.to_owned(), variable };
            match (brace, opened) {
                ("{", Some(_)) => return Err(UriSpecError::Nested { at }),
                ("{", None) => {
                    if !piece.is_empty() {
                        parts.push(part(piece, false));
                    }
                    opened = Some(at);
                }
                (_, None) => return Err(UriSpecError::NotOpen { at }),
                (_, Some(_)) => {
                    if !piece.is_empty() {
                        parts.push(part(piece.trim(), true));
                    }
                    opened = None;
                }
            }
            start = at + brace.len();
        }
        if let Some(at) = opened {
            return Err(UriSpecError::NotClosed { at });
        }
        if start < text.len() {
            parts.push(UriPart { value: text[start..].to_owned(), variable: false });
        }
        Ok(Self { parts })
    }

    /// The pieces, in order.
    pub fn parts(&self) -> &[UriPart] {
        &self.parts
    }

    /// The URI of an instance. `variables` add fields and override the known ones.
    pub fn build(&self, instance: &ServiceInstance, variables: &BTreeMap<String, String>) -> String {
        let mut uri = String::new();
        for part in &self.parts {
            if !part.variable {
                uri.push_str(&part.value);
            } else if let Some(value) = variables.get(&part.value) {
                uri.push_str(value);
            } else {
                push_field(&mut uri, &part.value, instance);
            }
        }
        uri
    }
}

fn push_field(uri: &mut String, field: &str, instance: &ServiceInstance) {
    let mut number = |value: Option<i64>| {
        if let Some(value) = value {
            // Writing to a String does not fail.
            let _ = write!(uri, "{value}");
        }
    };
    match field {
        "port" => number(instance.port.map(i64::from)),
        "ssl-port" => number(instance.ssl_port.map(i64::from)),
        "registration-time-utc" => number(Some(instance.registration_time_utc)),
        "scheme" => uri.push_str(if instance.ssl_port.is_some() { "https" } else { "http" }),
        "name" => uri.push_str(&instance.name),
        "id" => uri.push_str(&instance.id),
        "address" => uri.push_str(instance.address.as_deref().unwrap_or_default()),
        "service-type" => uri.push_str(instance.service_type.uri_name()),
        "[" => uri.push('{'),
        "]" => uri.push('}'),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_must_match() {
        for (text, expected) in [
            ("a{b{c}}", UriSpecError::Nested { at: 3 }),
            ("a}b", UriSpecError::NotOpen { at: 1 }),
            ("a{b}{c", UriSpecError::NotClosed { at: 4 }),
        ] {
            assert_eq!(UriSpec::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn variables_override_known_fields_and_unknown_ones_vanish() {
        let spec = UriSpec::parse("{scheme}://{address}:{port}/{zone}{nobody-knows}{[}x{]}").unwrap();
        let instance = ServiceInstance::new("web").address("10.0.0.1").port(80);
        let variables =
            BTreeMap::from([("port".to_owned(), "81".to_owned()), ("zone".to_owned(), "eu".to_owned())]);
        assert_eq!(spec.build(&instance, &variables), "http://10.0.0.1:81/eu{x}");
        assert_eq!(spec.build(&instance.ssl_port(443), &BTreeMap::new()), "https://10.0.0.1:80/{x}");
    }
}
