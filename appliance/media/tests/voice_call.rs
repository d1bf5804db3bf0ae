//! A channel in a call: what a network does to packets, and what is still heard; keys as events; two channels that talk.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by reading the clock"
)]

mod network;
mod sound;

use std::time::{Duration, Instant};

use branchline_config::country;
use branchline_media::rtp::Rtp;
use branchline_media::tone::{DtmfDetector, DtmfEvent};
use branchline_media::voice::{
    Channel, ChannelConfig, ChannelEvent, ChannelPlan, Device, FRAME_SAMPLES, Gains, Hear, Law, ReceptionFigures,
    Signal, Talk,
};
use branchline_sdp::Direction;
use network::{Fault, Network, Sender, clicks, level_dbm0};
use sound::{Dice, Sound, silence, sines};

const FRAME: Duration = Duration::from_millis(20);

fn channel(device: Device, seed: u64) -> Channel {
    Channel::new(ChannelConfig {
        analog: country::by_code("DE").unwrap().analog,
        device,
        gains: Gains::default(),
        echo_tail_ms: 0,
        seed,
    })
}

fn talk() -> Talk {
    Talk {
        remote: "127.0.0.1:4000".parse().unwrap(),
        law: Law::Pcma,
        telephone_event: Some(101),
        direction: Direction::SendRecv,
    }
}

fn plan(talk: Talk) -> ChannelPlan {
    ChannelPlan {
        hear: Hear::Far,
        talk: Some(talk),
    }
}

/// What is heard of a sound after a network, and the figures then.
fn heard(sound: &[i16], faults: &[Fault], seed: u64) -> (Sound, ReceptionFigures) {
    let start = Instant::now();
    let mut telephone = channel(Device::Telephone, seed);
    telephone.handle_plan(start, plan(talk()));
    let mut network = Network::new(faults, seed);
    let mut out = Sound::new();
    let packets = Sender::new(Law::Pcma, seed).packets(sound, faults);
    let ends = start + FRAME * (sound.len() / FRAME_SAMPLES) as u32;
    network.send(start, packets);
    let mut now = start;
    while now < ends {
        // The card asks somewhere between two packets.
        now += FRAME;
        for (at, packet) in network.due(now + Duration::from_millis(7)) {
            telephone.handle_packet(at, &packet);
        }
        let mut frame = [0; FRAME_SAMPLES];
        telephone.fill_speaker(now + Duration::from_millis(7), &mut frame);
        out.extend(frame);
    }
    let figures = telephone.figures().reception.unwrap();
    (out, figures)
}

#[test]
fn a_steady_network_is_heard_without_a_click_and_with_little_delay() {
    for ms in [10, 20, 30, 40, 60] {
        let (out, figures) = heard(&sines(&[(440.0, -10.0)], 20_000), &[Fault::PacketMs(ms)], 1);
        let steady = &out[8_000..];
        assert_eq!(clicks(steady, 440.0), 0, "{ms} ms: {figures:?}");
        assert!(
            (level_dbm0(steady) + 10.0).abs() < 0.2,
            "{ms} ms: {}",
            level_dbm0(steady)
        );
        assert!(
            figures.delay <= Duration::from_millis(45 + ms as u64),
            "{ms} ms: {figures:?}"
        );
        assert_eq!((figures.lost, figures.late), (0, 0), "{ms} ms");
    }
}

/// What is wrong, most samples made up or spliced of a hundred, most clicks a minute, longest delay in milliseconds.
type Endured = (&'static str, &'static [Fault], f32, usize, u64);

const ENDURED: [Endured; 12] = [
    ("nothing", &[], 0.2, 0, 40),
    ("jitter 15 ms", &[Fault::JitterMs(15)], 0.3, 0, 50),
    ("jitter 60 ms", &[Fault::JitterMs(60)], 0.5, 0, 85),
    ("jitter 120 ms", &[Fault::JitterMs(120)], 0.7, 0, 150),
    ("loss 1 %", &[Fault::LossPercent(1)], 1.5, 0, 40),
    ("loss 5 %", &[Fault::LossPercent(5)], 6.0, 0, 40),
    ("duplicates", &[Fault::Duplicates], 0.2, 0, 40),
    ("swapped", &[Fault::Swapped], 0.3, 0, 55),
    ("a clock 200 ppm fast", &[Fault::DriftPpm(200)], 0.3, 0, 40),
    ("a clock 200 ppm slow", &[Fault::DriftPpm(-200)], 0.3, 0, 40),
    ("numbers that wrap", &[Fault::WrapsAfter(100)], 0.2, 0, 40),
    (
        "everything at once",
        &[
            Fault::JitterMs(40),
            Fault::LossPercent(2),
            Fault::Duplicates,
            Fault::Swapped,
            Fault::DriftPpm(100),
            Fault::WrapsAfter(500),
        ],
        3.0,
        0,
        100,
    ),
];

#[test]
fn the_count_of_clicks_sees_a_cut_and_a_hole() {
    let sine = sines(&[(440.0, -10.0)], 1000);
    let cut = [&sine[..4000], &sine[4005..]].concat();
    let hole = [&sine[..4000], &[0; 160], &sine[4160..]].concat();
    assert_eq!(
        (clicks(&sine, 440.0), clicks(&cut, 440.0), clicks(&hole, 440.0)),
        (0, 1, 2)
    );
}

#[test]
fn what_a_network_does_is_hardly_heard() {
    for (name, faults, share_max, clicks_max, delay_ms_max) in ENDURED {
        let (out, figures) = heard(&sines(&[(440.0, -10.0)], 60_000), faults, 3);
        let made_up = figures.concealed + figures.spliced;
        let share = 100.0 * made_up as f32 / (out.len() as f32);
        let clicks = clicks(&out[8_000..], 440.0);
        println!(
            "{name}: {share:.2} % made up, {clicks} clicks, {:?} delay",
            figures.delay
        );
        assert!(share <= share_max, "{name}: {share} %, {figures:?}");
        assert!(clicks <= clicks_max, "{name}: {clicks} clicks, {figures:?}");
        assert!(
            figures.delay <= Duration::from_millis(delay_ms_max),
            "{name}: {figures:?}"
        );
        assert_eq!(figures.restarts, 0, "{name}");
        let level = level_dbm0(&out[8_000..]);
        assert!((level + 10.0).abs() < 0.6, "{name}: {level} dBm0");
    }
}

#[test]
fn a_stream_that_begins_anew_is_heard_again_at_once() {
    // Name, fault, longest gap in milliseconds.
    let cases = [
        ("another source", Fault::SourceChangesAfter(500), 100),
        ("a jump of the clock", Fault::ClockJumpsAfter(500), 120),
        ("a longer way", Fault::SlowerAfter(500), 100),
        ("a clock that stood still", Fault::FreezesAfter(500), 2100),
    ];
    for (name, fault, gap_ms_max) in cases {
        let (out, figures) = heard(&sines(&[(440.0, -10.0)], 20_000), &[fault], 4);
        let silent = out[8_000..].chunks(80).filter(|part| level_dbm0(part) < -30.0).count() * 10;
        assert!(silent <= gap_ms_max, "{name}: {silent} ms of silence, {figures:?}");
        let after = &out[out.len() - 16_000..];
        assert_eq!(clicks(after, 440.0), 0, "{name}: {figures:?}");
    }
}

#[test]
fn jitter_that_goes_away_costs_no_delay_for_long() {
    let start = Instant::now();
    let mut telephone = channel(Device::Telephone, 5);
    telephone.handle_plan(start, plan(talk()));
    let sound = sines(&[(440.0, -10.0)], 60_000);
    let mut packets = Sender::new(Law::Pcma, 5).packets(&sound, &[]);
    let mut dice = Dice::new(5);
    for (at, _) in &mut packets[..1000] {
        *at += Duration::from_millis((dice.share() * 120.0) as u64);
    }
    let mut network = Network::new(&[], 5);
    network.send(start, packets);
    let mut delays = Vec::new();
    for number in 1..3000 {
        let now = start + FRAME * number + Duration::from_millis(3);
        for (at, packet) in network.due(now) {
            telephone.handle_packet(at, &packet);
        }
        telephone.fill_speaker(now, &mut [0; FRAME_SAMPLES]);
        delays.push(telephone.figures().reception.unwrap().delay.as_millis());
    }
    assert!((100..200).contains(&delays[990]), "{}", delays[990]);
    assert!(delays[2990] < 75, "{}", delays[2990]);
}

#[test]
fn packets_of_a_call_are_numbered_without_a_gap_whatever_the_plan_does() {
    let start = Instant::now();
    let mut telephone = channel(Device::Telephone, 6);
    let mut expected: Option<(u16, u32, u32)> = None;
    let held = Talk {
        direction: Direction::RecvOnly,
        ..talk()
    };
    let mu = Talk {
        law: Law::Pcmu,
        ..talk()
    };
    let mut markers = Vec::new();
    for (number, talk) in [talk(), held, talk(), mu].into_iter().enumerate() {
        telephone.handle_plan(start, plan(talk));
        for _ in 0..50 {
            telephone.handle_microphone(start, &[100; FRAME_SAMPLES]);
            let sent: Vec<_> = std::iter::from_fn(|| telephone.poll_packet()).collect();
            assert_eq!(sent.len(), usize::from(talk.direction.sends()), "part {number}");
            for packet in sent {
                let rtp = Rtp::parse(packet.as_ref()).unwrap();
                assert_eq!(rtp.payload_type, talk.law.payload_type());
                assert_eq!(rtp.payload.len(), FRAME_SAMPLES);
                if let Some((sequence, timestamp, ssrc)) = expected {
                    assert_eq!((rtp.sequence, rtp.timestamp, rtp.ssrc), (sequence, timestamp, ssrc));
                }
                markers.extend(rtp.marker.then_some(number));
                expected = Some((rtp.sequence.wrapping_add(1), rtp.timestamp.wrapping_add(160), rtp.ssrc));
            }
            if !talk.direction.sends() {
                expected = expected.map(|(sequence, timestamp, ssrc)| (sequence, timestamp.wrapping_add(160), ssrc));
            }
        }
    }
    assert_eq!(markers, [0, 2], "sound begins when the call does, and after the hold");
    telephone.handle_plan(start, ChannelPlan::default());
    telephone.handle_plan(start, plan(talk()));
    telephone.handle_microphone(start, &[0; FRAME_SAMPLES]);
    let packet = telephone.poll_packet().unwrap();
    assert_ne!(
        Rtp::parse(packet.as_ref()).unwrap().ssrc,
        expected.unwrap().2,
        "another call is another source"
    );
}

/// Event packets of one key: marker, end, duration in milliseconds.
type Events = Vec<(u8, Vec<(bool, bool, u32)>)>;

/// What the far end gets of a sound: its audio with silence where none was sent, and its events by timestamp.
fn sent_of(sound: &[i16], talk: Talk) -> (Sound, Events, Vec<ChannelEvent>) {
    let start = Instant::now();
    let mut telephone = channel(Device::Telephone, 8);
    telephone.handle_plan(start, plan(talk));
    let (mut audio, mut events, mut told) = (Sound::new(), Events::new(), Vec::new());
    let mut last = None;
    for frame in sound.as_chunks::<FRAME_SAMPLES>().0 {
        telephone.handle_microphone(start, frame);
        let mut heard = [0; FRAME_SAMPLES];
        while let Some(packet) = telephone.poll_packet() {
            let rtp = Rtp::parse(packet.as_ref()).unwrap();
            if let Some(law) = Law::from_payload_type(rtp.payload_type) {
                for (sample, code) in heard.iter_mut().zip(rtp.payload) {
                    *sample = law.decode(*code);
                }
                continue;
            }
            assert_eq!(Some(rtp.payload_type), talk.telephone_event);
            if last != Some(rtp.timestamp) {
                events.push((rtp.payload[0], Vec::new()));
                last = Some(rtp.timestamp);
            }
            let ms = u32::from(u16::from_be_bytes([rtp.payload[2], rtp.payload[3]])) / 8;
            events
                .last_mut()
                .unwrap()
                .1
                .push((rtp.marker, rtp.payload[1] & 0x80 != 0, ms));
        }
        audio.extend(heard);
        told.extend(std::iter::from_fn(|| telephone.poll_event()));
    }
    (audio, events, told)
}

fn keys_in(sound: &[i16]) -> String {
    let mut detector = DtmfDetector::new();
    detector.handle_block(sound);
    let events = std::iter::from_fn(|| detector.poll_event());
    let keys = events.filter_map(|event| match event {
        DtmfEvent::Down { key } => Some(key),
        DtmfEvent::Up { .. } => None,
    });
    keys.collect()
}

#[test]
fn a_key_is_sent_as_an_event_and_its_tone_is_not_sent_beside_it() {
    let key = [(770.0, -10.0), (1336.0, -10.0)];
    for shift in 0..20 {
        let sound = [vec![0; 1600 + shift * 8], sines(&key, 100), silence(300)].concat();
        let (audio, events, told) = sent_of(&sound, talk());
        assert_eq!(told, [ChannelEvent::Digit('5')], "{shift}");
        let [(5, packets)] = &events[..] else {
            panic!("{shift}: {events:?}")
        };
        assert!(
            packets[0].0 && packets[1..].iter().all(|packet| !packet.0),
            "{packets:?}"
        );
        let ends: Vec<_> = packets.iter().filter(|packet| packet.1).collect();
        assert_eq!(ends.len(), 3, "{packets:?}");
        assert!(
            (60..=140).contains(&ends[0].2) && ends.iter().all(|end| end.2 == ends[0].2),
            "{packets:?}"
        );
        assert!(packets.is_sorted_by_key(|packet| packet.2), "{packets:?}");
        let leaked = audio.chunks(8).filter(|ms| level_dbm0(ms) > -30.0).count();
        assert!(leaked <= 23, "{shift}: {leaked} ms of the tone");
        assert_eq!(keys_in(&audio), "", "{shift}");
    }
}

#[test]
fn a_key_stays_a_tone_where_the_far_end_knows_no_events() {
    let sound = [
        silence(200),
        sines(&[(770.0, -10.0), (1336.0, -10.0)], 100),
        silence(300),
    ]
    .concat();
    let (audio, events, _) = sent_of(
        &sound,
        Talk {
            telephone_event: None,
            ..talk()
        },
    );
    assert_eq!((keys_in(&audio).as_str(), events.len()), ("5", 0));
}

#[test]
fn a_key_held_for_long_goes_on_in_segments() {
    let sound = [
        silence(200),
        sines(&[(770.0, -10.0), (1336.0, -10.0)], 20_000),
        silence(300),
    ]
    .concat();
    let (_, events, _) = sent_of(&sound, talk());
    let lasted: u32 = events.iter().map(|(_, packets)| packets.last().unwrap().2).sum();
    assert_eq!(events.len(), 3, "8.19 s each");
    assert!(lasted.abs_diff(20_000) < 60, "{lasted}");
    let ends = events.iter().flat_map(|(_, packets)| packets).filter(|packet| packet.1);
    assert_eq!(ends.count(), 3);
}

#[test]
fn voices_are_hardly_ever_muted_as_if_they_were_keys() {
    let speech = Dice::new(9).speech(120_000);
    let (audio, _, _) = sent_of(&speech, talk());
    let frames = speech.chunks(160).zip(audio.chunks(160));
    let voiced: Vec<_> = frames.filter(|(said, _)| level_dbm0(said) > -40.0).collect();
    let muted = voiced
        .iter()
        .filter(|(_, sent)| sent.iter().all(|sample| sample.abs() <= 8))
        .count();
    let share = 100.0 * muted as f32 / voiced.len() as f32;
    eprintln!("{share:.2} % of voiced frames muted");
    assert!(share < 1.0, "{share} %");
}

#[test]
fn a_dialled_digit_reaches_the_other_end_as_an_event_or_a_tone_and_sounds_there() {
    for telephone_event in [Some(101), None] {
        let start = Instant::now();
        let talk = Talk {
            telephone_event,
            ..talk()
        };
        let (mut dial, mut line) = (channel(Device::Handset, 10), channel(Device::Line, 11));
        dial.handle_plan(start, plan(talk));
        line.handle_plan(start, plan(talk));
        for digit in "0815#".chars() {
            dial.handle_digit(start, digit);
        }
        let mut out = Sound::new();
        for number in 0..150 {
            let now = start + FRAME * number;
            dial.handle_microphone(now, &[0; FRAME_SAMPLES]);
            while let Some(packet) = dial.poll_packet() {
                line.handle_packet(now, packet.as_ref());
            }
            let mut frame = [0; FRAME_SAMPLES];
            line.fill_speaker(now, &mut frame);
            out.extend(frame);
        }
        assert_eq!(keys_in(&out), "0815#", "{telephone_event:?}");
    }
}

#[test]
fn silence_of_the_far_end_is_told_once_and_only_where_sound_is_due() {
    let start = Instant::now();
    let seconds = |telephone: &mut Channel, from: u64, count: u64| -> Vec<u64> {
        let mut told = Vec::new();
        for number in from * 50..(from + count) * 50 {
            let now = start + FRAME * number as u32;
            telephone.fill_speaker(now, &mut [0; FRAME_SAMPLES]);
            while let Some(event) = telephone.poll_event() {
                assert_eq!(event, ChannelEvent::Silence);
                told.push(number / 50);
            }
        }
        told
    };
    let mut telephone = channel(Device::Telephone, 12);
    let held = Talk {
        direction: Direction::SendOnly,
        ..talk()
    };
    telephone.handle_plan(start, plan(held));
    assert_eq!(seconds(&mut telephone, 0, 30), [], "the far end is held");
    telephone.handle_plan(start + Duration::from_secs(30), plan(talk()));
    assert_eq!(seconds(&mut telephone, 30, 30), [40], "10 s after it may send, once");
    let packets = Sender::new(Law::Pcma, 1).packets(&silence(20), &[]);
    telephone.handle_packet(start + Duration::from_secs(60), &packets[0].1);
    assert_eq!(seconds(&mut telephone, 60, 30), [70], "again after a packet");
}

#[test]
fn whatever_comes_as_a_packet_harms_nothing() {
    let start = Instant::now();
    let mut telephone = channel(Device::Telephone, 13);
    telephone.handle_plan(start, plan(talk()));
    let mut dice = Dice::new(13);
    for number in 0..20_000u32 {
        let length = (dice.share() * 400.0) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| (dice.share() * 256.0) as u8).collect();
        // Most of them look like RTP of the call.
        for (byte, value) in bytes.iter_mut().zip([0x80, [8, 0, 101, 13][number as usize % 4]]) {
            *byte = value;
        }
        let now = start + Duration::from_millis(u64::from(number) * 5);
        telephone.handle_packet(now, &bytes);
        if number % 4 == 0 {
            telephone.fill_speaker(now, &mut [0; FRAME_SAMPLES]);
        }
    }
}

#[test]
fn keys_that_come_back_from_the_line_as_an_echo_are_not_keys_of_the_line() {
    for by in ["plan", "far end"] {
        let start = Instant::now();
        let (mut dial, mut line) = (channel(Device::Handset, 14), channel(Device::Line, 15));
        dial.handle_plan(start, plan(talk()));
        line.handle_plan(start, plan(talk()));
        if by == "plan" {
            let keys = Hear::Send(vec![Signal::Keys("0815".to_owned())]);
            line.handle_plan(
                start,
                ChannelPlan {
                    hear: keys,
                    talk: Some(talk()),
                },
            );
        } else {
            "0815".chars().for_each(|key| dial.handle_digit(start, key));
        }
        // A hybrid behind a card: half of what is played comes back 100 ms later.
        let mut under_way = std::collections::VecDeque::from([[0; FRAME_SAMPLES]; 5]);
        let (mut told, mut events) = (Vec::new(), 0);
        for number in 0..150 {
            let now = start + FRAME * number;
            let back = under_way.pop_front().unwrap().map(|sample| sample / 2);
            line.handle_microphone(now, &back);
            dial.handle_microphone(now, &[0; FRAME_SAMPLES]);
            while let Some(packet) = dial.poll_packet() {
                line.handle_packet(now, packet.as_ref());
            }
            while let Some(packet) = line.poll_packet() {
                events += usize::from(Rtp::parse(packet.as_ref()).unwrap().payload_type == 101);
            }
            let mut frame = [0; FRAME_SAMPLES];
            line.fill_speaker(now, &mut frame);
            under_way.push_back(frame);
            told.extend(std::iter::from_fn(|| line.poll_event()).filter(|event| *event != ChannelEvent::Sent));
        }
        assert_eq!((told, events), (vec![], 0), "dialled by the {by}");
        let key = sines(&[(770.0, -10.0), (1336.0, -10.0)], 100);
        for frame in key.as_chunks::<FRAME_SAMPLES>().0 {
            line.handle_microphone(start, frame);
        }
        assert_eq!(
            line.poll_event(),
            Some(ChannelEvent::Digit('5')),
            "a key of the line itself, later"
        );
    }
}
