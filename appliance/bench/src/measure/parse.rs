//! (e) Parse and print of an INVITE.

use std::hint::black_box;

use branchline_sip::message::{Builder, Message, Name};
use bytes::Bytes;
use ezk_sip_types::Headers;
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;
use ezk_sip_types::print::AppendCtx;
use nix::time::ClockId;

use super::Bench;
use crate::report::{Row, Spread, Target};

const HEAD: &str = "INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP pc33.atlanta.example.com:5060;branch=z9hG4bK776asdhds;rport\r\n\
Max-Forwards: 70\r\n\
To: \"Bob\" <sip:bob@biloxi.example.com>\r\n\
From: \"Alice\" <sip:alice@atlanta.example.com>;tag=1928301774\r\n\
Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n\
CSeq: 314159 INVITE\r\n\
Contact: <sip:alice@pc33.atlanta.example.com:5060;transport=udp>\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE\r\n\
Supported: replaces, timer, 100rel, path\r\n\
User-Agent: Phone 1.2.3\r\n\
Authorization: Digest username=\"alice\", realm=\"atlanta.example.com\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", \
uri=\"sip:bob@biloxi.example.com\", response=\"7587245234b3434cc3412213e5f113a5\", algorithm=MD5\r\n\
Session-Expires: 1800;refresher=uac\r\n\
Min-SE: 90\r\n\
Content-Type: application/sdp\r\n";

const BODY: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n\
m=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";

pub(super) fn measure(bench: &Bench) -> Vec<Row> {
    let invite = Bytes::from(format!("{HEAD}Content-Length: {}\r\n\r\n{BODY}", BODY.len()));
    let ours = spread(bench, || {
        if let Ok(message) = Message::parse(black_box(invite.clone())) {
            black_box(print(&message));
        }
    });
    let rsip = spread(bench, || {
        if let Ok(request) = rsip::Request::try_from(black_box(&invite[..])) {
            black_box(request.to_string());
        }
    });
    let rsipstack = spread(bench, || {
        if let Ok(request) = rsipstack::sip::Request::try_from(black_box(&invite[..])) {
            black_box(request.to_bytes());
        }
    });
    let ezk = spread(bench, || {
        if let Some((line, headers)) = ezk(black_box(&invite)) {
            black_box(format!("{}\r\n{headers}\r\n{BODY}", line.default_print_ctx()));
        }
    });
    let row = |name: &str, peer: Spread, target: Target| Row {
        what: format!("(e) parse and print an INVITE of {} B", invite.len()),
        unit: "us of CPU",
        ours: ours.text(),
        peers: format!("{name} {}", peer.text()),
        target,
    };
    vec![
        row(
            "rsipstack",
            rsipstack,
            Target::ratio(ours.median, ("rsipstack", rsipstack.median), 0.4),
        ),
        row("rsip", rsip, Target::None),
        row("ezk-sip-types", ezk, Target::None),
    ]
}

/// Microseconds of this thread's CPU time per round.
fn spread(bench: &Bench, mut work: impl FnMut()) -> Spread {
    let runs = (0..bench.runs.max(3)).map(|_| {
        let start = cpu_us();
        (0..ROUNDS).for_each(|_| work());
        (cpu_us() - start) / f64::from(ROUNDS)
    });
    Spread::of(runs.collect())
}

fn cpu_us() -> f64 {
    let time = ClockId::CLOCK_THREAD_CPUTIME_ID.now();
    time.map_or(f64::NAN, |time| {
        time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3
    })
}

/// What a box does with a message that it passes on: every line and the body into a new buffer.
fn print(message: &Message) -> Bytes {
    Builder::request(message.method(), message.request_uri())
        .copy(message, Name::Via)
        .copy(message, Name::MaxForwards)
        .copy(message, Name::To)
        .copy(message, Name::From)
        .copy(message, Name::CallId)
        .copy(message, Name::CSeq)
        .copy(message, Name::Contact)
        .copy_unknown(message, |_| true)
        .copy(message, Name::ContentType)
        .copy(message, Name::Authorization)
        .body_only(message.body())
        .print()
}

fn ezk(bytes: &Bytes) -> Option<(MessageLine, Headers)> {
    let mut parser = PullParser::new(bytes, 0);
    let first = std::str::from_utf8(parser.next()?.ok()?).ok()?;
    let (_, start) = MessageLine::parse(bytes)(first).ok()?;
    let mut headers = Headers::new();
    for line in parser.flatten() {
        if let Ok(line) = std::str::from_utf8(line)
            && let Ok((_, line)) = Line::parse(bytes, line)
        {
            headers.insert(line.name, line.value);
        }
    }
    Some((start, headers))
}

const ROUNDS: u32 = 50_000;
