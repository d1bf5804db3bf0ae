//! What the view and the record say of a call that changed hands.

use std::time::Duration;

use branchline_sip::agent::{Answer, Headers, Referral, SessionId};

use crate::office::{Office, moment, sdp};

/// A call that is up: the session of each side.
fn up(office: &mut Office, (from, to): (usize, usize)) -> (SessionId, SessionId) {
    let number = office.phones[to].number;
    let caller = office.call(from, number);
    let (callee, _) = office.accept(to);
    let answer = Answer {
        body: Some(sdp(office.phones[to].address, "sendrecv")),
        headers: Headers::new(),
    };
    let now = office.now;
    office.phones[to].agent.answer(now, callee, answer);
    office.run();
    (caller, callee)
}

#[test]
fn an_attended_transfer_leaves_the_moved_party_in_the_view_and_the_record() {
    // Who arranges the transfer called the third phone, or was called by it.
    for (called, view) in [(true, "203"), (false, "201")] {
        let mut office = Office::new();
        for phone in 0..3 {
            assert_eq!(office.register(phone), 200);
        }
        let (moved, first) = up(&mut office, (0, 1));
        office.wait(Duration::from_secs(1));
        let second = if called {
            up(&mut office, (1, 2)).0
        } else {
            up(&mut office, (2, 1)).1
        };
        let consultation = office.phones[1].agent.session(second).unwrap();
        let refer_to = format!(
            "<{}?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>",
            consultation.remote_target,
            consultation.call_id.replace('@', "%40"),
            consultation.remote_tag,
            consultation.local_tag_text()
        );
        let now = office.now;
        let referral = Referral {
            refer_to,
            referred_by: None,
        };
        office.phones[1].agent.refer(now, first, &referral);
        office.run();
        let calls = office.branch.view(moment(office.base, office.now)).calls;
        let joined = calls.iter().find(|call| call.state == "up").unwrap();
        assert_eq!(joined.connected_to, view, "called: {called}");
        let caller = joined.from.clone();
        office.phones[0].agent.hang_up(now, moved, None);
        office.wait(Duration::from_secs(60));
        let records = office.records();
        let last = records.iter().find(|record| record.from.dialled == caller).unwrap();
        let mut extensions = last.extensions.clone();
        extensions.sort();
        assert_eq!(extensions, ["201", "202", "203"], "called: {called}");
        assert_eq!(last.transfers.len(), 1);
    }
}
