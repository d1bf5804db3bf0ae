//! Trunks and the provider's end of them.

use branchline_branch::Command;
use branchline_sip::Flow;
use branchline_sip::agent::{AgentEvent, Headers, Invitation, NextHop};
use branchline_sip::message::{Builder, Message, Method, Name};
use branchline_sip::transaction::ServerKey;

use crate::office::{BOX, Office, PROVIDER, configuration, moment, sdp};

const PROVIDER_AT: usize = 3;

/// Two accounts at one provider, each for one extension.
const TWO: &str = "[[trunk]]\nname = \"sales\"\nhost = \"sip.example.net\"\nusername = \"alpha\"\npassword = \"secret\"\n\
    default_to = \"201\"\n[[trunk]]\nname = \"support\"\nhost = \"sip.example.net\"\nusername = \"beta\"\npassword = \"secret\"\n\
    default_to = \"202\"\ninbound = [{ number = \"+4930555\", to = \"202\" }]\n";

/// The REGISTERs that came to the provider: user and interval.
fn registers(office: &mut Office) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    loop {
        office.run();
        let asked: Vec<(ServerKey, Message)> = std::mem::take(&mut office.phones[PROVIDER_AT].events)
            .into_iter()
            .filter_map(|event| match event {
                AgentEvent::Request { key, request, .. } => Some((key, request)),
                _other => None,
            })
            .collect();
        if asked.is_empty() {
            return found;
        }
        for (key, request) in asked {
            let mut answer = Builder::response_with_tag(&request, 200, "p");
            if *request.method() == Method::Register {
                let user = request.to().uri().unwrap().user_unescaped().into_owned();
                let expires_s = request.number(Name::Expires).unwrap();
                found.push((user, expires_s));
                answer = answer.header(Name::Expires, expires_s);
            }
            let now = office.now;
            office.phones[PROVIDER_AT].agent.respond(now, key, answer.finish());
        }
    }
}

#[test]
fn a_call_from_a_provider_with_two_accounts_belongs_to_the_one_that_was_dialled() {
    let mut office = Office::with(TWO);
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    registers(&mut office);
    for (dialled, extension) in [("alpha", 0), ("beta", 1), ("4930555", 1), ("unheard", 0)] {
        let now = office.now;
        let provider = &mut office.phones[PROVIDER_AT];
        let invitation = Invitation {
            flow: Flow::udp(provider.address, BOX.parse().unwrap()),
            next_hop: NextHop::Flow,
            request_uri: format!("sip:{dialled}@192.0.2.1"),
            from: "<sip:+493012345@sip.example.net>".to_owned(),
            to: format!("<sip:{dialled}@192.0.2.1>"),
            contact: format!("<sip:provider@{PROVIDER}>"),
            route: Vec::new(),
            max_forwards: 70,
            headers: Headers::new(),
            body: Some(sdp(provider.address, "sendrecv")),
            attachment: None,
            ring_max: None,
        };
        let call = provider.agent.invite(now, invitation).unwrap();
        office.accept(extension);
        office.phones[PROVIDER_AT].agent.hang_up(now, call, None);
        office.wait(std::time::Duration::from_secs(5));
    }
}

#[test]
fn a_trunk_that_is_taken_out_is_unregistered_and_one_that_stays_is_left_in_peace() {
    let mut office = Office::with(TWO);
    let mut first = registers(&mut office);
    first.sort();
    assert_eq!(first, [("alpha".to_owned(), 600), ("beta".to_owned(), 600)]);
    let (one, _) = TWO.rsplit_once("[[trunk]]").unwrap();
    let at = moment(office.base, office.now);
    office
        .branch
        .handle_command(at, Command::Configure(Box::new(configuration(one))));
    assert_eq!(registers(&mut office), [("beta".to_owned(), 0)]);
    assert!(registers(&mut office).is_empty());
}

#[test]
fn requests_out_of_the_blue_are_shed_when_they_are_too_many_but_not_those_of_a_trunk() {
    let mut office = Office::with(TWO);
    registers(&mut office);
    for (from, all_answered) in [(0, false), (PROVIDER_AT, true)] {
        let mut statuses = Vec::new();
        for number in 0..3000 {
            let flow = Flow::udp(office.phones[from].address, BOX.parse().unwrap());
            let options = Builder::request(&Method::Options, "sip:192.0.2.1")
                .header(Name::MaxForwards, 70)
                .header(Name::From, "<sip:x@192.0.2.1>;tag=o")
                .header(Name::To, "<sip:192.0.2.1>")
                .header(Name::CallId, format_args!("options-{from}-{number}"))
                .header(Name::CSeq, "1 OPTIONS");
            let now = office.now;
            office.phones[from].agent.request(now, flow, options).unwrap();
            statuses.push(office.response(from).status());
        }
        assert_eq!(statuses[0], 200);
        assert_eq!(statuses.iter().all(|status| *status == 200), all_answered);
        assert!(statuses.iter().all(|status| matches!(status, 200 | 503)));
    }
}
