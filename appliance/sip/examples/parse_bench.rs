//! Time and allocations of parsing and printing one INVITE, beside rsip, rsipstack and ezk-sip-types.
//! `cargo run --release -p branchline-sip --example parse_bench`

use std::hint::black_box;
use std::time::Instant;

use branchline_sip::{Builder, Message, Name};
use bytes::Bytes;
use ezk_sip_types::Headers;
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse;

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
Authorization: Digest username=\"alice\", realm=\"atlanta.example.com\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\", uri=\"sip:bob@biloxi.example.com\", response=\"7587245234b3434cc3412213e5f113a5\", algorithm=MD5\r\n\
Session-Expires: 1800;refresher=uac\r\n\
Min-SE: 90\r\n\
Content-Type: application/sdp\r\n";

const BODY: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n\
m=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";

const ROUNDS: u32 = 10_000;
const RUNS: usize = 41;

// The best run: on a shared machine all else is the neighbours' work.
fn best_ns(mut work: impl FnMut()) -> f64 {
    let runs = (0..RUNS).map(|_| {
        let start = now();
        for _ in 0..ROUNDS {
            work();
        }
        start.elapsed()
    });
    runs.min().unwrap_or_default().as_nanos() as f64 / f64::from(ROUNDS)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn ezk(bytes: &Bytes) -> (MessageLine, Headers) {
    let mut parser = PullParser::new(bytes, 0);
    let first = parser
        .next()
        .and_then(Result::ok)
        .map(|line| std::str::from_utf8(line).unwrap_or_default());
    let (_, start) = MessageLine::parse(bytes)(first.unwrap_or_default()).unwrap_or_else(|_| std::process::abort());
    let mut headers = Headers::new();
    for line in parser.flatten() {
        if let Ok(line) = std::str::from_utf8(line)
            && let Ok((_, line)) = Line::parse(bytes, line)
        {
            headers.insert(line.name, line.value);
        }
    }
    (start, headers)
}

// What a box does with a message that it passes on: every line and the body into a new buffer.
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

#[expect(clippy::print_stdout, reason = "the result is for people")]
fn main() {
    let invite = Bytes::from(format!("{HEAD}Content-Length: {}\r\n\r\n{BODY}", BODY.len()));
    let ours = Message::parse(invite.clone()).unwrap_or_else(|_| std::process::abort());
    let rsip = rsip::Request::try_from(&invite[..]).unwrap_or_else(|_| std::process::abort());
    let stack = rsipstack::sip::Request::try_from(&invite[..]).unwrap_or_else(|_| std::process::abort());
    let rows = [
        (
            "branchline",
            best_ns(|| drop(black_box(Message::parse(black_box(invite.clone()))))),
            best_ns(|| drop(black_box(print(&ours)))),
        ),
        (
            "rsip",
            best_ns(|| drop(black_box(rsip::Request::try_from(black_box(&invite[..]))))),
            best_ns(|| drop(black_box(rsip.to_string()))),
        ),
        (
            "rsipstack",
            best_ns(|| drop(black_box(rsipstack::sip::Request::try_from(black_box(&invite[..]))))),
            best_ns(|| drop(black_box(stack.to_bytes()))),
        ),
        (
            "ezk-sip-types",
            best_ns(|| drop(black_box(ezk(black_box(&invite))))),
            f64::NAN,
        ),
    ];
    let reference = rows[2].1 + rows[2].2;
    println!("INVITE of {} bytes, best of {RUNS} runs", invite.len());
    println!(
        "{:14} {:>9} {:>9} {:>9} {:>13}",
        "", "parse ns", "print ns", "sum ns", "vs rsipstack"
    );
    for (name, parse, print) in rows {
        println!(
            "{name:14} {parse:9.0} {print:9.0} {:9.0} {:13.2}",
            parse + print,
            (parse + print) / reference
        );
    }
}
