//! What a channel plays to its device, and what it hears from it, without a call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by reading the clock"
)]

mod sound;

use std::time::Instant;

use branchline_config::country::{self, CallerIdSignal};
use branchline_media::tone::{
    BELL_202, CallerIdReceiver, DtmfDetector, DtmfEvent, Presented, Progress, ProgressDetector, TonePlayer, V23,
};
use branchline_media::voice::{
    Channel, ChannelConfig, ChannelEvent, ChannelPlan, Device, FRAME_SAMPLES, Gains, Hear, Signal,
};
use sound::{Sound, anna, silence};

fn channel(device: Device, country: &str) -> Channel {
    Channel::new(ChannelConfig {
        analog: country::by_code(country).unwrap().analog,
        device,
        gains: Gains::default(),
        echo_tail_ms: 0,
        seed: 7,
    })
}

fn hear(hear: Hear) -> ChannelPlan {
    ChannelPlan { hear, talk: None }
}

fn play(channel: &mut Channel, frames: usize) -> Sound {
    let mut out = Sound::new();
    for _ in 0..frames {
        let mut frame = [0; FRAME_SAMPLES];
        channel.fill_speaker(Instant::now(), &mut frame);
        out.extend(frame);
    }
    out
}

fn listen(channel: &mut Channel, sound: &[i16]) -> Vec<ChannelEvent> {
    let mut told = Vec::new();
    for frame in sound.as_chunks::<FRAME_SAMPLES>().0 {
        channel.handle_microphone(Instant::now(), frame);
        told.extend(std::iter::from_fn(|| channel.poll_event()));
    }
    told
}

fn keys_in(sound: &[i16]) -> String {
    let mut detector = DtmfDetector::new();
    let mut keys = String::new();
    for block in sound.chunks(FRAME_SAMPLES) {
        detector.handle_block(block);
        while let Some(event) = detector.poll_event() {
            match event {
                DtmfEvent::Down { key } => keys.push(key),
                DtmfEvent::Up { .. } => {}
            }
        }
    }
    keys
}

#[test]
fn the_same_plan_again_does_not_start_a_tone_or_a_message_again() {
    let analog = country::by_code("DE").unwrap().analog;
    for wanted in [
        Hear::Tone(analog.busy),
        Hear::Send(vec![Signal::Keys("12345".to_owned())]),
    ] {
        let (mut told_once, mut told_often) = (channel(Device::Telephone, "DE"), channel(Device::Telephone, "DE"));
        told_once.handle_plan(Instant::now(), hear(wanted.clone()));
        for _ in 0..60 {
            told_often.handle_plan(Instant::now(), hear(wanted.clone()));
            assert_eq!(play(&mut told_once, 1), play(&mut told_often, 1), "{wanted:?}");
        }
    }
}

#[test]
fn signals_come_in_turn_and_their_end_is_told_once() {
    let mut line = channel(Device::Line, "US");
    let dial = country::by_code("US").unwrap().analog.dial;
    let signals = vec![
        Signal::Keys("9".to_owned()),
        Signal::Pause { ms: 300 },
        Signal::Tone { tone: dial, ms: 1000 },
        Signal::Keys("5 55#".to_owned()),
    ];
    line.handle_plan(Instant::now(), hear(Hear::Send(signals)));
    let out = play(&mut line, 150);
    assert_eq!(keys_in(&out), "9555#", "a space is no key");
    assert_eq!(
        ProgressDetector::new(country::by_code("US").unwrap().analog).handle_block(&out),
        Some(Progress::Dial)
    );
    assert_eq!(line.poll_event(), Some(ChannelEvent::Sent));
    assert_eq!(line.poll_event(), None);
    assert!(
        play(&mut line, 10).iter().all(|sample| *sample == 0),
        "silence after it"
    );
    assert_eq!(line.poll_event(), None);
}

#[test]
fn a_caller_is_told_in_the_manner_of_each_country() {
    for country in country::ALL {
        let mut telephone = channel(Device::Telephone, country.code);
        telephone.handle_plan(Instant::now(), hear(Hear::Send(vec![Signal::CallerId(anna())])));
        let out = play(&mut telephone, 110);
        let fsk = |tones| {
            CallerIdReceiver::new(tones)
                .handle_block(&out)
                .map(|told| told.unwrap().number)
        };
        let number = Some(Presented::Given("5551234567".to_owned()));
        match country.analog.caller_id {
            Some(CallerIdSignal::Bell202) => assert_eq!(fsk(BELL_202), number, "{}", country.code),
            Some(CallerIdSignal::V23AfterRing | CallerIdSignal::V23BeforeRing) => {
                assert_eq!(fsk(V23), number, "{}", country.code);
            }
            Some(CallerIdSignal::Dtmf) => assert_eq!(keys_in(&out), "A5551234567C", "{}", country.code),
            None => assert!(out.iter().all(|sample| *sample == 0), "{}", country.code),
        }
        assert_eq!(telephone.poll_event(), Some(ChannelEvent::Sent), "{}", country.code);
    }
}

#[test]
fn each_device_is_listened_to_for_what_it_can_say() {
    let analog = country::by_code("GB").unwrap().analog;
    let mut exchange = channel(Device::Telephone, "GB");
    exchange.handle_plan(Instant::now(), hear(Hear::Send(vec![Signal::CallerId(anna())])));
    let caller_id = [play(&mut exchange, 110), silence(200)].concat();
    exchange.handle_plan(Instant::now(), hear(Hear::Send(vec![Signal::Keys("42".to_owned())])));
    let keys = play(&mut exchange, 30);
    let mut busy = vec![0; 8 * 5000];
    TonePlayer::new(analog.busy, -15.0).fill(&mut busy);
    let everything = [keys, silence(200), caller_id, busy].concat();
    let digits = [ChannelEvent::Digit('4'), ChannelEvent::Digit('2')];
    let line = [
        &digits[..],
        &[ChannelEvent::CallerId(Ok(anna())), ChannelEvent::Heard(Progress::Busy)],
    ];
    for (device, expected) in [
        (Device::Telephone, digits.to_vec()),
        (Device::Line, line.concat()),
        (Device::Handset, vec![]),
    ] {
        assert_eq!(listen(&mut channel(device, "GB"), &everything), expected, "{device:?}");
    }
}

#[test]
fn gains_make_a_device_as_loud_as_it_should_be() {
    let analog = country::by_code("US").unwrap().analog;
    for (db, expected) in [(0.0, -20.0), (6.0, -14.0), (-12.0, -32.0)] {
        let mut calibrated = Channel::new(ChannelConfig {
            analog,
            device: Device::Handset,
            gains: Gains {
                microphone_db: db,
                speaker_db: db,
            },
            echo_tail_ms: 0,
            seed: 7,
        });
        listen(&mut calibrated, &sound::sines(&[(1000.0, -20.0)], 8000));
        let level = calibrated.figures().microphone_dbm0;
        assert!((level - expected).abs() < 0.1, "{db} dB: {level}");
        let tone = hear(Hear::Tone(country::by_code("DE").unwrap().analog.dial));
        calibrated.handle_plan(Instant::now(), tone);
        play(&mut calibrated, 400);
        let level = calibrated.figures().speaker_dbm0;
        assert!((level - (-12.0 + db)).abs() < 0.1, "{db} dB: {level}");
    }
}
