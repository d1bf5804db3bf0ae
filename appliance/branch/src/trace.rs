//! The live trace: what crossed the wire, with credentials blanked.

use branchline_call::LegId;
use branchline_sip::Flow;
use branchline_sip::message::{Message, Name, Uri};

use crate::Branch;
use crate::now::Now;
use crate::output::{Output, Watched};
use crate::view::TraceLine;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Arrived,
    Sent,
}

pub(crate) fn line(now: Now, flow: Flow, message: &Message, way: Way) -> TraceLine {
    TraceLine {
        utc_ms: now.utc_ms,
        local: flow.local.to_string(),
        remote: flow.remote.to_string(),
        transport: flow.transport.param_name().to_owned(),
        arrived: way == Way::Arrived,
        summary: summary(message),
        sip_call_id: message.call_id().to_owned(),
        numbers: [user(message.from().uri_text), user(message.to().uri_text)],
        text: redacted(message),
    }
}

impl Branch {
    /// A key that was heard in the sound of a leg; which one is nobody's business (it may be of a PIN).
    pub(crate) fn trace_key(&mut self, now: Now, leg: LegId, duration_ms: u32) {
        let Some(entry) = self.legs.entry(leg).filter(|_| self.watched == Watched::Yes) else {
            return;
        };
        let call_id = self
            .agent
            .session(entry.session)
            .map(|session| session.call_id.to_owned());
        let line = TraceLine {
            utc_ms: now.utc_ms,
            local: entry.flow.local.to_string(),
            remote: entry.flow.remote.to_string(),
            transport: "rtp".to_owned(),
            arrived: true,
            summary: format!("DTMF {duration_ms} ms"),
            sip_call_id: call_id.unwrap_or_default(),
            numbers: [entry.shown.number.clone(), String::new()],
            text: String::new(),
        };
        self.outputs.push_back(Output::Trace(Box::new(line)));
    }
}

fn summary(message: &Message) -> String {
    if message.is_request() {
        format!("{} {}", message.method(), message.request_uri())
    } else {
        format!(
            "{} {} ({})",
            message.status(),
            message.reason_phrase(),
            message.method()
        )
    }
}

fn user(uri: &str) -> String {
    Uri::parse(uri)
        .ok()
        .and_then(|uri| uri.user.map(str::to_owned))
        .unwrap_or_default()
}

/// The text of a message without what could be used to log in or to decrypt media, and without keys that were pressed.
pub(crate) fn redacted(message: &Message) -> String {
    let mut out = String::with_capacity(message.bytes().len());
    let start_line = message.bytes().split(|&byte| byte == b'\n').next().unwrap_or_default();
    out.push_str(String::from_utf8_lossy(start_line).trim_end());
    out.push_str("\r\n");
    for field in message.fields() {
        if matches!(field.name, Name::Authorization | Name::ProxyAuthorization) {
            out.push_str(field.name.as_str());
            out.push_str(": ***");
        } else {
            out.push_str(&String::from_utf8_lossy(field.raw));
        }
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    if is_key(message) {
        out.push_str("***\r\n");
        return out;
    }
    for line in String::from_utf8_lossy(message.body()).split_inclusive(['\r', '\n']) {
        match MEDIA_KEYS.iter().find(|key| starts_with(line, key)) {
            Some(key) => {
                out.push_str(key);
                out.push_str("***\r");
            }
            None => out.push_str(line),
        }
    }
    out
}

/// The body is a key that was pressed.
fn is_key(message: &Message) -> bool {
    message
        .content_type()
        .is_some_and(|kind| starts_with(&kind, "application/dtmf"))
}

fn starts_with(line: &str, prefix: &str) -> bool {
    line.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Lines of a description that carry keys (RFC 4568, RFC 4567, RFC 4566 section 5.12).
const MEDIA_KEYS: [&str; 3] = ["a=crypto:", "a=key-mgmt:", "k="];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn credentials_and_media_keys_never_show_however_the_header_is_written() {
        let headers = [
            "Authorization: Digest username=\"201\",\r\n response=\"c0ffee\"",
            "Authorization\t: Digest response=\"c0ffee\"",
            "proxy-authorization : Digest response=\"c0ffee\"",
            "PROXY-AUTHORIZATION \t :\r\n\tDigest response=\"c0ffee\"",
        ];
        let bodies = [
            "k=clear:c0ffee\r\n",
            "a=crypto:1 AES inline:c0ffee\r\n",
            "A=Key-Mgmt:mikey c0ffee\n",
        ];
        for (header, body) in headers.iter().flat_map(|header| bodies.map(|body| (header, body))) {
            let text = format!(
                "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:a@x>\r\n\
                 Call-ID: a\r\n{header}\r\nCSeq: 1 REGISTER\r\n\r\nv=0\r\n{body}s=-\r\n"
            );
            let message = Message::parse(Bytes::from(text)).unwrap();
            let shown = redacted(&message);
            assert!(!shown.contains("c0ffee"), "{shown}");
            for kept in [
                "REGISTER sip:x SIP/2.0\r\n",
                "uthorization: ***\r\nCSeq: 1 REGISTER\r\n\r\nv=0\r\n",
                "s=-\r\n",
            ] {
                assert!(shown.contains(kept), "{kept:?} in {shown}");
            }
        }
    }

    #[test]
    fn a_key_that_was_pressed_does_not_show() {
        for kind in ["Content-Type: application/dtmf-relay", "c : Application/DTMF"] {
            let text = format!(
                "INFO sip:x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:a@x>\r\n\
                 Call-ID: a\r\nCSeq: 7 INFO\r\n{kind}\r\n\r\nSignal=5\r\nDuration=100\r\n"
            );
            let shown = redacted(&Message::parse(Bytes::from(text)).unwrap());
            assert!(shown.contains("CSeq: 7") && !shown.contains("ignal=5"), "{shown}");
        }
    }
}
