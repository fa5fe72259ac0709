//! Records shared by requests, replies, snapshots and events.

use crate::{DecodeError, Put, Reader, ReplyHeader, begin_frame, end_frame};
use alloc::vec::Vec;
use zabra_types::{EventType, KEEPER_STATE_CONNECTED, Stat, StatPersisted, Xid, Zxid};

/// Appends a Stat as clients see it, 68 bytes.
pub fn put_stat(out: &mut Vec<u8>, stat: &Stat) {
    let mut bytes = [0; Stat::WIRE_LEN];
    bytes[0..8].copy_from_slice(&stat.czxid.to_be_bytes());
    bytes[8..16].copy_from_slice(&stat.mzxid.to_be_bytes());
    bytes[16..24].copy_from_slice(&stat.ctime.to_be_bytes());
    bytes[24..32].copy_from_slice(&stat.mtime.to_be_bytes());
    bytes[32..36].copy_from_slice(&stat.version.to_be_bytes());
    bytes[36..40].copy_from_slice(&stat.cversion.to_be_bytes());
    bytes[40..44].copy_from_slice(&stat.aversion.to_be_bytes());
    bytes[44..52].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    bytes[52..56].copy_from_slice(&stat.data_length.to_be_bytes());
    bytes[56..60].copy_from_slice(&stat.num_children.to_be_bytes());
    bytes[60..68].copy_from_slice(&stat.pzxid.to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Reads a Stat as clients see it.
pub fn get_stat(reader: &mut Reader<'_>) -> Result<Stat, DecodeError> {
    Ok(Stat {
        czxid: reader.i64("czxid")?,
        mzxid: reader.i64("mzxid")?,
        ctime: reader.i64("ctime")?,
        mtime: reader.i64("mtime")?,
        version: reader.i32("version")?,
        cversion: reader.i32("cversion")?,
        aversion: reader.i32("aversion")?,
        ephemeral_owner: reader.i64("ephemeralOwner")?,
        data_length: reader.i32("dataLength")?,
        num_children: reader.i32("numChildren")?,
        pzxid: reader.i64("pzxid")?,
    })
}

/// Appends a Stat as snapshots store it (`StatPersisted`), 60 bytes.
pub fn put_persisted(out: &mut Vec<u8>, stat: &StatPersisted) {
    out.put_i64(stat.czxid);
    out.put_i64(stat.mzxid);
    out.put_i64(stat.ctime);
    out.put_i64(stat.mtime);
    out.put_i32(stat.version);
    out.put_i32(stat.cversion);
    out.put_i32(stat.aversion);
    out.put_i64(stat.ephemeral_owner);
    out.put_i64(stat.pzxid);
}

/// Reads a Stat as snapshots store it.
pub fn get_persisted(reader: &mut Reader<'_>) -> Result<StatPersisted, DecodeError> {
    Ok(StatPersisted {
        czxid: reader.i64("czxid")?,
        mzxid: reader.i64("mzxid")?,
        ctime: reader.i64("ctime")?,
        mtime: reader.i64("mtime")?,
        version: reader.i32("version")?,
        cversion: reader.i32("cversion")?,
        aversion: reader.i32("aversion")?,
        ephemeral_owner: reader.i64("ephemeralOwner")?,
        pzxid: reader.i64("pzxid")?,
    })
}

/// Appends a whole watch event frame. `zxid` is the causing transaction, or [`Zxid::NONE`] when SetWatches makes it up.
pub fn put_event(out: &mut Vec<u8>, zxid: Zxid, event: EventType, path: &str) {
    // Length, header, type, state, and the length of the path.
    out.reserve(4 + ReplyHeader::LEN + 12 + path.len());
    let frame = begin_frame(out);
    ReplyHeader { xid: Xid::NOTIFICATION, zxid, err: 0 }.encode(out);
    out.put_i32(event.code());
    out.put_i32(KEEPER_STATE_CONNECTED);
    out.put_text(path);
    end_frame(out, frame);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_the_reference() {
        let mut out = Vec::new();
        put_event(&mut out, Zxid::from_raw(0x89), EventType::NodeCreated, "/w/x");
        let golden = [
            0, 0, 0, 0x20, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x89, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
            0, 3, 0, 0, 0, 4, 0x2f, 0x77, 0x2f, 0x78,
        ];
        assert_eq!(out, golden);
    }

    #[test]
    fn persisted_stat_round_trips() {
        let stat = StatPersisted {
            czxid: 1,
            mzxid: 2,
            ctime: 3,
            mtime: 4,
            version: 5,
            cversion: 6,
            aversion: 7,
            ephemeral_owner: 8,
            pzxid: 9,
        };
        let mut out = Vec::new();
        put_persisted(&mut out, &stat);
        assert_eq!(out.len(), 60);
        assert_eq!(get_persisted(&mut Reader::new(&out)), Ok(stat));
    }
}
