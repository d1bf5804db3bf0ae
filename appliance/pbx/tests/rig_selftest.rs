//! The rig against Kamailio, which takes the daemon's place: what fails here is the rig, not the product.

mod rig;

use std::time::Duration;

use rig::kamailio::{Algorithm, Kamailio, Upstream};
use rig::sipp::{Load, Sipp, User};
use rig::sound::Sound;
use rig::{Baresip, Phone, Pjsua, Rig, Transport, sip};

const USERS: [(&str, &str); 3] = [
    ("201", "alpha-secret"),
    ("202", "bravo-secret"),
    ("203", "charlie-secret"),
];

fn upstream(rig: &Rig, algorithm: Algorithm) -> Kamailio {
    let numbers = [("4930123456", "202")];
    Kamailio::start(
        rig,
        &Upstream {
            ip: rig.box_ip(),
            users: &USERS,
            numbers: &numbers,
            algorithm,
        },
    )
}

fn baresip(rig: &Rig, kamailio: &Kamailio, n: u8) -> Baresip {
    Baresip::start_registered(&Phone {
        registrar: kamailio.address(),
        ..rig.phone(n, USERS[usize::from(n)])
    })
}

fn pjsua(rig: &Rig, kamailio: &Kamailio, n: u8, transport: Transport) -> Pjsua {
    let registrar = match transport {
        Transport::Udp | Transport::Tcp => kamailio.address(),
        Transport::Tls => kamailio.tls_address(),
    };
    Pjsua::start_registered(&Phone {
        registrar,
        transport,
        ..rig.phone(n, USERS[usize::from(n)])
    })
}

#[test]
fn a_tone_is_told_from_silence_and_from_another_tone() {
    let tone = Sound::tone(400, 8_000, 1);
    tone.assert_tone(400, "a clean tone");
    assert!(tone.share(700) < 0.05);
    let silence = Sound {
        rate_hz: 8_000,
        samples: vec![0; 8_000],
    };
    silence.assert_silence("zeros");
    assert_eq!(silence.share(400), 0.0);
    let mut broken = tone.samples.clone();
    broken[3_200..4_000].fill(0);
    assert_eq!(
        Sound {
            rate_hz: 8_000,
            samples: broken
        }
        .longest_gap_ms(400),
        100
    );
}

#[test]
fn baresip_calls_baresip_and_both_hear_through_hold() {
    let rig = Rig::new("selftest-baresip");
    let kamailio = upstream(&rig, Algorithm::Md5);
    let (mut a, mut b) = (baresip(&rig, &kamailio, 0), baresip(&rig, &kamailio, 1));
    a.dial("202");
    b.wait_until_ringing();
    b.accept();
    a.wait_until_talking();
    b.wait_until_talking();
    a.hear(500).assert_tone(700, "a before hold");
    b.hear(500).assert_tone(400, "b before hold");
    a.hold();
    b.wait_event("CALL_REMOTE_SDP");
    b.hear(500).assert_silence("b on hold");
    a.resume();
    b.wait_event("CALL_REMOTE_SDP");
    a.hear(500).assert_tone(700, "a after hold");
    b.hear(500).assert_tone(400, "b after hold");
    a.reinvite();
    b.wait_event("CALL_REMOTE_SDP");
    a.hear(500).assert_tone(700, "a after the re-INVITE");
    b.hear(500).assert_tone(400, "b after the re-INVITE");
    b.hang_up();
    a.wait_until_closed();
}

#[test]
fn an_outside_number_rings_the_user_whose_line_it_is() {
    let rig = Rig::new("selftest-number");
    let kamailio = upstream(&rig, Algorithm::Md5);
    let (mut a, mut b) = (baresip(&rig, &kamailio, 0), pjsua(&rig, &kamailio, 1, Transport::Udp));
    a.dial("4930123456");
    let (call, _) = b.wait_incoming();
    b.answer(call, 486);
    assert!(a.wait_until_closed().starts_with("486"));
}

fn pjsip_calls_pjsip(transport: Transport) {
    let rig = Rig::new(&format!("selftest-pjsip-{transport:?}"));
    let kamailio = upstream(&rig, Algorithm::Md5);
    let (mut a, mut b) = (
        pjsua(&rig, &kamailio, 0, transport),
        pjsua(&rig, &kamailio, 1, transport),
    );
    let out = a.dial("202");
    let (inc, _) = b.wait_incoming();
    b.answer(inc, 200);
    a.wait_until_talking(out);
    b.wait_until_talking(inc);
    a.hear(out, 500).assert_tone(700, "a before hold");
    b.hear(inc, 500).assert_tone(400, "b before hold");
    a.hold(out);
    b.hear(inc, 1_000).after(500).assert_silence("b on hold");
    a.resume(out);
    b.wait_event("media", |event| event["event"] == "media" && event["status"] == 1);
    a.hear(out, 1_000).after(500).assert_tone(700, "a after hold");
    b.hear(inc, 500).assert_tone(400, "b after hold");
    assert_eq!(a.statistics(out)["codec"], "PCMU");
    a.hang_up(out);
    b.wait_until_closed(inc);
}

#[test]
fn pjsip_phones_talk_over_udp() {
    pjsip_calls_pjsip(Transport::Udp);
}

#[test]
fn pjsip_phones_talk_over_tcp() {
    pjsip_calls_pjsip(Transport::Tcp);
}

#[test]
fn pjsip_phones_talk_over_tls() {
    pjsip_calls_pjsip(Transport::Tls);
}

#[test]
fn a_pjsip_phone_answers_a_sha_256_challenge() {
    let rig = Rig::new("selftest-sha256");
    let kamailio = upstream(&rig, Algorithm::Sha256);
    let phone = pjsua(&rig, &kamailio, 0, Transport::Udp);
    assert!(phone.log().contains("algorithm=SHA-256"));
}

#[test]
fn sipp_registers_users_and_makes_a_hundred_calls_at_once() {
    let rig = Rig::new("selftest-sipp");
    let kamailio = upstream(&rig, Algorithm::Md5);
    let user = |n: usize| User {
        name: USERS[n].0.into(),
        password: USERS[n].1.into(),
        calls: "202".into(),
    };
    let (callers, callees) = ([user(0)], [user(1)]);
    let load = |name, scenario, n, users| Load {
        name,
        scenario,
        from: rig.phone_ip(n),
        to: kamailio.address(),
        users,
        calls: 1,
        rate_per_s: 50,
        talk: Duration::from_secs(3),
        within: Duration::from_secs(30),
    };
    Sipp::run(&rig, &load("register", "register.xml", 1, &callees)).assert_all(1);
    let answering = Sipp::start(
        &rig,
        &Load {
            calls: 100,
            ..load("callee", "callee.xml", 1, &callees)
        },
    );
    let calling = Sipp::run(
        &rig,
        &Load {
            calls: 100,
            ..load("caller", "caller.xml", 2, &callers)
        },
    );
    calling.assert_all(100);
    assert_eq!(calling.at_once_max, 100);
    answering.finish().assert_all(100);
}

#[test]
fn sipp_counts_calls_that_fail() {
    let rig = Rig::new("selftest-sipp-failure");
    let kamailio = upstream(&rig, Algorithm::Md5);
    let users = [User {
        name: "201".into(),
        password: "wrong".into(),
        calls: "202".into(),
    }];
    let outcome = Sipp::run(
        &rig,
        &Load {
            name: "register",
            scenario: "register.xml",
            from: rig.phone_ip(1),
            to: kamailio.address(),
            users: &users,
            calls: 1,
            rate_per_s: 1,
            talk: Duration::ZERO,
            within: Duration::from_secs(10),
        },
    );
    assert_eq!((outcome.successful, outcome.failed), (0, 1));
}

#[test]
fn a_probe_gets_no_answer_where_nobody_listens() {
    let rig = Rig::new("selftest-probe");
    let nobody = (rig.box_ip(), sip::PORT).into();
    assert!(!sip::wait_until_answering(
        rig.phone_ip(1),
        nobody,
        Duration::from_millis(300)
    ));
}
