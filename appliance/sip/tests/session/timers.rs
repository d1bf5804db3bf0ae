//! Session timers (RFC 4028).

use branchline_sip::agent::AgentSettings;

use super::pair::{A, ANSWER, B, GOOD, OFFER, Pair, answer};

fn with_expires(expires_s: u32, min_se_s: u32) -> AgentSettings {
    AgentSettings {
        session_expires_s: expires_s,
        min_se_s,
        ..AgentSettings::default()
    }
}

#[test]
fn a_session_is_refreshed_by_update_and_lives_on() {
    let mut pair = Pair::with(GOOD, 1, [with_expires(120, 90), with_expires(120, 90)]);
    let (a, b) = pair.talk();
    pair.run_ms(600_000);
    assert!(pair.sent(A, "UPDATE") >= 8, "{}", pair.sent(A, "UPDATE"));
    assert!(pair.words(A).is_empty() && pair.words(B).is_empty());
    assert!(pair.agents[A].session(a).is_some() && pair.agents[B].session(b).is_some());
    pair.agents[A].hang_up(pair.now, a, None);
    pair.assert_quiet();
}

#[test]
fn a_session_whose_peer_is_gone_ends_on_both_sides() {
    let mut pair = Pair::with(GOOD, 1, [with_expires(120, 90), with_expires(120, 90)]);
    pair.talk();
    pair.network.loss_percent = 100;
    pair.run_ms(200_000);
    assert_eq!(
        (pair.words(A), pair.words(B)),
        (vec!["Ended Expired".to_owned()], vec!["Ended Expired".to_owned()])
    );
    pair.assert_quiet();
}

#[test]
fn too_brief_an_interval_is_raised_and_the_call_goes_through() {
    let mut pair = Pair::with(GOOD, 1, [with_expires(100, 90), with_expires(1_800, 300)]);
    let (a, b) = pair.ring(Some(OFFER));
    assert_eq!(pair.sent(B, "SIP/2.0 422"), 1);
    pair.agents[B].answer(pair.now, b, answer(ANSWER));
    pair.run_ms(50);
    assert_eq!(pair.words(A), ["Answered"]);
    assert!(
        pair.last_sent(B, "SIP/2.0 200")
            .contains("Session-Expires: 300;refresher=uac")
    );
    pair.agents[A].hang_up(pair.now, a, None);
    pair.assert_quiet();
}
