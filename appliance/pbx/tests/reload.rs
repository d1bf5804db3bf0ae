//! A configuration that is taken while calls are up: what they hear, what waits for a restart, and whose password counts.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers are test code: a step that fails ends the test with its cause"
)]

mod rig;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::Baresip;
use rig::daemon::{Daemon, Site};
use rig::office::{self, EXTENSIONS};
use rig::{Rig, clock};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(10);
const LISTEN_MS: usize = 600;

/// Changes the file of the box.
fn edit(daemon: &Daemon, (old, new): (&str, &str)) {
    let text = fs::read_to_string(daemon.configuration()).unwrap();
    assert!(text.contains(old), "{old:?} is not in\n{text}");
    fs::write(daemon.configuration(), text.replacen(old, new, 1)).unwrap();
}

fn waits_for_restart(view: &Value) -> Vec<&str> {
    let keys = view["health"]["awaits_restart"].as_array();
    keys.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn both_hear(a: &mut Baresip, b: &mut Baresip, when: &str) {
    let (a_hz, b_hz) = (a.tone_hz(), b.tone_hz());
    a.hear(LISTEN_MS).assert_tone(b_hz, &format!("the caller {when}"));
    b.hear(LISTEN_MS).assert_tone(a_hz, &format!("the called phone {when}"));
}

#[test]
fn a_call_sounds_on_through_a_reload_by_order_and_by_signal_and_what_waits_is_said_until_it_is_undone() {
    let rig = Rig::new("reload-call");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS[..2]));
    let (mut a, mut b) = (office::baresip(&rig, &daemon, 0), office::baresip(&rig, &daemon, 1));
    a.dial("202");
    b.wait_until_ringing();
    b.accept();
    a.wait_until_talking();
    both_hear(&mut a, &mut b, "at first");

    let listen = format!("\"udp:{}:5060\", ", rig.box_ip());
    edit(&daemon, ("[sip]\n", "[sip]\nring_s = 20\n"));
    edit(&daemon, (&listen, &format!("{listen}\"udp:{}:5099\", ", rig.box_ip())));
    let said = daemon.command(&["reload"]);
    assert!(said.contains("restart for changes of sip.listen"), "{said}");
    both_hear(&mut a, &mut b, "after the order");

    edit(&daemon, ("country = \"DE\"", "country = \"DE\"\nname = \"Renamed\""));
    kill(Pid::from_raw(i32::try_from(daemon.pid()).unwrap()), Signal::SIGHUP).unwrap();
    daemon.wait_in_view("new name", WITHIN, |view| (view["site"] == "Renamed").then_some(()));
    both_hear(&mut a, &mut b, "after the signal");
    assert_eq!(
        waits_for_restart(&daemon.view()),
        ["sip.listen"],
        "the second reload has not forgotten"
    );

    edit(&daemon, (&format!("\"udp:{}:5099\", ", rig.box_ip()), ""));
    let said = daemon.command(&["reload"]);
    assert!(!said.contains("restart"), "what was undone needs none: {said}");
    daemon.wait_in_view("nothing to wait for", WITHIN, |view| {
        waits_for_restart(view).is_empty().then_some(())
    });
    a.hold();
    b.wait_event("CALL_REMOTE_SDP");
    a.resume();
    b.wait_event("CALL_REMOTE_SDP");
    both_hear(&mut a, &mut b, "after a hold");
    b.hang_up();
    a.wait_until_closed();
    let records = daemon.wait_for_records(1, WITHIN);
    assert_eq!((records.len(), &records[0]["outcome"]), (1, &Value::from("answered")));
}

#[test]
fn a_page_password_whose_hash_is_in_the_configuration_is_replaced_for_good() {
    let rig = Rig::new("reload-page");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS[..1]));
    assert!(
        daemon.log().contains("the page has no password yet; make one: "),
        "{}",
        daemon.log()
    );
    let old = branchline_pbx::password::generate().unwrap();
    let hash = branchline_pbx::password::page_hash(&old).unwrap();
    edit(
        &daemon,
        ("[page]\n", &format!("[page]\npassword_hash = \"{}\"\n", hash.expose())),
    );
    let said = daemon.command(&["reload"]);
    assert!(!said.contains("restart"), "{said}");
    assert_eq!(log_in(&daemon, old.expose()), "303");

    let said = daemon.command(&["page-password"]);
    let new = said.lines().nth(2).unwrap().trim().to_owned();
    assert!(
        said.contains("The running branchline says: the configuration is in force"),
        "{said}"
    );
    assert_eq!(
        (log_in(&daemon, old.expose()), log_in(&daemon, &new)),
        ("401".into(), "303".into())
    );
}

#[test]
fn a_password_made_for_a_new_realm_is_not_said_to_count_already() {
    let rig = Rig::new("reload-realm");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS[..1]));
    edit(&daemon, ("realm = \"", "realm = \"other-"));
    let said = daemon.command(&["extension", "password", "201"]);
    assert!(said.contains("restart for changes of site.realm"), "{said}");
    assert!(
        said.contains("passwords made for the new realm count after it"),
        "{said}"
    );
}

/// The status that the page answers a password with.
fn log_in(daemon: &Daemon, password: &str) -> String {
    let address = daemon.page_address();
    let body = format!("password={password}");
    let mut stream = clock::wait_for("page", WITHIN, || TcpStream::connect(address).ok());
    write!(
        stream,
        "POST /login HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}
