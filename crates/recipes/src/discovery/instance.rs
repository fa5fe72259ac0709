//! One running instance of a service, and its form in the znode.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;
use zabra_client::{Client, CreateMode};

use super::{Payload, UriSpec};
use crate::common::local_address;

/// Who keeps the znode of an instance alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceType {
    /// The session of the process that registered it: the znode is ephemeral.
    #[default]
    Dynamic,
    /// Nobody: the znode is persistent until it is unregistered (Curator's REST server lets it expire).
    Static,
    /// Nobody: the znode is persistent until it is unregistered.
    Permanent,
    /// The session, and the server appends a sequence number to the id in the name of the znode.
    DynamicSequential,
}

impl ServiceType {
    /// Whether the znode ends with the session.
    pub const fn is_dynamic(self) -> bool {
        matches!(self, Self::Dynamic | Self::DynamicSequential)
    }

    pub(super) const fn create_mode(self) -> CreateMode {
        match self {
            Self::Dynamic => CreateMode::Ephemeral,
            Self::DynamicSequential => CreateMode::EphemeralSequential,
            Self::Static | Self::Permanent => CreateMode::Persistent,
        }
    }

    pub(super) const fn uri_name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Static => "static",
            Self::Permanent => "permanent",
            Self::DynamicSequential => "dynamic_sequential",
        }
    }
}

/// One instance of a service. Mirrors Curator's `ServiceInstance`; its JSON is the same, field for field.
///
/// ```
/// use zabra_recipes::discovery::ServiceInstance;
///
/// let instance = ServiceInstance::new("web").address("10.0.0.7").port(8080);
/// assert_eq!(instance.name, "web");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServiceInstance {
    /// The service it belongs to: one path element.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Its id, unique within the service: one path element. A random UUID unless set.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// Host name or address.
    #[serde(default)]
    pub address: Option<String>,
    /// The port without TLS.
    #[serde(default)]
    pub port: Option<i32>,
    /// The port with TLS.
    #[serde(default)]
    pub ssl_port: Option<i32>,
    /// Whatever else it says about itself.
    #[serde(default)]
    pub payload: Option<Payload>,
    /// When it was registered: milliseconds since 1970, UTC.
    #[serde(rename = "registrationTimeUTC", default, deserialize_with = "or_default")]
    pub registration_time_utc: i64,
    /// Who keeps it alive.
    #[serde(default, deserialize_with = "or_default")]
    pub service_type: ServiceType,
    /// A template of its URI.
    #[serde(default)]
    pub uri_spec: Option<UriSpec>,
    /// Whether a provider may choose it. Written only when false, since Curator writes it only when told to
    /// (CURATOR-275) and clients before 2.12 refuse a field they do not know.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
}

impl ServiceInstance {
    /// An instance with a random id, registered now, and nothing else set.
    pub fn new(name: impl Into<String>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            name: name.into(),
            id: Uuid::new_v4().to_string(),
            address: None,
            port: None,
            ssl_port: None,
            payload: None,
            registration_time_utc: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            service_type: ServiceType::Dynamic,
            uri_spec: None,
            enabled: true,
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the host name or address.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Sets the address to the one by which this host reaches the servers (Curator's builder begins with any address of
    /// the host). Leaves it as it is while there is no connection.
    #[must_use]
    pub fn address_of_this_host(mut self, client: &Client) -> Self {
        let address = local_address(client);
        if !address.is_empty() {
            self.address = Some(String::from_utf8_lossy(&address).into_owned());
        }
        self
    }

    /// Sets the port without TLS.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port.into());
        self
    }

    /// Sets the port with TLS.
    #[must_use]
    pub fn ssl_port(mut self, port: u16) -> Self {
        self.ssl_port = Some(port.into());
        self
    }

    /// Sets the payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Payload>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Sets who keeps it alive.
    #[must_use]
    pub fn service_type(mut self, service_type: ServiceType) -> Self {
        self.service_type = service_type;
        self
    }

    /// Sets the template of its URI.
    #[must_use]
    pub fn uri_spec(mut self, uri_spec: UriSpec) -> Self {
        self.uri_spec = Some(uri_spec);
        self
    }

    /// Sets whether a provider may choose it.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The URI its template gives, empty without one.
    pub fn uri(&self) -> String {
        self.uri_with(&BTreeMap::new())
    }

    /// The same with fields of the caller, which override those of the instance.
    pub fn uri_with(&self, variables: &BTreeMap<String, String>) -> String {
        self.uri_spec.as_ref().map(|spec| spec.build(self, variables)).unwrap_or_default()
    }

    /// The bytes of its znode, as Curator's `JsonInstanceSerializer` writes them.
    pub fn to_json(&self) -> Bytes {
        let json = serde_json::to_vec(self).expect("an instance holds only strings, numbers and JSON values");
        Bytes::from(json)
    }

    /// Reads the bytes of a znode. Missing fields take Curator's defaults, unknown ones are ignored.
    ///
    /// # Errors
    ///
    /// When the bytes are not JSON or a field has the wrong type.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        // Serde would take a list for the fields in their order.
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json)?;
        Self::deserialize(serde_json::Value::Object(fields))
    }
}

/// Jackson takes null for a missing field.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_true(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = "{scheme}://{address}:{port}/{name}/{ id }?t={registration-time-utc}&s={service-type}\
                            &x={nothing}&{[}{]}{ssl-port}";

    /// What Curator 5.9 wrote, and the same instance made here. `tests/golden/instances/README.md` says how to record.
    fn recorded() -> Vec<(&'static str, &'static str, ServiceInstance)> {
        macro_rules! golden {
            ($name:literal, $instance:expr) => {
                ($name, include_str!(concat!("../../tests/golden/instances/", $name, ".json")), $instance)
            };
        }
        let at =
            |instance: ServiceInstance, time| ServiceInstance { registration_time_utc: time, ..instance };
        let small = || at(ServiceInstance::new("w").id("i").address("a").port(80), 5);
        let template = || UriSpec::parse(TEMPLATE).unwrap();
        let classed = |value: serde_json::Value, class: &str| Payload::from(value).with_class(class);
        vec![
            golden!("minimal", at(ServiceInstance::new("web").id("id-1"), 0)),
            golden!(
                "full-string",
                at(
                    ServiceInstance::new("web")
                        .id("id-2")
                        .address("10.1.2.3")
                        .port(8080)
                        .ssl_port(8443)
                        .payload("a \"payload\" \u{fc}/\u{2028}\u{7}")
                        .service_type(ServiceType::Static)
                        .uri_spec(template()),
                    1_700_000_000_123
                )
            ),
            golden!(
                "full-disabled",
                at(
                    ServiceInstance::new("web")
                        .id("id-3")
                        .address("h\u{f6}st")
                        .port(1)
                        .ssl_port(2)
                        .payload("p")
                        .service_type(ServiceType::Permanent)
                        .uri_spec(template())
                        .enabled(false),
                    1
                )
            ),
            golden!("integer", small().payload(json!(42)).service_type(ServiceType::DynamicSequential)),
            golden!("boolean", small().payload(json!(true))),
            golden!("double", small().payload(json!(1.5))),
            golden!("long", small().payload(classed(json!(42), "java.lang.Long"))),
            golden!(
                "object",
                small().payload(classed(json!({"version": "1.2", "weight": 7}), "Golden$Node"))
            ),
            golden!(
                "map",
                small().payload(classed(json!({"zone": "eu", "n": 3}), "java.util.LinkedHashMap"))
            ),
            golden!("list", small().payload(classed(json!(["x", 1]), "java.util.ArrayList"))),
        ]
    }

    #[test]
    fn json_is_byte_for_byte_that_of_curator() {
        for (name, golden, instance) in recorded() {
            assert_eq!(instance.to_json(), golden.as_bytes(), "{name}");
        }
    }

    #[test]
    fn json_of_curator_is_read_whole() {
        for (name, golden, instance) in recorded() {
            assert_eq!(ServiceInstance::from_json(golden.as_bytes()).unwrap(), instance, "{name}");
        }
        let explicit = include_bytes!("../../tests/golden/instances/minimal-enabled.json");
        assert!(ServiceInstance::from_json(explicit).unwrap().enabled);
    }

    #[test]
    fn templates_give_the_uris_curator_gives() {
        for (golden, uri) in [
            ("full-string", "https://10.1.2.3:8080/web/id-2?t=1700000000123&s=static&x=&{}8443"),
            ("full-disabled", "https://h\u{f6}st:1/web/id-3?t=1&s=permanent&x=&{}2"),
            ("minimal", ""),
        ] {
            let (.., instance) = recorded().into_iter().find(|(name, ..)| *name == golden).unwrap();
            assert_eq!(instance.uri(), uri);
        }
    }

    #[test]
    fn what_curator_reads_leniently_is_read_leniently() {
        for json in [
            "{}",
            r#"{"name":null,"id":"1"}"#,
            r#"{"name":"web","id":"1","extra":1,"uriSpec":{"parts":[{"value":"x","variable":true,"q":1}]}}"#,
            r#"{"name":"web","id":"1","serviceType":null,"registrationTimeUTC":null,"port":-1}"#,
            r#"{"name":"web","id":"1","payload":["java.util.ArrayList",[1]]}"#,
        ] {
            ServiceInstance::from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
        }
        for json in ["", "[]", "{", r#"{"name":1}"#, r#"{"serviceType":"OTHER"}"#, "null"] {
            assert!(ServiceInstance::from_json(json.as_bytes()).is_err(), "{json}");
        }
    }
}
