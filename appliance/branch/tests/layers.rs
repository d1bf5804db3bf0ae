//! Dependencies point down: data, cores, `branch`, I/O adapters, programs. Read from `cargo metadata`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::Command;

/// The layer of each crate of the workspace; an edge may only go to a lower one.
const LAYERS: &[(&str, &[&str])] = &[
    ("data", &["sdp", "journal", "config"]),
    ("core", &["sip", "call", "route", "media", "survival"]),
    ("branch", &["branch", "ladder"]),
    ("adapter", &["net", "calldb"]),
    ("program", &["pbx", "sim", "bench"]),
];

/// Crates that touch the world; a core or data crate that depends on one is not pure.
const WORLDLY: &[&str] = &[
    "tokio",
    "mio",
    "nix",
    "rusqlite",
    "rustls",
    "axum",
    "socket2",
    "rand_core-os",
    "getrandom",
];

fn layer(name: &str) -> Option<usize> {
    let name = name.strip_prefix("branchline-")?;
    LAYERS.iter().position(|(_, crates)| crates.contains(&name))
}

/// Normal (not dev or build) dependencies of each workspace crate.
fn edges() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let normal = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dep| dep["kind"].is_null());
            let names = normal.map(|dep| dep["name"].as_str().unwrap().to_owned()).collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn every_crate_has_a_layer() {
    for name in edges().keys() {
        assert!(
            layer(name).is_some(),
            "{name} has no layer: add it to LAYERS in this file and to ARCHITECTURE.md"
        );
    }
}

#[test]
fn no_dependency_points_up_or_sideways_between_cores() {
    let mut wrong = Vec::new();
    for (name, dependencies) in edges() {
        let own = layer(&name).unwrap();
        for dependency in dependencies {
            let Some(theirs) = layer(&dependency) else { continue };
            if theirs >= own {
                wrong.push(format!(
                    "{name} ({}) -> {dependency} ({})",
                    LAYERS[own].0, LAYERS[theirs].0
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn data_and_cores_depend_on_nothing_that_touches_the_world() {
    let mut wrong = Vec::new();
    for (name, dependencies) in edges() {
        if layer(&name).unwrap() <= 2 {
            wrong.extend(
                dependencies
                    .iter()
                    .filter(|dep| WORLDLY.contains(&dep.as_str()))
                    .map(|dep| format!("{name} -> {dep}")),
            );
        }
    }
    assert!(wrong.is_empty(), "cores with a world in them:\n{}", wrong.join("\n"));
}
