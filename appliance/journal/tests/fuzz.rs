//! Replays the fuzz corpus, as it is and mutated.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../fuzz/entries.rs"]
mod entries;

use proptest::prelude::*;

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/frames");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpus_holds_as_it_is() {
    let corpus = corpus();
    assert!(corpus.len() >= 5, "the corpus is missing");
    corpus.iter().for_each(|data| entries::frames(data));
}

proptest! {
    #[test]
    fn a_mutated_corpus_holds(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut data = which.get(&corpus()).clone();
        for (place, byte) in edits {
            let place = place.index(data.len());
            data[place] = byte;
        }
        entries::frames(&data);
        data.truncate(cut.index(data.len()));
        entries::frames(&data);
    }
}
