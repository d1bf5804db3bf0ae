//! Bounds, faults, and the rules of offer and answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use branchline_sdp::{
    AnswerError, Codec, Direction, FreshOffer, LINES_MAX, MEDIA_MAX, Origin, SIZE_MAX, Sdp, SdpError, check_answer,
    intersect,
};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

#[test]
fn faults_name_the_line() {
    let cases: [(String, SdpError); 10] = [
        (String::new(), SdpError::Version),
        ("o=- 1 1 IN IP4 h\r\nv=0\r\n".into(), SdpError::Version),
        ("v=0\r\ns=-\r\n".into(), SdpError::Origin),
        ("v=0\r\no=- 1 1\r\n".into(), SdpError::Origin),
        (format!("{HEAD}o=- 1 1 IN IP4 h\r\n"), SdpError::Origin),
        (format!("{HEAD}junk\r\n"), SdpError::MalformedLine { line: 6 }),
        (format!("{HEAD}s=a\rb\r\n"), SdpError::MalformedLine { line: 6 }),
        (format!("{HEAD}m=audio 4000\r\n"), SdpError::Media { line: 6 }),
        (
            format!("{HEAD}m=audio 65536 RTP/AVP 0\r\n"),
            SdpError::Media { line: 6 },
        ),
        (
            format!("{HEAD}m=audio 1 RTP/AVP 0\r\nc=IN IP4\r\n"),
            SdpError::Connection { line: 7 },
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Sdp::parse(text.as_bytes()), Err(expected), "{text:?}");
    }
}

#[test]
fn bounds_hold_at_the_edge() {
    let media = |count: usize| format!("{HEAD}{}", "m=audio 4 RTP/AVP 0\r\n".repeat(count));
    let lines = |count: usize| format!("{HEAD}{}", "a=x\r\n".repeat(count - 5));
    let formats = |count: usize| format!("{HEAD}m=audio 4 RTP/AVP{}\r\n", " 0".repeat(count));
    let bytes = |count: usize| format!("{HEAD}i={}", "x".repeat(count - HEAD.len() - 2));
    assert!(Sdp::parse(media(MEDIA_MAX).as_bytes()).is_ok());
    assert_eq!(Sdp::parse(media(MEDIA_MAX + 1).as_bytes()), Err(SdpError::TooManyMedia));
    assert!(Sdp::parse(lines(LINES_MAX).as_bytes()).is_ok());
    assert_eq!(Sdp::parse(lines(LINES_MAX + 1).as_bytes()), Err(SdpError::TooManyLines));
    assert!(Sdp::parse(formats(128).as_bytes()).is_ok());
    assert_eq!(
        Sdp::parse(formats(129).as_bytes()),
        Err(SdpError::TooManyFormats { line: 6 })
    );
    assert!(Sdp::parse(bytes(SIZE_MAX).as_bytes()).is_ok());
    assert_eq!(
        Sdp::parse(bytes(SIZE_MAX + 1).as_bytes()),
        Err(SdpError::TooLarge { bytes: SIZE_MAX + 1 })
    );
}

#[test]
fn line_feeds_alone_are_read_and_printed_as_crlf() {
    let crlf = format!("{HEAD}m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n");
    let sdp = Sdp::parse(crlf.replace("\r\n", "\n").as_bytes()).unwrap();
    assert_eq!(sdp.to_bytes(), crlf);
}

#[test]
fn direction_comes_from_the_stream_then_the_session_then_the_default() {
    let cases = [
        ("", "", Direction::SendRecv, false),
        ("a=recvonly\r\n", "", Direction::RecvOnly, false),
        ("a=recvonly\r\n", "a=inactive\r\n", Direction::Inactive, true),
        ("", "a=sendonly\r\n", Direction::SendOnly, true),
        ("", "c=IN IP4 0.0.0.0\r\n", Direction::SendOnly, true),
        ("", "c=IN IP6 ::\r\n", Direction::SendOnly, true),
        ("", "c=IN IP4 0.0.0.0\r\na=recvonly\r\n", Direction::Inactive, true),
    ];
    for (session, stream, direction, hold) in cases {
        let sdp = parse(&format!("{HEAD}{session}m=audio 4000 RTP/AVP 0\r\n{stream}"));
        assert_eq!(sdp.carried().unwrap().direction(), direction, "{session}{stream}");
        assert_eq!(sdp.is_hold(), hold, "{session}{stream}");
    }
}

#[test]
fn answers_are_held_to_the_offer() {
    use AnswerError as Fault;
    let audio = "m=audio 4000 RTP/AVP 0\r\n";
    let cases = [
        (audio, "m=audio 5000 RTP/AVP 0\r\n", Ok(())),
        (audio, "m=audio 0 RTP/AVP 0\r\n", Ok(())),
        (
            audio,
            "",
            Err(Fault::StreamCount {
                offered: 1,
                answered: 0,
            }),
        ),
        (audio, "m=video 5000 RTP/AVP 0\r\n", Err(Fault::MediaType { stream: 0 })),
        (audio, "m=audio 5000 RTP/SAVP 0\r\n", Err(Fault::Protocol { stream: 0 })),
        (
            "m=audio 0 RTP/AVP 0\r\n",
            audio,
            Err(Fault::AcceptedDeclined { stream: 0 }),
        ),
        (
            audio,
            "m=audio 5000 RTP/AVP 8\r\n",
            Err(Fault::NoCommonCodec { stream: 0 }),
        ),
        (
            "m=audio 4 RTP/AVP 0\r\na=sendonly\r\n",
            "m=audio 5 RTP/AVP 0\r\na=recvonly\r\n",
            Ok(()),
        ),
        (
            "m=audio 4 RTP/AVP 0\r\na=sendonly\r\n",
            "m=audio 5 RTP/AVP 0\r\na=inactive\r\n",
            Ok(()),
        ),
        (
            "m=audio 4 RTP/AVP 0\r\na=sendonly\r\n",
            audio,
            Err(Fault::Direction { stream: 0 }),
        ),
        (
            "m=audio 4 RTP/AVP 0\r\na=inactive\r\n",
            "m=audio 5 RTP/AVP 0\r\na=recvonly\r\n",
            Err(Fault::Direction { stream: 0 }),
        ),
        ("m=image 4 udptl t38\r\n", "m=image 5 udptl t38\r\n", Ok(())),
        // The same codec under another payload type is allowed (RFC 3264 section 6.1).
        (
            "m=audio 4 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n",
            "m=audio 5 RTP/AVP 111\r\na=rtpmap:111 OPUS/48000/2\r\n",
            Ok(()),
        ),
    ];
    for (offer, answer, expected) in cases {
        let (offer, answer) = (parse(&format!("{HEAD}{offer}")), parse(&format!("{HEAD}{answer}")));
        assert_eq!(
            check_answer(&offer, &answer),
            expected,
            "{:?} {:?}",
            offer.to_bytes(),
            answer.to_bytes()
        );
    }
}

#[test]
fn an_answer_to_one_stream_lines_up_with_an_offer_of_three() {
    let offer = parse(&format!(
        "{HEAD}m=video 4002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\nm=audio 4000 RTP/AVP 8 0\r\nm=image 4004 udptl t38\r\n"
    ));
    let answer = parse(&format!("{HEAD}m=audio 6000 RTP/AVP 8\r\na=ptime:20\r\n"));
    let aligned = answer.align_to_offer(&offer);
    let text = aligned.to_bytes();
    let expected =
        format!("{HEAD}m=video 0 RTP/AVP 99\r\nm=audio 6000 RTP/AVP 8\r\na=ptime:20\r\nm=image 0 udptl t38\r\n");
    assert_eq!(text, expected);
    assert_eq!(check_answer(&offer, &aligned), Ok(()));

    let declined = parse(&format!("{HEAD}m=audio 0 RTP/AVP 8\r\n")).align_to_offer(&offer);
    assert!(declined.media().iter().all(|media| media.port() == 0));
    assert_eq!(check_answer(&offer, &declined), Ok(()));
}

#[test]
fn a_fresh_offer_says_what_it_was_given() {
    let mut event = Codec::new(101, "telephone-event", 8000);
    event.fmtp = Some("0-16\r\nm=evil".into());
    let codecs = [
        Codec::of_static_payload(8).unwrap(),
        Codec {
            channels: 2,
            ..Codec::new(96, "opus", 48000)
        },
        event,
    ];
    let sdp = Sdp::offer(&FreshOffer {
        address: "2001:db8::5".parse().unwrap(),
        origin: Origin {
            session_id: 9,
            version: 3,
        },
        port: 16_384,
        codecs: &codecs,
        direction: Direction::SendRecv,
    });
    let expected = "v=0\r\no=- 9 3 IN IP6 2001:db8::5\r\ns=-\r\nc=IN IP6 2001:db8::5\r\nt=0 0\r\n\
        m=audio 16384 RTP/AVP 8 96 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 opus/48000/2\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16m=evil\r\na=sendrecv\r\n";
    assert_eq!(sdp.to_bytes(), expected);
    assert_eq!(parse(expected), sdp);
}

#[test]
fn codecs_in_common_keep_the_offered_order_and_numbers() {
    let offered = codecs(
        "m=audio 4 RTP/AVP 96 97 8 0\r\na=rtpmap:96 iLBC/8000\r\na=fmtp:96 mode=20\r\na=rtpmap:97 opus/48000/2\r\n",
    );
    let accepted = codecs("m=audio 4 RTP/AVP 0 111 98\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:98 iLBC/8000\r\n");
    let numbers: Vec<u8> = intersect(&offered, &accepted)
        .iter()
        .map(|codec| codec.payload)
        .collect();
    assert_eq!(numbers, [97, 0], "iLBC of 20 ms is not iLBC of 30 ms");
}

#[test]
fn the_version_alone_is_no_change_of_content() {
    let first = parse(&format!("{HEAD}m=audio 4 RTP/AVP 0\r\n"));
    let again = parse(&format!("{HEAD}m=audio 4 RTP/AVP 0\r\n").replace("o=- 1 1", "o=- 1 2"));
    let held = parse(&format!("{HEAD}m=audio 4 RTP/AVP 0\r\na=sendonly\r\n"));
    assert!(first.is_same_content(&again));
    assert!(!first.is_same_content(&held));
    assert_eq!(again.version(), Some(2));
}

fn parse(text: &str) -> Sdp {
    Sdp::parse(text.as_bytes()).unwrap()
}

fn codecs(media: &str) -> Vec<Codec> {
    parse(&format!("{HEAD}{media}")).codecs()
}

#[test]
fn a_description_understands_what_it_lists_under_the_same_numbers() {
    let told = |media: &str| {
        let text = format!("v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media}\r\n");
        Sdp::parse(text.as_bytes()).unwrap()
    };
    let phone = told("m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000");
    assert_eq!(phone.origin(), Some((7, "192.0.2.1".parse().unwrap())));
    let cases = [
        ("m=audio 4000 RTP/AVP 8", true),
        ("m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000", true),
        ("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000", false),
        ("m=audio 4000 RTP/AVP 9", false),
        ("m=audio 0 RTP/AVP 8", false),
    ];
    for (media, understood) in cases {
        assert_eq!(phone.understands(&told(media)), understood, "{media}");
    }
}
