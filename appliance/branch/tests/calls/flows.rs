//! A phone with several flows (RFC 5626): one rings, the next is for when that one is dead.

use branchline_sip::agent::{AgentEvent, SessionEvent};
use branchline_sip::message::{Builder, Message, Name};

use crate::office::Office;

fn two_flows() -> Office {
    let mut office = Office::new();
    assert_eq!(office.register(0), 200);
    for (reg_id, edge) in [(1, "<sip:edge-one.example.net;lr;ob>"), (2, "<sip:edge-two.net;lr;ob>")] {
        let params = format!(";+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\";reg-id={reg_id}");
        assert_eq!(office.register_by(1, (&params, Some(edge))), 200);
    }
    let at = crate::office::moment(office.base, office.now);
    assert_eq!(office.branch.view(at).phones[1].contacts.len(), 2);
    office
}

/// Refuses the INVITEs that came, all with one status; gives back their routes.
fn refuse(office: &mut Office, status: u16) -> Vec<String> {
    office.run();
    let now = office.now;
    let phone = &mut office.phones[1];
    let mut routes = Vec::new();
    while let Some(event) = phone.events.pop_front() {
        if let AgentEvent::Invite { key, request, .. } = event {
            routes.push(route(&request));
            let refusal = Builder::response_with_tag(&request, status, "x").finish();
            phone.agent.respond(now, key, refusal);
        }
    }
    routes
}

fn route(request: &Message) -> String {
    request.text(Name::Route).unwrap_or_default().into_owned()
}

#[test]
fn the_latest_flow_rings_alone_and_the_other_when_it_is_dead() {
    let mut office = two_flows();
    office.call(0, "202");
    assert_eq!(refuse(&mut office, 430), ["<sip:edge-two.net;lr;ob>"]);
    assert_eq!(refuse(&mut office, 486), ["<sip:edge-one.example.net;lr;ob>"]);
    let status = office.event(0, |event| match event {
        SessionEvent::Refused { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status, 486);
    office.wait(std::time::Duration::from_secs(60));
    assert_eq!(office.branch.residue(), Vec::new());
}

#[test]
fn a_phone_that_is_busy_is_not_rung_by_its_other_flow() {
    let mut office = two_flows();
    office.call(0, "202");
    assert_eq!(refuse(&mut office, 486).len(), 1);
    assert!(refuse(&mut office, 486).is_empty());
}
