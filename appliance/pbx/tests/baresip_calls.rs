//! baresip telephones on the box: what they hear of each other, and how calls end.

mod rig;

use std::time::Duration;

use rig::daemon::{Daemon, Site};
use rig::office::{self, EXTENSIONS};
use rig::tone_hz;
use rig::{Baresip, Phone, Rig, Transport};

const LISTEN_MS: usize = 600;
const RECORD_WITHIN: Duration = Duration::from_secs(5);

fn assert_both_hear(a: &mut Baresip, b: &mut Baresip, when: &str) {
    a.hear(LISTEN_MS)
        .assert_tone(b.tone_hz(), &format!("the first phone {when}"));
    b.hear(LISTEN_MS)
        .assert_tone(a.tone_hz(), &format!("the second phone {when}"));
}

fn connect(caller: &mut Baresip, callee: &mut Baresip, number: &str) {
    caller.dial(number);
    callee.wait_until_ringing();
    callee.accept();
    caller.wait_until_talking();
    callee.wait_until_talking();
}

#[test]
fn a_tone_passes_both_ways_through_hold_and_reinvite() {
    let rig = Rig::new("baresip-hold");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let (mut a, mut b) = (office::baresip(&rig, &daemon, 0), office::baresip(&rig, &daemon, 1));
    connect(&mut a, &mut b, "202");
    assert_both_hear(&mut a, &mut b, "at first");
    a.hold();
    b.wait_event("CALL_REMOTE_SDP");
    b.hear(LISTEN_MS).assert_silence("the phone on hold");
    a.resume();
    b.wait_event("CALL_REMOTE_SDP");
    assert_both_hear(&mut a, &mut b, "after hold");
    b.forget_events();
    a.reinvite();
    a.wait_event("CALL_REMOTE_SDP");
    assert_both_hear(&mut a, &mut b, "after the re-INVITE");
    b.hang_up();
    a.wait_until_closed();
    let records = daemon.wait_for_records(1, RECORD_WITHIN);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["outcome"], "answered");
}

fn office_on_ipv6(rig: &Rig) -> Daemon {
    let site = Site {
        ipv6_port: Some(rig.own_port()),
        ..Site::with(&EXTENSIONS)
    };
    Daemon::start(rig, &site)
}

fn talk_and_hold(daemon: &Daemon, (a, b): (&mut Baresip, &mut Baresip)) {
    connect(a, b, "202");
    assert_both_hear(a, b, "at first");
    a.hold();
    b.wait_event("CALL_REMOTE_SDP");
    b.hear(LISTEN_MS).assert_silence("the phone on hold");
    a.resume();
    b.wait_event("CALL_REMOTE_SDP");
    assert_both_hear(a, b, "after hold");
    b.hang_up();
    a.wait_until_closed();
    let records = daemon.wait_for_records(1, RECORD_WITHIN);
    assert_eq!((records.len(), &records[0]["outcome"]), (1, &"answered".into()));
}

#[test]
fn two_phones_talk_over_each_transport_on_ipv6() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let rig = Rig::new(&format!("baresip-ipv6-{transport:?}"));
        let daemon = office_on_ipv6(&rig);
        let [mut a, mut b] = [0, 1].map(|n| office::baresip_on_ipv6(&rig, &daemon, n, transport));
        talk_and_hold(&daemon, (&mut a, &mut b));
    }
}

#[test]
fn a_phone_on_ipv4_talks_to_a_phone_on_ipv6() {
    let rig = Rig::new("baresip-ipv4-ipv6");
    let daemon = office_on_ipv6(&rig);
    let mut a = office::baresip(&rig, &daemon, 0);
    let mut b = office::baresip_on_ipv6(&rig, &daemon, 1, Transport::Udp);
    talk_and_hold(&daemon, (&mut a, &mut b));
}

#[test]
fn a_reinvite_leaves_no_gap_in_the_sound() {
    const GAP_MS_MAX: usize = 60;
    let rig = Rig::new("baresip-gap");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let (mut a, mut b) = (office::baresip(&rig, &daemon, 0), office::baresip(&rig, &daemon, 1));
    connect(&mut a, &mut b, "202");
    let settled_ms = 500;
    rig::clock::wait_for("sound", RECORD_WITHIN, || {
        (b.recording().length_ms() > settled_ms).then_some(())
    });
    a.reinvite();
    a.wait_event("CALL_REMOTE_SDP");
    rig::clock::wait_for("more sound", RECORD_WITHIN, || {
        (b.recording().length_ms() > 2_000).then_some(())
    });
    let gap_ms = b.recording().after(settled_ms).longest_gap_ms(tone_hz(0));
    assert!(gap_ms <= GAP_MS_MAX, "a gap of {gap_ms} ms");
    a.hang_up();
    b.wait_until_closed();
}

#[test]
fn the_echo_number_sends_back_what_the_phone_says() {
    let rig = Rig::new("baresip-echo");
    let daemon = Daemon::start(
        &rig,
        &Site {
            more: "[emergency]\ntest_number = \"933\"\n",
            ..Site::with(&EXTENSIONS)
        },
    );
    let mut a = office::baresip(&rig, &daemon, 0);
    a.dial("933");
    a.wait_until_talking();
    let own_hz = a.tone_hz();
    a.hear(LISTEN_MS).assert_tone(own_hz, "its own echo");
    a.hang_up();
    a.wait_until_closed();
    let records = daemon.wait_for_records(1, RECORD_WITHIN);
    assert_eq!(records[0]["outcome"], "answered");
    assert_eq!(records[0]["to"]["normalised"], "echo", "{records:#?}");
}

#[test]
fn a_blind_transfer_connects_the_caller_with_the_third_phone() {
    let rig = Rig::new("baresip-transfer");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let [mut a, mut b, mut c] = [0, 1, 2].map(|n| office::baresip(&rig, &daemon, n));
    connect(&mut a, &mut b, "202");
    assert_both_hear(&mut a, &mut b, "before the transfer");
    b.transfer("203");
    c.wait_until_ringing();
    c.accept();
    c.wait_until_talking();
    b.wait_until_closed();
    assert_both_hear(&mut a, &mut c, "after the transfer");
    c.hang_up();
    a.wait_until_closed();
    let records = daemon.wait_for_records(1, RECORD_WITHIN);
    assert_eq!(records[0]["transfers"][0]["kind"], "blind", "{records:#?}");
}

#[test]
fn a_call_that_is_refused_is_busy_for_the_caller() {
    let rig = Rig::new("baresip-busy");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let (mut a, mut b) = (office::baresip(&rig, &daemon, 0), office::baresip(&rig, &daemon, 1));
    a.dial("202");
    b.wait_until_ringing();
    b.hang_up();
    assert!(a.wait_until_closed().starts_with("486"));
    assert_eq!(daemon.wait_for_records(1, RECORD_WITHIN)[0]["outcome"], "busy");
}

#[test]
fn a_call_nobody_answers_ends_and_stops_ringing() {
    let rig = Rig::new("baresip-no-answer");
    let daemon = Daemon::start(
        &rig,
        &Site {
            sip: "ring_s = 5\n",
            ..Site::with(&EXTENSIONS)
        },
    );
    let (mut a, mut b) = (office::baresip(&rig, &daemon, 0), office::baresip(&rig, &daemon, 1));
    a.dial("202");
    b.wait_until_ringing();
    assert!(a.wait_until_closed().starts_with("480"));
    b.wait_until_closed();
    assert_eq!(daemon.wait_for_records(1, RECORD_WITHIN)[0]["outcome"], "no_answer");
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    let rig = Rig::new("baresip-cancel");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let (mut a, mut b) = (office::baresip(&rig, &daemon, 0), office::baresip(&rig, &daemon, 1));
    a.dial("202");
    b.wait_until_ringing();
    a.hang_up();
    b.wait_until_closed();
    assert_eq!(daemon.wait_for_records(1, RECORD_WITHIN)[0]["outcome"], "cancelled");
}

#[test]
fn a_number_that_cannot_be_reached_is_refused_with_its_reason() {
    let rig = Rig::new("baresip-nobody");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let mut a = office::baresip(&rig, &daemon, 0);
    for (number, status, why) in [
        ("299", "404", "there is no such extension"),
        ("203", "480", "no phone is registered"),
    ] {
        a.dial(number);
        let end = a.wait_until_closed();
        assert!(end.starts_with(status), "{why}: {end}");
    }
}

#[test]
fn a_wrong_password_is_refused() {
    let rig = Rig::new("baresip-password");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let phone = Phone {
        registrar: daemon.address(),
        ..rig.phone(0, ("201", "wrong"))
    };
    Baresip::start(&phone).wait_until_refused();
}
