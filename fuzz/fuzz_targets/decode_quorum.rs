#![no_main]

use zabra_proto::{
    AckEpochData, FieldLimit, ForwardedRequest, LearnerInfo, QuorumPacket, ReceivedPacket, RevalidateAsk,
    RevalidateReply, read_touches, split_packet,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limit = FieldLimit(4096);
    let Ok(Some(len)) = split_packet(bytes, limit) else { return };
    let received =
        QuorumPacket::decode(&bytes[..len].to_vec().into(), limit).expect("what is cut can be read");
    let ReceivedPacket::Known(packet) = received else { return };
    let data = packet.data.as_deref();
    let _ = (LearnerInfo::decode(data), AckEpochData::decode(data), ForwardedRequest::decode(data));
    let _ = (RevalidateAsk::decode(data), RevalidateReply::decode(data), read_touches(data).count());
});
