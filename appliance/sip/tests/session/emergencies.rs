//! Calls for help get through where others do not.

use std::time::Duration;

use branchline_sip::agent::{
    AgentEvent, AgentSettings, Attachment, Body, IncomingInvite, Invitation, NextHop, SessionEvent,
};
use branchline_sip::transaction::{Limits, Priority};
use branchline_sip::{Message, Method, Name};
use bytes::Bytes;

use super::pair::{A, ANSWER, B, GOOD, OFFER, Pair, answer, contact, invitation};

fn settings(sessions_max: usize) -> AgentSettings {
    AgentSettings {
        sessions_max,
        limits: Limits {
            priority: Priority::new(|request: &Message| {
                *request.method() == Method::Invite && request.request_uri().starts_with("sip:112@")
            }),
            ..Limits::default()
        },
        ..AgentSettings::default()
    }
}

fn call(user: &str) -> Invitation {
    Invitation {
        request_uri: format!("sip:{user}@192.0.2.2"),
        ..invitation(Some(OFFER))
    }
}

fn is_taken(pair: &mut Pair) -> bool {
    let invite = pair.invited();
    pair.agents[B].accept_invite(pair.now, invite).is_ok()
}

#[test]
fn the_last_tenth_of_the_sessions_is_for_emergencies_on_the_way_in() {
    let mut pair = Pair::with(GOOD, 1, [AgentSettings::default(), settings(10)]);
    let mut taken = |user: &str| {
        pair.agents[A].invite(pair.now, call(user)).unwrap();
        pair.run_ms(50);
        is_taken(&mut pair)
    };
    assert!((0..9).all(|_| taken("bob")));
    for (user, expected) in [("bob", false), ("112", true), ("112", false)] {
        assert_eq!(taken(user), expected, "{user}");
    }
    assert_eq!(pair.agents[B].session_len(), 10);
}

#[test]
fn the_last_tenth_of_the_sessions_is_for_emergencies_on_the_way_out() {
    let mut pair = Pair::with(GOOD, 1, [settings(10), AgentSettings::default()]);
    let mut sent = |user: &str| pair.agents[A].invite(pair.now, call(user)).is_ok();
    assert!((0..9).all(|_| sent("bob")));
    for (user, expected) in [("bob", false), ("112", true), ("112", false)] {
        assert_eq!(sent(user), expected, "{user}");
    }
    pair.run_ms(50);
    assert_eq!(pair.sent(A, "INVITE"), 10);
}

#[test]
fn an_emergency_is_not_refused_for_its_extensions_or_its_timer() {
    for (name, value, status) in [(Name::Require, "teleport", "420"), (Name::SessionExpires, "30", "422")] {
        for (user, is_refused) in [("bob", true), ("112", false)] {
            let mut pair = Pair::with(
                GOOD,
                1,
                [
                    AgentSettings {
                        session_expires_s: 0,
                        ..AgentSettings::default()
                    },
                    settings(10),
                ],
            );
            let mut invitation = call(user);
            invitation.headers.push(name, value);
            invitation.headers.push(Name::Supported, "timer");
            pair.agents[A].invite(pair.now, invitation).unwrap();
            pair.run_ms(50);
            assert_eq!(
                pair.sent(B, &format!("SIP/2.0 {status}")) > 0,
                is_refused,
                "{user} {value}"
            );
            if !is_refused {
                assert!(is_taken(&mut pair), "{value}");
            }
        }
    }
}

#[test]
fn what_goes_along_with_an_offer_is_a_part_of_its_own_and_the_answer_is_still_an_answer() {
    let mut pair = Pair::new();
    let attachment = Attachment {
        content_id: "here.1@192.0.2.1".into(),
        body: Body {
            content_type: "application/pidf+xml".into(),
            bytes: Bytes::from_static(b"<presence/>"),
        },
    };
    for (offer, needs_answer) in [(Some(OFFER), false), (None, true)] {
        let invitation = Invitation {
            attachment: Some(attachment.clone()),
            ..invitation(offer)
        };
        pair.agents[A].invite(pair.now, invitation).unwrap();
        pair.run_ms(50);
        let sent = pair.last_sent(A, "INVITE");
        assert!(
            sent.contains("Content-Type: multipart/mixed;boundary=here119202"),
            "{sent}"
        );
        let end =
            "Content-Type: application/pidf+xml\r\nContent-ID: <here.1@192.0.2.1>\r\n\r\n<presence/>\r\n--here11920";
        assert!(sent.contains(end), "{sent}");
        let invite = pair.invited();
        let body = Body::of(&invite.request).unwrap();
        assert_eq!(body.is_description(), offer.is_some());
        let session = pair.agents[B].accept_invite(pair.now, invite).unwrap();
        pair.agents[B].answer(pair.now, session, answer(if needs_answer { OFFER } else { ANSWER }));
        pair.run_ms(50);
        let Some(AgentEvent::Session {
            event: SessionEvent::Answered { needs_answer: owed, .. },
            ..
        }) = pair.event(A)
        else {
            panic!("no answer")
        };
        assert_eq!(owed, needs_answer);
        while pair.event(B).is_some() {}
    }
}

#[test]
fn a_call_that_may_ring_longer_does() {
    let hour = Duration::from_secs(3600);
    for (ring_max, rings) in [(None, false), (Some(hour), true)] {
        let mut pair = Pair::new();
        let invitation = Invitation {
            ring_max,
            ..call("bob")
        };
        pair.agents[A].invite(pair.now, invitation).unwrap();
        pair.run_ms(50);
        let Some(AgentEvent::Invite { key, flow, request }) = pair.event(B) else {
            panic!("no INVITE")
        };
        let invite = IncomingInvite {
            key,
            flow,
            next_hop: NextHop::Flow,
            request,
            local_contact: contact(B),
            ring_max,
        };
        pair.agents[B].accept_invite(pair.now, invite).unwrap();
        pair.run_ms(1_000_000);
        assert_eq!(
            pair.agents[A].session_len() == 1 && pair.agents[B].session_len() == 1,
            rings
        );
    }
}
