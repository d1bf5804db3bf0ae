//! The simulator's call flows, played against the daemon on loopback.

use std::path::Path;
use std::process::Command;

/// Flows that end within seconds of real time; the simulator plays all of them.
const LADDERS: [&str; 8] = [
    "call/basic",
    "call/cancel",
    "call/early_media",
    "emergency/stranger",
    "hold/hold_and_resume",
    "transfer/attended",
    "transfer/blind",
    "trunk/inbound",
];

/// One after the other: the flows share their addresses.
#[test]
fn call_flows_of_the_simulator_hold_on_real_sockets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/ladder");
    let mut failed = Vec::new();
    for ladder in LADDERS {
        let file = folder.join(ladder).with_extension("ladder");
        let played = Command::new(env!("CARGO_BIN_EXE_branchline"))
            .arg("ladder")
            .arg(&file)
            .output();
        match played {
            Ok(played) if played.status.success() => {}
            Ok(played) => failed.push(format!("{ladder}: {}", String::from_utf8_lossy(&played.stdout))),
            Err(fault) => failed.push(format!("{ladder}: {fault}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
