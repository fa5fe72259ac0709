//! The bytes of ZooKeeper: the jute codec, the client protocol's records, the transaction records and framing, and what
//! servers say to each other.
//!
//! Decoding borrows from the input and allocates only for lists; encoding appends to a caller's buffer. Nothing here
//! checks meaning (paths, versions, permissions): that is `node`'s work. Start with [`Reader`] and [`Request`]; what clients read
//! back is beside them, [`MultiResult`] and its like.
//!
//! Record layouts are those of `zookeeper.jute` in Apache ZooKeeper 3.9.
#![no_std]

extern crate alloc;

mod acl;
mod codec;
mod connect;
mod encode;
mod frame;
mod header;
mod multi;
mod op;
mod quorum;
mod record;
mod reply;
mod request;
mod response;
mod txn;

pub use acl::{AclEntry, AclList, read_acl_vector};
pub use codec::{DecodeError, DecodeReason, FieldLimit, Put, Reader};
pub use connect::{ConnectRequest, ConnectResponse};
pub use frame::{
    FRAME_LEN_MAX_DEFAULT, FrameError, FrameLimits, SplitFrame, begin_frame, end_frame, split_frame,
};
pub use header::{MultiHeader, ReplyHeader, RequestHeader};
pub use multi::{MultiOp, MultiRead, read_multi, read_multi_read, write_multi_end};
pub use op::{OpClass, OpCode};
pub use quorum::{
    AckEpochData, ELECTION_HELLO_ADDRESSES_LEN_MAX, ElectionHello, ForwardedRequest, LearnerInfo,
    NOTIFICATION_LEN_MAX, Notification, PROTOCOL_VERSION, PROTOCOL_VERSION_SNAPSHOT_REPLACES_LOG, PacketKind,
    QuorumPacket, ReceivedPacket, RevalidateAsk, RevalidateReply, ServerState, SessionTouch,
    read_protocol_version, read_touches, split_notification, split_packet,
};
pub use record::{get_persisted, get_stat, put_event, put_persisted, put_stat};
pub use reply::{put_error_result, put_reply_header};
pub use request::{
    AddWatch, Auth, Check, Create, CreateKind, Delete, GetAcl, PathOnly, PathWatch, Reconfig, Request,
    SetAcl, SetData, SetWatches, WatchQuery,
};
pub use response::{
    AclAnswer, Children, ClientInfo, Created, Data, MultiResult, ReadResult, WatcherEvent,
    put_multi_read_results, put_multi_results, read_client_infos, read_multi_read_results,
    read_multi_results, read_names,
};
pub use txn::{
    CreateTxn, SubTxn, TXN_HEADER_LEN, Txn, TxnDigest, TxnHeader, TxnType, decode_txn, encode_txn,
    put_sub_txn, put_txn_digest, put_txn_header,
};
