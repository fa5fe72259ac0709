//! The servers the tests run against.

use zabra_client::{Client, ClientBuilder};
use zabra_testkit::{Genuine, JvmOptions, ServerProcess, ServerSpec};

/// A server of one kind or the other.
pub(crate) struct Server {
    kind: Kind,
    /// Where the present body's nodes are.
    chroot: String,
}

enum Kind {
    Zabra(Box<zabra_embedded::Server>),
    Genuine(Box<ServerProcess>),
}

impl Server {
    /// A Zabra server. Sessions may be long: a busy machine takes its time.
    pub(crate) async fn zabra() -> Self {
        let server = zabra_embedded::Server::builder().set("maxSessionTimeout", "60000").start().await;
        Self { kind: Kind::Zabra(Box::new(server.unwrap())), chroot: String::new() }
    }

    /// A genuine server.
    pub(crate) async fn genuine(genuine: &Genuine) -> Self {
        let spec = ServerSpec::new(genuine.program(&JvmOptions::small())).with("maxSessionTimeout", "60000");
        let server = tokio::task::spawn_blocking(move || spec.start()).await.unwrap().unwrap();
        Self { kind: Kind::Genuine(Box::new(server)), chroot: String::new() }
    }

    /// Makes a node that is the root of all clients from now on.
    pub(crate) async fn move_to(&mut self, name: &str) {
        self.chroot = String::new();
        let chroot = format!("/{name}");
        self.client().await.create(&chroot, "").await.unwrap();
        self.chroot = chroot;
    }

    /// Where clients connect.
    pub(crate) fn connect_string(&self) -> String {
        let hosts = match &self.kind {
            Kind::Zabra(server) => server.connect_string(),
            Kind::Genuine(server) => server.addr().to_string(),
        };
        hosts + &self.chroot
    }

    /// Stops it as a crash would, and starts it again on the same data and port.
    pub(crate) async fn crash_and_restart(&mut self) {
        match &mut self.kind {
            Kind::Zabra(server) => {
                server.kill().await;
                server.restart().await.unwrap();
            }
            Kind::Genuine(server) => tokio::task::block_in_place(|| {
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
