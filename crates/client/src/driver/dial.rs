//! How connections are made.

use crate::core::Host;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A future in a box.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A connection to a server: bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections to servers. The default is plain TCP; another one may add TLS, go through a proxy, or break
/// connections in a test.
pub trait Dial: Send + Sync + fmt::Debug + 'static {
    /// Looks up the addresses of a server. Called anew for each try, unless its name is an address.
    fn resolve(&self, host: &Host) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let host = (host.name.clone(), host.port);
        Box::pin(async move { Ok(tokio::net::lookup_host(host).await?.collect()) })
    }

    /// Connects to one of them.
    fn connect(&self, host: &Host, addr: SocketAddr) -> BoxFuture<io::Result<Box<dyn Stream>>>;
}

/// Plain TCP, without delay of small packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Dial for Tcp {
    fn connect(&self, _host: &Host, addr: SocketAddr) -> BoxFuture<io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// How long a server may take to say whether it is read-only.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// More than it has to say.
const PROBE_ANSWER_LEN_MAX: u64 = 64;

/// Whether a server answers `isro` with `rw`. Any failure is a no.
pub(super) async fn writes(dial: &dyn Dial, host: Host) -> bool {
    let ask = async {
        let addr = match host.literal() {
            Some(addr) => addr,
            None => *dial.resolve(&host).await?.first().ok_or(io::ErrorKind::NotFound)?,
        };
        let mut stream = dial.connect(&host, addr).await?;
        stream.write_all(b"isro").await?;
        let mut answer = Vec::new();
        stream.take(PROBE_ANSWER_LEN_MAX).read_to_end(&mut answer).await?;
        io::Result::Ok(answer.trim_ascii() == b"rw")
    };
    matches!(tokio::time::timeout(PROBE_TIMEOUT, ask).await, Ok(Ok(true)))
}
