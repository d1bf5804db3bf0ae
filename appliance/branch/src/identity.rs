//! Who a party is to others: caller id, privacy (RFC 3323), asserted identity (RFC 3325), and the headers that say so.

use std::net::SocketAddr;

use branchline_sip::message::{Message, Name, Uri};
use branchline_sip::{Flow, Transport};

use crate::Branch;
use crate::legs::Party;

/// A party as others may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) number: String,
    pub(crate) display: Option<String>,
    pub(crate) privacy: Privacy,
}

/// Whether the number may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Privacy {
    #[default]
    Shown,
    Withheld,
}

/// Whether what a sender asserts is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Trusted,
    Untrusted,
}

impl Shown {
    /// What a request says of its caller: the identity that a trusted sender asserts (RFC 3325 section 5), From otherwise.
    pub(crate) fn of_request(request: &Message, sender: Sender) -> Shown {
        let asserted = match sender {
            Sender::Trusted => request.addresses(Name::PAssertedIdentity).find_map(Result::ok),
            Sender::Untrusted => None,
        };
        let shown = asserted.unwrap_or_else(|| request.from());
        let number = Uri::parse(shown.uri_text)
            .ok()
            .and_then(|uri| uri.user.map(|_| uri.user_unescaped().into_owned()));
        let number = number.unwrap_or_default();
        let withheld = request.privacy().hides_caller() || number.eq_ignore_ascii_case("anonymous");
        Shown {
            privacy: if withheld { Privacy::Withheld } else { Privacy::Shown },
            display: shown.display.as_ref().map(|text| text.clone().into_owned()),
            number,
        }
    }

    /// User part of our Contact on behalf of this party.
    pub(crate) fn contact_user(&self) -> &str {
        match self.privacy {
            Privacy::Withheld => "anonymous",
            Privacy::Shown if self.number.is_empty() => "anonymous",
            Privacy::Shown => &self.number,
        }
    }

    /// `From` or `To` without a tag.
    pub(crate) fn name_addr(&self, domain: &str) -> String {
        if self.privacy == Privacy::Withheld || self.number.is_empty() {
            // RFC 3323 section 4.1.1.3.
            return "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned();
        }
        self.asserted(domain)
    }

    /// The same with the true number, for a trunk that is trusted with it.
    pub(crate) fn asserted(&self, domain: &str) -> String {
        let uri = format!("sip:{}@{domain}", escaped(&self.number));
        match &self.display {
            Some(display) if !display.is_empty() => format!("\"{}\" <{uri}>", quoted(display)),
            Some(_) | None => format!("<{uri}>"),
        }
    }
}

impl Branch {
    /// The caller as others see it: an extension by our own table, never by what it claims.
    pub(crate) fn shown(&self, party: &Party, request: &Message) -> Shown {
        match party {
            Party::Extension(number) => self.shown_extension(number, request),
            Party::Trunk(name) if self.config.trunk(name).is_some_and(|trunk| trunk.trusted) => {
                Shown::of_request(request, Sender::Trusted)
            }
            // The hosted PBX is the branch's own.
            Party::Hosted(_) => Shown::of_request(request, Sender::Trusted),
            Party::Trunk(_) | Party::Stranger => Shown::of_request(request, Sender::Untrusted),
        }
    }

    fn shown_extension(&self, number: &str, request: &Message) -> Shown {
        let asked = Shown::of_request(request, Sender::Untrusted).privacy;
        let entry = self.config.extension(number);
        let privacy = match entry.map(|entry| entry.privacy) {
            Some(branchline_config::Privacy::Withheld) => Privacy::Withheld,
            Some(branchline_config::Privacy::Shown) | None => asked,
        };
        Shown {
            number: number.to_owned(),
            display: entry.map(|entry| entry.name.clone()),
            privacy,
        }
    }
}

/// Our Contact on a flow.
pub(crate) fn contact(user: &str, flow: Flow) -> String {
    let transport = match flow.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    format!("<sip:{}@{}{transport}>", escaped(user), flow.local)
}

/// Host part of a URI for an address: IPv6 in brackets, no port.
pub(crate) fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// The user part with everything escaped that RFC 3261 section 25.1 does not allow there.
pub(crate) fn escaped(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'!'
            | b'~'
            | b'*'
            | b'\''
            | b'('
            | b')'
            | b'&'
            | b'='
            | b'+'
            | b'$'
            | b','
            | b';'
            | b'?'
            | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_and_a_number_escaped_so_that_no_header_breaks() {
        let shown = Shown {
            number: "20#1 @x".into(),
            display: Some("A \"B\"\r\nX: y".into()),
            privacy: Privacy::Shown,
        };
        assert_eq!(
            shown.name_addr("192.0.2.1"),
            "\"A \\\"B\\\"X: y\" <sip:20%231%20%40x@192.0.2.1>"
        );
    }

    #[test]
    fn a_withheld_number_is_anonymous_to_all_but_a_trusted_trunk() {
        let shown = Shown {
            number: "201".into(),
            display: None,
            privacy: Privacy::Withheld,
        };
        assert_eq!(
            shown.name_addr("192.0.2.1"),
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>"
        );
        assert_eq!(shown.asserted("192.0.2.1"), "<sip:201@192.0.2.1>");
    }

    #[test]
    fn a_caller_who_asks_for_privacy_is_withheld_however_the_word_is_written() {
        let cases = [
            ("", Privacy::Shown),
            ("Privacy: none\r\n", Privacy::Shown),
            ("Privacy: critical\r\n", Privacy::Shown),
            ("Privacy: id\r\n", Privacy::Withheld),
            ("privacy: ID;critical\r\n", Privacy::Withheld),
            ("Privacy: critical; User\r\n", Privacy::Withheld),
            ("Privacy: Header\r\n", Privacy::Withheld),
        ];
        for (header, privacy) in cases {
            let text = format!(
                "INVITE sip:201@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:030@x>;tag=a\r\nTo: <sip:201@x>\r\n\
                 Call-ID: a\r\nCSeq: 1 INVITE\r\n{header}\r\n"
            );
            let invite = Message::parse(text.into_bytes().into()).unwrap();
            assert_eq!(
                Shown::of_request(&invite, Sender::Untrusted).privacy,
                privacy,
                "{header:?}"
            );
        }
    }

    #[test]
    fn our_contact_names_the_transport_and_brackets_ipv6() {
        let remote = "[2001:db8::2]:5060".parse().unwrap();
        let local = "[2001:db8::1]:5061".parse().unwrap();
        let flow = Flow {
            transport: Transport::Tls,
            local,
            remote,
            connection: None,
        };
        assert_eq!(contact("201", flow), "<sip:201@[2001:db8::1]:5061;transport=tls>");
    }
}
