//! Datagrams from strangers: the fuzz corpus replayed, random bytes, and mutated packets.

#![expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by reading the clock"
)]

use branchline_media::exercise;
use proptest::prelude::*;
use std::time::Instant;

#[test]
fn the_corpus_breaks_nothing() {
    let mut replayed = 0;
    for entry in std::fs::read_dir(format!("{}/fuzz/corpus/relay", env!("CARGO_MANIFEST_DIR"))).unwrap() {
        exercise(Instant::now(), &std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 5, "the corpus is missing");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..4096)) {
        exercise(Instant::now(), &data);
    }

    #[test]
    fn mutated_speech_and_keys_never_panic(
        packets in proptest::collection::vec((any::<u8>(), any::<u16>(), any::<u32>(), any::<[u8; 4]>(), any::<bool>()), 1..60),
    ) {
        let mut data = Vec::new();
        for (selector, sequence, timestamp, payload, is_key) in packets {
            data.extend([selector, 16, 0x80, if is_key { 101 } else { 8 }]);
            data.extend(sequence.to_be_bytes());
            data.extend(timestamp.to_be_bytes());
            data.extend([0, 0, 0, 1]);
            data.extend(payload);
        }
        exercise(Instant::now(), &data);
    }
}
