//! Every shipped message, as it was shipped: this program has to read it, and to write it again as it was.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use branchline_wire::v1::{Down, Up};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn golden(folder: &str) -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut golden: Vec<_> = files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, serde_json::from_str(&text).unwrap())
        })
        .collect();
    golden.sort_by(|a, b| a.0.cmp(&b.0));
    golden
}

fn holds<M: Serialize + DeserializeOwned>(folder: &str, kinds: &[&str]) {
    let mut met = BTreeSet::new();
    for (path, shipped) in golden(folder) {
        let message: M = serde_json::from_value(shipped.clone()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let written = serde_json::to_value(&message).unwrap();
        assert_eq!(written, shipped, "{path:?}");
        met.insert(shipped["kind"].as_str().unwrap().to_owned());
    }
    let missing: Vec<_> = kinds.iter().filter(|kind| !met.contains(**kind)).collect();
    assert!(missing.is_empty(), "no golden file in {folder} for {missing:?}");
}

#[test]
fn what_a_box_of_version_1_says_is_read_and_written_as_it_was() {
    let kinds = [
        "enrol", "hello", "entries", "urgent", "health", "applied", "outcome", "renew", "ping", "pong",
    ];
    holds::<Up>("v1/up", &kinds);
}

#[test]
fn what_a_cloud_of_version_1_says_is_read_and_written_as_it_was() {
    let kinds = [
        "certificate",
        "welcome",
        "refused",
        "ack",
        "desired",
        "command",
        "ping",
        "pong",
    ];
    holds::<Down>("v1/down", &kinds);
}

#[test]
fn what_a_newer_program_says_is_passed_over_or_read_without_what_is_new() {
    let newer: Up = serde_json::from_str(r#"{"kind": "weather", "data": {"rain": true}}"#).unwrap();
    assert!(matches!(newer, Up::Unknown(unknown) if unknown.kind == "weather"));
    let newer: Down = serde_json::from_str(r#"{"kind": "ping", "data": {"since": 7}}"#).unwrap();
    assert_eq!(newer, Down::Ping);
    let more = r#"{"kind": "renew", "data": {"request": "MIIB", "hurry": 1}}"#;
    assert!(matches!(serde_json::from_str(more).unwrap(), Up::Renew(renew) if renew.request == "MIIB"));
}

#[test]
fn an_error_names_the_kind_and_the_field() {
    let error = serde_json::from_str::<Down>(r#"{"kind": "ack", "data": {}}"#).unwrap_err();
    assert_eq!(error.to_string(), "ack: missing field `up_to`");
}
