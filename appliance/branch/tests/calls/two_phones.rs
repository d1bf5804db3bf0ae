//! The path of a call through the whole machine: two phones register, call, hold and hang up, with nothing but messages.

use std::net::SocketAddr;
use std::time::Duration;

use branchline_journal::{EndedBy, Outcome};
use branchline_sip::agent::{Answer, Headers, Progress, SessionEvent, SessionId};
use branchline_sip::message::Name;

use crate::office::{Office, moment, sdp};

#[test]
fn two_phones_register_call_and_leave_one_record() {
    let mut office = Office::new();
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    let caller = office.call(0, "202");
    let (callee, invite) = office.accept(1);
    assert_eq!(
        invite.request.text(Name::Subject).as_deref(),
        Some("lunch"),
        "end-to-end headers pass"
    );
    assert!(invite.request.text(Name::Authorization).is_none(), "credentials do not");
    assert_eq!(invite.request.from().display.as_deref(), Some("Phone 201"));
    let offered = String::from_utf8_lossy(invite.request.body()).into_owned();
    assert!(
        offered.contains("c=IN IP4 192.0.2.1\r\n") && !offered.contains("192.0.2.11"),
        "{offered}"
    );
    office.wait(Duration::from_secs(2));
    let answer = Answer {
        body: Some(sdp(office.phones[1].address, "sendrecv")),
        headers: Headers::new(),
    };
    let now = office.now;
    office.phones[1].agent.answer(now, callee, answer);
    let answered = office.event(0, |event| match event {
        SessionEvent::Answered { body, .. } => body,
        _ => None,
    });
    assert!(String::from_utf8_lossy(&answered.bytes).contains("c=IN IP4 192.0.2.1\r\n"));
    assert_eq!(office.branch.view(moment(office.base, office.now)).calls[0].state, "up");
    let joined = office.plans.last().unwrap();
    assert_eq!(joined.legs.len(), 2, "{joined:?}");

    office.wait(Duration::from_secs(10));
    let now = office.now;
    let hold = sdp(office.phones[0].address, "sendonly");
    office.phones[0].agent.reoffer(now, caller, Some(hold));
    let held = office.event(1, |event| match event {
        SessionEvent::Reoffer { body, .. } => body,
        _ => None,
    });
    assert!(String::from_utf8_lossy(&held.bytes).contains("a=sendonly"));
    let body = Some(sdp(office.phones[1].address, "recvonly"));
    office.phones[1].agent.answer_reoffer(now, callee, body);
    office.run();
    assert_eq!(
        office.branch.view(moment(office.base, office.now)).calls[0].state,
        "held"
    );

    office.phones[1].agent.hang_up(now, callee, None);
    office.event(0, |event| matches!(event, SessionEvent::Ended { .. }).then_some(()));
    office.wait(Duration::from_secs(60));
    let records = office.records();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(
        (record.outcome, record.talk_ms, record.ring_ms),
        (Outcome::Answered, 10_000, 2_000)
    );
    assert_eq!(
        (record.from.dialled.as_str(), record.to.dialled.as_str()),
        ("201", "202")
    );
    assert_eq!(office.branch.residue(), Vec::new());
}

/// 202 calls 201, is out of reach while that rings, and so may not hear the answer either (RFC 3262 section 3). The two
/// sessions, and where 202 is when it comes back.
fn answered_unheard(office: &mut Office) -> (SessionId, SessionId, SocketAddr) {
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    let caller = office.call(1, "201");
    let (callee, _) = office.accept(0);
    let home = std::mem::replace(&mut office.phones[1].address, "192.0.2.99:5060".parse().unwrap());
    let body = Some(sdp(office.phones[0].address, "sendrecv"));
    let (now, headers) = (office.now, Headers::new());
    let progress = Progress {
        status: 183,
        body: body.clone(),
        headers: headers.clone(),
    };
    office.phones[0].agent.progress(now, callee, progress);
    office.run();
    office.phones[0].agent.answer(now, callee, Answer { body, headers });
    office.wait(Duration::from_secs(1));
    (caller, callee, home)
}

#[test]
fn an_answer_that_the_caller_never_heard_is_none() {
    let mut office = Office::new();
    let (_, callee, home) = answered_unheard(&mut office);
    let now = office.now;
    office.phones[0].agent.hang_up(now, callee, None);
    office.run();
    office.phones[1].address = home;
    office.wait(Duration::from_secs(1));
    let status = office.event(1, |event| match event {
        SessionEvent::Refused { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status, 480);
    office.wait(Duration::from_secs(60));
    let records = office.records();
    let record = &records[0];
    assert_eq!(
        (record.outcome, record.ended_by, record.sip_status, record.answered),
        (Outcome::NoAnswer, EndedBy::Callee, 480, None)
    );
    assert_eq!(office.branch.residue(), Vec::new());
}

#[test]
fn an_answer_counts_from_when_the_caller_hears_it() {
    let mut office = Office::new();
    let (caller, _, home) = answered_unheard(&mut office);
    office.phones[1].address = home;
    office.wait(Duration::from_secs(9));
    let now = office.now;
    office.phones[1].agent.hang_up(now, caller, None);
    office.wait(Duration::from_secs(60));
    let records = office.records();
    let record = &records[0];
    // The ringing is repeated after 500 ms, 1000 ms and so on.
    assert_eq!(
        (record.outcome, record.ring_ms, record.talk_ms),
        (Outcome::Answered, 1_500, 8_500)
    );
}

#[test]
fn a_call_to_a_phone_that_is_not_registered_is_refused_and_recorded() {
    let mut office = Office::new();
    office.register(0);
    office.call(0, "202");
    let status = office.event(0, |event| match event {
        SessionEvent::Refused { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status, 480);
    office.wait(Duration::from_secs(60));
    assert_eq!(office.records().len(), 1);
    assert_eq!(office.records()[0].outcome, Outcome::Failed);
    assert_eq!(office.branch.residue(), Vec::new());
}

#[test]
fn a_wrong_password_registers_nothing() {
    let mut office = Office::new();
    office.phones[0].number = "299";
    assert_eq!(office.register(0), 403);
    assert!(
        office
            .branch
            .view(moment(office.base, office.now))
            .phones
            .iter()
            .all(|phone| phone.contacts.is_empty())
    );
}
