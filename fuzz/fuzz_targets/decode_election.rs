#![no_main]

use zabra_proto::{ElectionHello, Notification, split_notification};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let frames = ElectionHello::decode(bytes).ok().flatten().map_or(bytes, |(_, len)| &bytes[len..]);
    if let Ok(Some((frame, _))) = split_notification(frames) {
        drop(Notification::decode(frame));
    }
});
