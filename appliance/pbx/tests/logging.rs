//! The log: calls, registrations and why they were decided as fields, every message at trace, and never a secret.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers are test code: a step that fails ends the test with its cause"
)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rig::daemon::{Daemon, REALM, Site, Trunk};
use rig::office::{self, EXTENSIONS};
use rig::{Rig, digest};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(10);
const TRUNK_PASSWORD: &str = "delta-secret";

#[test]
fn a_call_and_a_registration_are_logged_by_their_fields_and_no_secret_is_written_anywhere() {
    let rig = Rig::new("logging");
    let mut daemon = start_at_trace(&rig);
    let (mut a, mut b) = (office::baresip(&rig, &daemon, 0), office::baresip(&rig, &daemon, 1));
    a.dial("202");
    b.wait_until_ringing();
    b.accept();
    a.wait_until_talking();
    a.hang_up();
    b.wait_until_closed();
    let record = daemon.wait_for_records(1, WITHIN).remove(0);
    daemon.stop();

    let log = daemon.log();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let line = |message: &str, fields: &[(&str, Value)]| {
        let fits = |line: &&Value| line["message"] == message && fields.iter().all(|(key, value)| line[key] == *value);
        lines
            .iter()
            .find(fits)
            .unwrap_or_else(|| panic!("no line {message} {fields:?} in\n{log}"))
            .clone()
    };
    let call = record["id"].clone();
    let [from, to, both] =
        [("from", "201"), ("to", "202"), ("direction", "internal")].map(|(k, v)| (k, Value::from(v)));
    for extension in ["201", "202"] {
        let registered = line("registered", &[("extension", extension.into())]);
        assert_eq!(registered["level"], "INFO");
    }
    line(
        "registration accepted",
        &[("extension", "201".into()), ("level", "DEBUG".into())],
    );
    line("call routed", &[from.clone(), to.clone(), ("level", "DEBUG".into())]);
    line(
        "call started",
        &[("call", call.clone()), from.clone(), to.clone(), both.clone()],
    );
    line("call answered", &[("call", call.clone()), ("by", "202".into())]);
    let ended = line(
        "call ended",
        &[("call", call), from, to, both, ("outcome", "answered".into())],
    );
    assert_eq!(
        (&ended["level"], &ended["cause"]),
        (&Value::from("INFO"), &Value::from(16))
    );
    let invite = lines.iter().find(|line| {
        let text = line["text"].as_str().unwrap_or_default();
        line["level"] == "TRACE"
            && line["way"] == "in"
            && text.starts_with("INVITE ")
            && text.contains("Authorization: ***")
    });
    assert!(invite.is_some(), "no INVITE in\n{log}");

    assert_no_secret_is_written(&daemon);
}

/// A box with a trunk whose log has everything.
fn start_at_trace(rig: &Rig) -> Daemon {
    let trunk = Trunk {
        host: (rig.upstream_ip(), 5060).into(),
        username: "box",
        password: TRUNK_PASSWORD,
        number: "493055501",
        rings: "201",
        more: "",
    };
    let mut daemon = Daemon::start(
        rig,
        &Site {
            trunk: Some(trunk),
            ..Site::with(&EXTENSIONS[..2])
        },
    );
    let text = fs::read_to_string(daemon.configuration()).unwrap();
    let text = text.replace("level = \"debug\"", "level = \"trace\"\nformat = \"json\"");
    fs::write(daemon.configuration(), text).unwrap();
    daemon.restart();
    daemon
}

fn assert_no_secret_is_written(daemon: &Daemon) {
    let log = daemon.log();
    // The copies of the configuration hold what it holds, and are as private as it is.
    let copies = daemon.state().join("bundle");
    let mut written = files(daemon.state());
    written.retain(|path| !path.starts_with(&copies));
    assert!(written.len() > 2, "{written:?}");
    let mut secrets = vec![TRUNK_PASSWORD.to_owned(), digest::ha1_md5("box", REALM, TRUNK_PASSWORD)];
    for (extension, password) in EXTENSIONS {
        secrets.push(password.to_owned());
        secrets.push(digest::ha1_md5(extension, REALM, password));
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} is in the log");
        for path in &written {
            let bytes = fs::read(path).unwrap_or_default();
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}
