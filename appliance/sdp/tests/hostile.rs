//! Bytes from strangers: the fuzz corpus replayed, random bytes, and mutated phones.

use branchline_sdp::{Sdp, exercise};
use proptest::prelude::*;

#[test]
fn the_corpus_breaks_nothing() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut replayed = 0;
    for folder in ["fuzz/corpus/sdp", "tests/phones"] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            exercise(&std::fs::read(entry.unwrap().path()).unwrap());
            replayed += 1;
        }
    }
    assert!(replayed > 15, "the corpus is missing");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..2048)) {
        exercise(&data);
    }

    #[test]
    fn a_mutated_phone_never_panics(edits in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..12)) {
        let mut data = include_bytes!("phones/softphone_ice.sdp").to_vec();
        for (place, byte) in edits {
            let place = usize::from(place) % data.len();
            data[place] = byte;
        }
        exercise(&data);
    }

    #[test]
    fn lines_we_do_not_know_come_back_unchanged(lines in proptest::collection::vec("[abikruyz]=[^\r\n\0]{0,40}", 0..20)) {
        let mut text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n".to_owned();
        for line in &lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        prop_assert_eq!(Sdp::parse(text.as_bytes()).unwrap().to_bytes(), text);
    }
}
