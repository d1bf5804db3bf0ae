//! What must hold for any bytes: used by the fuzz target and replayed by `tests/fuzz.rs`.

use branchline_journal::{Decoder, HEADER_BYTES, crc32c, encode};

/// As a file, and as what a frame with a good checksum holds: every byte is a frame's, corrupt or torn, and what was read
/// can be written and read again.
pub(crate) fn frames(data: &[u8]) {
    read(data);
    read(&framed(data));
}

fn read(data: &[u8]) {
    let mut decoder = Decoder::new(data);
    for framed in decoder.by_ref() {
        let mut bytes = Vec::new();
        // Numbers may be printed longer than they came, so that a frame of the greatest length has no room any more.
        if encode(&framed.entry, &mut bytes).is_ok() {
            let again = Decoder::new(&bytes).next().expect("what was written can be read");
            assert_eq!(again.entry, framed.entry);
        }
    }
    let report = decoder.report();
    assert_eq!(report.good_end + report.torn_bytes, data.len());
}

fn framed(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
    let checksum = crc32c(&[&length, data].concat()).to_le_bytes();
    let frame = [&length, &checksum, data].concat();
    assert!(frame.len() == data.len() + HEADER_BYTES);
    frame
}
