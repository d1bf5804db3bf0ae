//! What one party is refused: the others notice nothing, the refused one hears no more than it should, and it is recorded.

use std::time::Duration;

use branchline_journal::{Direction, Outcome};
use branchline_sip::Flow;
use branchline_sip::agent::{
    AgentEvent, Body, Headers, InDialogRequest, Invitation, Referral, SessionEvent, SessionId,
};
use branchline_sip::message::{Builder, Method, Name};
use bytes::Bytes;

use crate::office::{BOX, Office, PROVIDER, sdp};

const PROVIDER_AT: usize = 3;
/// A number of ours for 202.
const LINE: &str = "[[trunk]]\nname = \"line\"\nhost = \"sip.example.net\"\noptions_s = 0\n\
                    inbound = [{ number = \"+4930123402\", to = \"202\" }]\n";

fn registered(mut office: Office) -> Office {
    for at in 0..3 {
        assert_eq!(office.register(at), 200);
    }
    office
}

/// What a Replaces has to say to name a phone's dialog.
fn replaces(office: &Office, at: usize, session: SessionId) -> (String, String, String) {
    let view = office.phones[at].agent.session(session).unwrap();
    (
        view.call_id.to_owned(),
        view.local_tag_text(),
        view.remote_tag.to_owned(),
    )
}

fn refused(office: &mut Office, at: usize) -> u16 {
    office.event(at, |event| match event {
        SessionEvent::Refused { status, .. } => Some(status),
        _ => None,
    })
}

fn states(office: &Office) -> Vec<String> {
    office.view().calls.into_iter().map(|call| call.state).collect()
}

#[test]
fn a_pick_up_without_a_port_is_refused_and_the_conversation_goes_on() {
    let mut office = registered(Office::with_ports(&[20_000, 20_002]));
    let (_, callee) = office.talk(0, 1);
    let (call_id, own, boxs) = replaces(&office, 1, callee);
    let wanted = Invitation {
        headers: Headers::new().with(Name::Replaces, format_args!("{call_id};to-tag={boxs};from-tag={own}")),
        ..office.invitation(2, "202")
    };
    office.invite(2, wanted);
    assert_eq!(refused(&mut office, 2), 503);
    assert_eq!(states(&office), ["up"]);
}

#[test]
fn a_refused_offer_tells_the_other_side_nothing_that_ends_its_call() {
    for (refusal, heard) in [(401, 488), (407, 488), (503, 488), (404, 488), (415, 415), (488, 488)] {
        let mut office = registered(Office::new());
        let (caller, callee) = office.talk(0, 1);
        let (now, hold) = (office.now, sdp(office.phones[0].address, "sendonly"));
        office.phones[0].agent.reoffer(now, caller, Some(hold));
        office.event(1, |event| matches!(event, SessionEvent::Reoffer { .. }).then_some(()));
        office.phones[1].agent.refuse_reoffer(now, callee, refusal);
        let status = office.event(0, |event| match event {
            SessionEvent::ReofferRefused { status } => Some(status),
            _ => None,
        });
        assert_eq!(status, heard, "{refusal}");
        assert_eq!(states(&office), ["up"], "{refusal}");
    }
}

#[test]
fn a_transfer_joins_only_calls_of_the_phone_that_asks() {
    let mut office = registered(Office::new());
    let (victim, _) = office.talk(0, 1);
    let (own, _) = office.talk(2, 1);
    let (call_id, theirs, boxs) = replaces(&office, 0, victim);
    let referral = Referral {
        refer_to: format!("<sip:201@192.0.2.1?Replaces={call_id}%3Bto-tag%3D{boxs}%3Bfrom-tag%3D{theirs}>"),
        referred_by: None,
    };
    let now = office.now;
    office.phones[2].agent.refer(now, own, &referral);
    let status = office.event(2, |event| match event {
        SessionEvent::ReferProgress { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!((status, states(&office).len()), (603, 2));
}

fn info(office: &mut Office, from: SessionId) {
    let info = InDialogRequest {
        method: Method::Info,
        headers: Headers::new()
            .with(Name::InfoPackage, "door")
            .with(Name::ContentDisposition, "Info-Package"),
        body: Some(Body {
            content_type: "application/door".into(),
            bytes: Bytes::from_static(b"open"),
        }),
    };
    let now = office.now;
    office.phones[0].agent.send_in_dialog(now, from, &info).unwrap();
}

#[test]
fn a_request_inside_a_call_is_answered_with_what_the_other_party_answers() {
    for (answered, heard) in [(200, 200), (469, 469), (415, 415), (503, 500)] {
        let mut office = registered(Office::new());
        let (caller, _) = office.talk(0, 1);
        info(&mut office, caller);
        let (key, request) = office.event(1, |event| match event {
            SessionEvent::Info { key, request } => Some((key, request)),
            _ => None,
        });
        assert_eq!(request.text(Name::InfoPackage).as_deref(), Some("door"));
        assert_eq!(request.text(Name::ContentDisposition).as_deref(), Some("Info-Package"));
        assert_eq!(request.body(), b"open");
        let now = office.now;
        office.phones[1].agent.respond_in_dialog(now, key, answered);
        let status = office.event(0, |event| match event {
            SessionEvent::InDialogAnswered { status, .. } => Some(status),
            _ => None,
        });
        assert_eq!(status, heard);
    }
}

#[test]
fn a_request_inside_a_call_that_ends_first_leaves_nothing() {
    let mut office = registered(Office::new());
    let (caller, callee) = office.talk(0, 1);
    info(&mut office, caller);
    office.event(1, |event| matches!(event, SessionEvent::Info { .. }).then_some(()));
    let now = office.now;
    office.phones[1].agent.hang_up(now, callee, None);
    office.wait(Duration::from_secs(60));
    assert_eq!(office.branch.residue(), Vec::new());
}

#[test]
fn a_refused_call_leaves_its_record() {
    let not_a_description = Body {
        content_type: "application/sdp".into(),
        bytes: Bytes::from_static(b"nonsense"),
    };
    for expected in [483, 404, 488] {
        let mut office = registered(Office::new());
        let invitation = office.invitation(0, if expected == 404 { "299" } else { "202" });
        let invitation = match expected {
            483 => Invitation {
                max_forwards: 0,
                ..invitation
            },
            488 => Invitation {
                body: Some(not_a_description.clone()),
                ..invitation
            },
            _ => invitation,
        };
        office.invite(0, invitation);
        assert_eq!(refused(&mut office, 0), expected);
        let records = office.records();
        assert_eq!(records.len(), 1, "{expected}");
        assert_eq!(
            (records[0].sip_status, records[0].from.dialled.as_str()),
            (expected, "201")
        );
    }
}

#[test]
fn a_storm_of_calls_that_are_turned_away_does_not_become_one_of_records() {
    let mut office = registered(Office::new());
    office.branch.handle_queue_delay(Duration::from_secs(1));
    office.call(0, "202");
    assert_eq!(office.view().counters.calls_shed, 0, "one late call is no overload");
    for _ in 0..40 {
        office.wait(Duration::from_millis(20));
        office.call(0, "202");
    }
    let (shed, records) = (office.view().counters.calls_shed, office.records());
    let turned_away = records.iter().filter(|record| record.sip_status == 503).count();
    assert!(
        shed >= 15 && (1..=20).contains(&turned_away),
        "{shed} shed, {turned_away} recorded"
    );
}

#[test]
fn a_text_reaches_a_busy_extension_under_its_outside_number() {
    let mut office = registered(Office::with(LINE));
    for from in [0, 2] {
        office.talk(from, 1);
    }
    let trunk = Flow::udp(PROVIDER.parse().unwrap(), BOX.parse().unwrap());
    let text = Builder::request(&Method::Message, "sip:+4930123402@192.0.2.1")
        .header(Name::MaxForwards, 70)
        .header(Name::From, "<sip:+4930999@198.51.100.9>;tag=a")
        .header(Name::To, "<sip:+4930123402@192.0.2.1>")
        .header(Name::CallId, "text")
        .header(Name::CSeq, "1 MESSAGE")
        .body("text/plain", b"hello");
    let now = office.now;
    office.phones[PROVIDER_AT].agent.request(now, trunk, text).unwrap();
    office.run();
    let copies = office.phones[1].events.iter().filter_map(|event| match event {
        AgentEvent::Request { request, .. } => Some(request.body().to_vec()),
        _ => None,
    });
    assert_eq!(copies.collect::<Vec<_>>(), [b"hello"]);
}

#[test]
fn a_call_that_is_sent_on_to_those_who_help_is_an_emergency_call_from_then_on() {
    let mut office = registered(Office::with(LINE));
    let (caller, callee) = office.talk(0, 1);
    let referral = Referral {
        refer_to: "<sip:112@192.0.2.1>".into(),
        referred_by: None,
    };
    let now = office.now;
    office.phones[1].agent.refer(now, callee, &referral);
    office.run();
    let view = &office.view().calls[0];
    assert!(
        view.emergency && view.direction == Direction::Outbound.name(),
        "{view:?}"
    );
    office.phones[0].agent.hang_up(now, caller, None);
    office.wait(Duration::from_secs(60));
    let record = &office.records()[0];
    assert!(record.emergency && record.direction == Direction::Outbound);
    assert_eq!(record.outcome, Outcome::Answered);
    assert_eq!(office.view().counters.calls_emergency, 1);
}

#[test]
fn a_call_for_help_that_trunks_pass_round_ends_in_the_end() {
    let mut office = Office::with(LINE);
    let wanted = Invitation {
        max_forwards: 0,
        ..office.invitation(PROVIDER_AT, "112")
    };
    let now = office.now;
    office.phones[PROVIDER_AT].agent.invite(now, wanted).unwrap();
    assert_eq!(refused(&mut office, PROVIDER_AT), 483);
}
