//! A SIP message as lines of text.

use bytes::Bytes;

#[derive(Clone, Debug)]
pub(super) struct Text {
    first: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Text {
    pub(super) fn read(bytes: &Bytes) -> Option<Text> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?.to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        Some(Text {
            first,
            headers: lines.filter_map(header).collect(),
            body: body.to_owned(),
        })
    }

    pub(super) fn is_response(&self) -> bool {
        self.first.starts_with("SIP/2.0")
    }

    pub(super) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn branch(&self) -> String {
        parameter(self.value("Via").unwrap_or_default(), "branch").unwrap_or_default()
    }

    pub(super) fn to_tag(&self) -> Option<String> {
        parameter(self.value("To").unwrap_or_default(), "tag")
    }

    pub(super) fn user_of(&self, name: &str) -> String {
        user(self.value(name).unwrap_or_default())
    }

    pub(super) fn request_user(&self) -> String {
        user(self.request_uri())
    }

    /// The request already names a contact, which has a port.
    pub(super) fn is_in_dialog_target(&self) -> bool {
        self.method() == "ACK" && self.has("Route")
    }

    pub(super) fn set_request_uri(&mut self, uri: &str) {
        self.first = format!("{} {uri} SIP/2.0", self.method());
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        for (known, old) in &mut self.headers {
            if known.eq_ignore_ascii_case(name) {
                value.clone_into(old);
            }
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    pub(super) fn remove_first(&mut self, name: &str) {
        let at = self
            .headers
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some(at) = at {
            self.headers.remove(at);
        }
    }

    pub(super) fn push_on_top(&mut self, name: &str, value: &str) {
        self.headers.insert(0, (name.to_owned(), value.to_owned()));
    }

    pub(super) fn body(&self) -> Option<String> {
        (!self.body.is_empty()).then(|| self.body.clone())
    }

    pub(super) fn set_body(&mut self, body: &str) {
        body.clone_into(&mut self.body);
        self.set("Content-Length", &body.len().to_string());
    }

    pub(super) fn print(&self) -> Bytes {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        Bytes::from(text)
    }

    /// A response of its own to this request.
    pub(super) fn response(&self, status: &str, more: &[String]) -> Bytes {
        let mut text = format!("SIP/2.0 {status}\r\n");
        let wanted = ["Via", "From", "Call-ID", "CSeq"];
        for (name, value) in &self.headers {
            if wanted.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let to = self.value("To").unwrap_or_default();
        let tag = if status.starts_with("100") || self.to_tag().is_some() {
            ""
        } else {
            ";tag=hosted"
        };
        text.push_str(&format!("To: {to}{tag}\r\n"));
        for line in more {
            text.push_str(&format!("{line}\r\n"));
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        Bytes::from(text)
    }

    pub(super) fn request_uri(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }
}

fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (found, value) = part.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn user(value: &str) -> String {
    let uri = value.split_once("sip:").map_or(value, |(_, uri)| uri);
    uri.split('@').next().unwrap_or_default().to_owned()
}
