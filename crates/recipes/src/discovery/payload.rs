//! What an instance says about itself beyond its address, in the form Jackson gives it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The key under which Jackson names the class of an object.
const CLASS_KEY: &str = "@class";
/// The class Curator needs to be told for a plain list.
const LIST_CLASS: &str = "java.util.ArrayList";

/// The payload of a [`ServiceInstance`](super::ServiceInstance): any JSON value, and the Java class it stands for.
///
/// Curator writes payloads with Jackson's class information: an object carries its class in a field `@class`; lists
/// and numbers other than `int` and `double` are wrapped as `["java.lang.Long", 42]`; strings, booleans, `int` and
/// `double` stand alone. A payload read from a Java program keeps its class and is written back with it. One made in
/// Rust has none (and is a `LinkedHashMap` to Curator) unless [`with_class`](Self::with_class) says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    class: Option<String>,
    value: Value,
}

impl Payload {
    /// Any value that serde can serialize.
    ///
    /// # Errors
    ///
    /// When serializing fails, or a map has keys that are not strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_value(value).map(Self::from)
    }

    /// The same payload, said to be an instance of this Java class.
    #[must_use]
    pub fn with_class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// The Java class, when the writer named one.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// The value without its class.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The value when it is a string.
    pub fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// The value as a type of one's own.
    ///
    /// # Errors
    ///
    /// When the value has another shape.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.value)
    }

    fn from_jackson(value: Value) -> Self {
        match value {
            Value::Object(mut fields) => {
                let class = match fields.get(CLASS_KEY) {
                    Some(Value::String(class)) => Some(class.clone()),
                    _ => None,
                };
                if class.is_some() {
                    fields.shift_remove(CLASS_KEY);
                }
                Self { class, value: Value::Object(fields) }
            }
            Value::Array(mut items) => match &items[..] {
                [Value::String(class), _] => {
                    let class = Some(class.clone());
                    Self { class, value: items.pop().unwrap_or(Value::Null) }
                }
                // No Java program writes a bare list; whoever did meant the list.
                _ => Self { class: None, value: Value::Array(items) },
            },
            value => Self { class: None, value },
        }
    }

    fn to_jackson(&self) -> Value {
        match (&self.class, &self.value) {
            (Some(class), Value::Object(fields)) => {
                let mut with_class = Map::with_capacity(fields.len() + 1);
                with_class.insert(CLASS_KEY.to_owned(), Value::String(class.clone()));
                with_class.extend(fields.iter().map(|(key, value)| (key.clone(), value.clone())));
                Value::Object(with_class)
            }
            (Some(class), value) => Value::Array(vec![Value::String(class.clone()), value.clone()]),
            (None, Value::Array(_)) => Value::Array(vec![LIST_CLASS.into(), self.value.clone()]),
            (None, value) => value.clone(),
        }
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self { class: None, value }
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::from(Value::from(text))
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_jackson().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_jackson)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_of_rust_is_written_as_curator_can_read_it() {
        for (payload, written) in [
            (Payload::from("text"), json!("text")),
            (Payload::from(json!(42)), json!(42)),
            (Payload::from(json!({"zone": "eu"})), json!({"zone": "eu"})),
            (Payload::from(json!(["a", "b"])), json!(["java.util.ArrayList", ["a", "b"]])),
            (
                Payload::from(json!({"n": 1})).with_class("com.example.Node"),
                json!({"@class": "com.example.Node", "n": 1}),
            ),
            (Payload::from(json!(7)).with_class("java.lang.Long"), json!(["java.lang.Long", 7])),
        ] {
            assert_eq!(serde_json::to_value(&payload).unwrap(), written);
            let back: Payload = serde_json::from_value(written).unwrap();
            assert_eq!(back.value(), payload.value());
        }
    }

    #[test]
    fn the_value_converts_to_a_type_of_ones_own() {
        let payload = Payload::of(&[1_u8, 2, 3]).unwrap();
        assert_eq!(payload.get::<Vec<u8>>().unwrap(), [1, 2, 3]);
        assert!(payload.get::<String>().is_err());
        assert_eq!(Payload::from("x").text(), Some("x"));
    }
}
