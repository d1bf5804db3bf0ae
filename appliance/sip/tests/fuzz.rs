//! Replays the fuzz corpus and the torture messages, as they are and mutated.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../fuzz/entries.rs"]
mod entries;

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

fn files(folder: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder}");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    ["fuzz/corpus/message", "tests/torture/rfc4475", "tests/torture/rfc5118"]
        .iter()
        .flat_map(|folder| files(folder))
        .collect()
}

const SPICE: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\"",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"\\",
    b"\0",
    b"\xff",
    b"Content-Length: 5\r\n",
    b"\r\n\r\n",
];

fn mutated(rng: &mut ChaCha8Rng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=rng.next_u32() % 4 {
        let at = rng.next_u32() as usize % (bytes.len() + 1);
        match rng.next_u32() % 5 {
            0 => drop(bytes.splice(at..at, SPICE[rng.next_u32() as usize % SPICE.len()].iter().copied())),
            1 if at < bytes.len() => bytes[at] = rng.next_u32() as u8,
            2 => drop(bytes.drain(at..(at + rng.next_u32() as usize % 40).min(bytes.len()))),
            3 => {
                let piece: Vec<u8> = bytes[at..(at + rng.next_u32() as usize % 80).min(bytes.len())].to_vec();
                let to = rng.next_u32() as usize % (bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

// Some seconds in a debug build; a longer run takes its number from the environment.
fn rounds() -> usize {
    std::env::var("FUZZ_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50_000)
}

type Entry = fn(&[u8]);

const SHORT: [(&str, Entry); 3] = [
    ("fuzz/corpus/frame", entries::frame),
    ("fuzz/corpus/body", entries::body),
    ("fuzz/corpus/stun", entries::stun),
];

#[test]
fn the_corpus_holds_as_it_is() {
    for seed in seeds() {
        entries::message(&seed);
    }
    for (folder, entry) in SHORT {
        files(folder).iter().for_each(|seed| entry(seed));
    }
}

#[test]
fn mutated_messages_neither_panic_nor_are_half_parsed() {
    let (mut rng, seeds) = (ChaCha8Rng::seed_from_u64(1), seeds());
    for round in 0..rounds() {
        entries::message(&mutated(&mut rng, &seeds[round % seeds.len()]));
    }
}

#[test]
fn mutated_streams_are_cut_where_the_parser_cuts() {
    let (mut rng, mut seeds) = (ChaCha8Rng::seed_from_u64(2), files("fuzz/corpus/frame"));
    let torture = files("tests/torture/rfc4475");
    seeds.extend(torture.iter().map(|seed| [&[9], &seed[..], &torture[0]].concat()));
    for round in 0..rounds() {
        entries::frame(&mutated(&mut rng, &seeds[round % seeds.len()]));
    }
}

#[test]
fn mutated_bodies_and_datagrams_give_no_more_than_they_hold() {
    for (folder, entry) in [SHORT[1], SHORT[2]] {
        let (mut rng, seeds) = (ChaCha8Rng::seed_from_u64(3), files(folder));
        for round in 0..rounds() {
            entry(&mutated(&mut rng, &seeds[round % seeds.len()]));
        }
    }
}
