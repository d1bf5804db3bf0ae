//! Dependencies point down: data, cores, `branch`, I/O adapters, programs. Read from `cargo metadata`; and what the standard
//! library could bring into the pure ones, from their sources.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The layer of each crate of the workspace; an edge may only go to a lower one.
const LAYERS: &[(&str, &[&str])] = &[
    ("data", &["sdp", "journal", "config"]),
    ("wire", &["wire"]),
    (
        "core",
        &["sip", "call", "route", "media", "survival", "board", "link", "update"],
    ),
    ("branch", &["branch", "ladder", "analog"]),
    ("adapter", &["net", "calldb", "gpio", "sound", "phones", "store"]),
    ("program", &["pbx", "sim", "bench", "hw-tests"]),
];

/// The last layer that is pure.
const BRANCH: usize = 3;

/// Crates that touch the world; a core or data crate that depends on one is not pure.
const WORLDLY: &[&str] = &[
    "tokio",
    "gpiocdev",
    "alsa",
    "thread-priority",
    "rppal",
    "mio",
    "nix",
    "rusqlite",
    "postgres",
    "rustls",
    "axum",
    "socket2",
    "rand_core-os",
    "getrandom",
];

/// Parts of the standard library by which a pure crate would touch the world.
const WORLDLY_WORDS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::os",
    "std::process",
    "std::sync::mpsc",
    "std::sync::Mutex",
    "std::thread",
    "thread_local!",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "Instant::now",
    "SystemTime",
    "stdin()",
    "stdout()",
    "stderr()",
    "print!(",
    "println!(",
    "RandomState",
    "async fn",
    // One `use` for each, so that none of the above hides in a group.
    "use std::{",
    "use std::net::{self",
    "use std::sync::{self",
];

fn layer(name: &str) -> Option<usize> {
    let name = name.strip_prefix("branchline-")?;
    LAYERS.iter().position(|(_, crates)| crates.contains(&name))
}

/// A crate of the workspace.
struct Package {
    name: String,
    folder: PathBuf,
    /// Normal ones, not dev or build.
    dependencies: Vec<String>,
}

fn edges() -> BTreeMap<String, Vec<String>> {
    let packages = packages().into_iter();
    packages.map(|package| (package.name, package.dependencies)).collect()
}

fn packages() -> Vec<Package> {
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
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            Package {
                name: package["name"].as_str().unwrap().to_owned(),
                folder: manifest.parent().unwrap().to_owned(),
                dependencies: normal.map(|dep| dep["name"].as_str().unwrap().to_owned()).collect(),
            }
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
        if layer(&name).unwrap() <= BRANCH {
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

#[test]
fn the_sources_of_data_cores_and_branch_name_no_file_socket_thread_clock_or_environment() {
    let folders = packages()
        .into_iter()
        .filter(|package| layer(&package.name).unwrap() <= BRANCH);
    let sources: Vec<PathBuf> = folders
        .flat_map(|package| sources(&package.folder.join("src")))
        .collect();
    assert!(sources.len() > 100, "only {} sources found", sources.len());
    let mut wrong = Vec::new();
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        for (line, word) in worldly_words(&text) {
            wrong.push(format!("{}:{line}: {word}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "a shell has to do this:\n{}", wrong.join("\n"));
}

#[test]
fn the_search_for_the_world_finds_it_outside_of_comments_and_tests() {
    let cases = [
        ("use std::fs;\n", vec![(1, "std::fs")]),
        ("use std::{fs, io};\n", vec![(1, "use std::{")]),
        ("fn a() {\n    std::thread::spawn(f);\n}\n", vec![(2, "std::thread")]),
        ("//! Never std::fs.\nfn a() {} // nor std::env\n", vec![]),
        ("fn a() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n", vec![]),
        ("use std::net::{IpAddr, SocketAddr};\n", vec![]),
    ];
    for (text, expected) in cases {
        assert_eq!(worldly_words(text), expected, "{text}");
    }
}

/// Line and word, up to the tests at the end of a file.
fn worldly_words(text: &str) -> Vec<(usize, &'static str)> {
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let code = lines.map(|line| line.split("//").next().unwrap_or_default());
    let found = code.enumerate().flat_map(|(at, line)| {
        let words = WORLDLY_WORDS.iter().filter(move |word| line.contains(**word));
        words.map(move |word| (at + 1, *word))
    });
    found.collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    found
        .filter(|path| path.extension().is_some_and(|end| end == "rs") && !is_for_tests(path))
        .collect()
}

/// A module that its parent has only in tests.
fn is_for_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let declared = format!("#[cfg(test)]\nmod {name};");
    ["mod.rs", "lib.rs"]
        .iter()
        .filter_map(|parent| std::fs::read_to_string(path.with_file_name(parent)).ok())
        .any(|parent| parent.contains(&declared))
}
