//! The live trace: what crossed the wire, with credentials blanked.

use branchline_call::LegId;
use branchline_sip::Flow;
use branchline_sip::message::{Message, Uri};

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
        text: redacted(message.bytes()),
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
pub(crate) fn redacted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut blanking = false;
    let (mut in_body, mut keys) = (false, false);
    for line in text.split_inclusive('\n') {
        in_body |= line.trim_end().is_empty();
        keys |= !in_body && is_keys(line);
        if in_body && keys {
            out.push_str("\r\n***\r\n");
            break;
        }
        let folded = line.starts_with([' ', '\t']);
        blanking = if folded { blanking } else { is_secret(line) };
        if !blanking {
            out.push_str(line);
        } else if !folded {
            let name = line.split([':', ' ']).next().unwrap_or_default();
            out.push_str(name);
            out.push_str(": ***\r\n");
        }
    }
    out
}

/// The body is a key that was pressed.
fn is_keys(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let value = lower.strip_prefix("content-type").or_else(|| lower.strip_prefix("c"));
    let value = value.and_then(|rest| rest.trim_start().strip_prefix(':'));
    value.is_some_and(|value| value.trim_start().starts_with("application/dtmf"))
}

fn is_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    [
        "authorization:",
        "proxy-authorization:",
        "a=crypto:",
        "a=key-mgmt:",
        "k=",
    ]
    .iter()
    .any(|secret| lower.starts_with(secret))
        || lower.starts_with("authorization ")
        || lower.starts_with("proxy-authorization ")
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn credentials_and_media_keys_never_show() {
        let message = b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nAuthorization: Digest username=\"201\",\r\n response=\"c0ffee\"\r\n\
            proxy-authorization : Digest response=\"c0ffee\"\r\nCSeq: 1 REGISTER\r\n\r\nv=0\r\na=crypto:1 AES inline:c0ffee\r\nk=clear:c0ffee\r\n";
        let shown = redacted(message);
        assert!(!shown.contains("c0ffee"), "{shown}");
        for kind in ["Content-Type: application/dtmf-relay", "c : application/dtmf"] {
            let info = format!("INFO sip:x SIP/2.0\r\nCSeq: 7 INFO\r\n{kind}\r\n\r\nSignal=5\r\nDuration=100\r\n");
            let shown = redacted(info.as_bytes());
            assert!(shown.contains("CSeq: 7") && !shown.contains("ignal=5"), "{shown}");
        }
        assert!(
            shown.contains("Authorization: ***") && shown.contains("CSeq: 1 REGISTER"),
            "{shown}"
        );
    }
}
