#![no_main]

use zabra_proto::{OpCode, Reader, Request, RequestHeader};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let op = RequestHeader::decode(&mut reader).ok().and_then(|header| OpCode::from_code(header.op));
    let _ = op.map(|op| Request::decode(op, &mut reader));
});
