//! The live trace: what crossed the wire, with credentials blanked.

use branchline_sip::Flow;
use branchline_sip::message::{Message, Uri};

use crate::now::Now;
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

/// The text of a message without what could be used to log in or to decrypt media.
pub(crate) fn redacted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut blanking = false;
    for line in text.split_inclusive('\n') {
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
        assert!(
            shown.contains("Authorization: ***") && shown.contains("CSeq: 1 REGISTER"),
            "{shown}"
        );
    }
}
