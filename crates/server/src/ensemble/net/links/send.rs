//! The writing side of a link.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc::channel;
use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::Zxid;
use zabra_zab::{Input, LinkId};

use super::pipe::{CHUNKS, ChunkWriter};
use super::queue::{Item, Queue};
use super::{Depot, Ended, Inner};

/// Sends whatever is queued, until the link ends.
pub(super) async fn run(inner: Arc<Inner>, link: LinkId, queue: Arc<Queue>, mut stream: OwnedWriteHalf) {
    loop {
        let sent = match queue.next().await {
            Item::Bytes(bytes) => {
                let sent = stream.write_all(&bytes).await;
                queue.sent(bytes.len());
                sent.map_err(Ended::from)
            }
            Item::Log { after, before } => {
                let work = move |depot: &dyn Depot, out: ChunkWriter| send_log(depot, out, after, before);
                let sent = send_history(&inner, &mut stream, work).await;
                inner.tell(Input::HistorySent(link));
                sent
            }
            Item::Snapshot => {
                let sent = send_history(&inner, &mut stream, send_snapshot).await;
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

/// Lets `work` write on a thread of its own, and sends that.
async fn send_history(
    inner: &Inner,
    stream: &mut OwnedWriteHalf,
    work: impl FnOnce(&dyn Depot, ChunkWriter) -> Result<(), String> + Send + 'static,
) -> Result<(), Ended> {
    let (sender, mut chunks) = channel(CHUNKS);
    let depot = Arc::clone(&inner.depot);
    let working = inner.runtime.spawn_blocking(move || work(&*depot, ChunkWriter::new(sender)));
    while let Some(chunk) = chunks.recv().await {
        stream.write_all(&chunk).await?;
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
