//! Any bytes as a session description.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| branchline_sdp::exercise(data));
