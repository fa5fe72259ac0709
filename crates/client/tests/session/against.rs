//! The servers the tests run against.

use zabra_client::{Client, ClientBuilder};
use zabra_testkit::{Genuine, JvmOptions, ServerProcess, ServerSpec};

/// A server of one kind or the other.
pub(crate) enum Server {
    Zabra(Box<zabra_embedded::Server>),
    Genuine(Box<ServerProcess>),
}

impl Server {
    /// Each kind there is. `test` is named when the genuine one is missing.
    pub(crate) async fn each(test: &str) -> Vec<Self> {
        let mut servers = vec![Self::Zabra(Box::new(
            zabra_embedded::Server::builder().set("maxSessionTimeout", "60000").start().await.unwrap(),
        ))];
        if let Some(genuine) = Genuine::find_or_skip(test) {
            let program = genuine.program(&JvmOptions::small());
            let server = tokio::task::spawn_blocking(move || {
                let spec = ServerSpec::new(program).with("maxSessionTimeout", "60000");
                spec.start().unwrap()
            });
            servers.push(Self::Genuine(Box::new(server.await.unwrap())));
        }
        servers
    }

    /// Where clients connect.
    pub(crate) fn connect_string(&self) -> String {
        match self {
            Self::Zabra(server) => server.connect_string(),
            Self::Genuine(server) => server.addr().to_string(),
        }
    }

    /// Stops it as a crash would, and starts it again on the same data and port.
    pub(crate) async fn crash_and_restart(&mut self) {
        match self {
            Self::Zabra(server) => {
                server.kill().await;
                server.restart().await.unwrap();
            }
            Self::Genuine(server) => tokio::task::block_in_place(|| {
                server.kill().unwrap();
                server.start().unwrap();
            }),
        }
    }

    /// A client with these settings.
    pub(crate) async fn client_with(&self, builder: ClientBuilder) -> Client {
        builder.connect(&self.connect_string()).await.unwrap()
    }

    /// A client with the usual settings.
    pub(crate) async fn client(&self) -> Client {
        self.client_with(Client::builder()).await
    }
}
