//! One agent against a peer played by hand: forks, late answers, and requests that fit no dialog.

use std::time::Duration;

use branchline_sip::{Message, Name};
use bytes::Bytes;

use super::pair::{A, flow};
use super::solo::Solo;

#[test]
fn each_fork_is_told_apart_and_late_answers_are_hung_up() {
    let mut solo = Solo::new();
    let (id, invite) = solo.call();
    for tag in ["one", "two", "one"] {
        solo.reply(&invite, 180, tag);
    }
    let ringing = "Progress 180 body";
    assert_eq!(solo.words(), ["Trying", ringing, ringing, ringing]);
    solo.reply(&invite, 200, "two");
    solo.reply(&invite, 200, "one");
    solo.reply(&invite, 200, "three");
    assert_eq!(solo.words(), ["Answered"]);
    let expected = [
        "ACK sip:two@192.0.2.2",
        "ACK sip:one@192.0.2.2",
        "BYE sip:one@192.0.2.2",
        "ACK sip:three@192.0.2.2",
        "BYE sip:three@192.0.2.2",
    ];
    assert_eq!(solo.methods(), expected);
    for tag in ["one", "two", "three"] {
        solo.reply(&invite, 200, tag);
    }
    let repeated = [
        "ACK sip:one@192.0.2.2",
        "ACK sip:two@192.0.2.2",
        "ACK sip:three@192.0.2.2",
    ];
    assert_eq!(solo.methods(), repeated);
    assert_eq!(solo.agent.session(id).unwrap().remote_tag, "two");
}

#[test]
fn an_answer_after_the_end_is_acknowledged_and_hung_up() {
    let mut solo = Solo::new();
    let (_, invite) = solo.call();
    solo.now += Duration::from_secs(33);
    solo.agent.handle_timeout(solo.now);
    solo.collect();
    assert_eq!(solo.words(), ["Refused 408"]);
    solo.sent.clear();
    solo.reply(&invite, 200, "one");
    assert_eq!(solo.methods(), ["ACK sip:one@192.0.2.2", "BYE sip:one@192.0.2.2"]);
    assert!(solo.words().is_empty());
}

#[test]
fn requests_that_break_a_rule_of_the_dialog_get_its_status() {
    let mut solo = Solo::new();
    let (id, invite) = solo.call();
    solo.reply(&invite, 200, "one");
    solo.sent.clear();
    let call_id = invite.call_id().to_owned();
    let to = format!("<sip:alice@192.0.2.1>;tag={}", invite.from_tag().unwrap());
    let stranger = "<sip:alice@192.0.2.1>;tag=0123456789abcdef".to_owned();
    let cases = [
        ("INFO", &stranger, 1, None, "481"),
        ("OPTIONS", &to, 10, None, "200"),
        ("OPTIONS", &to, 9, None, "500"),
        ("MESSAGE", &to, 11, Some("teleport"), "420"),
        ("NOTIFY", &to, 12, None, "481"),
        ("PUBLISH", &to, 13, None, "405"),
        ("DANCE", &to, 14, None, "501"),
        ("SUBSCRIBE", &to, 15, None, "489"),
    ];
    for (method, to, cseq, require, status) in cases {
        let mut request = solo.request(method, to, cseq).header(Name::CallId, &call_id);
        if let Some(option) = require {
            request = request.header(Name::Require, option);
        }
        solo.take(request.finish());
        assert_eq!(solo.methods(), [status], "{method}");
    }
    assert!(solo.agent.session(id).is_some());
}

#[test]
fn requests_go_over_the_flow_that_the_peer_used_last() {
    let mut solo = Solo::new();
    let (id, invite) = solo.call();
    solo.reply(&invite, 200, "one");
    let to = format!("<sip:alice@192.0.2.1>;tag={}", invite.from_tag().unwrap());
    let request = solo
        .request("OPTIONS", &to, 1)
        .header(Name::CallId, invite.call_id())
        .finish();
    let moved = branchline_sip::Flow::udp(flow(A).local, "198.51.100.9:1024".parse().unwrap());
    solo.agent.handle_message(solo.now, moved, request);
    solo.collect();
    solo.agent.hang_up(solo.now, id, None);
    let bye = solo.agent.poll_transmit().unwrap();
    assert_eq!(bye.flow, moved);
    assert!(bye.bytes.starts_with(b"BYE sip:one@192.0.2.2"));
}

#[test]
fn nothing_that_arrives_for_a_dialog_is_believed_without_its_tags() {
    let mut solo = Solo::new();
    let (id, invite) = solo.call();
    solo.reply(&invite, 200, "one");
    solo.words();
    let to = format!("<sip:alice@192.0.2.1>;tag={}", invite.from_tag().unwrap());
    let other_call = solo.request("BYE", &to, 1).header(Name::CallId, "another").finish();
    let text = String::from_utf8(
        solo.request("BYE", &to, 2)
            .header(Name::CallId, invite.call_id())
            .finish()
            .bytes()
            .to_vec(),
    );
    let other_peer = Message::parse(Bytes::from(text.unwrap().replace("tag=one", "tag=two"))).unwrap();
    solo.sent.clear();
    solo.take(other_call);
    solo.take(other_peer);
    assert_eq!(solo.methods(), ["481", "481"]);
    assert!(solo.words().is_empty() && solo.agent.session(id).is_some());
}
