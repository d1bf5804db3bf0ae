//! Our words as those of `rsip` and back. Only what `rsip` can say is converted; the rest is `None`.

use super::method::Method;
use crate::flow::Transport;

impl Method {
    /// The method in rsip's closed list.
    pub fn to_rsip(&self) -> Option<rsip::Method> {
        self.as_str().parse().ok()
    }
}

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Method {
        Method::of(&method.to_string())
    }
}

impl From<Transport> for rsip::Transport {
    fn from(transport: Transport) -> rsip::Transport {
        match transport {
            Transport::Udp => rsip::Transport::Udp,
            Transport::Tcp => rsip::Transport::Tcp,
            Transport::Tls => rsip::Transport::Tls,
        }
    }
}

/// The transport of rsip that we speak too.
pub fn transport_of(transport: &rsip::Transport) -> Option<Transport> {
    Transport::of(&transport.to_string())
}

/// A status code with rsip's name.
pub fn status_of(status: u16) -> rsip::StatusCode {
    rsip::StatusCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::reason_phrase;

    #[test]
    fn methods_and_transports_go_there_and_back() {
        let known = [
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Register,
            Method::Options,
            Method::Prack,
        ];
        for method in known {
            assert_eq!(method.to_rsip().map(Method::from), Some(method));
        }
        assert_eq!(Method::of("WIBBLE").to_rsip(), None);
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            assert_eq!(transport_of(&transport.into()), Some(transport));
        }
    }

    #[test]
    fn reason_phrases_are_those_of_rsip_but_for_spacing() {
        let letters = |text: &str| {
            text.chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_ascii_lowercase()
        };
        // rsip has 202 under 201, two that RFC 3261 left out of HTTP's, and a phrase of its own for 606.
        for status in (100..700).filter(|status| ![201, 409, 411, 606].contains(status)) {
            let theirs = status_of(status);
            if let rsip::StatusCode::Other(..) = theirs {
                continue;
            }
            let theirs = theirs.to_string();
            let (_, theirs) = theirs.split_once(' ').unwrap();
            assert_eq!(letters(reason_phrase(status)), letters(theirs), "{status}");
        }
    }
}
