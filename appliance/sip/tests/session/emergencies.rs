//! Calls for help get through where others do not.

use branchline_sip::agent::{AgentEvent, AgentSettings, IncomingInvite, Invitation, NextHop};
use branchline_sip::transaction::Limits;
use branchline_sip::{Message, Method, Name};

use super::pair::{A, B, GOOD, OFFER, Pair, contact, invitation};

fn settings(sessions_max: usize) -> AgentSettings {
    AgentSettings {
        sessions_max,
        limits: Limits {
            is_priority: |request: &Message| {
                *request.method() == Method::Invite && request.request_uri().starts_with("sip:112@")
            },
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
    match pair.event(B) {
        Some(AgentEvent::Invite { key, flow, request }) => {
            let invite = IncomingInvite {
                key,
                flow,
                next_hop: NextHop::Flow,
                request,
                local_contact: contact(B),
            };
            pair.agents[B].accept_invite(pair.now, invite).is_ok()
        }
        other => panic!("no INVITE but {other:?}"),
    }
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
