//! The relay as a whole: who is heard, who is not, and what is told about it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by reading the clock"
)]

mod latching;

use branchline_media::{
    BridgeId, Drop, LatchConfig, LegId, LegPlan, MediaEvent, MediaPlan, OwnEnd, Packet, PlanError, Relay, Verdict,
};
use branchline_sdp::{Codec, Direction};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const A: u16 = 4000;
const B: u16 = 5000;
const PHONE_A: &str = "192.0.2.10:7000";
const PHONE_B: &str = "192.0.2.20:8000";
const STRANGER: &str = "198.51.100.66:9999";

#[test]
fn packets_go_both_ways_from_the_ports_of_the_box() {
    let mut bed = Bed::bridged();
    assert_eq!(bed.rtp(A, PHONE_A, 1), forward(B, PHONE_B));
    assert_eq!(bed.rtp(B, PHONE_B, 1), forward(A, PHONE_A));
    assert_eq!(
        bed.rtcp(A + 1, "192.0.2.10:7001", 11),
        forward(B + 1, "192.0.2.20:8001")
    );
    assert_eq!(bed.rtp(6000, PHONE_A, 1), Verdict::Drop(Drop::UnknownPort));
}

#[test]
fn an_echo_sends_back_what_one_leg_says_under_another_ssrc_until_a_second_leg_joins() {
    let mut bed = Bed::empty();
    let alone = |own| MediaPlan {
        bridge: BridgeId(1),
        legs: vec![leg(1, A, PHONE_A)],
        own,
    };
    bed.relay.handle_plan(bed.now, alone(Some(OwnEnd::Echo))).unwrap();
    let echo = Verdict::Echo {
        port: A,
        to: PHONE_A.parse().unwrap(),
        ssrc: !SSRC_A,
    };
    assert_eq!(bed.rtp(A, PHONE_A, 1), echo);
    assert_eq!(
        bed.rtcp(A + 1, "192.0.2.10:7001", SSRC_A),
        Verdict::Drop(Drop::NoPeer),
        "nobody is told of its own reports"
    );
    bed.relay.handle_plan(bed.now, alone(None)).unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 2), Verdict::Drop(Drop::NoPeer));
    bed.relay.handle_plan(bed.now, alone(Some(OwnEnd::Echo))).unwrap();
    let mut held = alone(Some(OwnEnd::Echo));
    held.legs[0].direction = Direction::SendOnly;
    bed.relay.handle_plan(bed.now, held).unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 3), Verdict::Drop(Drop::Held));
    bed.plan(1, vec![leg(1, A, PHONE_A), leg(2, B, PHONE_B)]).unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 4), forward(B, PHONE_B));
}

#[test]
fn hold_lets_pass_only_what_the_plan_says() {
    let mut bed = Bed::bridged();
    let mut held = legs();
    held[0].direction = Direction::SendOnly;
    held[1].direction = Direction::RecvOnly;
    bed.plan(1, held).unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 1), forward(B, PHONE_B), "music");
    assert_eq!(bed.rtp(B, PHONE_B, 1), Verdict::Drop(Drop::Held));
}

#[test]
fn nothing_is_sent_when_nobody_knows_where_the_other_is() {
    let mut bed = Bed::bridged();
    let mut legs = legs();
    legs[1].signalled = None;
    bed.plan(1, legs.clone()).unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 1), Verdict::Drop(Drop::NoRemote));
    legs.truncate(1);
    bed.plan(1, legs).unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 2), Verdict::Drop(Drop::NoPeer));
    assert_eq!(bed.relay.quality(LegId(1)).unwrap().dropped_unsent, 2);
}

#[test]
fn garbage_and_stun_are_dropped_and_counted() {
    let mut bed = Bed::bridged();
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for data in [&stun[..], &[], &[0x80], &[0xff; 40]] {
        for port in [A, A + 1] {
            assert_eq!(bed.send(port, PHONE_A, data), Verdict::Drop(Drop::Garbage), "{data:?}");
        }
    }
    assert_eq!(bed.relay.quality(LegId(1)).unwrap().dropped_garbage, 8);
}

#[test]
fn legs_of_both_families_hear_each_other() {
    let mut bed = Bed::bridged();
    let mut legs = legs();
    legs[1].signalled = Some("[2001:db8::2]:8000".parse().unwrap());
    bed.plan(1, legs).unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 1), forward(B, "[2001:db8::2]:8000"));
    assert_eq!(bed.rtp(B, "[2001:db8::2]:8000", 1), forward(A, PHONE_A));
}

#[test]
fn silence_is_told_once_and_not_while_held() {
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    bed.rtp(B, PHONE_B, 1);
    bed.events();
    let start = bed.now;
    for number in 0..100 {
        bed.pass_ms(100);
        bed.rtp(B, PHONE_B, 2 + number);
    }
    let silence = MediaEvent::Silence {
        leg: LegId(1),
        since: start,
    };
    assert_eq!(bed.events(), [silence]);

    let mut held = legs();
    held[0].direction = Direction::RecvOnly;
    held[1].direction = Direction::Inactive;
    bed.plan(1, held).unwrap();
    bed.pass_ms(60_000);
    assert_eq!(bed.events(), []);
    bed.plan(1, legs()).unwrap();
    bed.pass_ms(4_999);
    assert_eq!(bed.events(), [], "the time starts anew when the call is taken off hold");
    bed.pass_ms(1);
    assert_eq!(bed.events().len(), 2);
}

#[test]
fn keys_are_passed_and_told_once() {
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    bed.events();
    for (sequence, flags) in [(2, 0), (3, 0x80), (4, 0x80), (5, 0x80)] {
        let packet = rtp(101, sequence, SSRC_A, &[7, flags, 0x03, 0x20]);
        assert_eq!(bed.send(A, PHONE_A, &packet), forward(B, PHONE_B));
    }
    // The ends of this one are lost.
    let mut lost_end = rtp(101, 6, SSRC_A, &[11, 0, 0x01, 0x40]);
    lost_end[4..8].copy_from_slice(&90_000u32.to_be_bytes());
    bed.send(A, PHONE_A, &lost_end);
    bed.pass_ms(200);
    let key = |digit, duration_ms| MediaEvent::Dtmf {
        leg: LegId(1),
        digit,
        duration_ms,
    };
    assert_eq!(bed.events(), [key('7', 100), key('#', 40)]);
}

#[test]
fn the_round_trip_is_seen_in_reports_that_pass_through() {
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    bed.rtp(B, PHONE_B, 1);
    bed.send(A + 1, "192.0.2.10:7001", &sender_report(SSRC_A, 0x1234_5678));
    bed.pass_ms(1_080);
    bed.send(B + 1, "192.0.2.20:8001", &receiver_report(SSRC_A, 0x1234_5678, 65_536));
    let rtt = |leg| bed.relay.quality(LegId(leg)).unwrap().rtt_ms;
    assert!((rtt(2).unwrap() - 80.0).abs() < 0.1, "{:?}", rtt(2));
    assert_eq!(rtt(1), None);
}

#[test]
fn a_transferred_leg_keeps_lock_port_and_figures() {
    let mut bed = Bed::bridged_from("10.0.0.5:7000");
    let nat = "203.0.113.9:41000";
    for number in 1..=5 {
        bed.rtp(A, nat, number);
    }
    let mut other = leg(3, 6000, "192.0.2.30:9000");
    other.codecs.truncate(1);
    let kept = leg(1, A, "10.0.0.5:7000");
    bed.plan(2, vec![kept, other]).unwrap();
    bed.plan(1, Vec::new()).unwrap();
    assert_eq!(bed.rtp(A, nat, 6), forward(6000, "192.0.2.30:9000"));
    assert_eq!(bed.rtp(6000, "192.0.2.30:9000", 1), forward(A, nat));
    assert_eq!(bed.closed(1), [LegId(2)]);
    assert_eq!(bed.relay.quality(LegId(1)).unwrap().packets_in, 4);
    bed.plan(2, Vec::new()).unwrap();
    assert_eq!(bed.closed(2), [LegId(1), LegId(3)]);
    assert_eq!(bed.rtp(A, nat, 7), Verdict::Drop(Drop::UnknownPort));
}

#[test]
fn a_leg_handed_to_another_relay_is_the_same_before_or_after_its_plan() {
    for plan_comes_first in [true, false] {
        let mut bed = Bed::bridged();
        bed.rtp(A, PHONE_A, 1);
        let moved = bed.relay.release_leg(LegId(1)).unwrap();
        assert_eq!(bed.rtp(A, PHONE_A, 2), Verdict::Drop(Drop::UnknownPort));
        let mut to = Bed::empty();
        let plan = vec![leg(1, A, PHONE_A), leg(3, 6000, "192.0.2.30:9000")];
        if plan_comes_first {
            to.plan(2, plan).unwrap();
            to.relay.adopt_leg(to.now, moved);
        } else {
            to.relay.adopt_leg(to.now, moved);
            to.plan(2, plan).unwrap();
        }
        assert_eq!(
            to.rtp(A, STRANGER, 3),
            Verdict::Drop(Drop::Foreign),
            "the lock came along"
        );
        assert_eq!(to.rtp(A, PHONE_A, 3), forward(6000, "192.0.2.30:9000"));
        assert_eq!(to.relay.quality(LegId(1)).unwrap().packets_in, 2);
    }
}

#[test]
fn a_bridge_reports_every_leg_that_ended_on_it() {
    let mut bed = Bed::bridged();
    bed.rtp(B, PHONE_B, 1);
    bed.plan(1, vec![leg(1, A, PHONE_A), leg(3, 6000, "192.0.2.30:9000")])
        .unwrap();
    assert_eq!(bed.rtp(A, PHONE_A, 1), forward(6000, "192.0.2.30:9000"));
    bed.plan(1, Vec::new()).unwrap();
    assert_eq!(bed.closed(1), [LegId(2), LegId(1), LegId(3)]);
    bed.plan(1, Vec::new()).unwrap();
    assert_eq!(bed.closed(1), [], "closing twice is answered twice");
}

#[test]
fn plans_that_cannot_be_are_refused_and_change_nothing() {
    let mut bed = Bed::bridged();
    let twice = vec![leg(3, 6000, PHONE_A), leg(3, 6002, PHONE_A)];
    let three = vec![leg(3, 6000, PHONE_A), leg(4, 6002, PHONE_A), leg(5, 6004, PHONE_A)];
    let cases = [
        (
            twice,
            PlanError::Legs {
                bridge: BridgeId(2),
                legs: 2,
            },
        ),
        (
            three,
            PlanError::Legs {
                bridge: BridgeId(2),
                legs: 3,
            },
        ),
        (
            vec![leg(3, 6001, PHONE_A)],
            PlanError::Port {
                leg: LegId(3),
                port: 6001,
            },
        ),
        (
            vec![leg(3, A, PHONE_A)],
            PlanError::PortInUse {
                leg: LegId(3),
                port: A,
                owner: LegId(1),
            },
        ),
        (
            vec![leg(3, 6000, PHONE_A), leg(4, 6000, PHONE_A)],
            PlanError::PortInUse {
                leg: LegId(4),
                port: 6000,
                owner: LegId(3),
            },
        ),
    ];
    for (legs, expected) in cases {
        assert_eq!(bed.plan(2, legs), Err(expected));
    }
    assert_eq!(bed.rtp(A, PHONE_A, 1), forward(B, PHONE_B));
    assert_eq!(bed.relay.quality(LegId(3)), None);
}

#[test]
fn good_speech_scores_high_and_lossy_speech_low() {
    let mut bed = Bed::bridged();
    for number in 0..200u16 {
        bed.rtp(A, PHONE_A, number);
        if number % 5 != 0 {
            bed.rtp(B, PHONE_B, number);
        }
        bed.pass_ms(20);
    }
    let (good, bad) = (
        bed.relay.quality(LegId(1)).unwrap(),
        bed.relay.quality(LegId(2)).unwrap(),
    );
    assert!(good.mos > 4.3 && good.lost == 0 && good.codec == "PCMA", "{good:?}");
    assert!(bad.mos < 2.8 && (bad.loss_percent - 20.0).abs() < 1.0, "{bad:?}");
    assert_eq!((good.packets_out, bad.packets_out), (160, 200));
}

const SSRC_A: u32 = 11;

/// Milliseconds before, sequence, SSRC.
type Sent = (u64, u16, u32);

struct Bed {
    relay: Relay,
    now: Instant,
}

impl Bed {
    fn empty() -> Self {
        Self {
            relay: Relay::new(LatchConfig::default()),
            now: Instant::now(),
        }
    }

    fn bridged() -> Self {
        Self::bridged_from(PHONE_A)
    }

    fn bridged_from(signalled: &str) -> Self {
        let mut bed = Self::empty();
        bed.plan(1, vec![leg(1, A, signalled), leg(2, B, PHONE_B)]).unwrap();
        bed
    }

    fn plan(&mut self, bridge: u64, legs: Vec<LegPlan>) -> Result<(), PlanError> {
        self.relay.handle_plan(
            self.now,
            MediaPlan {
                bridge: BridgeId(bridge),
                legs,
                own: None,
            },
        )
    }

    fn rtp(&mut self, port: u16, source: &str, sequence: u16) -> Verdict {
        self.send(port, source, &rtp(8, sequence, SSRC_A, &[0; 160]))
    }

    fn rtcp(&mut self, port: u16, source: &str, ssrc: u32) -> Verdict {
        self.send(port, source, &receiver_report(ssrc, 0, 0))
    }

    fn send(&mut self, port: u16, source: &str, data: &[u8]) -> Verdict {
        self.relay.handle_packet(
            self.now,
            &Packet {
                port,
                source: source.parse().unwrap(),
                data,
            },
        )
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.relay.handle_timeout(self.now);
    }

    fn events(&mut self) -> Vec<MediaEvent> {
        std::iter::from_fn(|| self.relay.poll_event()).collect()
    }

    fn closed(&mut self, bridge: u64) -> Vec<LegId> {
        let of_bridge = |event| match event {
            MediaEvent::Closed { bridge: found, legs } if found == BridgeId(bridge) => Some(legs),
            _ => None,
        };
        let legs = self.events().into_iter().find_map(of_bridge).unwrap();
        legs.into_iter().map(|(leg, _)| leg).collect()
    }
}

fn legs() -> Vec<LegPlan> {
    vec![leg(1, A, PHONE_A), leg(2, B, PHONE_B)]
}

fn leg(leg: u64, port: u16, signalled: &str) -> LegPlan {
    let signalled: SocketAddr = signalled.parse().unwrap();
    LegPlan {
        leg: LegId(leg),
        port,
        signalled: Some(signalled),
        signalled_rtcp: Some(SocketAddr::new(signalled.ip(), signalled.port() + 1)),
        direction: Direction::SendRecv,
        telephone_event: Some(101),
        codecs: vec![Codec::new(8, "PCMA", 8000), Codec::new(101, "telephone-event", 8000)],
        rtp_timeout: Some(Duration::from_secs(5)),
    }
}

fn rtp(payload_type: u8, sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let timestamp = if payload_type == 101 { 800 } else { timestamp };
    let mut data = vec![0x80, payload_type];
    data.extend(sequence.to_be_bytes());
    data.extend(timestamp.to_be_bytes());
    data.extend(ssrc.to_be_bytes());
    data.extend(payload);
    data
}

fn sender_report(ssrc: u32, stamp: u32) -> Vec<u8> {
    let mut data = vec![0x80, 200, 0, 6];
    data.extend(ssrc.to_be_bytes());
    data.extend((u64::from(stamp) << 16).to_be_bytes());
    data.extend([0; 12]);
    data
}

fn receiver_report(ssrc: u32, stamp: u32, delay: u32) -> Vec<u8> {
    let mut data = vec![0x81, 201, 0, 7];
    data.extend(ssrc.to_be_bytes());
    data.extend([0; 16]);
    data.extend(stamp.to_be_bytes());
    data.extend(delay.to_be_bytes());
    data
}

fn forward(port: u16, to: &str) -> Verdict {
    Verdict::Forward {
        port,
        to: to.parse().unwrap(),
    }
}

fn latched_source(event: &MediaEvent) -> Option<SocketAddr> {
    match event {
        MediaEvent::Latched { source, .. } => Some(*source),
        MediaEvent::Dtmf { .. }
        | MediaEvent::Silence { .. }
        | MediaEvent::Measured { .. }
        | MediaEvent::Closed { .. } => None,
    }
}
