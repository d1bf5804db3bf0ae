//! Workers with real sockets and fake phones on loopback.

use super::*;
use branchline_media::{BridgeId, LegId, LegPlan, LegQuality};
use branchline_sdp::{Codec, Direction};
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn two_phones_hear_each_other_until_the_bridge_is_closed() {
    let mut bed = Bed::new(1);
    let [a, b] = [bed.phone(1), bed.phone(2)];
    bed.bridge(1, &[&a, &b]);
    for number in 0..10 {
        a.say(number);
        b.hears(a.ssrc, number);
        b.say(number);
        a.hears(b.ssrc, number);
    }
    let mut latched = [bed.media(), bed.media()].map(|event| match event {
        MediaEvent::Latched { leg, source } => (leg, source),
        other => panic!("{other:?}"),
    });
    latched.sort_unstable();
    assert_eq!(latched, [(LegId(1), a.address()), (LegId(2), b.address())]);

    bed.handle.measure().unwrap();
    let live = bed.media();
    assert!(
        matches!(&live, MediaEvent::Measured { legs } if legs.len() == 2 && legs[0].1.packets_in == 10),
        "{live:?}"
    );

    bed.bridge(1, &[]);
    let MediaEvent::Closed { bridge, legs } = bed.media() else {
        panic!("not closed")
    };
    assert_eq!(bridge, BridgeId(1));
    let figures: Vec<_> = legs
        .iter()
        .map(|(leg, figures)| (leg.0, figures.packets_in, figures.packets_out, figures.lost))
        .collect();
    assert_eq!(figures, [(1, 10, 10, 0), (2, 10, 10, 0)]);
}

#[test]
fn a_stranger_is_not_passed_on() {
    let mut bed = Bed::new(1);
    let [a, b, stranger] = [bed.phone(1), bed.phone(2), bed.phone(3)];
    bed.bridge(1, &[&a, &b]);
    a.say(0);
    b.hears(a.ssrc, 0);
    for number in 1..20 {
        stranger.send_to(a.port, number);
    }
    a.say(1);
    b.hears(a.ssrc, 1);
    bed.bridge(1, &[]);
    let figures = bed.closed();
    assert_eq!((figures[0].1.packets_in, figures[0].1.dropped_foreign), (2, 19));
}

#[test]
fn a_silent_phone_is_told_after_its_timeout() {
    let mut bed = Bed::new(1);
    let [a, b] = [bed.phone(1), bed.phone(2)];
    let mut plan = bed.plan(1, &[&a, &b]);
    plan.legs[1].rtp_timeout = Some(Duration::from_millis(50));
    bed.handle.plan(plan).unwrap();
    let event = bed.media();
    assert!(matches!(event, MediaEvent::Silence { leg: LegId(2), .. }), "{event:?}");
}

#[test]
fn a_leg_moves_between_workers_with_its_figures() {
    let mut bed = Bed::new(2);
    let [a, b, c, d] = [bed.phone(1), bed.phone(2), bed.phone(3), bed.phone(4)];
    bed.bridge(1, &[&a, &b]);
    bed.handle.placement.pretend_full(0);
    bed.bridge(2, &[&c, &d]);
    d.say(0);
    c.hears(d.ssrc, 0);
    // The attended transfer: the first bridge gains the leg, then the second one ends.
    bed.bridge(1, &[&a, &d]);
    bed.bridge(2, &[]);
    assert_eq!(
        bed.closed().iter().map(|(leg, _)| leg.0).collect::<Vec<_>>(),
        [3],
        "the moved leg has not ended"
    );
    let start = std::iter::successors(Some(1), |number| Some(number + 1));
    let first = start.take(200).find(|number| {
        a.say(*number);
        d.try_hears(a.ssrc)
    });
    assert!(first.is_some(), "the transferred phone hears nothing");
    d.say(1);
    a.hears(d.ssrc, 1);
    bed.bridge(1, &[]);
    let figures = bed.closed();
    let moved = &figures.iter().find(|(leg, _)| leg.0 == 4).unwrap().1;
    assert_eq!(moved.packets_in, 2, "one before the move, one after: {figures:?}");
    assert_eq!(figures.iter().map(|(leg, _)| leg.0).collect::<Vec<_>>(), [2, 1, 4]);
}

#[test]
fn late_packets_of_the_call_before_teach_the_next_one_nothing() {
    let mut bed = Bed::new(1);
    let [a, b, old] = [bed.phone(1), bed.phone(2), bed.phone(3)];
    for number in 0..50 {
        old.send_to(a.port, number);
    }
    let mut plan = bed.plan(1, &[&a, &b]);
    plan.legs[0].signalled = None;
    bed.carry_out(plan);
    b.say(0);
    assert!(matches!(bed.media(), MediaEvent::Latched { leg: LegId(2), .. }));
    bed.bridge(1, &[]);
    let figures = bed.closed();
    assert_eq!((figures[0].1.packets_in, figures[0].1.dropped_foreign), (0, 0));
}

#[test]
fn pairs_are_bound_once_and_only_where_both_ports_are_free() {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port() & !1;
    let range = taken.saturating_sub(20)..=taken + 21;
    let config = RtpConfig {
        addresses: vec!["127.0.0.1".parse().unwrap()],
        ports: range,
        workers: Some(1),
        ..RtpConfig::default()
    };
    let (mut handle, _events) = RtpHandle::start(&config).unwrap();
    let first = handle.bind_ports(Family::V4, 3).unwrap();
    let rest = handle.bind_ports(Family::V4, 1000).unwrap();
    assert_eq!(first.len(), 3);
    assert!(
        !rest.is_empty()
            && rest
                .iter()
                .all(|port| port % 2 == 0 && !first.contains(port) && *port != taken)
    );
    assert!(matches!(handle.bind_ports(Family::V4, 1), Err(RtpError::RangeUsedUp)));
    assert!(matches!(
        handle.bind_ports(Family::V6, 1),
        Err(RtpError::NoAddress(Family::V6))
    ));
}

struct Bed {
    handle: RtpHandle,
    receiver: mpsc::Receiver<RtpEvent>,
    told: VecDeque<MediaEvent>,
}

struct Phone {
    socket: UdpSocket,
    leg: u64,
    ssrc: u32,
    port: u16,
}

impl Bed {
    fn new(workers: usize) -> Self {
        let addresses = vec!["127.0.0.1".parse().unwrap()];
        let config = RtpConfig {
            addresses,
            workers: Some(workers),
            ..RtpConfig::default()
        };
        let (handle, receiver) = RtpHandle::start(&config).unwrap();
        Self {
            handle,
            receiver,
            told: VecDeque::new(),
        }
    }

    fn phone(&mut self, leg: u64) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = self.handle.bind_ports(Family::V4, 1).unwrap()[0];
        Phone {
            socket,
            leg,
            ssrc: 100 + leg as u32,
            port,
        }
    }

    fn bridge(&mut self, bridge: u64, phones: &[&Phone]) {
        let plan = self.plan(bridge, phones);
        self.carry_out(plan);
    }

    /// Gives a plan to the workers and waits until they have it: what they are asked after it comes back after it.
    fn carry_out(&mut self, plan: MediaPlan) {
        self.handle.plan(plan).unwrap();
        self.handle.measure().unwrap();
        let mut waiting = self.handle.workers();
        while waiting > 0 {
            match self.receiver.blocking_recv().unwrap() {
                RtpEvent::Media(MediaEvent::Measured { .. }) => waiting -= 1,
                RtpEvent::Media(event) => self.told.push_back(event),
                RtpEvent::Refused(text) => panic!("{text}"),
            }
        }
    }

    fn plan(&self, bridge: u64, phones: &[&Phone]) -> MediaPlan {
        let leg = |phone: &&Phone| LegPlan {
            leg: LegId(phone.leg),
            port: phone.port,
            signalled: Some(phone.address()),
            signalled_rtcp: None,
            direction: Direction::SendRecv,
            telephone_event: None,
            codecs: vec![Codec::new(8, "PCMA", 8000)],
            rtp_timeout: None,
        };
        MediaPlan {
            bridge: BridgeId(bridge),
            legs: phones.iter().map(leg).collect(),
            own: None,
        }
    }

    fn media(&mut self) -> MediaEvent {
        if let Some(event) = self.told.pop_front() {
            return event;
        }
        match self.receiver.blocking_recv().unwrap() {
            RtpEvent::Media(event) => event,
            RtpEvent::Refused(text) => panic!("{text}"),
        }
    }

    fn closed(&mut self) -> Vec<(LegId, LegQuality)> {
        loop {
            if let MediaEvent::Closed { legs, .. } = self.media() {
                return legs;
            }
        }
    }
}

impl Phone {
    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn say(&self, sequence: u16) {
        self.send_to(self.port, sequence);
    }

    fn send_to(&self, port: u16, sequence: u16) {
        let mut data = vec![0x80, 8];
        data.extend(sequence.to_be_bytes());
        data.extend((u32::from(sequence) * 160).to_be_bytes());
        data.extend(self.ssrc.to_be_bytes());
        data.extend([0xd5; 160]);
        self.socket.send_to(&data, ("127.0.0.1", port)).unwrap();
    }

    fn hears(&self, ssrc: u32, sequence: u16) {
        loop {
            let (heard, number) = self.receive().expect("nothing was heard in time");
            assert_eq!(heard, ssrc);
            // Packets that were still on their way when the call was transferred come first.
            if number == sequence {
                return;
            }
        }
    }

    fn try_hears(&self, ssrc: u32) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let heard = self.receive();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        heard.is_some_and(|(heard, _)| heard == ssrc)
    }

    fn receive(&self) -> Option<(u32, u16)> {
        let mut data = [0; 1500];
        let length = self.socket.recv(&mut data).ok()?;
        assert_eq!(length, 172);
        let ssrc = u32::from_be_bytes(*data[8..].first_chunk().unwrap());
        Some((ssrc, u16::from_be_bytes([data[2], data[3]])))
    }
}
