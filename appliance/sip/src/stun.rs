//! Answers to STUN Binding requests (RFC 8489), which phones send over the SIP port to keep their way through a router open
//! and to see whether it still is the same (RFC 5626 section 4.4.2).

use std::net::{IpAddr, SocketAddr};

/// Whether a datagram is STUN: type below 0x4000, the length of what follows, and the magic cookie (RFC 8489 section 5).
pub fn is_stun(data: &[u8]) -> bool {
    Header::of(data).is_some()
}

/// The answer to a Binding request from `source`: XOR-MAPPED-ADDRESS, or 420 to attributes that have to be understood.
/// `None` for everything else, which wants no answer.
pub fn answer(request: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let header = Header::of(request).filter(|header| header.kind == BINDING_REQUEST)?;
    let unknown = unknown_attributes(header.attributes)?;
    let (kind, body) = if unknown.is_empty() {
        (
            BINDING_SUCCESS,
            attribute(XOR_MAPPED_ADDRESS, &mapped(source, header.transaction)),
        )
    } else {
        let code = attribute(ERROR_CODE, &UNKNOWN_ATTRIBUTE_CODE);
        (BINDING_ERROR, [code, attribute(UNKNOWN_ATTRIBUTES, &unknown)].concat())
    };
    let length = u16::try_from(body.len()).ok()?.to_be_bytes();
    Some([&kind.to_be_bytes()[..], &length, header.transaction, &body].concat())
}

struct Header<'a> {
    kind: u16,
    /// Cookie and transaction id: what an IPv6 address is masked with.
    transaction: &'a [u8],
    attributes: &'a [u8],
}

impl Header<'_> {
    fn of(data: &[u8]) -> Option<Header<'_>> {
        let (head, attributes) = data.split_at_checked(HEADER_BYTES)?;
        let (kind, length) = (number(head), usize::from(number(&head[2..])));
        let fits = kind < 0x4000 && length == attributes.len() && length.is_multiple_of(4);
        (fits && head[4..8] == COOKIE).then_some(Header {
            kind,
            transaction: &head[4..],
            attributes,
        })
    }
}

/// Types of attributes that must be understood and are not, at most [`UNKNOWN_MAX`]; `None` if they cannot be read.
fn unknown_attributes(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut unknown = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(4)?;
        if number(head) < COMPREHENSION_OPTIONAL && unknown.len() < UNKNOWN_MAX * 2 {
            unknown.extend_from_slice(&head[..2]);
        }
        let padded = usize::from(number(&head[2..])).next_multiple_of(4);
        rest = after.get(padded..)?;
    }
    Some(unknown)
}

/// Family, port and address, masked so that routers do not rewrite them (RFC 8489 section 14.2).
fn mapped(source: SocketAddr, transaction: &[u8]) -> Vec<u8> {
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let mask = |bytes: &[u8]| -> Vec<u8> { bytes.iter().zip(transaction).map(|(byte, mask)| byte ^ mask).collect() };
    [&[0, family][..], &mask(&source.port().to_be_bytes()), &mask(&address)].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let padding = [0; 3];
    let padding = &padding[..value.len().next_multiple_of(4) - value.len()];
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), value, padding].concat()
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

const HEADER_BYTES: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
/// 420 without a reason phrase (RFC 8489 section 14.8).
const UNKNOWN_ATTRIBUTE_CODE: [u8; 4] = [0, 0, 4, 20];
/// Named in an answer: as many as keep it no longer than the request.
const UNKNOWN_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 12] = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(attributes.len()).unwrap();
        [&kind.to_be_bytes()[..], &length.to_be_bytes(), &COOKIE, &ID, attributes].concat()
    }

    #[test]
    fn a_binding_request_hears_the_address_it_came_from() {
        // The mapped addresses of the test vectors in RFC 5769 sections 2.2 and 2.3.
        let cases: [(&str, &[u8]); 2] = [
            ("192.0.2.1:32853", b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"),
            (
                "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
                b"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
            ),
        ];
        for (source, attribute) in cases {
            let answered = answer(&message(BINDING_REQUEST, &[]), source.parse().unwrap());
            assert_eq!(answered, Some(message(BINDING_SUCCESS, attribute)), "{source}");
        }
    }

    #[test]
    fn attributes_that_must_be_understood_are_refused_and_others_passed_over() {
        let source = "192.0.2.1:5060".parse().unwrap();
        let software = attribute(0x8022, b"phone");
        let answered = answer(&message(BINDING_REQUEST, &software), source).unwrap();
        assert_eq!(number(&answered), BINDING_SUCCESS);
        let change_request = attribute(0x0003, &[0, 0, 0, 6]);
        let answered = answer(&message(BINDING_REQUEST, &change_request), source).unwrap();
        assert_eq!(number(&answered), BINDING_ERROR);
        assert!(answered.ends_with(b"\x00\x09\x00\x04\x00\x00\x04\x14\x00\x0a\x00\x02\x00\x03\x00\x00"));
        assert!(answered.len() <= 40);
    }

    #[test]
    fn requests_with_bytes_changed_get_an_answer_no_longer_than_themselves_or_none() {
        let source = "192.0.2.1:5060".parse().unwrap();
        let attributes = [
            attribute(0x0003, &[0, 0, 0, 6]),
            attribute(0x0004, b"abc"),
            attribute(0x8022, b"phone"),
        ];
        let whole = message(BINDING_REQUEST, &attributes.concat());
        let mut answered = 0;
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = byte;
                let reply = answer(&changed, source);
                answered += usize::from(reply.is_some());
                assert!(reply.is_none_or(|reply| reply.len() <= whole.len()), "{at} {byte}");
            }
        }
        assert!(answered > 0 && answered < whole.len() * 256);
    }

    #[test]
    fn what_is_no_binding_request_gets_no_answer() {
        let source = "192.0.2.1:5060".parse().unwrap();
        let whole = message(BINDING_REQUEST, &attribute(0x8022, b"phone"));
        let mut beyond = whole.clone();
        beyond[HEADER_BYTES + 3] = 200;
        let others = [
            message(BINDING_SUCCESS, &[]),
            message(0x0011, &[]),
            beyond,
            b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec(),
        ];
        let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
        for data in cut.chain(others) {
            assert_eq!(answer(&data, source), None, "{data:?}");
        }
    }
}
