#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(zabra_proto::decode_txn(bytes)));
