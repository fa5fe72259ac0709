//! The two ports between servers. What comes in becomes [`Input`]s for the peer; nothing here decides about the protocol.
//!
//! Bad bytes cost only the connection they came on, and are logged once with what was wrong.

pub(crate) mod dial;
pub(crate) mod election;
pub(crate) mod links;
pub(crate) mod listen;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use zabra_zab::Input;

/// Where inputs go: into the peer, under the brain's lock. Called without any lock of this module held.
pub(crate) type Hear = Arc<dyn Fn(Vec<Input>) + Send + Sync>;

/// What ends the server: a port that cannot be listened on.
pub(crate) type Fail = Arc<dyn Fn(String) + Send + Sync>;

/// How long a connection may idle before the system asks whether the other side is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
/// How often it asks.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);

/// Sets what every connection between servers has: no delay, and a sign of life.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY))
}
