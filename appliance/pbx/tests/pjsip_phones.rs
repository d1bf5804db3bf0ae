//! PJSIP telephones on the box over UDP, TCP and TLS.

mod rig;

use std::time::Duration;

use serde_json::Value;

use rig::Rig;
use rig::daemon::{Daemon, Hashes, Site};
use rig::office::{self, EXTENSIONS};
use rig::pjsua::Call;
use rig::tone_hz;
use rig::{Pjsua, Transport};

const LISTEN_MS: usize = 600;
const RECORD_WITHIN: Duration = Duration::from_secs(5);

fn connect(caller: &mut Pjsua, callee: &mut Pjsua, number: &str) -> (Call, Call) {
    let out = caller.dial(number);
    let (inc, _) = callee.wait_incoming();
    callee.answer(inc, 180);
    caller.wait_state(out, "early");
    callee.answer(inc, 200);
    caller.wait_until_talking(out);
    callee.wait_until_talking(inc);
    (out, inc)
}

fn call_with_hold(name: &str, transports: [Transport; 2]) {
    let rig = Rig::new(name);
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let mut a = office::pjsua(&rig, &daemon, 0, transports[0]);
    let mut b = office::pjsua(&rig, &daemon, 1, transports[1]);
    let (out, inc) = connect(&mut a, &mut b, "202");
    a.hear(out, LISTEN_MS).assert_tone(tone_hz(1), "the caller at first");
    b.hear(inc, LISTEN_MS).assert_tone(tone_hz(0), "the callee at first");
    b.forget_events();
    a.hold(out);
    b.wait_event("hold", |event| event["event"] == "media");
    b.hear(inc, LISTEN_MS).assert_silence("the phone on hold");
    a.resume(out);
    b.wait_event("end of hold", |event| event["event"] == "media");
    a.hear(out, LISTEN_MS).assert_tone(tone_hz(1), "the caller after hold");
    b.hear(inc, LISTEN_MS).assert_tone(tone_hz(0), "the callee after hold");
    a.hang_up(out);
    assert_eq!(b.wait_until_closed(inc), 200);
    let records = daemon.wait_for_records(1, RECORD_WITHIN);
    assert_eq!((records.len(), &records[0]["outcome"]), (1, &"answered".into()));
}

#[test]
fn two_phones_talk_over_udp() {
    call_with_hold("pjsip-udp", [Transport::Udp, Transport::Udp]);
}

#[test]
fn two_phones_talk_over_tcp() {
    call_with_hold("pjsip-tcp", [Transport::Tcp, Transport::Tcp]);
}

#[test]
fn two_phones_talk_over_tls() {
    call_with_hold("pjsip-tls", [Transport::Tls, Transport::Tls]);
}

#[test]
fn a_phone_on_udp_talks_to_a_phone_on_tls() {
    call_with_hold("pjsip-udp-tls", [Transport::Udp, Transport::Tls]);
}

/// A second of G.711 is 50 packets; 20 % of 400 lost are 80, give or take four times 8.
#[test]
fn the_record_says_how_each_side_sounded() {
    const TALK_MS: usize = 8_000;
    let rig = Rig::new("pjsip-quality");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let mut a = office::lossy_pjsua(&rig, &daemon, 0, (Transport::Udp, 20));
    let mut b = office::pjsua(&rig, &daemon, 1, Transport::Udp);
    let (out, inc) = connect(&mut a, &mut b, "202");
    b.hear(inc, TALK_MS);
    a.hang_up(out);
    b.wait_until_closed(inc);
    let records = daemon.wait_for_records(1, RECORD_WITHIN);
    let leg = |side: &str| {
        let legs = records[0]["legs"].as_array().expect("a record has legs");
        let found = legs.iter().find(|leg| leg["side"] == side);
        found.unwrap_or_else(|| panic!("no {side}: {records:#?}")).clone()
    };
    let (lossy, clean) = (leg("caller"), leg("callee"));
    let number = |leg: &Value, key: &str| leg[key].as_f64().unwrap_or_else(|| panic!("no {key}: {leg}"));
    assert!((12.0..28.0).contains(&number(&lossy, "loss_percent")), "{lossy}");
    assert!(number(&clean, "loss_percent") < 2.0, "{clean}");
    assert!(number(&clean, "packets") >= 350.0, "{clean}");
    assert!(
        number(&clean, "mos") > 4.0 && number(&lossy, "mos") < 3.0,
        "{lossy} {clean}"
    );
    assert_eq!((&clean["codec"], &lossy["codec"]), (&"PCMU".into(), &"PCMU".into()));
}

#[test]
fn a_phone_registers_with_sha_256() {
    let rig = Rig::new("pjsip-sha256");
    let daemon = Daemon::start(
        &rig,
        &Site {
            hashes: Hashes::Sha256,
            sip: "digest = [\"sha-256\"]\n",
            ..Site::with(&EXTENSIONS)
        },
    );
    let phone = office::pjsua(&rig, &daemon, 0, Transport::Udp);
    assert!(phone.log().contains("algorithm=SHA-256"), "{}", phone.log());
}

#[test]
fn an_attended_transfer_connects_the_far_ends() {
    let rig = Rig::new("pjsip-attended");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let [mut a, mut b, mut c] = [0, 1, 2].map(|n| office::pjsua(&rig, &daemon, n, Transport::Udp));
    let (a_call, first) = connect(&mut a, &mut b, "202");
    b.hold(first);
    let (second, c_call) = connect(&mut b, &mut c, "203");
    b.hear(second, LISTEN_MS)
        .assert_tone(tone_hz(2), "the phone that asks back");
    b.transfer_to_call(first, second);
    b.wait_until_closed(first);
    b.wait_until_closed(second);
    a.hear(a_call, LISTEN_MS)
        .assert_tone(tone_hz(2), "the caller after the transfer");
    c.hear(c_call, LISTEN_MS)
        .assert_tone(tone_hz(0), "the third phone after the transfer");
    a.hang_up(a_call);
    c.wait_until_closed(c_call);
    let records = daemon.wait_for_records(2, RECORD_WITHIN);
    let attended = records
        .iter()
        .filter(|record| record["transfers"][0]["kind"] == "attended");
    assert_eq!(
        (records.len(), attended.count()),
        (2, 2),
        "both calls name the transfer: {records:#?}"
    );
}

#[test]
fn a_blind_transfer_connects_the_caller_with_the_third_phone() {
    let rig = Rig::new("pjsip-blind");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let [mut a, mut b, mut c] = [0, 1, 2].map(|n| office::pjsua(&rig, &daemon, n, Transport::Udp));
    let (a_call, b_call) = connect(&mut a, &mut b, "202");
    b.transfer(b_call, "203");
    let (c_call, _) = c.wait_incoming();
    c.answer(c_call, 200);
    c.wait_until_talking(c_call);
    let transferred = b.wait_event("outcome of the transfer", |event| {
        event["event"] == "transfer" && event["final"] == true
    });
    assert_eq!(transferred["code"], 200);
    a.hear(a_call, LISTEN_MS)
        .assert_tone(tone_hz(2), "the caller after the transfer");
    c.hear(c_call, LISTEN_MS)
        .assert_tone(tone_hz(0), "the third phone after the transfer");
}

#[test]
fn digits_pass_as_telephone_events() {
    let rig = Rig::new("pjsip-dtmf");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let mut a = office::pjsua(&rig, &daemon, 0, Transport::Udp);
    let mut b = office::pjsua(&rig, &daemon, 1, Transport::Udp);
    let (out, _) = connect(&mut a, &mut b, "202");
    a.send_dtmf(out, "159#");
    let heard: String = (0..4)
        .map(|_| {
            b.wait_event("digit", |event| event["event"] == "dtmf")["digit"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(heard, "159#");
}

#[test]
fn an_update_leaves_the_call_as_it_is() {
    let rig = Rig::new("pjsip-update");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let mut a = office::pjsua(&rig, &daemon, 0, Transport::Udp);
    let mut b = office::pjsua(&rig, &daemon, 1, Transport::Udp);
    let (out, inc) = connect(&mut a, &mut b, "202");
    a.forget_events();
    a.update(out);
    a.wait_event("answer to UPDATE", |event| event["event"] == "media");
    a.hear(out, LISTEN_MS)
        .assert_tone(tone_hz(1), "the caller after UPDATE");
    b.hear(inc, LISTEN_MS)
        .assert_tone(tone_hz(0), "the callee after UPDATE");
}

#[test]
fn two_calls_at_once_reach_one_phone() {
    let rig = Rig::new("pjsip-waiting");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let [mut a, mut b, mut c] = [0, 1, 2].map(|n| office::pjsua(&rig, &daemon, n, Transport::Udp));
    let (first, _) = connect(&mut a, &mut b, "202");
    let (second, _) = connect(&mut c, &mut b, "202");
    a.hear(first, LISTEN_MS).assert_tone(tone_hz(1), "the first caller");
    c.hear(second, LISTEN_MS).assert_tone(tone_hz(1), "the second caller");
}
