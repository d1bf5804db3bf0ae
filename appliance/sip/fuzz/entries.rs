//! What must hold for any bytes: used by the fuzz targets and replayed by `tests/fuzz.rs`.

use branchline_sip::agent::Body;
use branchline_sip::frame::{FrameError, Framed, Framer, Side};
use branchline_sip::message::{Authentication, Contact, Event, Reason, Refusal, Replaces, SubscriptionState};
use branchline_sip::stun;
use branchline_sip::{Builder, Message, Name, NameAddr, ParseError, Uri, Via};
use bytes::Bytes;

/// A message parses or is refused; what parses reads, prints and answers without loss.
pub(crate) fn message(data: &[u8]) {
    let message = match Message::parse(Bytes::copy_from_slice(data)) {
        Ok(message) => message,
        Err(why) => {
            if let Some(refusal) = Refusal::for_bytes(data, why) {
                assert!(refusal.response("tag").ends_with(b"\r\n\r\n"));
            }
            return;
        }
    };
    let again = Message::parse(message.bytes().clone()).expect("the bytes of a message parse");
    assert_eq!(again.bytes(), message.bytes());
    assert!(data.ends_with(message.body()) || data.len() > message.bytes().len());
    read(&message);
    if message.is_request() {
        let response = Builder::response_with_tag(&message, 200, "tag").try_finish();
        match response {
            Ok(response) => {
                assert_eq!(
                    (response.call_id(), response.cseq()),
                    (message.call_id(), message.cseq())
                );
                assert_eq!(response.from_tag(), message.from_tag());
                assert!(response.to_tag().is_some() || message.to().params.has("tag"));
                assert_eq!(response.values(Name::Via).count(), message.values(Name::Via).count());
            }
            Err(why) => assert!(matches!(why, ParseError::TooLong), "{why}"),
        }
        let copied = Builder::response(&message, 100)
            .copy_unknown(&message, |_| true)
            .finish();
        assert!(copied.bytes().ends_with(b"\r\n\r\n"));
    }
}

fn read(message: &Message) {
    let _ = (
        message.method(),
        message.request_uri(),
        message.status(),
        message.reason_phrase(),
        message.content_type(),
    );
    assert!(!message.call_id().is_empty());
    assert!(!message.top_via().transport.is_empty());
    assert!(!message.from().uri_text.is_empty() && !message.to().uri_text.is_empty());
    for field in message.fields() {
        let _ = (
            message.text(field.name),
            message.number(field.name),
            message.has_token(field.name, "x"),
        );
        assert!(message.values(field.name).count() <= field.raw.len() * 256 + 256);
        for value in message.values(field.name) {
            if let Ok(address) = NameAddr::parse(value) {
                let _ = (
                    address.uri().map(|uri| uri.same_as(&uri)),
                    address.q_thousandths(),
                    address.instance(),
                );
                address.params.iter().for_each(|param| drop(param.value()));
            }
            let _ = (
                Via::parse(value).map(|via| (via.received(), via.rport())),
                Contact::parse(value),
                Event::parse(value),
            );
            let _ = (
                SubscriptionState::parse(value),
                Replaces::parse(value),
                Reason::parse(value).map(|why| why.to_string()),
            );
            if let Ok(credentials) = Authentication::parse(value) {
                assert!(credentials.iter().count() <= value.len());
                let _ = credentials.get("nonce");
            }
        }
    }
    let _ = (
        message.session_expires(),
        message.rack(),
        message.privacy(),
        message.retry_after_s(),
    );
    let _ = (
        message.history().count(),
        message.diversions().count(),
        message.contacts().count(),
    );
    if let Ok(uri) = Uri::parse(message.request_uri()) {
        assert!(uri.same_as(&uri));
    }
}

/// A stream is cut the same whole and in pieces, and framer and parser agree on where each message ends. The first byte is the piece size.
pub(crate) fn frame(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let whole = cut(stream, stream.len().max(1));
    let pieces = cut(stream, usize::from(size).max(1));
    assert_eq!(messages(&whole), messages(&pieces));
    for bytes in messages(&whole) {
        if let Ok(message) = Message::parse(bytes.clone()) {
            assert!(
                bytes.ends_with(message.bytes()),
                "the parser saw another end than the framer"
            );
        }
    }
}

fn messages(frames: &[Result<Framed, FrameError>]) -> Vec<&Bytes> {
    let framed = frames.iter().filter_map(|frame| match frame {
        Ok(Framed::Message(bytes)) => Some(bytes),
        Ok(Framed::Ping | Framed::Pong) | Err(_) => None,
    });
    framed.collect()
}

fn cut(stream: &[u8], size: usize) -> Vec<Result<Framed, FrameError>> {
    let mut framer = Framer::new(Side::Accepted);
    let mut frames = Vec::new();
    for piece in stream.chunks(size) {
        framer.handle_bytes(piece);
        while let Some(frame) = framer.poll_frame() {
            let failed = frame.is_err();
            frames.push(frame);
            if failed {
                return frames;
            }
        }
        assert!(framer.buffered_bytes() <= 65_535 + piece.len());
    }
    frames
}

/// A body, after a first line that says what it is: its description is a piece of it.
pub(crate) fn body(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let bytes = Bytes::copy_from_slice(data.get(end + 1..).unwrap_or_default());
    let body = Body {
        content_type: String::from_utf8_lossy(&data[..end]).into(),
        bytes: bytes.clone(),
    };
    if let Some(description) = body.session_description() {
        assert!(description.is_empty() || bytes.windows(description.len()).any(|piece| piece == description));
    }
}

/// A datagram that may be STUN: an answer is STUN again, and never much longer than what was asked.
pub(crate) fn stun(data: &[u8]) {
    for source in ["192.0.2.1:5060", "[2001:db8::1]:5060"] {
        let source = source.parse().expect("an address");
        let Some(answer) = stun::answer(data, source) else {
            continue;
        };
        assert!(stun::is_stun(data) && stun::is_stun(&answer));
        assert!(answer.len() <= data.len() + ANSWER_MORE_BYTES_MAX);
    }
}

/// XOR-MAPPED-ADDRESS of IPv6 with its header, or an error code and the list of what was not understood.
const ANSWER_MORE_BYTES_MAX: usize = 64;
