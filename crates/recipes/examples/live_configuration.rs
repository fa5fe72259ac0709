//! Configuration that changes live: workers follow a value and use the new one at once, a mistake does not come into
//! force, and two administrators do not lose each other's changes.
//!
//! `cargo run --example live_configuration [hosts]`

#![expect(clippy::print_stdout, reason = "an example says what it does")]

mod server;

use std::error::Error;

use bytes::Bytes;
use zabra_client::Client;
use zabra_recipes::configuration::{BadValue, Configuration, ConfigurationState, Json, Value};

const WORKERS: usize = 3;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Settings {
    threads: u32,
    greeting: String,
}

/// Settings that make sense: what does not is refused by everybody who follows.
#[derive(Clone, Debug)]
struct Checked(Settings);

impl Value for Checked {
    fn read(data: &Bytes) -> Result<Self, BadValue> {
        let Json(settings) = Json::<Settings>::read(data)?;
        if settings.threads == 0 {
            return Err(BadValue("there must be a thread".to_owned()));
        }
        Ok(Self(settings))
    }

    fn write(&self) -> Result<Bytes, BadValue> {
        Json(self.0.clone()).write()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (hosts, _server) = server::hosts().await?;
    let path = server::fresh("settings");
    let client = Client::connect(&hosts).await?;
    let admin = Configuration::<Checked>::open(&client, &path).await?;
    admin.create(&Checked(Settings { threads: 4, greeting: "hello".to_owned() })).await?;

    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let client = Client::connect(&hosts).await?;
        let settings = Configuration::<Checked>::open(&client, &path).await?;
        workers.push(tokio::spawn(async move {
            let mut changes = settings.changes();
            let mut state = Some(settings.state());
            while let Some(now) = state {
                match &now {
                    ConfigurationState::Valid(value) => {
                        let Checked(settings) = &*value.value;
                        println!("worker {number}: version {}: {settings:?}", value.version);
                        if settings.greeting == "goodbye" {
                            return client.close().await;
                        }
                    }
                    ConfigurationState::Invalid { version, reason, .. } => {
                        println!(
                            "worker {number}: version {version} is refused ({reason}), going on as before"
                        );
                    }
                    _ => println!("worker {number}: nothing is configured"),
                }
                state = changes.next().await;
            }
            Ok(())
        }));
    }

    // Two administrators at once: each change is made to what the other left.
    let more_threads =
        admin.update(|Checked(old)| Checked(Settings { threads: old.threads * 2, ..old.clone() }));
    let louder = admin
        .update(|Checked(old)| Checked(Settings { greeting: format!("{}!", old.greeting), ..old.clone() }));
    let (more_threads, louder) = tokio::join!(more_threads, louder);
    println!("administrators: versions {} and {}", more_threads?.version, louder?.version);

    println!("somebody makes a mistake by hand");
    client.set(&path, r#"{"threads":0,"greeting":"oops"}"#).await?;
    admin.set(&Checked(Settings { threads: 1, greeting: "goodbye".to_owned() })).await?;
    for worker in workers {
        worker.await??;
    }
    Ok(())
}
