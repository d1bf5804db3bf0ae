//! A peer that asks for credentials, before and inside the dialog (RFC 3261 section 22).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use branchline_sip::agent::{
    AgentEvent, Body, Finality, Headers, InDialogRequest, Referral, SessionEvent, SessionId, TransferProgress, Verdict,
};
use branchline_sip::digest::{
    Account, Algorithm, Answerer, Asker, Challenger, ChallengerConfig, Ha1, Stale, Verdict as Proof,
};
use branchline_sip::{Builder, Message, Method, Name};

use super::pair::OFFER;
use super::solo::Solo;

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The peer: a server and the proxy before it.
struct Trunk {
    solo: Solo,
    server: Challenger,
    proxy: Challenger,
}

fn challenger(solo: &Solo, asker: Asker) -> Challenger {
    let config = ChallengerConfig {
        realm: "trunk".into(),
        asker,
        algorithms: vec![Algorithm::Md5],
        nonce_lifetime: Duration::from_secs(300),
        nonces_max: 100,
    };
    Challenger::new(config, solo.now, [1; 32])
}

fn account(password: &str) -> Answerer {
    let account = Account::with_password("box", password);
    Answerer::new(account, [2; 32])
}

impl Trunk {
    fn new() -> Trunk {
        let solo = Solo::new();
        let (server, proxy) = (challenger(&solo, Asker::Server), challenger(&solo, Asker::Proxy));
        Trunk { solo, server, proxy }
    }

    fn call(&mut self, password: &str) -> (SessionId, Message) {
        let (id, invite) = self.solo.call();
        self.solo.agent.set_account(id, account(password));
        (id, invite)
    }

    fn side(&mut self, status: u16) -> &mut Challenger {
        match status {
            401 => &mut self.server,
            _ => &mut self.proxy,
        }
    }

    /// Challenges a request and gives what comes then.
    fn challenge(&mut self, request: &Message, status: u16, stale: Stale) -> Vec<Message> {
        let now = self.solo.now;
        let response = Builder::response_with_tag(request, status, "one");
        let response = self.side(status).challenge(now, SOURCE, stale, response).finish();
        self.solo.sent.clear();
        self.solo.take(response);
        let acks = |message: &Message| *message.method() != Method::Ack;
        self.solo.sent.drain(..).filter(acks).collect()
    }

    fn proves(&mut self, request: &Message, status: u16) -> bool {
        let now = self.solo.now;
        let known = |name: &str| (name == "box").then(|| Ha1::of("box", "trunk", "secret"));
        matches!(self.side(status).verify(now, SOURCE, request, known), Proof::Ok { .. })
    }

    /// Challenges a request, checks that it comes again with credentials and the next number, and gives it.
    fn insist(&mut self, request: &Message, status: u16) -> Message {
        let again = self.challenge(request, status, Stale::No);
        assert_eq!(again.len(), 1, "{} after {status}: {again:?}", request.method());
        let again = again.into_iter().next().unwrap();
        assert_eq!(again.method(), request.method());
        assert_eq!(again.cseq(), request.cseq() + 1, "{}", request.method());
        assert_eq!(again.body(), request.body());
        assert!(self.proves(&again, status), "{again:?}");
        again
    }

    /// An answered call that nobody challenged.
    fn talk(&mut self) -> (SessionId, Message) {
        let (id, invite) = self.call("secret");
        self.solo.reply(&invite, 200, "one");
        assert_eq!(self.solo.words(), ["Answered"]);
        self.solo.sent.clear();
        (id, invite)
    }
}

fn credentials(message: &Message) -> [Option<String>; 2] {
    [Name::Authorization, Name::ProxyAuthorization].map(|name| message.text(name).map(|text| text.into_owned()))
}

#[test]
fn a_call_proves_its_account_to_proxy_and_server_and_so_does_its_ack() {
    let mut trunk = Trunk::new();
    let (_, invite) = trunk.call("secret");
    let invite = trunk.insist(&invite, 407);
    let invite = trunk.insist(&invite, 401);
    assert!(credentials(&invite).iter().all(Option::is_some));
    trunk.solo.reply(&invite, 200, "one");
    assert_eq!(trunk.solo.words(), ["Answered"]);
    let ack = trunk.solo.sent.pop().unwrap();
    assert_eq!((ack.method(), ack.cseq()), (&Method::Ack, invite.cseq()));
    assert_eq!(credentials(&ack), credentials(&invite));
    // Another branch of the fork that answers as well is acknowledged in the same way.
    trunk.solo.sent.clear();
    trunk.solo.reply(&invite, 200, "two");
    assert_eq!(credentials(&trunk.solo.sent[0]), credentials(&invite));
}

#[test]
fn credentials_that_the_caller_gave_stand_in_the_ack_too() {
    let mut solo = Solo::new();
    let (id, invite) = solo.call();
    solo.take(Builder::response_with_tag(&invite, 401, "x").finish());
    assert_eq!(solo.words(), ["Challenged"]);
    let given = Headers::new().with(Name::Authorization, "Digest username=\"a\"");
    solo.agent.retry_invite(solo.now, id, given);
    solo.collect();
    let invite = solo.sent.pop().unwrap();
    solo.reply(&invite, 200, "one");
    let ack = solo.sent.pop().unwrap();
    assert_eq!(ack.method(), &Method::Ack);
    assert_eq!(ack.text(Name::Authorization).as_deref(), Some("Digest username=\"a\""));
}

#[test]
fn a_wrong_password_is_tried_once_and_a_stale_nonce_is_not_a_wrong_password() {
    for (stale, goes_on) in [(Stale::No, false), (Stale::Yes, true)] {
        let mut trunk = Trunk::new();
        let (_, invite) = trunk.call("secret");
        let again = trunk.challenge(&invite, 401, Stale::No).pop().unwrap();
        let third = trunk.challenge(&again, 401, stale);
        assert_eq!(third.len(), usize::from(goes_on));
        let words: &[&str] = if goes_on { &[] } else { &["Refused 401"] };
        assert_eq!(trunk.solo.words(), words);
    }
}

#[test]
fn a_peer_that_only_ever_says_stale_is_left() {
    let mut trunk = Trunk::new();
    let (_, mut invite) = trunk.call("secret");
    for _ in 0..10 {
        match trunk.challenge(&invite, 401, Stale::Yes).pop() {
            Some(again) => invite = again,
            None => break,
        }
    }
    assert_eq!(trunk.solo.words(), ["Refused 401"]);
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    Offer,
    Info,
    Refer,
    HangUp,
}

/// Lets the agent send a request in the dialog, and gives it.
fn send(trunk: &mut Trunk, id: SessionId, ask: Ask) -> Message {
    let (now, agent) = (trunk.solo.now, &mut trunk.solo.agent);
    match ask {
        Ask::Offer => agent.reoffer(now, id, Some(Body::sdp(OFFER))),
        Ask::HangUp => agent.hang_up(now, id, Some("Q.850;cause=16")),
        Ask::Refer => {
            let referral = Referral {
                refer_to: "<sip:carol@192.0.2.3>".into(),
                referred_by: None,
            };
            agent.refer(now, id, &referral);
        }
        Ask::Info => {
            let request = InDialogRequest {
                method: Method::Info,
                headers: Headers::new(),
                body: Some(Body::sdp(OFFER)),
            };
            agent.send_in_dialog(now, id, &request).unwrap();
        }
    }
    trunk.solo.collect();
    trunk.solo.sent.pop().unwrap()
}

#[test]
fn a_challenged_request_inside_the_dialog_goes_through_and_the_next_one_at_once() {
    for (ask, last) in [
        (Ask::Offer, "ReofferAnswered"),
        (Ask::Info, "InDialogAnswered 200"),
        (Ask::Refer, "ReferProgress 200 false"),
        (Ask::HangUp, "Ended ByBox"),
    ] {
        for status in [401, 407] {
            let mut trunk = Trunk::new();
            let (id, _) = trunk.talk();
            let first = send(&mut trunk, id, ask);
            assert_eq!(credentials(&first), [None, None]);
            let again = trunk.insist(&first, status);
            assert!(trunk.solo.words().is_empty(), "{ask:?}");
            trunk.solo.reply(&again, 200, "one");
            assert_eq!(trunk.solo.words(), [last]);
            if ask == Ask::Offer {
                let ack = trunk.solo.sent.pop().unwrap();
                assert_eq!((ack.method(), ack.cseq()), (&Method::Ack, again.cseq()));
                assert_eq!(credentials(&ack), credentials(&again));
            }
            if ask == Ask::HangUp {
                continue;
            }
            let next = send(&mut trunk, id, Ask::Info);
            assert!(trunk.proves(&next, status), "{next:?}");
        }
    }
}

#[test]
fn a_request_that_is_challenged_again_is_refused() {
    let mut trunk = Trunk::new();
    let (id, _) = trunk.talk();
    let first = send(&mut trunk, id, Ask::Offer);
    let again = trunk.insist(&first, 401);
    assert!(trunk.challenge(&again, 401, Stale::No).is_empty());
    assert_eq!(trunk.solo.words(), ["ReofferRefused 401"]);
    // Without an account the first challenge is the answer.
    let (id, invite) = trunk.solo.call();
    trunk.solo.reply(&invite, 200, "one");
    let info = send(&mut trunk, id, Ask::Info);
    assert!(trunk.challenge(&info, 401, Stale::No).is_empty());
    assert_eq!(trunk.solo.words(), ["Answered", "InDialogAnswered 401"]);
}

#[test]
fn the_answer_to_a_repeated_request_names_the_transaction_that_the_caller_knows() {
    let mut trunk = Trunk::new();
    let (id, _) = trunk.talk();
    let info = InDialogRequest {
        method: Method::Info,
        headers: Headers::new(),
        body: None,
    };
    let known = trunk.solo.agent.send_in_dialog(trunk.solo.now, id, &info).unwrap();
    trunk.solo.collect();
    let first = trunk.solo.sent.pop().unwrap();
    let again = trunk.insist(&first, 407);
    trunk.solo.reply(&again, 200, "one");
    match trunk.solo.agent.poll_event() {
        Some(AgentEvent::Session {
            event: SessionEvent::InDialogAnswered { key, .. },
            ..
        }) => assert_eq!(key, known),
        other => panic!("no answer but {other:?}"),
    }
}

#[test]
fn prack_and_update_of_an_early_dialog_are_repeated_with_credentials() {
    let mut trunk = Trunk::new();
    let (id, invite) = trunk.call("secret");
    let ringing = Builder::response_with_tag(&invite, 183, "one")
        .header(Name::Contact, "<sip:one@192.0.2.2>")
        .header(Name::Require, "100rel")
        .header(Name::RSeq, 7)
        .header(Name::Allow, "UPDATE")
        .body("application/sdp", OFFER)
        .finish();
    trunk.solo.take(ringing);
    let prack = trunk.solo.sent.pop().unwrap();
    assert_eq!(prack.method(), &Method::Prack);
    let prack = trunk.insist(&prack, 407);
    trunk.solo.take(Builder::response(&prack, 200).finish());
    let (now, agent) = (trunk.solo.now, &mut trunk.solo.agent);
    agent.reoffer(now, id, Some(Body::sdp(OFFER)));
    trunk.solo.collect();
    let update = trunk.solo.sent.pop().unwrap();
    assert_eq!(update.method(), &Method::Update);
    assert!(trunk.proves(&update, 407));
    let update = trunk.insist(&update, 401);
    trunk.solo.words();
    trunk.solo.reply(&update, 200, "one");
    assert_eq!(trunk.solo.words(), ["ReofferAnswered"]);
    trunk.solo.agent.hang_up(now, id, None);
}

#[test]
fn a_report_on_a_transfer_is_repeated_and_the_next_one_follows() {
    let mut trunk = Trunk::new();
    let (id, invite) = trunk.talk();
    let to = format!("<sip:alice@192.0.2.1>;tag={}", invite.from_tag().unwrap());
    let refer = trunk
        .solo
        .request("REFER", &to, 1)
        .header(Name::CallId, invite.call_id())
        .header(Name::ReferTo, "<sip:carol@192.0.2.3>")
        .finish();
    trunk.solo.take(refer);
    let Some(AgentEvent::Session {
        event: SessionEvent::Refer { key, .. },
        ..
    }) = trunk.solo.agent.poll_event()
    else {
        panic!("no REFER")
    };
    let now = trunk.solo.now;
    trunk.solo.agent.answer_refer(now, id, key, Verdict::Accept);
    let done = TransferProgress {
        status: 200,
        finality: Finality::Final,
    };
    trunk.solo.agent.notify_refer(now, id, done);
    trunk.solo.collect();
    let notify = trunk.solo.sent.pop().unwrap();
    let notify = trunk.insist(&notify, 401);
    assert!(notify.body().starts_with(b"SIP/2.0 100"));
    trunk.solo.take(Builder::response(&notify, 200).finish());
    let last = trunk.solo.sent.pop().unwrap();
    assert!(last.body().starts_with(b"SIP/2.0 200"));
    assert!(trunk.proves(&last, 401));
}
