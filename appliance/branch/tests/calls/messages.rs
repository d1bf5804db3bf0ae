//! Instant messages between extensions.

use branchline_sip::Flow;
use branchline_sip::agent::AgentEvent;
use branchline_sip::digest::{Account, Answerer};
use branchline_sip::message::{Builder, Method, Name};

use crate::office::{BOX, Office};

#[test]
fn a_message_takes_the_path_of_the_registration_and_its_answer_comes_back() {
    let mut office = Office::new();
    assert_eq!(office.register(0), 200);
    assert_eq!(office.register_by(1, ("", Some("<sip:edge.example.net;lr>"))), 200);
    let flow = Flow::udp(office.phones[0].address, BOX.parse().unwrap());
    let message = |cseq: u32| {
        Builder::request(&Method::Message, "sip:202@192.0.2.1")
            .header(Name::MaxForwards, 70)
            .header(Name::From, "<sip:201@192.0.2.1>;tag=m")
            .header(Name::To, "<sip:202@192.0.2.1>")
            .header(Name::CallId, "message")
            .header(Name::CSeq, format_args!("{cseq} MESSAGE"))
            .body("text/plain", b"lunch?")
    };
    let now = office.now;
    office.phones[0].agent.request(now, flow, message(1)).unwrap();
    let account = Account::with_password("201".to_owned(), "secret".to_owned());
    let mut answerer = Answerer::new(account, [3; 32]);
    answerer.handle_challenge(&office.response(0)).unwrap();
    let signed = answerer.authorize(message(2));
    office.phones[0].agent.request(now, flow, signed).unwrap();
    office.run();
    let asked = office.phones[1].events.pop_back();
    let Some(AgentEvent::Request { key, request, .. }) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(request.body(), b"lunch?");
    assert_eq!(request.text(Name::Route).as_deref(), Some("<sip:edge.example.net;lr>"));
    assert_eq!(request.from().display.as_deref(), Some("Phone 201"));
    let answer = Builder::response_with_tag(&request, 200, "b").finish();
    office.phones[1].agent.respond(now, key, answer);
    assert_eq!(office.response(0).status(), 200);
    assert_eq!(
        office.branch.residue(),
        [("transactions", office.branch.residue()[0].1)]
    );
}
