//! Calls for help whose telephones and operators do not write what they should.

use std::time::Duration;

use branchline_branch::{Command, Watched};
use branchline_journal::{CallRecord, Event, Outcome};
use branchline_sip::Flow;
use branchline_sip::agent::{Answer, Body, Headers, SessionId};
use bytes::Bytes;

use crate::office::{BOX, Office, PROVIDER, moment, sdp};

const PROVIDER_AT: usize = 3;
const PHONE: &str = "192.0.2.11:5060";
const TRUNK: &str = "[emergency]\n[[trunk]]\nname = \"a\"\nhost = \"192.0.2.9\"\nmode = \"address\"\n";
const IN_ORDER: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

fn invite(contact: &str, (kind, body): (&str, &str)) -> String {
    format!(
        "INVITE sip:112@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKodd\r\nMax-Forwards: 70\r\n\
         From: <sip:201@192.0.2.1>;tag=odd\r\nTo: <sip:112@192.0.2.1>\r\nCall-ID: odd\r\nCSeq: 1 INVITE\r\n{contact}\
         Content-Type: application/sdp\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

struct Help {
    office: Office,
    operator: SessionId,
}

impl Help {
    /// A registered telephone calls for help with this INVITE; the operator's end has it.
    fn called(request: &str) -> Help {
        let mut office = Office::with(TRUNK);
        assert_eq!(office.register(0), 200);
        let now = moment(office.base, office.now);
        office.branch.handle_command(now, Command::Trace(Watched::Yes));
        let flow = Flow::udp(BOX.parse().unwrap(), PHONE.parse().unwrap());
        office.branch.handle_message(now, flow, Bytes::from(request.to_owned()));
        let (operator, _) = office.accept(PROVIDER_AT);
        Help { office, operator }
    }

    fn answers(&mut self, body: Body) {
        let answer = Answer {
            body: Some(body),
            headers: Headers::new(),
        };
        self.office.phones[PROVIDER_AT]
            .agent
            .answer(self.office.now, self.operator, answer);
        self.office.run();
    }

    /// What went to an address, of this kind.
    fn sent(&self, (to, start): (&str, &str)) -> String {
        let sent = |line: &&branchline_branch::view::TraceLine| {
            !line.arrived && line.remote == to && line.text.starts_with(start)
        };
        let found = self.office.traced.iter().find(sent);
        found.unwrap_or_else(|| panic!("no {start} to {to}")).text.clone()
    }

    /// The operator hangs up.
    fn over(mut self) -> CallRecord {
        let now = self.office.now;
        self.office.phones[PROVIDER_AT].agent.hang_up(now, self.operator, None);
        self.office.wait(Duration::from_secs(1));
        let records = self.office.records();
        assert_eq!(records.len(), 1);
        records.into_iter().next().unwrap()
    }
}

#[test]
fn a_call_for_help_is_offered_sound_however_its_invite_is_written() {
    let contact = "Contact: <sip:201@192.0.2.11>\r\n";
    let without = |line: &str| IN_ORDER.replace(line, "");
    let cases = [
        (
            "no version",
            invite(contact, ("", &without("v=0\r\n"))),
            "RTP/AVP 8\r\n",
        ),
        (
            "a space in the name",
            invite(contact, ("", &IN_ORDER.replace("o=-", "o=desk phone"))),
            "RTP/AVP 8\r\n",
        ),
        (
            "words behind it",
            invite(contact, ("", &format!("{IN_ORDER}sent by desk\r\n"))),
            "RTP/AVP 8\r\n",
        ),
        (
            "compressed",
            invite(contact, ("Content-Encoding: gzip\r\n", "\u{1f}\u{8b}")),
            "RTP/AVP 0 8 101\r\n",
        ),
        ("no contact", invite("", ("", IN_ORDER)), "RTP/AVP 8\r\n"),
        (
            "a contact that is none",
            invite("Contact: <>\r\n", ("", IN_ORDER)),
            "RTP/AVP 8\r\n",
        ),
    ];
    for (name, request, formats) in cases {
        let mut help = Help::called(&request);
        let sent = help.sent((PROVIDER, "INVITE sip:112@"));
        assert!(sent.contains("m=audio") && sent.contains(formats), "{name}: {sent}");
        help.answers(sdp(PROVIDER.parse().unwrap(), "sendrecv"));
        let answer = help.sent((PHONE, "SIP/2.0 200"));
        assert!(answer.contains("m=audio"), "{name}: {answer}");
        let noted =
            |event: &Event| matches!(event, Event::EmergencyCall(call) if call.extension.as_deref() == Some("201"));
        assert!(help.office.journal.iter().any(|entry| noted(&entry.event)), "{name}");
        let told = |text: &str| text.starts_with("EMERGENCY: ");
        assert!(help.office.notices.iter().any(|notice| told(&notice.text)), "{name}");
        let record = help.over();
        assert_eq!((record.emergency, record.outcome), (true, Outcome::Answered), "{name}");
    }
}

#[test]
fn an_operator_is_heard_however_the_answer_is_written() {
    let contact = "Contact: <sip:201@192.0.2.11>\r\n";
    let in_order = IN_ORDER.replace("192.0.2.11", "198.51.100.9");
    let cases = [
        in_order.replace("v=0\r\n", ""),
        in_order.replace("o=-", "o=control room"),
        in_order.replace("c=IN IP4 198.51.100.9", "c=IN"),
    ];
    for body in cases {
        let mut help = Help::called(&invite(contact, ("", IN_ORDER)));
        help.answers(Body::sdp(Bytes::from(body.clone())));
        let answer = help.sent((PHONE, "SIP/2.0 200"));
        assert!(answer.contains("RTP/AVP 8\r\n"), "{body}: {answer}");
        let plan = help.office.plans.last().unwrap();
        let heard = plan
            .legs
            .iter()
            .filter_map(|leg| leg.signalled)
            .map(|at| at.to_string());
        assert!(
            heard.into_iter().any(|at| at == "198.51.100.9:4000"),
            "{body}: {plan:?}"
        );
        assert_eq!(help.over().outcome, Outcome::Answered);
    }
}
