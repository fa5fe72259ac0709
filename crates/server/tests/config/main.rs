//! Reading configurations, from the outside.

mod reference;
mod samples;

use std::path::Path;

use zabra_server::config::{Config, ConfigError, Flags, Loaded};

fn read(file: &str) -> Result<Loaded, ConfigError> {
    Config::from_bytes(Path::new("zoo.cfg"), file.as_bytes(), &Flags::default())
}
