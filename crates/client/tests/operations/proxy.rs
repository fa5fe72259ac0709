//! A wire that breaks when it is told to: between a request that was executed and its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes everything on, and cuts connections on demand.
pub(crate) struct Proxy {
    address: SocketAddr,
    orders: watch::Sender<Order>,
    swallowed: Arc<AtomicU32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Pass,
    /// Let requests through, and break the connection instead of passing the next answer on.
    SwallowAnswer,
    /// Break the connection instead of passing the next request on.
    SwallowRequest,
}

impl Proxy {
    /// A wire to `server`.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (orders, order) = watch::channel(Order::Pass);
        let swallowed = Arc::new(AtomicU32::new(0));
        let (again, count) = (orders.clone(), Arc::clone(&swallowed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                tokio::spawn(pass(client, server, order.clone(), again.clone(), Arc::clone(&count)));
            }
        });
        Self { address, orders, swallowed }
    }

    pub(crate) fn connect_string(&self) -> String {
        self.address.to_string()
    }

    /// The next answer is lost, and the connection with it; what was asked for has been done.
    pub(crate) fn swallow_an_answer(&self) {
        self.orders.send_replace(Order::SwallowAnswer);
    }

    /// The next request is lost, and the connection with it.
    pub(crate) fn swallow_a_request(&self) {
        self.orders.send_replace(Order::SwallowRequest);
    }

    /// How much was lost so far.
    pub(crate) fn swallowed(&self) -> u32 {
        self.swallowed.load(Ordering::Relaxed)
    }
}

/// Passes bytes on until an order or an end.
async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    order: watch::Receiver<Order>,
    orders: watch::Sender<Order>,
    swallowed: Arc<AtomicU32>,
) {
    let (mut from_client, mut from_server) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let (read, is_answer) = tokio::select! {
            read = client.read(&mut from_client) => (read, false),
            read = server.read(&mut from_server) => (read, true),
        };
        let Ok(len @ 1..) = read else { return };
        let lost = if is_answer { Order::SwallowAnswer } else { Order::SwallowRequest };
        if *order.borrow() == lost {
            swallowed.fetch_add(1, Ordering::Relaxed);
            orders.send_replace(Order::Pass);
            return;
        }
        let passed = if is_answer {
            client.write_all(&from_server[..len]).await
        } else {
            server.write_all(&from_client[..len]).await
        };
        if passed.is_err() {
            return;
        }
    }
}
