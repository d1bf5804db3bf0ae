//! Descriptions in the shapes real phones send, read and anchored.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use branchline_sdp::{Address, Anchor, Direction, Origin, Sdp};
use std::net::IpAddr;

struct Expected {
    file: &'static str,
    rtp: Option<&'static str>,
    rtcp: Option<&'static str>,
    codecs: &'static [&'static str],
    event: Option<u8>,
    direction: Direction,
    carried: usize,
}

const PHONES: [Expected; 6] = [
    Expected {
        file: "desk_phone_a",
        rtp: Some("192.168.10.21:11780"),
        rtcp: Some("192.168.10.21:11781"),
        codecs: &[
            "G722/8000",
            "PCMU/8000",
            "PCMA/8000",
            "G729/8000",
            "telephone-event/8000",
        ],
        event: Some(101),
        direction: Direction::SendRecv,
        carried: 0,
    },
    Expected {
        file: "conference_phone",
        rtp: Some("10.20.0.7:2228"),
        rtcp: Some("10.20.0.7:2229"),
        codecs: &[
            "G7221/32000",
            "G722/8000",
            "PCMU/8000",
            "PCMA/8000",
            "telephone-event/8000",
        ],
        event: Some(127),
        direction: Direction::SendRecv,
        carried: 0,
    },
    Expected {
        file: "softphone_ice",
        rtp: Some("203.0.113.40:24062"),
        rtcp: Some("203.0.113.40:24062"),
        codecs: &["opus/48000", "PCMA/8000", "PCMU/8000", "telephone-event/8000"],
        event: Some(101),
        direction: Direction::SendRecv,
        carried: 0,
    },
    Expected {
        file: "library_phone_ipv6",
        rtp: Some("[2001:db8::21]:4000"),
        rtcp: Some("[2001:db8::21]:4001"),
        codecs: &[
            "speex/16000",
            "speex/8000",
            "speex/32000",
            "iLBC/8000",
            "GSM/8000",
            "PCMU/8000",
            "PCMA/8000",
            "G722/8000",
            "telephone-event/8000",
        ],
        event: Some(120),
        direction: Direction::SendRecv,
        carried: 0,
    },
    Expected {
        file: "enterprise_gateway_hold",
        rtp: None,
        rtcp: None,
        codecs: &["G729/8000", "PCMU/8000", "telephone-event/8000", "CN/8000"],
        event: Some(101),
        direction: Direction::SendOnly,
        carried: 0,
    },
    Expected {
        file: "secure_only",
        rtp: None,
        rtcp: None,
        codecs: &["PCMU/8000", "PCMA/8000"],
        event: None,
        direction: Direction::SendRecv,
        carried: 1,
    },
];

#[test]
fn every_phone_is_read_as_it_meant() {
    for phone in &PHONES {
        let sdp = read(phone.file);
        let carried = sdp.carried().unwrap();
        let codecs: Vec<String> = sdp
            .codecs()
            .iter()
            .map(|codec| format!("{}/{}", codec.name, codec.clock_hz))
            .collect();
        assert_eq!(carried.index, phone.carried, "{}", phone.file);
        assert_eq!(
            carried.rtp_address(),
            phone.rtp.map(|text| text.parse().unwrap()),
            "{}",
            phone.file
        );
        assert_eq!(
            carried.rtcp_address(),
            phone.rtcp.map(|text| text.parse().unwrap()),
            "{}",
            phone.file
        );
        assert_eq!(codecs, phone.codecs, "{}", phone.file);
        assert_eq!(sdp.telephone_event_payload(), phone.event, "{}", phone.file);
        assert_eq!(carried.direction(), phone.direction, "{}", phone.file);
        assert_eq!(sdp.is_hold(), !phone.direction.receives(), "{}", phone.file);
    }
}

#[test]
fn printing_gives_back_the_same_bytes() {
    for phone in &PHONES {
        assert_eq!(read(phone.file).to_bytes(), raw(phone.file), "{}", phone.file);
    }
}

#[test]
fn anchoring_leaves_no_address_of_the_phone() {
    for phone in &PHONES {
        let sdp = read(phone.file);
        let anchored = anchored(&sdp);
        let text = String::from_utf8(anchored.to_bytes().to_vec()).unwrap();
        for hidden in [
            "192.168.",
            "10.20.",
            "203.0.113.",
            "2001:db8",
            "0.0.0.0",
            "example.net",
            "candidate",
            "ice-",
            "crypto",
            "rtcp-mux",
        ] {
            assert!(!text.contains(hidden), "{}: {hidden} is still in\n{text}", phone.file);
        }
        assert_eq!(anchored.media().len(), sdp.media().len(), "{}", phone.file);
        for stream in anchored.streams() {
            let port = if stream.index == phone.carried { 20_000 } else { 0 };
            assert_eq!(stream.media.port(), port, "{} stream {}", phone.file, stream.index);
            assert_eq!(
                stream.media.formats(),
                sdp.media()[stream.index].formats(),
                "{}",
                phone.file
            );
        }
        let carried = anchored.carried().unwrap();
        assert_eq!(carried.connection(), Some(Address::Ip(ADDRESS)));
        assert_eq!(carried.rtcp_address().unwrap().port(), 20_001, "{}", phone.file);
        assert_eq!(carried.direction(), phone.direction, "a hold survives: {}", phone.file);
        assert_eq!(anchored.codecs(), sdp.codecs(), "{}", phone.file);
    }
}

#[test]
fn unknown_lines_of_the_carried_stream_survive_anchoring() {
    let text = anchored(&read("softphone_ice")).to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    let expected = "v=0\r\no=- 42 7 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\na=tool:phone\r\n\
        m=audio 20000 RTP/AVP 96 8 0 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1;sprop-stereo=1\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
        a=rtcp:20001 IN IP4 198.51.100.1\r\na=label:1\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(text, expected);
}

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

fn anchored(sdp: &Sdp) -> Sdp {
    let ports = sdp.ports_for_carried(20_000);
    sdp.anchor(&Anchor {
        address: ADDRESS,
        origin: Origin {
            session_id: 42,
            version: 7,
        },
        ports: &ports,
    })
}

fn raw(file: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/phones/{file}.sdp", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read(file: &str) -> Sdp {
    Sdp::parse(&raw(file)).unwrap()
}
