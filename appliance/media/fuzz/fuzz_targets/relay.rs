//! Any datagrams at the ports of a bridged leg.
#![no_main]

use std::time::Instant;

libfuzzer_sys::fuzz_target!(|data: &[u8]| branchline_media::exercise(Instant::now(), data));
