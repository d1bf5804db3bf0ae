//! Trunks and the provider's end of them.

use std::net::SocketAddr;
use std::time::Duration;

use branchline_branch::Command;
use branchline_branch::FlowFault;
use branchline_sip::Flow;
use branchline_sip::agent::{AgentEvent, Headers, Invitation, NextHop, SessionEvent};
use branchline_sip::message::{Builder, Message, Method, Name};
use branchline_sip::transaction::ServerKey;

use crate::office::{BOX, Office, PROVIDER, configuration, moment, sdp};

const PROVIDER_AT: usize = 3;

/// Two accounts at one provider, each for one extension.
const TWO: &str = "[[trunk]]\nname = \"sales\"\nhost = \"sip.example.net\"\nusername = \"alpha\"\npassword = \"secret\"\n\
    default_to = \"201\"\n[[trunk]]\nname = \"support\"\nhost = \"sip.example.net\"\nusername = \"beta\"\npassword = \"secret\"\n\
    default_to = \"202\"\ninbound = [{ number = \"+4930555\", to = \"202\" }]\n";

/// A call from the provider.
fn from_provider(provider: SocketAddr, (dialled, from): (&str, &str)) -> Invitation {
    Invitation {
        flow: Flow::udp(provider, BOX.parse().unwrap()),
        next_hop: NextHop::Flow,
        request_uri: format!("sip:{dialled}@192.0.2.1"),
        from: from.to_owned(),
        to: format!("<sip:{dialled}@192.0.2.1>"),
        contact: format!("<sip:provider@{PROVIDER}>"),
        route: Vec::new(),
        max_forwards: 70,
        headers: Headers::new(),
        body: Some(sdp(provider, "sendrecv")),
        attachment: None,
        ring_max: None,
    }
}

/// The requests that came to the provider and have no answer yet.
fn heard(office: &mut Office) -> Vec<(ServerKey, Message)> {
    office.run();
    std::mem::take(&mut office.phones[PROVIDER_AT].events)
        .into_iter()
        .filter_map(|event| match event {
            AgentEvent::Request { key, request, .. } => Some((key, request)),
            _other => None,
        })
        .collect()
}

/// The REGISTERs that came to the provider: user and interval.
fn registers(office: &mut Office) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    loop {
        let asked = heard(office);
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
        let invitation = from_provider(provider.address, (dialled, "<sip:+493012345@sip.example.net>"));
        let call = provider.agent.invite(now, invitation).unwrap();
        office.accept(extension);
        office.phones[PROVIDER_AT].agent.hang_up(now, call, None);
        office.wait(Duration::from_secs(5));
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
fn a_new_place_to_listen_waits_for_a_restart_in_what_trunks_and_the_hosted_pbx_are_told_as_well() {
    let elsewhere = "[sip]\nlisten = [\"udp:0.0.0.0:5099\"]\n";
    let hosted = "[hosted]\nhost = \"pbx.example.net\"\n";
    for (before, after) in [(TWO, TWO.replace("alpha", "gamma")), ("", hosted.to_owned())] {
        let mut office = Office::with(before);
        registers(&mut office);
        let at = moment(office.base, office.now);
        let changed = configuration(&format!("{after}{elsewhere}"));
        office.branch.handle_command(at, Command::Configure(Box::new(changed)));
        let heard = heard(&mut office);
        assert!(!heard.is_empty(), "{after}");
        for (_, request) in heard {
            let text = String::from_utf8_lossy(request.bytes()).into_owned();
            assert!(text.contains(&format!("SIP/2.0/UDP {BOX};")), "{text}");
            assert!(!text.contains("5099"), "{text}");
        }
    }
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
        let shed = statuses.iter().filter(|status| **status == 503).count();
        if from == 0 {
            assert_eq!(office.view().counters.requests_shed, shed as u64);
        }
        assert_eq!(statuses[0], 200);
        assert_eq!(statuses.iter().all(|status| *status == 200), all_answered);
        assert!(statuses.iter().all(|status| matches!(status, 200 | 503)));
    }
}

#[test]
fn a_trunk_is_looked_for_at_each_of_its_addresses_in_turn_until_one_answers() {
    let (one, _) = TWO.rsplit_once("[[trunk]]").unwrap();
    let mut office = Office::with(one);
    let addresses = ["198.51.100.7:5060", "198.51.100.8:5060", PROVIDER].map(|at| at.parse().unwrap());
    office.trunk_addresses = addresses.to_vec();
    for there in [addresses[2], addresses[1], addresses[0]] {
        office.phones[PROVIDER_AT].address = there;
        let deadline = office.now + Duration::from_secs(400);
        loop {
            registers(&mut office);
            let trunk = &office.view().trunks[0];
            if trunk.state == "up" && trunk.address == there.to_string() {
                break;
            }
            assert!(office.now < deadline, "{there} is not found: {trunk:?}");
            office.wait(Duration::from_secs(1));
        }
    }
}

#[test]
fn a_registrar_whose_connections_fail_is_asked_once_and_then_at_the_pace_of_retries() {
    let (one, _) = TWO.rsplit_once("[[trunk]]").unwrap();
    let mut office = Office::with(one);
    assert_eq!(registers(&mut office).len(), 1);
    let flow = Flow::udp(BOX.parse().unwrap(), PROVIDER.parse().unwrap());
    let mut asked = 0;
    for _ in 0..10 {
        let at = moment(office.base, office.now);
        office.branch.handle_flow_failed(at, flow, FlowFault::Broken);
        office.run();
        let events = std::mem::take(&mut office.phones[PROVIDER_AT].events);
        let is_register = |event: &AgentEvent| matches!(event, AgentEvent::Request { request, .. } if *request.method() == Method::Register);
        asked += events.iter().filter(|event| is_register(event)).count();
    }
    assert_eq!(asked, 1);
}

#[test]
fn callers_without_a_number_are_not_taken_for_one_whose_call_goes_round() {
    let round = "[[trunk]]\nname = \"provider\"\nhost = \"sip.example.net\"\nmode = \"address\"\ndefault_to = \"+4930999\"\n\
        max_calls = 50\n";
    for (from, refused) in [
        ("<sip:anonymous@anonymous.invalid>", 0),
        ("<sip:+493012345@sip.example.net>", 2),
    ] {
        let mut office = Office::with(round);
        registers(&mut office);
        for _ in 0..8 {
            let now = office.now;
            let provider = &mut office.phones[PROVIDER_AT];
            // Media ports are few.
            let invitation = Invitation {
                body: None,
                ..from_provider(provider.address, ("+4930555", from))
            };
            provider.agent.invite(now, invitation).unwrap();
            office.run();
        }
        let events = std::mem::take(&mut office.phones[PROVIDER_AT].events);
        let is_loop = |event: &AgentEvent| {
            matches!(
                event,
                AgentEvent::Session {
                    event: SessionEvent::Refused { status: 482, .. },
                    ..
                }
            )
        };
        assert_eq!(events.iter().filter(|event| is_loop(event)).count(), refused, "{from}");
    }
}

#[test]
fn a_trunk_does_not_say_how_urgently_a_phone_is_to_ring() {
    let (one, _) = TWO.rsplit_once("[[trunk]]").unwrap();
    let mut office = Office::with(one);
    assert_eq!(office.register(0), 200);
    registers(&mut office);
    let now = office.now;
    let provider = &mut office.phones[PROVIDER_AT];
    let invitation = Invitation {
        headers: Headers::new()
            .with(Name::Priority, "emergency")
            .with(Name::Subject, "lunch"),
        ..from_provider(provider.address, ("alpha", "<sip:+493012345@sip.example.net>"))
    };
    provider.agent.invite(now, invitation).unwrap();
    let (_, invite) = office.accept(0);
    assert_eq!(invite.request.text(Name::Priority), None);
    assert_eq!(invite.request.text(Name::Subject).as_deref(), Some("lunch"));
}

#[test]
fn a_hosted_pbx_whose_first_address_is_dead_is_found_at_the_next() {
    let mut office = Office::with("[hosted]\nhost = \"pbx.example.net\"\nprobe_s = 1\nsettle_s = 1\n");
    office.trunk_addresses = vec!["198.51.100.7:5060".parse().unwrap(), PROVIDER.parse().unwrap()];
    // The dead one has its chance first.
    let mode = |office: &Office| office.view().hosted.unwrap();
    office.wait(Duration::from_secs(1));
    assert_eq!(mode(&office).address, "198.51.100.7:5060");
    for _ in 0..40 {
        office.wait(Duration::from_millis(500));
        registers(&mut office);
    }
    let hosted = mode(&office);
    assert_eq!(
        (hosted.mode.as_str(), hosted.address.as_str()),
        ("online", PROVIDER),
        "{hosted:?}"
    );
    // Back and forth between the two it does not go.
    for _ in 0..40 {
        office.wait(Duration::from_millis(500));
        registers(&mut office);
    }
    assert_eq!(mode(&office).lost_total, 1);
}
