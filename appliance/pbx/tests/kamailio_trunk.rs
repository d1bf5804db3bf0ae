//! Kamailio as the upstream: the box registers as a trunk, and calls pass in and out.

mod rig;

use std::time::Duration;

use rig::Rig;
use rig::daemon::{Daemon, Site, Trunk};
use rig::kamailio::{Algorithm, Kamailio, Upstream};
use rig::office::{self, EXTENSIONS};
use rig::tone_hz;
use rig::{Phone, Pjsua};

const OUTSIDE: u8 = 5;
const OUTSIDE_NUMBER: &str = "498977700010";
const OUR_NUMBER: &str = "493055500010";
const LISTEN_MS: usize = 600;
const REGISTERED_WITHIN: Duration = Duration::from_secs(15);
/// A registration that fails is tried again after a while that grows.
const BACK_WITHIN: Duration = Duration::from_secs(90);

struct Branch {
    rig: Rig,
    kamailio: Kamailio,
    daemon: Daemon,
}

impl Branch {
    fn start(name: &str, algorithm: Algorithm) -> Branch {
        let rig = Rig::new(name);
        let kamailio = Kamailio::start(
            &rig,
            &Upstream {
                ip: rig.upstream_ip(),
                users: &[("trunk01", "trunk-secret"), ("outside", "outside-secret")],
                numbers: &[(OUR_NUMBER, "trunk01"), (OUTSIDE_NUMBER, "outside")],
                algorithm,
            },
        );
        let trunk = Trunk {
            host: kamailio.address(),
            username: "trunk01",
            password: "trunk-secret",
            number: OUR_NUMBER,
            rings: "201",
            more: "",
        };
        let daemon = Daemon::start(
            &rig,
            &Site {
                trunk: Some(trunk),
                ..Site::with(&EXTENSIONS)
            },
        );
        let branch = Branch { rig, kamailio, daemon };
        branch.wait_for_trunk("up", REGISTERED_WITHIN);
        branch
    }

    fn wait_for_trunk(&self, state: &str, within: Duration) {
        let what = format!("trunk that is {state}");
        self.daemon.wait_in_view(&what, within, |view| {
            (view["trunks"][0]["state"] == state).then_some(())
        });
    }

    fn outside_phone(&self) -> Pjsua {
        Pjsua::start_registered(&Phone {
            registrar: self.kamailio.address(),
            ..self.rig.phone(OUTSIDE, ("outside", "outside-secret"))
        })
    }
}

#[test]
fn a_call_goes_out_over_the_trunk() {
    let branch = Branch::start("trunk-out", Algorithm::Md5);
    let mut outside = branch.outside_phone();
    let mut inside = office::baresip(&branch.rig, &branch.daemon, 0);
    inside.dial("08977700010");
    let (call, incoming) = outside.wait_incoming();
    assert!(incoming["remote"].as_str().unwrap().contains(OUR_NUMBER), "{incoming}");
    outside.answer(call, 200);
    inside.wait_until_talking();
    inside.hear(LISTEN_MS).assert_tone(tone_hz(OUTSIDE), "the phone inside");
    outside
        .hear(call, LISTEN_MS)
        .assert_tone(tone_hz(0), "the phone outside");
    inside.hang_up();
    outside.wait_until_closed(call);
    let records = branch.daemon.wait_for_records(1, Duration::from_secs(5));
    assert_eq!(
        (&records[0]["direction"], &records[0]["outcome"]),
        (&"outbound".into(), &"answered".into())
    );
    assert_eq!(records[0]["trunks"][0], "upstream");
}

#[test]
fn a_call_comes_in_over_the_trunk() {
    let branch = Branch::start("trunk-in", Algorithm::Md5);
    let mut outside = branch.outside_phone();
    let mut inside = office::baresip(&branch.rig, &branch.daemon, 0);
    let call = outside.dial(OUR_NUMBER);
    inside.wait_until_ringing();
    inside.accept();
    outside.wait_until_talking(call);
    inside.hear(LISTEN_MS).assert_tone(tone_hz(OUTSIDE), "the phone inside");
    outside
        .hear(call, LISTEN_MS)
        .assert_tone(tone_hz(0), "the phone outside");
    outside.hang_up(call);
    inside.wait_until_closed();
    let records = branch.daemon.wait_for_records(1, Duration::from_secs(5));
    assert_eq!(
        (&records[0]["direction"], &records[0]["outcome"]),
        (&"inbound".into(), &"answered".into())
    );
}

#[test]
fn a_number_the_upstream_does_not_know_is_refused() {
    let branch = Branch::start("trunk-unknown", Algorithm::Md5);
    let mut inside = office::baresip(&branch.rig, &branch.daemon, 0);
    inside.dial("08977799999");
    assert!(inside.wait_until_closed().starts_with("404"));
}

#[test]
fn the_box_registers_with_sha_256() {
    let branch = Branch::start("trunk-sha256", Algorithm::Sha256);
    assert!(branch.kamailio.log().contains("route REGISTER <null> from trunk01"));
}

#[test]
fn an_upstream_that_was_down_is_used_again() {
    let mut branch = Branch::start("trunk-down", Algorithm::Md5);
    branch.kamailio.stop();
    branch.wait_for_trunk("down", BACK_WITHIN);
    branch.kamailio.start_again(&branch.rig);
    branch.wait_for_trunk("up", BACK_WITHIN);
    let registered = branch
        .kamailio
        .log()
        .matches("route REGISTER <null> from trunk01")
        .count();
    assert!(registered >= 2, "the box did not register again");
}
