//! The same description with the hold taken off.

use crate::line::Line;
use crate::{Address, Direction, Media, Sdp};

impl Sdp {
    /// What the describer would say if it wanted to talk: no direction, no `c=0.0.0.0`. Meant to be anchored and offered
    /// to a new party; the addresses left may be incomplete.
    #[must_use]
    pub fn resumed(&self) -> Sdp {
        let session = self.session.iter().filter(|line| !holds(line)).cloned().collect();
        let media = self
            .media
            .iter()
            .map(|media| Media {
                lines: media.lines.iter().filter(|line| !holds(line)).cloned().collect(),
                ..media.clone()
            })
            .collect();
        Sdp { session, media }
    }
}

fn holds(line: &Line) -> bool {
    if line.is(b'c') {
        return line
            .text()
            .and_then(Address::from_connection)
            .is_some_and(|address| address.is_unspecified());
    }
    line.attribute()
        .is_some_and(|(name, _)| Direction::from_attribute(name).is_some())
}

#[cfg(test)]
mod tests {
    use crate::Sdp;

    #[test]
    fn a_held_description_asks_to_talk_once_resumed() {
        for hold in ["a=sendonly\r\n", "a=inactive\r\n", "a=recvonly\r\n"] {
            let text = format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n{hold}"
            );
            let resumed = Sdp::parse(text.as_bytes()).unwrap().resumed();
            assert!(!resumed.is_hold(), "{hold}");
            assert_eq!(resumed.codecs().len(), 1);
        }
        let old = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        assert!(!Sdp::parse(old.as_bytes()).unwrap().resumed().is_hold());
    }
}
