//! sipsak: an old tool with a parser and a digest of its own.

mod rig;

use std::time::Duration;

use std::process::{Command, Output};

use rig::Rig;
use rig::daemon::{Daemon, Site};
use rig::office::EXTENSIONS;

fn sipsak(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, .. } = Command::new("sipsak")
        .args(arguments)
        .output()
        .expect("sipsak is installed");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned())
}

#[test]
fn sipsak_finds_the_box_registers_and_is_refused_with_a_wrong_password() {
    let rig = Rig::new("sipsak");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let box_uri = format!("sip:{}", daemon.address().ip());
    let user_uri = format!("sip:201@{}", daemon.address().ip());
    // sipsak sends from whatever address the system chooses, 127.0.0.1.
    let contact = "sip:201@127.0.0.1:5999";
    let register = |password| {
        sipsak(&[
            "-v", "-U", "-C", contact, "-x", "60", "-u", "201", "-a", password, "-s", &user_uri,
        ])
    };

    assert_eq!(sipsak(&["-s", &box_uri]).0, Some(0), "OPTIONS");
    let (refused, _) = register("wrong");
    assert_ne!(refused, Some(0), "a wrong password registers");
    assert_eq!(daemon.view()["counters"]["registrations"], 0);
    let (registered, output) = register("alpha-secret");
    assert_eq!(registered, Some(0), "{output}");
    daemon.wait_in_view("contact", Duration::from_secs(5), |view| {
        (view["phones"][0]["contacts"][0]["uri"] == contact).then_some(())
    });
}
