//! Session descriptions as simple telephones write and read them (RFC 8866, RFC 3264).

use std::net::{IpAddr, SocketAddr};

/// What one side does with the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Talks and listens.
    SendRecv,
    /// Only sends: the other is held, with music.
    SendOnly,
    /// Only listens.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Way {
    /// The attribute.
    pub fn name(self) -> &'static str {
        match self {
            Way::SendRecv => "sendrecv",
            Way::SendOnly => "sendonly",
            Way::RecvOnly => "recvonly",
            Way::Inactive => "inactive",
        }
    }

    /// Whether this side sends.
    pub fn sends(self) -> bool {
        matches!(self, Way::SendRecv | Way::SendOnly)
    }

    /// Whether this side listens.
    pub fn receives(self) -> bool {
        matches!(self, Way::SendRecv | Way::RecvOnly)
    }

    /// What a side that wants `wish` may answer to this offer (RFC 3264 section 6.1).
    pub(super) fn answer(self, wish: Way) -> Way {
        match (self.receives() && wish.sends(), self.sends() && wish.receives()) {
            (true, true) => Way::SendRecv,
            (true, false) => Way::SendOnly,
            (false, true) => Way::RecvOnly,
            (false, false) => Way::Inactive,
        }
    }
}

/// What a description says of the first stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where its writer receives RTP.
    pub media: SocketAddr,
    /// What its writer does.
    pub way: Way,
    /// How many streams there are.
    pub streams: usize,
}

/// Writes a description; streams after the first are declined.
pub(super) fn write(said: Described, version: u32) -> String {
    let ip = said.media.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let mut text = format!(
        "v=0\r\no=- {} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={}\r\n",
        said.media.port(),
        said.media.port(),
        said.way.name()
    );
    for _ in 1..said.streams {
        text.push_str("m=audio 0 RTP/AVP 0\r\n");
    }
    text
}

/// Reads a description; `None` when it has no usable first stream.
pub(super) fn read(body: &[u8]) -> Option<Described> {
    let text = std::str::from_utf8(body).ok()?;
    let mut session: Option<IpAddr> = None;
    let (mut own, mut port, mut streams) = (None, None, 0);
    let (mut session_way, mut way) = (None, None);
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(media) = line.strip_prefix("m=") {
            streams += 1;
            if streams == 1 {
                port = media.split(' ').nth(1).and_then(|port| port.parse::<u16>().ok());
            }
        } else if let Some(connection) = line.strip_prefix("c=") {
            let ip = connection.split(' ').nth(2).and_then(|ip| ip.parse().ok());
            match streams {
                0 => session = ip,
                1 => own = ip,
                _ => {}
            }
        } else if let Some(found) = way_of(line) {
            match streams {
                0 => session_way = Some(found),
                1 => way = Some(found),
                _ => {}
            }
        }
    }
    let ip = own.or(session)?;
    let stated = way.or(session_way).unwrap_or(Way::SendRecv);
    let port = port?;
    let way = if port == 0 || ip.is_unspecified() {
        Way::Inactive
    } else {
        stated
    };
    Some(Described {
        media: SocketAddr::new(ip, port),
        way,
        streams,
    })
}

fn way_of(line: &str) -> Option<Way> {
    let name = line.strip_prefix("a=")?;
    [Way::SendRecv, Way::SendOnly, Way::RecvOnly, Way::Inactive]
        .into_iter()
        .find(|way| way.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_reads_back_as_it_was_meant() {
        for way in [Way::SendRecv, Way::SendOnly, Way::RecvOnly, Way::Inactive] {
            let said = Described {
                media: "192.0.2.9:4000".parse().unwrap(),
                way,
                streams: 2,
            };
            assert_eq!(read(write(said, 3).as_bytes()), Some(said));
        }
    }

    #[test]
    fn an_answer_never_claims_what_the_offer_does_not_allow() {
        let cases = [
            (Way::SendRecv, Way::SendRecv, Way::SendRecv),
            (Way::SendOnly, Way::SendRecv, Way::RecvOnly),
            (Way::RecvOnly, Way::SendRecv, Way::SendOnly),
            (Way::Inactive, Way::SendRecv, Way::Inactive),
            (Way::SendRecv, Way::SendOnly, Way::SendOnly),
            (Way::SendOnly, Way::SendOnly, Way::Inactive),
        ];
        for (offer, wish, answer) in cases {
            assert_eq!(offer.answer(wish), answer, "{offer:?} {wish:?}");
        }
    }
}
