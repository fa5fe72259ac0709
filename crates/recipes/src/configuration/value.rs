//! What a configuration is made of.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are no value, or a value cannot be bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(pub String);

/// A type whose values are the data of a node.
///
/// [`Bytes`] takes anything, [`String`] takes UTF-8, and [`Json`] takes what serde makes of JSON.
pub trait Value: Sized + Send + Sync + 'static {
    /// Reads the data of a node. May also check that the value makes sense: one that does not is told to those who follow,
    /// and not put into force.
    ///
    /// # Errors
    ///
    /// The bytes are no such value.
    fn read(data: &Bytes) -> Result<Self, BadValue>;

    /// The data of a node.
    ///
    /// # Errors
    ///
    /// The value has no such form.
    fn write(&self) -> Result<Bytes, BadValue>;
}

/// A value as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl Value for Bytes {
    fn read(data: &Bytes) -> Result<Self, BadValue> {
        Ok(data.clone())
    }

    fn write(&self) -> Result<Bytes, BadValue> {
        Ok(self.clone())
    }
}

impl Value for String {
    fn read(data: &Bytes) -> Result<Self, BadValue> {
        std::str::from_utf8(data).map(str::to_owned).map_err(|error| BadValue(error.to_string()))
    }

    fn write(&self) -> Result<Bytes, BadValue> {
        Ok(Bytes::copy_from_slice(self.as_bytes()))
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Value for Json<T> {
    fn read(data: &Bytes) -> Result<Self, BadValue> {
        serde_json::from_slice(data).map(Self).map_err(|error| BadValue(error.to_string()))
    }

    fn write(&self) -> Result<Bytes, BadValue> {
        serde_json::to_vec_pretty(&self.0).map(Bytes::from).map_err(|error| BadValue(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        let text = "häuser".to_owned();
        assert_eq!(String::read(&text.write().unwrap()), Ok(text));
        let map = Json(BTreeMap::from([("threads".to_owned(), 4)]));
        assert_eq!(Json::read(&map.write().unwrap()), Ok(map));
        let bytes = Bytes::from_static(&[0xff, 0]);
        assert_eq!(Bytes::read(&bytes.write().unwrap()), Ok(bytes.clone()));
        assert!(String::read(&bytes).is_err());
        assert!(Json::<u8>::read(&bytes).is_err());
    }
}
