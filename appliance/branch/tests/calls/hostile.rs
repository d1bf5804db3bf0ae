//! What a phone in a call can send: bodies in parts, transfers and reports, cut short and with bytes changed.

use std::time::Duration;

use branchline_sip::Flow;
use branchline_sip::agent::SessionId;
use bytes::Bytes;

use crate::office::{BOX, Office, PROVIDER, moment};

/// Requests inside the caller's dialog, each over one of the readers of bodies and embedded headers.
fn requests(office: &Office, session: SessionId) -> Vec<String> {
    let phone = &office.phones[0];
    let view = phone.agent.session(session).unwrap();
    let (own, boxs, call_id) = (view.local_tag_text(), view.remote_tag, view.call_id);
    let request = |method: &str, cseq: u32, rest: &str| {
        format!(
            "{method} sip:202@{BOX} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{method}{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:201@192.0.2.1>;tag={own}\r\nTo: <sip:202@192.0.2.1>;tag={boxs}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:201@{}>\r\n{rest}",
            phone.address, phone.address
        )
    };
    let parts = "Content-Type: multipart/mixed;boundary=\"b\"\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\
                 o=- 1 2 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n--b--\r\n";
    let refer = "Refer-To: <sip:203@192.0.2.1?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=x>\r\n\r\n";
    let report = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n\r\n\
                  SIP/2.0 200 OK\r\n";
    vec![
        request("INVITE", 100, parts),
        request("REFER", 200, refer),
        request("NOTIFY", 300, report),
        request("INFO", 400, "Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\n"),
    ]
}

fn send(office: &mut Office, bytes: &[u8]) {
    let flow = Flow::udp(BOX.parse().unwrap(), office.phones[0].address);
    let at = moment(office.base, office.now);
    office.branch.handle_message(at, flow, Bytes::copy_from_slice(bytes));
    office.run();
    for phone in &mut office.phones {
        phone.events.clear();
    }
}

#[test]
fn requests_in_a_call_that_are_cut_or_changed_break_nothing() {
    for kind in 0..4 {
        let mut office = Office::new();
        assert_eq!((office.register(0), office.register(1)), (200, 200));
        let (caller, _) = office.talk(0, 1);
        let request = requests(&office, caller).swap_remove(kind).into_bytes();
        for end in 0..request.len() {
            send(&mut office, &request[..end]);
        }
        for at in 0..request.len() {
            for byte in [0, b'\n', b';', b'%', b'-', 0xff] {
                let mut changed = request.clone();
                changed[at] = byte;
                send(&mut office, &changed);
            }
        }
        send(&mut office, &request);
        office.wait(std::time::Duration::from_secs(400));
        assert!(office.view().calls.len() <= 1, "request {kind}");
        office.call(0, "202");
        office.accept(1);
    }
}

#[test]
fn datagrams_that_anybody_can_forge_do_not_keep_a_dead_hosted_pbx_alive() {
    let options = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:x@x>;tag=1\r\n\
                   To: <sip:x@x>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let answer = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:x@x>;tag=2\r\n\
                  Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    for forged in ["x", options, answer] {
        let mut office = Office::with("[hosted]\nhost = \"pbx.example.net\"\n");
        office.run();
        let deadline = office.now + Duration::from_secs(60);
        while office.view().hosted.unwrap().mode != "survival" {
            assert!(office.now < deadline, "{forged}");
            let flow = Flow::udp(BOX.parse().unwrap(), PROVIDER.parse().unwrap());
            let at = moment(office.base, office.now);
            office
                .branch
                .handle_message(at, flow, Bytes::copy_from_slice(forged.as_bytes()));
            office.wait(Duration::from_millis(50));
        }
    }
}
