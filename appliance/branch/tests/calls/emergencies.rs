//! A call for help goes out from any phone in any state.

use std::time::Duration;

use branchline_branch::{Command, Neighbour, Output};
use branchline_journal::{DatabaseMode, Event};
use branchline_media::Family;
use branchline_sip::Flow;
use bytes::Bytes;

use crate::office::{BOX, Office, PROVIDER, configuration, moment};

/// The ordinary class may call nobody, the box takes one call, and there is one channel.
const STRICT: &str = "[emergency]\nnumbers = [\"5555\"]\n[[class]]\nname = \"default\"\nallow = []\n\
    [[trunk]]\nname = \"a\"\nhost = \"192.0.2.9\"\nmode = \"address\"\nmax_calls = 1\n";
pub(crate) const PHONE: &str = "192.0.2.11:5060";
const HOSTED: &str = "[hosted]\nhost = \"pbx.example.net\"\n[[extension]]\nnumber = \"204\"\n\
    ha1_md5 = \"00112233445566778899aabbccddeeff\"\nhosted = { username = \"2004\", password = \"a\" }\n";
const OVER_THE_LINE: &str = "INVITE sip:112@pbx.example.net";
const OTHER: &str = "198.51.100.66:5060";

fn request(method: &str, dialled: &str, (from, n, more): (&str, usize, &str)) -> Bytes {
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
    let body = if method == "INVITE" { sdp } else { "" };
    let kind = if method == "INVITE" {
        "Content-Type: application/sdp\r\n"
    } else {
        ""
    };
    Bytes::from(format!(
        "{method} sip:{dialled}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:201@192.0.2.1>;tag=t{n}\r\nTo: <sip:{dialled}@192.0.2.1>\r\n\
         Call-ID: {method}{n}\r\nCSeq: 1 {method}\r\nContact: <sip:201@{from}>\r\n{more}{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

pub(crate) struct Line {
    pub(crate) office: Office,
    sent: usize,
}

impl Line {
    fn new() -> Line {
        Line::with(STRICT)
    }

    pub(crate) fn with(more: &str) -> Line {
        let mut office = Office::with(more);
        office.run();
        Line { office, sent: 0 }
    }

    /// Lets time pass; nobody answers.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.office.now + time;
        while let Some((at, _)) = self.office.branch.poll_timeout().filter(|(at, _)| *at <= end) {
            self.office.now = self.office.now.max(at);
            let now = moment(self.office.base, self.office.now);
            self.office.branch.handle_timeout(now);
        }
        self.office.now = end;
    }

    fn send(&mut self, from: &str, bytes: Bytes) {
        let flow = Flow::udp(BOX.parse().unwrap(), from.parse().unwrap());
        let now = moment(self.office.base, self.office.now);
        self.office.branch.handle_message(now, flow, bytes);
    }

    pub(crate) fn invite(&mut self, from: &str, (dialled, more): (&str, &str)) {
        self.sent += 1;
        self.send(from, request("INVITE", dialled, (from, self.sent, more)));
    }

    /// INVITEs that left for the provider; the journal is never acknowledged.
    pub(crate) fn went_out(&mut self) -> Vec<String> {
        let mut out = self.to_provider();
        out.retain(|message| message.starts_with("INVITE "));
        out
    }

    /// Final responses that left for the provider.
    fn statuses(&mut self) -> Vec<String> {
        let all = self.to_provider();
        let words = all.iter().filter_map(|message| message.strip_prefix("SIP/2.0 "));
        words
            .filter(|words| !words.starts_with('1'))
            .map(|words| words[..3].to_owned())
            .collect()
    }

    fn to_provider(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(output) = self.office.branch.poll_output() {
            if let Output::Transmit(transmit) = output
                && transmit.flow.remote == PROVIDER.parse().unwrap()
            {
                out.push(String::from_utf8_lossy(&transmit.bytes).into_owned());
            }
        }
        out
    }
}

type State = fn(&mut Line) -> (&'static str, &'static str);

#[test]
fn a_call_for_help_goes_out_from_any_phone_in_any_state() {
    let states: [(&str, State); 11] = [
        ("not registered", |_| (PHONE, "")),
        ("a wrong password", |_| {
            let credentials = "Authorization: Digest username=\"201\", realm=\"branchline\", nonce=\"x\", uri=\"sip:a\", \
                               response=\"00000000000000000000000000000000\"\r\n";
            (PHONE, credentials)
        }),
        ("a registered phone whose class may call nobody", |line| {
            assert_eq!(line.office.register(0), 200);
            (PHONE, "")
        }),
        ("a banned address", |line| {
            for n in 0..30 {
                let scan = request("REGISTER", "201", (OTHER, n, "User-Agent: friendly-scanner\r\n"));
                line.send(OTHER, scan);
            }
            let now = moment(line.office.base, line.office.now);
            assert!(!line.office.branch.view(now).health.banned.is_empty());
            (OTHER, "")
        }),
        ("every channel in use", |line| {
            line.invite(PHONE, ("112", ""));
            assert_eq!(line.went_out().len(), 1);
            (OTHER, "")
        }),
        ("overload", |line| {
            for _ in 0..3 {
                line.office.branch.handle_queue_delay(Duration::from_secs(10));
                line.invite(PHONE, ("201", ""));
                line.office.now += Duration::from_secs(1);
            }
            line.went_out();
            (PHONE, "")
        }),
        ("the database down", |line| {
            let now = moment(line.office.base, line.office.now);
            line.office.branch.handle_storage(now, DatabaseMode::Degraded);
            (PHONE, "")
        }),
        ("an extension of SIP that the box does not have", |_| {
            (PHONE, "Require: teleport\r\n")
        }),
        ("a program that is known to look for boxes to break into", |_| {
            (PHONE, "User-Agent: sipcli/1.8\r\n")
        }),
        ("a caller who cannot read what an answer carries", |_| {
            (PHONE, "Accept: text/x\r\n")
        }),
        ("a body that the box does not know", |_| {
            (PHONE, "Content-Type: application/unknown\r\n\r\nx")
        }),
    ];
    for (name, state) in states {
        for dialled in ["112", "110", "5555"] {
            let mut line = Line::new();
            let (from, more) = state(&mut line);
            line.invite(from, (dialled, more));
            let out = line.went_out();
            assert_eq!(out.len(), 1, "{name}, {dialled}");
            assert!(
                out[0].starts_with(&format!("INVITE sip:{dialled}@")),
                "{name}: {}",
                out[0]
            );
        }
    }
}

#[test]
fn a_number_of_the_site_has_priority_from_the_reload_that_brings_it() {
    let mut line = Line::new();
    let unknown = ("6666", "Require: teleport\r\n");
    line.invite(PHONE, unknown);
    assert!(line.went_out().is_empty());
    let now = moment(line.office.base, line.office.now);
    let more = configuration(&STRICT.replace("5555", "6666"));
    line.office
        .branch
        .handle_command(now, Command::Configure(Box::new(more)));
    line.invite(PHONE, unknown);
    assert_eq!(line.went_out().len(), 1);
}

#[test]
fn a_call_for_help_that_the_hosted_pbx_brings_back_goes_another_way() {
    let more = STRICT.replace("[emergency]", "[emergency]\nroutes = [\"hosted\"]");
    let mut line = Line::with(&format!("{more}{HOSTED}"));
    // The trunk is up, and no line is confirmed: the hosted PBX is the second way.
    line.invite(PHONE, ("112", ""));
    assert!(line.went_out()[0].starts_with("INVITE sip:112@192.0.2.9"));
    line.wait(Duration::from_secs(4));
    let out = line.went_out();
    let sent = out.iter().find(|invite| invite.starts_with(OVER_THE_LINE));
    let sent = sent.unwrap_or_else(|| panic!("{out:#?}"));
    let via = format!("Via: SIP/2.0/UDP {PROVIDER};branch=z9hG4bKback\r\nVia:");
    line.send(PROVIDER, Bytes::from(sent.replacen("Via:", &via, 1)));
    assert_eq!(line.statuses(), ["482"]);
    // A call of somebody else that it brings has the trunk, and never itself.
    line.office = Line::with(&format!("{more}{HOSTED}")).office;
    line.invite(PROVIDER, ("112", ""));
    line.wait(Duration::from_secs(10));
    let out = line.went_out();
    assert!(
        !out.is_empty() && !out.iter().any(|invite| invite.starts_with(OVER_THE_LINE)),
        "{out:#?}"
    );
}

#[test]
fn a_call_for_help_is_journalled_and_sent_before_the_disk_has_it() {
    let mut line = Line::new();
    line.invite(PHONE, ("112", ""));
    let mut journalled = 0;
    let mut sent = 0;
    while let Some(output) = line.office.branch.poll_output() {
        match output {
            Output::Journal(entry) => journalled += usize::from(matches!(entry.event, Event::EmergencyCall(_))),
            Output::Transmit(transmit) => sent += usize::from(transmit.bytes.starts_with(b"INVITE sip:112@")),
            _ => {}
        }
    }
    assert_eq!((journalled, sent), (2, 1));
}

/// One channel, which a call from outside has; phones and a program that are told of calls for help.
const TOLD: &str = "[emergency]\nnotify = [\"203\"]\nwebhook = \"http://192.0.2.80/help\"\n\
    [[trunk]]\nname = \"a\"\nhost = \"192.0.2.9\"\nmode = \"address\"\nmax_calls = 1\ndefault_to = \"201\"\n";

/// What a call for help did: whether it went out, and whom it disturbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Disturbed {
    out: usize,
    ended: usize,
    texts: usize,
    posts: usize,
}

impl Line {
    /// An ordinary call has the only channel; then somebody calls for help.
    fn help_over_a_full_trunk(&mut self, from: &str) -> Disturbed {
        let now = moment(self.office.base, self.office.now);
        let calls = self.office.branch.view(now).calls;
        if !calls.iter().any(|call| call.state == "ringing" && !call.emergency) {
            self.invite(PROVIDER, ("201", ""));
        }
        self.went_out();
        let before = self.office.branch.view(now).counters.calls_preempted;
        self.invite(from, ("112", ""));
        let mut disturbed = Disturbed::default();
        while let Some(output) = self.office.branch.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    disturbed.out += usize::from(transmit.bytes.starts_with(b"INVITE sip:112@"));
                    disturbed.texts += usize::from(transmit.bytes.starts_with(b"MESSAGE "));
                }
                Output::Post(_) => disturbed.posts += 1,
                _ => {}
            }
        }
        let ended = self.office.branch.view(now).counters.calls_preempted - before;
        Disturbed {
            ended: usize::try_from(ended).unwrap(),
            ..disturbed
        }
    }
}

#[test]
fn a_flood_of_strangers_calls_for_help_goes_out_and_disturbs_few() {
    let loud = Disturbed {
        out: 1,
        ended: 1,
        texts: 1,
        posts: 2,
    };
    let quiet = Disturbed {
        out: 1,
        ..Disturbed::default()
    };
    for (sources, loud_calls) in [(1, 3), (20, 6)] {
        let mut line = Line::with(TOLD);
        let ports: Vec<u16> = (30_000..30_200).step_by(2).collect();
        line.office.branch.handle_ports(Family::V4, &ports);
        assert_eq!([0, 2].map(|at| line.office.register(at)), [200, 200]);
        for n in 0..30 {
            let expected = if n < loud_calls { loud } else { quiet };
            let from = format!("198.51.100.{}:5060", 20 + n % sources);
            assert_eq!(line.help_over_a_full_trunk(&from), expected, "call {n} of {sources}");
        }
        assert_eq!(
            line.help_over_a_full_trunk(PHONE),
            loud,
            "a registered telephone is always heard"
        );
        line.office.now += Duration::from_secs(600);
        assert_eq!(line.help_over_a_full_trunk(OTHER), loud);
    }
}

#[test]
fn what_a_phone_would_do_tells_of_the_hosted_pbx_as_a_way_out() {
    let more = STRICT.replace("[emergency]", "[emergency]\nroutes = [\"hosted\", \"a\"]");
    let line = Line::with(&format!("{more}{HOSTED}"));
    let outlook = line.office.branch.outlook(moment(line.office.base, line.office.now));
    let of = |extension: &str| {
        outlook
            .phones
            .iter()
            .find(|phone| phone.extension == extension)
            .unwrap()
    };
    for extension in ["201", "204"] {
        let phone = of(extension);
        // The trunk is up, and the line is not registered.
        assert_eq!(phone.routes, ["a", "hosted"]);
        assert!(phone.way_out);
        assert!(phone.missing.contains(&"route hosted is down".to_owned()), "{phone:?}");
    }
    let without_trunk = more.split("[[trunk]]").next().unwrap().replace(", \"a\"", "");
    let line = Line::with(&format!("{without_trunk}{HOSTED}"));
    let outlook = line.office.branch.outlook(moment(line.office.base, line.office.now));
    let own = outlook.phones.iter().find(|phone| phone.extension == "204").unwrap();
    assert_eq!((own.callback.as_deref(), own.line.as_str()), (Some("2004"), "own"));
    assert!(
        !own.way_out && own.missing.contains(&"every route is down".to_owned()),
        "{own:?}"
    );
    let other = outlook.phones.iter().find(|phone| phone.extension == "201").unwrap();
    assert_eq!(
        (other.callback.as_deref(), other.line.as_str()),
        (Some("2004"), "shared")
    );
}

const PORTS: &str = "location = \"pidf\"\n\
    [[location]]\nid = \"lab\"\ncivic = { A3 = \"Berlin\", ROOM = \"9\" }\nports = [\"lan2\"]\n\
    [[location]]\nid = \"hall\"\ncivic = { A3 = \"Berlin\", FLR = \"1\" }\nports = [\"lan3\"]\n";

impl Line {
    /// How often the box has asked for the ports of its neighbours.
    fn looks(&mut self) -> usize {
        let outputs = std::iter::from_fn(|| self.office.branch.poll_output());
        outputs.filter(|output| matches!(output, Output::Neighbours)).count()
    }

    fn seen_behind(&mut self, ports: &[(&str, &str)]) {
        let neighbour = |(address, port): &(&str, &str)| Neighbour {
            address: address.parse().unwrap(),
            interface: "br0".to_owned(),
            port: (*port).to_owned(),
        };
        let now = moment(self.office.base, self.office.now);
        let found = ports.iter().map(neighbour).collect();
        self.office.branch.handle_neighbours(now, found);
    }

    /// The first INVITE that a call for help from this address sends; the box knows all it needs by then.
    fn told(&mut self, from: &str) -> String {
        self.invite(from, ("112", ""));
        let mut told = String::new();
        while let Some(output) = self.office.branch.poll_output() {
            match output {
                Output::Neighbours => panic!("a call for help waits for no look"),
                Output::Transmit(sent) if sent.bytes.starts_with(b"INVITE ") && told.is_empty() => {
                    told = String::from_utf8_lossy(&sent.bytes).into_owned();
                }
                _ => {}
            }
        }
        told
    }
}

#[test]
fn a_phone_is_where_the_port_is_that_it_was_last_seen_behind() {
    let mut line = Line::with(&format!("{STRICT}{PORTS}"));
    line.office
        .branch
        .handle_ports(Family::V4, &[30_000, 30_002, 30_004, 30_006]);
    assert_eq!(line.office.register(0), 200);
    line.wait(Duration::from_secs(2));
    assert_eq!(line.looks(), 1, "a phone that registered is looked for");
    line.wait(Duration::from_secs(60));
    assert_eq!(line.looks(), 4);
    line.seen_behind(&[("192.0.2.11", "lan2"), ("198.51.100.66", "lan3")]);
    assert!(line.told(PHONE).contains("<ca:ROOM>9</ca:ROOM>"));
    assert!(line.told(OTHER).contains("<ca:FLR>1</ca:FLR>"));
    // The kernel forgets: a phone that is registered stays where it was.
    line.seen_behind(&[]);
    assert!(line.told(PHONE).contains("<ca:ROOM>9</ca:ROOM>"));
    assert!(!line.told(OTHER).contains("<ca:"));
    line.seen_behind(&[("192.0.2.11", "lan3")]);
    assert!(line.told(PHONE).contains("<ca:FLR>1</ca:FLR>"));
}

#[test]
fn a_box_without_places_by_port_never_looks() {
    let mut line = Line::new();
    line.office.register(0);
    line.wait(Duration::from_secs(60));
    assert_eq!(line.looks(), 0);
}
