//! Calls for help of real phones over Kamailio, with PJSIP as the operator: what it is told, and how it calls back.

mod rig;

use std::time::Duration;

use rig::daemon::{Daemon, Site, Trunk};
use rig::kamailio::{Algorithm, Kamailio, Upstream};
use rig::office::{self, EXTENSIONS};
use rig::tone_hz;
use rig::{Phone, Pjsua};
use rig::{Rig, clock};

const OPERATOR: u8 = 5;
const OUTSIDE_NUMBER: &str = "498977700010";
const OUR_NUMBER: &str = "493055500010";
const ELIN: &str = "493055500099";
const LISTEN_MS: usize = 600;
const TRUNK_UP_WITHIN: Duration = Duration::from_secs(15);
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const PLACES: &str = "[emergency]\nlocation = \"hq\"\n\
    [[location]]\nid = \"hq\"\ncivic = { A1 = \"BE\", A3 = \"Berlin\", RD = \"Torstr.\", HNO = \"12\", FLR = \"3\" }\n\
    elins = [\"+493055500099\"]\n";

struct Branch {
    rig: Rig,
    kamailio: Kamailio,
    daemon: Daemon,
}

impl Branch {
    fn start(name: &str, trunk: &str) -> Branch {
        let rig = Rig::new(name);
        let kamailio = Kamailio::start(
            &rig,
            &Upstream {
                ip: rig.upstream_ip(),
                users: &[("trunk01", "trunk-secret"), ("operator", "operator-secret")],
                numbers: &[
                    (OUR_NUMBER, "trunk01"),
                    (ELIN, "trunk01"),
                    (OUTSIDE_NUMBER, "operator"),
                    ("112", "operator"),
                ],
                algorithm: Algorithm::Md5,
            },
        );
        let trunk = Trunk {
            host: kamailio.address(),
            username: "trunk01",
            password: "trunk-secret",
            number: OUR_NUMBER,
            rings: "203",
            more: trunk,
        };
        let site = Site {
            trunk: Some(trunk),
            more: PLACES,
            ..Site::with(&EXTENSIONS)
        };
        let branch = Branch {
            daemon: Daemon::start(&rig, &site),
            rig,
            kamailio,
        };
        branch.wait_for_trunk();
        branch
    }

    fn wait_for_trunk(&self) {
        self.daemon.wait_in_view("trunk", TRUNK_UP_WITHIN, |view| {
            (view["trunks"][0]["state"] == "up").then_some(())
        });
    }

    fn operator(&self) -> Pjsua {
        Pjsua::start_registered(&Phone {
            registrar: self.kamailio.address(),
            ..self.rig.phone(OPERATOR, ("operator", "operator-secret"))
        })
    }
}

#[test]
fn the_operator_is_told_where_the_phone_is() {
    let branch = Branch::start("help-pidf", "location = \"pidf\"\n");
    let mut operator = branch.operator();
    let mut inside = office::baresip(&branch.rig, &branch.daemon, 0);
    inside.dial("112");
    let (call, _) = operator.wait_incoming();
    operator.answer(call, 200);
    inside.wait_until_talking();
    operator.hear(call, LISTEN_MS).assert_tone(tone_hz(0), "the operator");
    let log = operator.log();
    for part in [
        "Geolocation: <cid:",
        "Geolocation-Routing: yes",
        "application/pidf+xml",
        "<ca:country>DE</ca:country><ca:A1>BE</ca:A1><ca:A3>Berlin</ca:A3><ca:RD>Torstr.</ca:RD><ca:HNO>12</ca:HNO>",
    ] {
        assert!(log.contains(part), "{part} is not in what the operator got");
    }
    let now = &branch.daemon.view()["emergencies"][0];
    assert_eq!((&now["active"], &now["extension"]), (&true.into(), &"201".into()));
    inside.hang_up();
    operator.wait_until_closed(call);
    // It ends with 0: nothing is missing.
    let check = branch.daemon.command(&["emergency", "check"]);
    for part in ["upstream", "Berlin", "+493055500010 (shared)", "Nothing is missing"] {
        assert!(check.contains(part), "{part} is not in\n{check}");
    }
}

#[test]
fn the_operator_calls_the_elin_back_after_a_kill() {
    let mut branch = Branch::start("help-elin", "location = \"elin\"\n");
    let mut operator = branch.operator();
    let mut inside = office::baresip(&branch.rig, &branch.daemon, 0);
    inside.dial("112");
    let (call, incoming) = operator.wait_incoming();
    assert!(incoming["remote"].as_str().unwrap().contains(ELIN), "{incoming}");
    operator.answer(call, 200);
    inside.wait_until_talking();
    inside.hang_up();
    operator.wait_until_closed(call);
    branch.daemon.kill9();
    branch.daemon.start_again();
    branch.wait_for_trunk();
    let back = operator.dial(ELIN);
    inside.wait_until_ringing();
    inside.accept();
    operator.wait_until_talking(back);
    operator
        .hear(back, LISTEN_MS)
        .assert_tone(tone_hz(0), "the operator who calls back");
    operator.hang_up(back);
    inside.wait_until_closed();
}

#[test]
fn an_ordinary_call_gives_its_channel_to_a_call_for_help() {
    let branch = Branch::start("help-preempts", "max_calls = 1\n");
    let mut operator = branch.operator();
    let mut first = office::baresip(&branch.rig, &branch.daemon, 0);
    let mut second = office::baresip(&branch.rig, &branch.daemon, 1);
    first.dial("08977700010");
    let (ordinary, _) = operator.wait_incoming();
    operator.answer(ordinary, 200);
    first.wait_until_talking();
    second.dial("112");
    first.wait_until_closed();
    operator.wait_until_closed(ordinary);
    let (help, _) = operator.wait_incoming();
    operator.answer(help, 200);
    second.wait_until_talking();
    second.hang_up();
    operator.wait_until_closed(help);
    branch.daemon.wait_for_records(2, Duration::from_secs(5));
    let printed = branch.daemon.command(&["calls", "--past"]);
    assert!(printed.contains("gave way to an emergency call"), "{printed}");
}

#[test]
fn a_box_that_stops_keeps_and_takes_calls_for_help() {
    let branch = Branch::start("help-stops", "");
    let mut operator = branch.operator();
    let mut first = office::baresip(&branch.rig, &branch.daemon, 0);
    let mut second = office::baresip(&branch.rig, &branch.daemon, 1);
    first.dial("112");
    let (one, _) = operator.wait_incoming();
    operator.answer(one, 200);
    first.wait_until_talking();
    let pid = branch.daemon.pid().to_string();
    let stopped = std::process::Command::new("kill")
        .arg(&pid)
        .status()
        .expect("kill is there");
    assert!(stopped.success());
    clock::wait_for("stop", STOPPED_WITHIN, || {
        branch.daemon.log().contains("stopping").then_some(())
    });
    second.dial("112");
    let (two, _) = operator.wait_incoming();
    operator.answer(two, 200);
    second.wait_until_talking();
    operator
        .hear(one, LISTEN_MS)
        .assert_tone(tone_hz(0), "the call from before the stop");
    first.hang_up();
    second.hang_up();
    clock::wait_for("end of the daemon", STOPPED_WITHIN, || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    });
}
