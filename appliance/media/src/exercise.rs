//! One entry that drives everything a stranger's datagram can reach; fuzzing and the corpus replay share it.

use crate::{BridgeId, LatchConfig, LegId, LegPlan, MediaPlan, Packet, Relay, Verdict};
use branchline_sdp::{Codec, Direction};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Feeds datagrams to a bridged leg: each is a selector byte, a length byte and that many bytes.
///
/// # Panics
/// When an invariant is broken: a forwarded datagram goes to the other leg, and the figures stay sound.
pub fn exercise(start: Instant, data: &[u8]) {
    let mut relay = Relay::new(LatchConfig::default());
    let legs = vec![leg_plan(1, PORT_A), leg_plan(2, PORT_B)];
    relay
        .handle_plan(
            start,
            MediaPlan {
                bridge: BridgeId(1),
                legs,
                own: None,
            },
        )
        .expect("a sound plan is taken");
    let mut rest = data;
    let mut now = start;
    while let [selector, length, tail @ ..] = rest {
        let (datagram, after) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = after;
        now += Duration::from_millis(u64::from(selector >> 3) * 20);
        let from = u16::from(*selector & 3);
        let packet = Packet {
            port: PORT_A + u16::from(selector & 4 != 0),
            source: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), SIGNALLED + LEG_STEP + from),
            data: datagram,
        };
        match relay.handle_packet(now, &packet) {
            // An echo nobody asked for would leave by the other port.
            Verdict::Forward { port, .. } | Verdict::Echo { port, .. } => {
                assert!(port & !1 == PORT_B, "forwarded to the other leg");
            }
            Verdict::Drop(_) => {}
        }
        relay.handle_timeout(now);
        while relay.poll_event().is_some() {}
    }
    let quality = relay.quality(LegId(1)).expect("the leg is there");
    assert!(
        (0.0..=4.5).contains(&quality.mos) && (0.0..=100.0).contains(&quality.loss_percent),
        "{quality:?}"
    );
    assert!(quality.jitter_ms >= 0.0 && quality.jitter_ms.is_finite(), "{quality:?}");
}

fn leg_plan(leg: u16, port: u16) -> LegPlan {
    let at = |port: u16| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let signalled = SIGNALLED + leg * LEG_STEP;
    LegPlan {
        leg: LegId(u64::from(leg)),
        port,
        signalled: Some(at(signalled)),
        signalled_rtcp: Some(at(signalled + 1)),
        direction: Direction::SendRecv,
        telephone_event: Some(101),
        codecs: vec![Codec::new(8, "PCMA", 8000), Codec::new(101, "telephone-event", 8000)],
        rtp_timeout: Some(Duration::from_secs(1)),
    }
}

const PORT_A: u16 = 4000;
const PORT_B: u16 = 5000;
const SIGNALLED: u16 = 10_000;
const LEG_STEP: u16 = 100;
