//! The writing side of a link.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc::channel;
use tokio::time::timeout;
use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::Zxid;
use zabra_zab::{Input, LinkId};

use super::pipe::{CHUNKS, ChunkWriter};
use super::queue::{Item, Queue};
use super::{Depot, Ended, Inner};

/// Sends whatever is left to it, until the link ends.
pub(super) async fn run(inner: Arc<Inner>, link: LinkId, queue: Arc<Queue>, stream: Arc<OwnedWriteHalf>) {
    loop {
        let sent = match queue.next().await {
            Item::Bytes(bytes) => {
                let sent = write_all(&stream, &bytes, inner.options.stall_max).await;
                queue.sent(bytes.len());
                sent
            }
            Item::Log { after, before } => {
                let work = move |depot: &dyn Depot, out: ChunkWriter| send_log(depot, out, after, before);
                let sent = send_history(&inner, &stream, work).await;
                inner.tell(Input::HistorySent(link));
                sent
            }
            Item::Snapshot => {
                let sent = send_history(&inner, &stream, send_snapshot).await;
                inner.tell(Input::HistorySent(link));
                sent
            }
        };
        if let Err(ended) = sent {
            queue.end(ended);
            // The reader ends the link.
            return;
        }
    }
}

/// Writes everything, as long as the other side goes on taking some of it.
async fn write_all(stream: &OwnedWriteHalf, mut bytes: &[u8], stall_max: Duration) -> Result<(), Ended> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match timeout(stall_max, stream.writable()).await {
                    Ok(writable) => writable?,
                    Err(_) => return Err(Ended::Stalled(stall_max)),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Lets `work` write on a thread of its own, and sends that.
async fn send_history(
    inner: &Inner,
    stream: &OwnedWriteHalf,
    work: impl FnOnce(&dyn Depot, ChunkWriter) -> Result<(), String> + Send + 'static,
) -> Result<(), Ended> {
    let (sender, mut chunks) = channel(CHUNKS);
    let depot = Arc::clone(&inner.depot);
    let working = inner.runtime.spawn_blocking(move || work(&*depot, ChunkWriter::new(sender)));
    while let Some(chunk) = chunks.recv().await {
        write_all(stream, &chunk, inner.options.stall_max).await?;
    }
    match working.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(Ended::History(why)),
        Err(error) => Err(Ended::History(error.to_string())),
    }
}

fn send_snapshot(depot: &dyn Depot, mut out: ChunkWriter) -> Result<(), String> {
    depot.write_snapshot(&mut out)?;
    out.flush().map_err(|error| error.to_string())
}

fn send_log(depot: &dyn Depot, mut out: ChunkWriter, after: Zxid, before: Zxid) -> Result<(), String> {
    let mut pair = Vec::new();
    depot.read_log(after, before, &mut |zxid, payload| {
        pair.clear();
        let payload = Bytes::copy_from_slice(payload);
        QuorumPacket::with_data(PacketKind::Proposal, zxid, payload).encode(&mut pair);
        QuorumPacket::bare(PacketKind::Commit, zxid).encode(&mut pair);
        out.write_all(&pair)
    })?;
    out.flush().map_err(|error| error.to_string())
}
