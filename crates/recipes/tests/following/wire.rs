//! A wire that breaks between a request that was executed and its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes everything on but the answers that are to be lost.
pub(crate) struct Wire {
    address: SocketAddr,
    /// How many answers are passed on before one is lost, and the connection with it; negative for none to be lost.
    until_loss: Arc<AtomicI64>,
}

impl Wire {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let until_loss = Arc::new(AtomicI64::new(-1));
        let counted = until_loss.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                tokio::spawn(pass(client, server, counted.clone()));
            }
        });
        Self { address, until_loss }
    }

    pub(crate) fn hosts(&self) -> String {
        self.address.to_string()
    }

    /// After this many more answers one is lost.
    pub(crate) fn lose_after(&self, answers: i64) {
        self.until_loss.store(answers, Ordering::SeqCst);
    }

    /// Whether the answer that was to be lost is lost; none will be from now on.
    pub(crate) fn has_lost(&self) -> bool {
        self.until_loss.swap(-1, Ordering::SeqCst) < 0
    }
}

async fn pass(client: TcpStream, server: TcpStream, until_loss: Arc<AtomicI64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let answers = async {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let len = from_server.read(&mut buffer).await?;
            let before = |left: i64| (left >= 0).then_some(left - 1);
            let lost = until_loss.fetch_update(Ordering::SeqCst, Ordering::SeqCst, before) == Ok(0);
            if len == 0 || lost {
                return std::io::Result::Ok(());
            }
            to_client.write_all(&buffer[..len]).await?;
        }
    };
    // Either way the connection is over; the other side sees it by itself.
    tokio::select! {
        _ = requests => {}
        _ = answers => {}
    }
}
