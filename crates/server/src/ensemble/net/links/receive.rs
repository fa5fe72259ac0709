//! The reading side of a link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc::{channel, error::SendError};
use tracing::debug;
use zabra_proto::{PacketKind, QuorumPacket, ReceivedPacket, split_packet};
use zabra_types::Zxid;
use zabra_zab::{Input, LinkId};

use super::pipe::{CHUNKS, ChunkReader};
use super::{Ended, Inner};

/// The memory that packets are read into at a time. They share it as long as they live, which the history does for long.
const READ_CHUNK: usize = 64 * 1024;
/// What one read can take at least.
const READ_MIN: usize = 4 * 1024;

/// Tells everything that comes, until the link ends.
pub(super) async fn run(
    inner: &Arc<Inner>,
    link: LinkId,
    mut stream: OwnedReadHalf,
    received: &AtomicU64,
) -> Ended {
    let mut bytes = BytesMut::new();
    loop {
        let (heard, cut) = cut_packets(inner, link, &mut bytes);
        if !heard.is_empty() {
            received.fetch_add(heard.len() as u64, Relaxed);
            (inner.hear)(heard);
        }
        match cut {
            Ok(None) => {}
            Ok(Some(zxid)) => {
                let first = std::mem::take(&mut bytes).freeze();
                match receive_snapshot(inner, (link, zxid), &mut stream, first).await {
                    Ok(rest) => bytes = rest,
                    Err(ended) => return ended,
                }
                continue;
            }
            Err(ended) => return ended,
        }
        if bytes.capacity() - bytes.len() < READ_MIN {
            bytes.reserve(READ_CHUNK);
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Ended::Closed,
            Ok(_) => {}
            Err(error) => return error.into(),
        }
    }
}

/// Takes the complete packets, up to a SNAP packet: its zxid if there was one.
fn cut_packets(
    inner: &Inner,
    link: LinkId,
    bytes: &mut BytesMut,
) -> (Vec<Input>, Result<Option<Zxid>, Ended>) {
    let mut heard = Vec::new();
    let limit = inner.options.field_limit;
    loop {
        let len = match split_packet(bytes, limit) {
            Ok(None) => return (heard, Ok(None)),
            Ok(Some(len)) => len,
            Err(error) => return (heard, Err(error.into())),
        };
        match QuorumPacket::decode(&bytes.split_to(len).freeze(), limit) {
            Ok(ReceivedPacket::Known(packet)) => {
                let snapshot = (packet.kind == PacketKind::Snap).then_some(packet.zxid);
                heard.push(Input::Packet { link, packet });
                if snapshot.is_some() {
                    return (heard, Ok(snapshot));
                }
            }
            // As genuine servers do with what they do not know.
            Ok(ReceivedPacket::Unknown { code }) => debug!(code, "passing over a packet of an unknown kind"),
            Err(error) => return (heard, Err(error.into())),
        }
    }
}

/// Reads the database behind a SNAP packet on a thread of its own; what came behind it.
async fn receive_snapshot(
    inner: &Arc<Inner>,
    (link, zxid): (LinkId, Zxid),
    stream: &mut OwnedReadHalf,
    first: Bytes,
) -> Result<BytesMut, Ended> {
    let (sender, chunks) = channel(CHUNKS);
    let depot = Arc::clone(&inner.depot);
    let reading = inner.runtime.spawn_blocking(move || {
        let mut input = ChunkReader::new(first, chunks);
        let read = depot.read_snapshot(zxid, &mut input);
        (read, input.into_rest())
    });
    let mut unsent = Bytes::new();
    let mut end = None;
    let mut bytes = BytesMut::new();
    let mut told = Instant::now();
    loop {
        if told.elapsed() >= inner.options.progress_pause {
            told = Instant::now();
            inner.tell(Input::SnapshotProgress(link));
        }
        bytes.reserve(READ_CHUNK);
        let read = tokio::select! {
            read = stream.read_buf(&mut bytes) => read,
            () = sender.closed() => break,
        };
        match read {
            Ok(0) => {
                end = Some(Ended::Closed);
                break;
            }
            Ok(_) => {
                if let Err(SendError(chunk)) = sender.send(bytes.split().freeze()).await {
                    unsent = chunk;
                    break;
                }
            }
            Err(error) => {
                end = Some(error.into());
                break;
            }
        }
    }
    drop(sender);
    let (read, rest) = reading.await.map_err(|error| Ended::Snapshot(error.to_string()))?;
    match read {
        Ok(received) => {
            if let Some(open) = inner.links.lock().get_mut(&link) {
                open.snapshot = Some(received);
            }
            inner.tell(Input::SnapshotReceived(link));
            let mut behind = BytesMut::from(&rest[..]);
            behind.extend_from_slice(&unsent);
            Ok(behind)
        }
        Err(why) => Err(end.unwrap_or(Ended::Snapshot(why))),
    }
}
