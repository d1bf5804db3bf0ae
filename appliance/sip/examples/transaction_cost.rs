//! Prints what transactions cost: CPU time from the operating system's accounting, memory from RSS growth. Parsing of what comes in
//! and composing of what goes out are part of it. `cargo run --release -p branchline-sip --example transaction_cost`

use std::fs;
use std::time::{Duration, Instant};

use branchline_sip::transaction::{Endpoint, Event, Limits, ServerKey};
use branchline_sip::{Builder, Flow, Message, Method, Name};
use bytes::Bytes;

const REGISTERS: u64 = 200_000;
const CALLS: u64 = 100_000;
const BATCH: u64 = 1_000;
const UNACKNOWLEDGED: u64 = 40_000;
const ARRIVAL_PAUSE: Duration = Duration::from_millis(1);

fn main() {
    // Kept until the end, so that none grows into memory that another has given back.
    let _kept = [
        memory("INVITE, 486, no ACK", &Method::Invite, 486),
        memory("INVITE, 200, no ACK", &Method::Invite, 200),
        memory("REGISTER, 200", &Method::Register, 200),
    ];
    cost("REGISTER, 200", REGISTERS, 2, register);
    cost("REGISTER, 401 and forgotten", REGISTERS, 2, challenge);
    cost("INVITE, 200, ACK, BYE, 200: both ends", CALLS, 10, call);
}

/// A server and a client on one virtual time line.
struct Pair {
    now: Instant,
    server: Endpoint,
    client: Endpoint,
}

impl Pair {
    fn new() -> Pair {
        #[expect(clippy::disallowed_methods, reason = "origin of the virtual time line")]
        let now = Instant::now();
        // Room for 1,000 calls a second: each leaves two server transactions for 32 s.
        let limits = Limits {
            server: 200_000,
            client: 200_000,
            ..Limits::default()
        };
        Pair {
            now,
            server: Endpoint::new(limits.clone(), [1; 32]),
            client: Endpoint::new(limits, [2; 32]),
        }
    }

    fn pass_time(&mut self) {
        self.now += ARRIVAL_PAUSE;
        for end in [&mut self.server, &mut self.client] {
            while end.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
                end.handle_timeout(self.now);
            }
        }
    }

    fn begin(&mut self, request: &Bytes) -> Option<(ServerKey, Message)> {
        self.server.handle_bytes(self.now, flow(), request);
        match self.server.poll_event()? {
            Event::Request { key, request, .. } => Some((key, request)),
            Event::Ack { .. }
            | Event::Cancelled { .. }
            | Event::Response { .. }
            | Event::Failed { .. }
            | Event::Unacknowledged { .. }
            | Event::Stray { .. }
            | Event::Refused { .. } => None,
        }
    }

    fn answer(&mut self, key: ServerKey, request: &Message, status: u16) -> Option<Bytes> {
        let response = Builder::response_with_tag(request, status, "4f1c2d")
            .header(Name::Contact, "<sip:box@192.0.2.1:5060>")
            .header(
                Name::Allow,
                "INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, PRACK, UPDATE",
            )
            .header(Name::UserAgent, "branchline")
            .finish();
        self.server.respond(self.now, key, response);
        self.server.poll_transmit().map(|transmit| transmit.bytes)
    }

    fn request(&mut self, method: &Method, n: u64) -> Option<Bytes> {
        let request = headers(Builder::request(method, "sip:201@192.0.2.1"), method, n);
        self.client.request(self.now, flow(), request).ok()?;
        self.client.poll_transmit().map(|transmit| transmit.bytes)
    }

    fn pass_back(&mut self, response: &Bytes) -> Option<Message> {
        self.client.handle_bytes(self.now, flow(), response);
        match self.client.poll_event()? {
            Event::Response { response, .. } => Some(response),
            Event::Request { .. }
            | Event::Ack { .. }
            | Event::Cancelled { .. }
            | Event::Failed { .. }
            | Event::Unacknowledged { .. }
            | Event::Stray { .. }
            | Event::Refused { .. } => None,
        }
    }
}

fn register(pair: &mut Pair, prepared: &Prepared) -> Option<()> {
    let (key, request) = pair.begin(&prepared.register)?;
    pair.answer(key, &request, 200).map(|_| ())
}

fn challenge(pair: &mut Pair, prepared: &Prepared) -> Option<()> {
    let (key, request) = pair.begin(&prepared.register)?;
    let challenge = Builder::response_with_tag(&request, 401, "4f1c2d")
        .header(
            Name::WwwAuthenticate,
            "Digest realm=\"branch\", nonce=\"0123456789abcdef0123456789abcdef\", qop=\"auth\"",
        )
        .finish();
    pair.server.respond_and_forget(key, challenge);
    pair.server.poll_transmit().map(|_| ())
}

fn call(pair: &mut Pair, prepared: &Prepared) -> Option<()> {
    let n = prepared.n;
    let invite = pair.request(&Method::Invite, n)?;
    let (key, request) = pair.begin(&invite)?;
    let ok = pair.answer(key, &request, 200)?;
    pair.pass_back(&ok)?;
    let ack = headers(Builder::request(&Method::Ack, "sip:box@192.0.2.1"), &Method::Ack, n);
    let ack = pair.client.send_ack(flow(), ack);
    pair.client.poll_transmit()?;
    pair.server.handle_bytes(pair.now, flow(), ack.bytes());
    pair.server.poll_event()?;
    let bye = pair.request(&Method::Bye, n)?;
    let (key, request) = pair.begin(&bye)?;
    let ok = pair.answer(key, &request, 200)?;
    pair.pass_back(&ok).map(|_| ())
}

/// What is not part of the measured work.
struct Prepared {
    n: u64,
    register: Bytes,
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn cost(what: &str, rounds: u64, messages: u64, step: fn(&mut Pair, &Prepared) -> Option<()>) {
    let mut pair = Pair::new();
    let mut spent_ns = 0;
    let mut failed = 0;
    for batch in 0..rounds / BATCH {
        let first = batch * BATCH;
        let prepared: Vec<_> = (first..first + BATCH)
            .map(|n| Prepared {
                n,
                register: incoming(&Method::Register, n),
            })
            .collect();
        let before_ns = cpu_ns();
        for prepared in &prepared {
            pair.pass_time();
            failed += u64::from(step(&mut pair, prepared).is_none());
        }
        // The first half fills the tables; the second runs at their steady size.
        if batch >= rounds / BATCH / 2 {
            spent_ns += cpu_ns() - before_ns;
        }
    }
    let each_ns = spent_ns / (rounds / 2);
    let waiting = pair.server.len() + pair.client.len();
    println!(
        "{what:<40} {each_ns:>6} ns CPU, {:>5} ns a message, {waiting} transactions waiting, {failed} failed",
        each_ns / messages
    );
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn memory(what: &str, method: &Method, status: u16) -> Pair {
    let mut pair = Pair::new();
    let before = resident_bytes();
    for n in 0..UNACKNOWLEDGED {
        if let Some((key, request)) = pair.begin(&incoming(method, n)) {
            pair.answer(key, &request, status);
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    let waiting = pair.server.len() as u64;
    println!(
        "{what:<40} {:>6} bytes for each of {waiting} waiting, {} MB in all",
        grown / waiting.max(1),
        grown >> 20
    );
    pair
}

fn flow() -> Flow {
    let [local, remote] = [[192, 0, 2, 1], [198, 51, 100, 7]].map(|ip| (ip, 5060).into());
    Flow::udp(local, remote)
}

fn incoming(method: &Method, n: u64) -> Bytes {
    let via = format_args!("SIP/2.0/UDP 10.1.2.3:5060;branch=z9hG4bK{n:x}-524287-1---4bd2f1d8{n:x};rport").to_string();
    let request = Builder::request(method, "sip:201@192.0.2.1").header(Name::Via, via);
    headers(request, method, n).finish().bytes().clone()
}

fn headers(request: Builder, method: &Method, n: u64) -> Builder {
    let request = request
        .header(Name::MaxForwards, 70)
        .header(Name::Contact, "<sip:202@10.1.2.3:5060;rinstance=c7b2f1d84bd2>")
        .header(Name::To, "\"Reception\" <sip:201@192.0.2.1>")
        .header(Name::From, "\"Desk 202\" <sip:202@192.0.2.1>;tag=a48s")
        .header(Name::CallId, format_args!("{n}-84b4c76e66710@10.1.2.3"))
        .header(Name::CSeq, format_args!("314159 {method}"))
        .header(
            Name::Allow,
            "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO",
        )
        .header(Name::Supported, "replaces, outbound, path, timer")
        .header(Name::UserAgent, "Deskphone 3.1 (24601)");
    match method {
        Method::Invite => request.body("application/sdp", SDP.as_bytes()),
        Method::Register => request.header(Name::Expires, 3600),
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Prack
        | Method::Update
        | Method::Info
        | Method::Refer
        | Method::Notify
        | Method::Subscribe
        | Method::Publish
        | Method::Message
        | Method::Other(_) => request,
    }
}

/// Nanoseconds that this process has spent on a CPU.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or_default()
}

fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ')
        .nth(1)
        .and_then(|word| word.parse::<u64>().ok())
        .unwrap_or_default()
        * PAGE_BYTES
}

const PAGE_BYTES: u64 = 4096;

const SDP: &str = "v=0\r\no=- 20518 0 IN IP4 10.1.2.3\r\ns=-\r\nc=IN IP4 10.1.2.3\r\nt=0 0\r\nm=audio 54400 RTP/AVP 9 0 8 101\r\n\
a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
