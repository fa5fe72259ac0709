#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zabra_storage::fuzz::log_scan(bytes));
