//! Ordinary messages read by us and by three other parsers. Where the others agree we must agree; where one is known to be wrong, the table
//! says how, and it is checked that it still is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use branchline_sip::{Message, Name};
use bytes::Bytes;
use ezk_sip_types::header::typed::{CSeq as EzkCSeq, FromTo, Via as EzkVia};
use ezk_sip_types::msg::{Line, PullParser};
use ezk_sip_types::uri::SipUriUserPart;
use ezk_sip_types::{Headers as EzkHeaders, Name as EzkName};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What every parser is asked for.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Facts {
    call_id: String,
    cseq: u32,
    from_user: String,
    from_host: String,
    from_tag: String,
    to_user: String,
    branch: String,
    vias: usize,
    body: usize,
}

/// What makes a message more than plain.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Feature {
    DottedUser,
    Ipv6,
    Tel,
    Folded,
    Compact,
    ViaList,
    AngleInName,
    QuotedParameter,
    EscapedUser,
    UnknownMethod,
    Latin1,
    NoLength,
}
use Feature::*;

const FEATURES: [Feature; 12] = [
    DottedUser,
    Ipv6,
    Tel,
    Folded,
    Compact,
    ViaList,
    AngleInName,
    QuotedParameter,
    EscapedUser,
    UnknownMethod,
    Latin1,
    NoLength,
];

fn compose(rng: &mut ChaCha8Rng, features: &[Feature]) -> Vec<u8> {
    let has = |feature| features.contains(&feature);
    let number = rng.next_u32();
    let method = if has(UnknownMethod) {
        "WIBBLE"
    } else {
        ["INVITE", "OPTIONS", "REGISTER", "BYE"][number as usize % 4]
    };
    let user = match (has(DottedUser), has(EscapedUser)) {
        (true, _) => "john.doe".to_owned(),
        (false, true) => "%2321".to_owned(),
        (false, false) => format!("u{}", number % 10_000),
    };
    let host = if has(Ipv6) {
        "[2001:db8::1]"
    } else {
        ["atlanta.example.com", "10.0.0.1"][number as usize / 4 % 2]
    };
    let display = if has(AngleInName) {
        "\"J < D\" "
    } else {
        ["\"Alice\" ", ""][number as usize / 8 % 2]
    };
    let (via, from, call) = if has(Compact) {
        ("v", "f", "i")
    } else {
        ("Via", "From", "Call-ID")
    };
    let more_via = if has(ViaList) {
        ", SIP/2.0/TCP h2.example.com;branch=z9hG4bKsecond"
    } else {
        ""
    };
    let fold = if has(Folded) { "\r\n " } else { "" };
    let parameter = if has(QuotedParameter) { ";x=\"a b\"" } else { "" };
    let to = if has(Tel) {
        "tel:+15551234"
    } else {
        "sip:bob@biloxi.example.com"
    };
    let body = "v=0\r\n".repeat(number as usize / 16 % 5);
    let mut text = format!(
        "{method} sip:bob@biloxi.example.com SIP/2.0\r\n{via}: SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bK{number}{more_via}\r\n\
         {from}: {display}<sip:{user}@{host}>{fold};tag={number}{parameter}\r\nTo: <{to}>\r\n{call}: {number}@pc33.example.com\r\n\
         CSeq: {} {method}\r\nMax-Forwards: 70\r\n",
        number % 100_000
    )
    .into_bytes();
    if has(Latin1) {
        text.extend_from_slice(b"Subject: caf\xe9\r\n");
    }
    if !has(NoLength) {
        text.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body.as_bytes());
    text
}

fn ours(bytes: &[u8]) -> Option<Facts> {
    let message = Message::parse(Bytes::copy_from_slice(bytes)).ok()?;
    let (from, to) = (message.from().uri().ok()?, message.to().uri().ok()?);
    Some(Facts {
        call_id: message.call_id().to_owned(),
        cseq: message.cseq(),
        from_user: from.user?.to_owned(),
        from_host: from.host.to_string(),
        from_tag: message.from_tag()?.to_owned(),
        to_user: to.user?.to_owned(),
        branch: message.top_via().branch()?.to_owned(),
        vias: message.values(Name::Via).count(),
        body: message.body().len(),
    })
}

fn by_rsip(bytes: &[u8]) -> Option<Facts> {
    use rsip::prelude::*;
    let message = rsip::Request::try_from(bytes).ok()?;
    let (from, to) = (
        message.from_header().ok()?.typed().ok()?,
        message.to_header().ok()?.typed().ok()?,
    );
    let vias = message
        .headers()
        .iter()
        .filter(|header| matches!(header, rsip::Header::Via(_)))
        .count();
    Some(Facts {
        call_id: message.call_id_header().ok()?.value().to_owned(),
        cseq: message.cseq_header().ok()?.typed().ok()?.seq,
        from_user: from.uri.user()?.to_owned(),
        from_host: from.uri.host().to_string(),
        from_tag: from.tag()?.value().to_owned(),
        to_user: to.uri.user()?.to_owned(),
        branch: message.via_header().ok()?.typed().ok()?.branch()?.value().to_owned(),
        vias,
        body: message.body().len(),
    })
}

fn by_rsipstack(bytes: &[u8]) -> Option<Facts> {
    use rsipstack::sip::typed;
    use rsipstack::sip::{HasHeaders, HeadersExt};
    let message = rsipstack::sip::Request::try_from(bytes).ok()?;
    let from = typed::From::parse(message.from_header().ok()?.value()).ok()?;
    let to = typed::To::parse(message.to_header().ok()?.value()).ok()?;
    let vias = message
        .headers()
        .iter()
        .filter(|header| matches!(header, rsipstack::sip::Header::Via(_)))
        .count();
    Some(Facts {
        call_id: message.call_id_header().ok()?.value().to_owned(),
        cseq: typed::CSeq::parse(message.cseq_header().ok()?.value()).ok()?.seq,
        from_user: from.uri.user()?.to_owned(),
        from_host: from.uri.host().to_string(),
        from_tag: from.tag()?.value().to_owned(),
        to_user: to.uri.user()?.to_owned(),
        branch: typed::Via::parse(message.top_via_header().ok()?.value())
            .ok()?
            .branch()?
            .value()
            .to_owned(),
        vias,
        body: message.body().len(),
    })
}

fn by_ezk(bytes: &[u8]) -> Option<Facts> {
    let source = Bytes::copy_from_slice(bytes);
    let mut parser = PullParser::new(&source, 0);
    parser.next()?.ok()?;
    let mut headers = EzkHeaders::new();
    for line in parser.by_ref() {
        let (_, line) = Line::parse(&source, std::str::from_utf8(line.ok()?).ok()?).ok()?;
        headers.insert(line.name, line.value);
    }
    let user = |part: &SipUriUserPart| match part {
        SipUriUserPart::Empty => None,
        SipUriUserPart::User(user) => Some(user.to_string()),
        SipUriUserPart::UserPw(both) => Some(both.user.to_string()),
    };
    let (from, to): (FromTo, FromTo) = (headers.get(EzkName::FROM).ok()?, headers.get(EzkName::TO).ok()?);
    let vias: Vec<EzkVia> = headers.get(EzkName::VIA).ok()?;
    let cseq: EzkCSeq = headers.get_named().ok()?;
    Some(Facts {
        call_id: headers.get_raw(&EzkName::CALL_ID).next()?.to_string(),
        cseq: cseq.cseq,
        from_user: user(&from.uri.uri.user_part)?,
        from_host: from.uri.uri.host_port.host.to_string(),
        from_tag: from.tag?.to_string(),
        to_user: user(&to.uri.uri.user_part)?,
        branch: vias.first()?.params.get_val("branch")?.to_string(),
        vias: vias.len(),
        body: bytes.len() - parser.head_end(),
    })
}

struct Oracle {
    name: &'static str,
    read: fn(&[u8]) -> Option<Facts>,
    /// Where it differs, and why it is the one that is wrong.
    wrong: &'static [(Feature, &'static str)],
}

const ORACLES: [Oracle; 3] = [
    Oracle {
        name: "rsip",
        read: by_rsip,
        wrong: &[
            (DottedUser, "ends the user part at a dot"),
            (Ipv6, "splits host and port at the first colon"),
            (Tel, "knows no tel URI"),
            (Folded, "knows no folding"),
            (Compact, "knows no compact forms"),
            (ViaList, "counts a list as one value and drops the rest"),
            (AngleInName, "looks for < before quotes"),
            (QuotedParameter, "reads no quoted parameter"),
            (UnknownMethod, "has a closed list of methods"),
            (Latin1, "wants the whole head in UTF-8"),
        ],
    },
    Oracle {
        name: "rsipstack",
        read: by_rsipstack,
        wrong: &[
            (Tel, "takes the number for a host"),
            (ViaList, "counts a list as one value"),
            (AngleInName, "looks for < before quotes"),
            (UnknownMethod, "has a closed list of methods"),
            (Latin1, "loses this and all later headers"),
            (NoLength, "drops a body without Content-Length"),
        ],
    },
    Oracle {
        name: "ezk-sip-types",
        read: by_ezk,
        wrong: &[
            (Tel, "reads sip and sips only"),
            (EscapedUser, "resolves escapes when reading"),
            (Latin1, "lines are UTF-8 text"),
        ],
    },
];

#[test]
fn ordinary_messages_are_read_as_others_read_them() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut compared = 0;
    for _ in 0..3000 {
        let features: Vec<Feature> = FEATURES
            .into_iter()
            .filter(|_| rng.next_u32().is_multiple_of(8))
            .collect();
        let bytes = compose(&mut rng, &features);
        let ours = ours(&bytes);
        assert!(ours.is_some(), "{}", String::from_utf8_lossy(&bytes));
        for oracle in &ORACLES {
            if features
                .iter()
                .all(|feature| oracle.wrong.iter().all(|(known, _)| known != feature))
            {
                assert_eq!(
                    (oracle.read)(&bytes),
                    ours,
                    "{} on {}",
                    oracle.name,
                    String::from_utf8_lossy(&bytes)
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 3000, "{compared}");
}

#[test]
fn known_differences_are_still_there() {
    for oracle in &ORACLES {
        for (feature, why) in oracle.wrong {
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            let differs = (0..40).any(|_| {
                let bytes = compose(&mut rng, &[*feature]);
                (oracle.read)(&bytes) != ours(&bytes)
            });
            assert!(differs, "{} agrees now: {feature:?}, {why}", oracle.name);
        }
    }
}
