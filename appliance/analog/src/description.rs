//! Session descriptions of a device: G.711 and keys as events, at one address.

use std::net::SocketAddr;

use branchline_media::voice::{Law, Talk};
use branchline_sdp::{Codec, Direction, FreshOffer, Origin, Sdp};
use branchline_sip::agent::Body;

/// Payload type of keys in our own offers.
const EVENT_PAYLOAD: u8 = 101;
const EVENT_NAME: &str = "telephone-event";
const RATE_HZ: u32 = 8000;

/// Describes one session of a device; the version grows with each description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Describer {
    media: SocketAddr,
    id: u64,
    version: u64,
}

impl Describer {
    pub(crate) fn new(media: SocketAddr, id: u64) -> Describer {
        Describer { media, id, version: 0 }
    }

    pub(crate) fn offer(&mut self, direction: Direction) -> Body {
        let laws = [Law::Pcma, Law::Pcmu].into_iter().filter_map(codec_of);
        let codecs: Vec<Codec> = laws.chain([keys(EVENT_PAYLOAD)]).collect();
        Body::sdp(self.describe(&codecs, direction).to_bytes())
    }

    /// The answer to an offer and what is spoken then; `None` where the offer has no G.711.
    pub(crate) fn answer(&mut self, offer: &Body, wish: Direction) -> Option<(Body, Talk)> {
        let offer = parse(offer)?;
        let talk = talk(&offer)?;
        let direction = talk.direction.and(wish);
        let codecs: Vec<Codec> = codec_of(talk.law)
            .into_iter()
            .chain(talk.telephone_event.map(keys))
            .collect();
        let answer = self.describe(&codecs, direction).align_to_offer(&offer);
        Some((Body::sdp(answer.to_bytes()), Talk { direction, ..talk }))
    }

    fn describe(&mut self, codecs: &[Codec], direction: Direction) -> Sdp {
        self.version += 1;
        Sdp::offer(&FreshOffer {
            address: self.media.ip(),
            origin: Origin {
                session_id: self.id,
                version: self.version,
            },
            port: self.media.port(),
            codecs,
            direction,
        })
    }
}

/// What is spoken once the far end has described itself so; `None` without G.711.
pub(crate) fn talk_of(body: &Body) -> Option<Talk> {
    talk(&parse(body)?)
}

fn parse(body: &Body) -> Option<Sdp> {
    Sdp::parse(&body.session_description()?).ok()
}

fn talk(sdp: &Sdp) -> Option<Talk> {
    let stream = sdp.carried()?;
    let codecs = sdp.codecs();
    let law = codecs.iter().find_map(|codec| Law::from_payload_type(codec.payload))?;
    Some(Talk {
        remote: stream.rtp_address()?,
        law,
        telephone_event: sdp.telephone_event_payload(),
        direction: stream.direction().reversed(),
    })
}

fn codec_of(law: Law) -> Option<Codec> {
    Codec::of_static_payload(law.payload_type())
}

fn keys(payload: u8) -> Codec {
    Codec {
        fmtp: Some("0-15".to_owned()),
        ..Codec::new(payload, EVENT_NAME, RATE_HZ)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> SocketAddr {
        ([127, 66, 0, 1], 4000).into()
    }

    fn said(lines: &str) -> Body {
        Body::sdp(format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{lines}"
        ))
    }

    #[test]
    fn a_device_answers_with_the_first_law_that_was_offered_and_mirrors_the_direction() {
        let cases = [
            (
                "m=audio 9000 RTP/AVP 9 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n",
                Some((Law::Pcmu, Some(96), Direction::SendRecv)),
            ),
            (
                "m=audio 9000 RTP/AVP 8\r\na=sendonly\r\n",
                Some((Law::Pcma, None, Direction::RecvOnly)),
            ),
            (
                "m=audio 9000 RTP/AVP 8\r\na=inactive\r\n",
                Some((Law::Pcma, None, Direction::Inactive)),
            ),
            ("m=audio 9000 RTP/AVP 9\r\n", None),
            ("m=audio 0 RTP/AVP 8\r\n", None),
        ];
        for (lines, expected) in cases {
            let mut describer = Describer::new(media(), 7);
            let answered = describer.answer(&said(lines), Direction::SendRecv);
            let got = answered
                .as_ref()
                .map(|(_, talk)| (talk.law, talk.telephone_event, talk.direction));
            assert_eq!(got, expected, "{lines}");
            if let Some((body, talk)) = answered {
                let own = parse(&body).unwrap();
                assert_eq!(own.carried().unwrap().rtp_address(), Some(media()));
                assert_eq!(own.carried().unwrap().direction(), talk.direction);
                assert_eq!(talk.remote, ([127, 0, 0, 1], 9000).into());
            }
        }
    }

    #[test]
    fn an_offer_is_read_back_as_it_was_meant_and_each_has_a_newer_version() {
        let mut describer = Describer::new(media(), 7);
        let (first, second) = (
            describer.offer(Direction::SendRecv),
            describer.offer(Direction::SendOnly),
        );
        let talk = talk_of(&first).unwrap();
        assert_eq!(
            (talk.remote, talk.law, talk.telephone_event),
            (media(), Law::Pcma, Some(101))
        );
        assert_eq!(talk_of(&second).unwrap().direction, Direction::RecvOnly);
        assert_eq!(parse(&second).unwrap().version(), Some(2));
    }
}
