//! The echo number: the box answers by itself, and the relay sends back what it hears.
//!
//! To the call it is a leg like any other, only without a session: what the call wants of it is answered here.

use std::net::IpAddr;

use branchline_call::{Cause, LegEvent, LegId};
use branchline_media::OwnEnd;
use branchline_sdp::{Codec, Direction, FreshOffer, Origin, Sdp};

use crate::Branch;
use crate::invite::NewLeg;
use crate::now::Now;

/// What a record and the view call it.
pub(crate) const ECHO: &str = "echo";

impl Branch {
    /// The new leg of a call is the echo: it answers at once.
    pub(crate) fn echo_invited(&mut self, now: Now, leg: NewLeg, offer: Option<&Sdp>) {
        self.anchors.add_own(leg.id, OwnEnd::Echo);
        let event = self
            .echo_says(leg.caller, offer)
            .map_or(LegEvent::Refused(Cause::NOT_ACCEPTABLE), |body| LegEvent::Answered {
                body: Some(body),
                needs_answer: offer.is_none(),
            });
        self.calls.handle_leg(now.mono, leg.id, event);
    }

    /// The other party changed its session.
    pub(crate) fn echo_reoffered(&mut self, now: Now, leg: LegId, offer: Option<&Sdp>) {
        let peer = self.calls.peer_of(leg).unwrap_or(leg);
        let event = self
            .echo_says(peer, offer)
            .map_or(LegEvent::ReofferRefused { status: 488 }, |body| {
                LegEvent::ReofferAnswered {
                    body: Some(body),
                    needs_answer: offer.is_none(),
                }
            });
        self.calls.handle_leg(now.mono, leg, event);
    }

    fn echo_says(&self, to: LegId, offer: Option<&Sdp>) -> Option<Sdp> {
        description(offer, self.leg_address(to)?)
    }
}

/// An answer with the first codec that was offered, so that what is sent back is what the other understands; or an offer of
/// what every telephone has. `None` where the offer has no sound that the box carries.
fn description(offer: Option<&Sdp>, address: IpAddr) -> Option<Sdp> {
    let (codecs, direction) = match offer {
        Some(offer) => {
            let offered = offer.codecs();
            let speech = offered.iter().find(|codec| !codec.is_telephone_event())?;
            let keys = offered
                .iter()
                .find(|codec| codec.is_telephone_event() && codec.clock_hz == speech.clock_hz);
            let direction = offer.carried()?.direction().reversed();
            ([Some(speech), keys].into_iter().flatten().cloned().collect(), direction)
        }
        None => {
            let both = [0, 8].into_iter().filter_map(Codec::of_static_payload);
            (both.collect::<Vec<Codec>>(), Direction::SendRecv)
        }
    };
    let fresh = FreshOffer {
        address,
        origin: Origin {
            session_id: 0,
            version: 0,
        },
        // Address, port and origin become those of the other party's leg when it is anchored.
        port: 9,
        codecs: &codecs,
        direction,
    };
    Some(Sdp::offer(&fresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_takes_the_first_codec_and_mirrors_the_direction() {
        let text =
            |lines: &str| format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{lines}");
        let cases = [
            (
                "m=audio 4000 RTP/AVP 9 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                Some((vec![9, 101], Direction::SendRecv)),
            ),
            (
                "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
                Some((vec![8], Direction::RecvOnly)),
            ),
            (
                "m=audio 4000 RTP/AVP 8\r\na=inactive\r\n",
                Some((vec![8], Direction::Inactive)),
            ),
            ("m=video 4000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n", None),
            ("m=audio 0 RTP/AVP 8\r\n", None),
        ];
        let address = "192.0.2.1".parse().unwrap();
        for (lines, expected) in cases {
            let offer = Sdp::parse(text(lines).as_bytes()).unwrap();
            let said = description(Some(&offer), address).map(|sdp| {
                let payloads: Vec<u8> = sdp.codecs().iter().map(|codec| codec.payload).collect();
                (payloads, sdp.carried().unwrap().direction())
            });
            assert_eq!(said, expected, "{lines}");
        }
        assert_eq!(description(None, address).unwrap().codecs().len(), 2);
    }
}
