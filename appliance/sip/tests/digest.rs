//! Both sides of digest authentication against each other, and against wrong and repeated answers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use branchline_sip::digest::{
    Account, Algorithm, AnswerRefused, Answerer, Asker, Challenger, ChallengerConfig, Ha1, Minter, Stale, Verdict,
};
use branchline_sip::{Builder, Message, Method, Name};
use bytes::Bytes;

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
fn start() -> Instant {
    Instant::now()
}

fn challenger(epoch: Instant, asker: Asker) -> Challenger {
    Challenger::new(config(asker), epoch, [1; 32])
}

fn config(asker: Asker) -> ChallengerConfig {
    ChallengerConfig {
        realm: "branch".into(),
        asker,
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        nonce_lifetime: Duration::from_secs(300),
        nonces_max: 100,
    }
}

fn answerer(username: &str, password: &str) -> Answerer {
    Answerer::new(Account::with_password(username, password), [2; 32])
}

fn register(uri: &str) -> Builder {
    Builder::request(&Method::Register, uri)
        .header(Name::Via, "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1")
        .header(Name::From, "<sip:201@branch>;tag=1")
        .header(Name::To, "<sip:201@branch>")
        .header(Name::CallId, "c")
        .header(Name::CSeq, "1 REGISTER")
}

fn lookup(username: &str) -> Option<Ha1> {
    (username == "201").then(|| Ha1::of("201", "branch", "secret"))
}

fn challenge(challenger: &mut Challenger, now: Instant) -> Message {
    let request = register("sip:branch").finish();
    challenger
        .challenge(now, SOURCE, Stale::No, Builder::response(&request, challenger.status()))
        .try_finish()
        .unwrap()
}

fn ok() -> Verdict {
    Verdict::Ok { username: "201".into() }
}

#[test]
fn a_phone_with_the_right_password_gets_in_and_keeps_its_nonce() {
    for asker in [Asker::Server, Asker::Proxy] {
        let now = start();
        let (mut server, mut phone) = (challenger(now, asker), answerer("201", "secret"));
        assert_eq!(
            server.verify(now, SOURCE, &register("sip:branch").finish(), lookup),
            Verdict::Challenge { stale: Stale::No }
        );
        phone.handle_challenge(&challenge(&mut server, now)).unwrap();
        for _ in 0..300 {
            let request = phone.authorize(register("sip:branch")).try_finish().unwrap();
            assert_eq!(server.verify(now, SOURCE, &request, lookup), ok());
            assert_eq!(
                server.verify(now, SOURCE, &request, lookup),
                Verdict::Challenge { stale: Stale::Yes },
                "a replay"
            );
        }
    }
}

#[test]
fn two_challenges_are_sent_strongest_first_and_the_strongest_is_answered() {
    let now = start();
    let mut server = challenger(now, Asker::Server);
    let response = challenge(&mut server, now);
    let algorithms: Vec<_> = response
        .authentications(Name::WwwAuthenticate)
        .map(|value| value.get("algorithm").unwrap().into_owned())
        .collect();
    assert_eq!(algorithms, ["SHA-256", "MD5"]);
    let mut phone = answerer("201", "secret");
    phone.handle_challenge(&response).unwrap();
    let request = phone.authorize(register("sip:branch")).finish();
    assert_eq!(
        request
            .authentications(Name::Authorization)
            .next()
            .unwrap()
            .get("algorithm")
            .unwrap(),
        "SHA-256"
    );
}

#[test]
fn wrong_password_and_unknown_user_look_the_same() {
    let now = start();
    for (username, password) in [("201", "wrong"), ("999", "secret"), ("", "")] {
        let (mut server, mut phone) = (challenger(now, Asker::Server), answerer(username, password));
        phone.handle_challenge(&challenge(&mut server, now)).unwrap();
        let request = phone.authorize(register("sip:branch")).finish();
        let mut other = Challenger::new(config(Asker::Server), now, [8; 32]);
        for (server, nonce) in [(&mut server, Minter::Ours), (&mut other, Minter::Foreign)] {
            assert_eq!(
                server.verify(now, SOURCE, &request, lookup),
                Verdict::Denied {
                    username: username.into(),
                    nonce
                }
            );
        }
    }
}

#[test]
fn an_old_nonce_is_stale_and_one_of_a_former_life_too() {
    let now = start();
    let (mut server, mut phone) = (challenger(now, Asker::Server), answerer("201", "secret"));
    phone.handle_challenge(&challenge(&mut server, now)).unwrap();
    let later = now + Duration::from_secs(301);
    let request = phone.authorize(register("sip:branch")).finish();
    assert_eq!(
        server.verify(later, SOURCE, &request, lookup),
        Verdict::Challenge { stale: Stale::Yes }
    );
    let mut reborn = Challenger::new(
        ChallengerConfig {
            realm: "branch".into(),
            asker: Asker::Server,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(9),
            nonces_max: 1,
        },
        now,
        [9; 32],
    );
    assert_eq!(
        reborn.verify(now, SOURCE, &request, lookup),
        Verdict::Challenge { stale: Stale::Yes }
    );
}

#[test]
fn only_who_answers_a_fresh_challenge_of_its_own_is_known_to_have_heard_it() {
    let now = start();
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    for (password, after_s, source, expected) in [
        ("wrong", 0, SOURCE, Err(Minter::Ours)),
        ("wrong", 0, elsewhere, Err(Minter::Foreign)),
        ("wrong", 301, SOURCE, Err(Minter::Foreign)),
        ("secret", 0, SOURCE, Ok(ok())),
        ("secret", 0, elsewhere, Ok(Verdict::Challenge { stale: Stale::Yes })),
    ] {
        let (mut server, mut phone) = (challenger(now, Asker::Server), answerer("201", password));
        phone.handle_challenge(&challenge(&mut server, now)).unwrap();
        let request = phone.authorize(register("sip:branch")).finish();
        let expected = expected.unwrap_or_else(|nonce| Verdict::Denied {
            username: "201".into(),
            nonce,
        });
        let verdict = server.verify(now + Duration::from_secs(after_s), source, &request, lookup);
        assert_eq!(verdict, expected, "{password} {after_s} {source}");
    }
}

#[test]
fn credentials_for_one_callee_do_not_serve_for_another() {
    let now = start();
    let (mut server, mut phone) = (challenger(now, Asker::Server), answerer("201", "secret"));
    phone.handle_challenge(&challenge(&mut server, now)).unwrap();
    let signed = phone.authorize(register("sip:300@branch")).finish();
    let text = String::from_utf8(signed.bytes().to_vec()).unwrap();
    for (uri, expected) in [
        (
            "sip:911@branch",
            Verdict::Denied {
                username: "201".into(),
                nonce: Minter::Ours,
            },
        ),
        ("sip:300@10.0.0.1:5060", ok()),
    ] {
        let moved = text.replacen("REGISTER sip:300@branch ", &format!("REGISTER {uri} "), 1);
        assert_eq!(
            server.verify(now, SOURCE, &Message::parse(Bytes::from(moved)).unwrap(), lookup),
            expected,
            "{uri}"
        );
    }
}

#[test]
fn an_old_phone_without_qop_is_let_in_once_a_nonce() {
    let now = start();
    let (mut server, mut phone) = (challenger(now, Asker::Server), answerer("201", "secret"));
    let text = String::from_utf8(challenge(&mut server, now).bytes().to_vec()).unwrap();
    let legacy: String = text
        .replace(", qop=\"auth\"", "")
        .lines()
        .filter(|line| !line.contains("SHA-256"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    phone
        .handle_challenge(&Message::parse(Bytes::from(legacy)).unwrap())
        .unwrap();
    let request = phone.authorize(register("sip:branch")).finish();
    assert_eq!(server.verify(now, SOURCE, &request, lookup), ok());
    assert_eq!(
        server.verify(now, SOURCE, &request, lookup),
        Verdict::Challenge { stale: Stale::Yes }
    );
}

#[test]
fn a_trunk_that_keeps_asking_is_given_up() {
    let now = start();
    let (mut server, mut phone) = (challenger(now, Asker::Server), answerer("201", "secret"));
    phone.handle_challenge(&challenge(&mut server, now)).unwrap();
    let _ = phone.authorize(register("sip:branch"));
    phone.handle_challenge(&challenge(&mut server, now)).unwrap();
    let _ = phone.authorize(register("sip:branch"));
    assert_eq!(
        phone.handle_challenge(&challenge(&mut server, now)),
        Err(AnswerRefused::NotAccepted)
    );
}
