//! Cards of all shapes with clocks of their own, between a device and a far end on loopback; the test is the time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;

use branchline_config::country;
use branchline_media::voice::{ChannelEvent, ChannelPlan, Hear, Signal};
use branchline_sound::{CardId, DeviceId, Shapes, SoundEvent};
use fake::{Bench, FakeCard, Far, device, shape, tone};

const STEREO: Shapes = Shapes {
    capture: shape_of(48_000, 2),
    playback: shape_of(48_000, 2),
};
const HEADSET: Shapes = Shapes {
    capture: shape_of(16_000, 1),
    playback: shape_of(44_100, 2),
};

const fn shape_of(rate_hz: u32, channels: usize) -> branchline_sound::Shape {
    branchline_sound::Shape { rate_hz, channels }
}

#[test]
fn a_tone_passes_both_ways_through_cards_of_every_shape_whose_clocks_drift() {
    for (shapes, ppm) in [(STEREO, 120.0), (HEADSET, -150.0)] {
        let card = FakeCard::new(shapes, ppm, &[700.0, 0.0]);
        let mut bench = Bench::new(vec![device("a", None)], &[("a", &card)]);
        let mut fars = [Far::new(1000.0)];
        bench.engine.handle_plan(bench.now, DeviceId(0), fars[0].plan());
        bench.seconds(120, &mut fars);
        let figures = bench.engine.figures();
        let figure = &figures.cards[0];
        assert!(
            (figure.capture_ppm - ppm).abs() < 15.0 && (figure.playback_ppm - ppm).abs() < 15.0,
            "{ppm}: {figure:?}"
        );
        assert_eq!((figure.xruns, card.inside().xruns), (0, 0), "{ppm}: {figure:?}");
        // The last two seconds, by the true time.
        let heard = &fars[0].heard;
        let told = tone(&heard[heard.len() - 16_000..], 8000, 700.0);
        assert!(
            (told.hz - 700.0).abs() < 0.3 && told.purity > 99.0,
            "{ppm}: {} Hz, {} %",
            told.hz,
            told.purity
        );
        let played = &card.inside().played;
        let channels = shapes.playback.channels;
        for channel in 0..channels {
            let mono: Vec<i16> = played.iter().skip(channel).step_by(channels).copied().collect();
            let rate_hz = shapes.playback.rate_hz;
            let last = &mono[mono.len() - 2 * rate_hz as usize..];
            // Its samples are as many more a second as its clock is faster.
            let true_hz = tone(last, rate_hz, 1000.0).hz * (1.0 + ppm / 1e6);
            let told = tone(last, rate_hz, 1000.0);
            assert!(
                (true_hz - 1000.0).abs() < 0.3 && told.purity > 99.0,
                "{ppm}: {true_hz} Hz, {} %",
                told.purity
            );
        }
    }
}

#[test]
fn two_telephones_on_one_card_do_not_hear_each_other() {
    let card = FakeCard::new(STEREO, 50.0, &[500.0, 1200.0]);
    let devices = vec![device("a", Some(0)), device("a", Some(1))];
    let mut bench = Bench::new(devices, &[("a", &card)]);
    let mut fars = [Far::new(600.0), Far::new(900.0)];
    for (number, far) in fars.iter().enumerate() {
        bench.engine.handle_plan(bench.now, DeviceId(number), far.plan());
    }
    bench.seconds(6, &mut fars);
    for (number, (recorded_hz, played_hz)) in [(500.0, 600.0), (1200.0, 900.0)].into_iter().enumerate() {
        let heard = &fars[number].heard;
        assert!(
            tone(&heard[heard.len() - 8000..], 8000, recorded_hz).purity > 99.0,
            "{number}"
        );
        let inside = card.inside();
        let played: Vec<i16> = inside.played.iter().skip(number).step_by(2).copied().collect();
        assert!(
            tone(&played[played.len() - 48_000..], 48_000, played_hz).purity > 99.0,
            "{number}"
        );
    }
}

#[test]
fn a_card_that_is_pulled_leaves_silence_and_a_fault_and_works_again_when_it_is_back() {
    let (card, other) = (
        FakeCard::new(HEADSET, 20.0, &[700.0]),
        FakeCard::new(STEREO, 0.0, &[800.0, 800.0]),
    );
    let mut bench = Bench::new(
        vec![device("usb", None), device("board", None)],
        &[("usb", &card), ("board", &other)],
    );
    let mut fars = [Far::new(1000.0), Far::new(1000.0)];
    for (number, far) in fars.iter().enumerate() {
        bench.engine.handle_plan(bench.now, DeviceId(number), far.plan());
    }
    bench.seconds(3, &mut fars);
    let opened = [CardId(0), CardId(1)].map(|card| SoundEvent::CardOpened { card });
    assert_eq!(bench.told, opened);
    bench.told.clear();

    card.inside().is_pulled = true;
    bench.seconds(3, &mut fars);
    let lost = SoundEvent::CardLost {
        card: CardId(0),
        fault: "No such device".to_owned(),
    };
    assert_eq!(bench.told, [lost], "told once, however often it is tried");
    bench.told.clear();
    let figures = bench.engine.figures();
    assert_eq!(
        (figures.cards[0].is_open, figures.cards[0].fault.as_deref()),
        (false, Some("No such device"))
    );
    let last = |far: &Far| far.heard[far.heard.len() - 8000..].to_vec();
    assert!(
        last(&fars[0]).iter().all(|sample| sample.abs() <= 8),
        "silence, but packets go on"
    );
    assert!(
        tone(&last(&fars[1]), 8000, 800.0).purity > 99.0,
        "the other card plays on"
    );

    card.inside().is_pulled = false;
    bench.seconds(4, &mut fars);
    assert_eq!(bench.told, [SoundEvent::CardOpened { card: CardId(0) }]);
    assert!(tone(&last(&fars[0]), 8000, 700.0).purity > 99.0);
    let figures = bench.engine.figures();
    assert_eq!((figures.cards[0].opened, figures.cards[0].fault.as_deref()), (2, None));
    let packets = fars[0].heard.len() / 160;
    assert_eq!(packets, 10 * 50, "no packet was left out");
}

#[test]
fn a_buffer_that_runs_empty_is_counted_and_sound_goes_on() {
    let card = FakeCard::new(STEREO, 0.0, &[700.0, 0.0]);
    let mut bench = Bench::new(vec![device("a", None)], &[("a", &card)]);
    let mut fars = [Far::new(1000.0)];
    bench.engine.handle_plan(bench.now, DeviceId(0), fars[0].plan());
    bench.seconds(3, &mut fars);
    // The machine stood still, the card did not.
    card.advance(std::time::Duration::from_millis(300));
    bench.seconds(3, &mut fars);
    let figure = bench.engine.figures().cards.remove(0);
    assert!((1..=2).contains(&figure.xruns) && figure.is_open, "{figure:?}");
    assert!(figure.latency.as_millis() < 80, "{figure:?}");
    let heard = &fars[0].heard;
    assert!(tone(&heard[heard.len() - 8000..], 8000, 700.0).purity > 99.0);
    let inside = card.inside();
    let played: Vec<i16> = inside.played.iter().step_by(2).copied().collect();
    assert!(tone(&played[played.len() - 48_000..], 48_000, 1000.0).purity > 99.0);
}

#[test]
fn only_the_far_end_of_the_call_is_heard() {
    let card = FakeCard::new(STEREO, 0.0, &[]);
    let mut bench = Bench::new(vec![device("a", None)], &[("a", &card)]);
    let far = Far::new(1000.0);
    bench.engine.handle_plan(bench.now, DeviceId(0), far.plan());
    bench.seconds(2, &mut [Far::new(600.0)]);
    assert!(
        card.inside().played.iter().all(|sample| *sample == 0),
        "a stranger sent"
    );
    assert_eq!(bench.engine.figures().devices[0].reception.unwrap().packets, 0);
    bench.seconds(2, &mut [far]);
    assert!(card.inside().played.iter().any(|sample| *sample > 4000));
}

#[test]
fn what_happens_on_a_channel_is_told_with_its_device() {
    let card = FakeCard::new(STEREO, 0.0, &[]);
    let mut bench = Bench::new(vec![device("a", Some(0)), device("a", Some(1))], &[("a", &card)]);
    let beep = Signal::Tone {
        tone: country::by_code("DE").unwrap().analog.dial,
        ms: 500,
    };
    let hear = Hear::Send(vec![beep]);
    bench
        .engine
        .handle_plan(bench.now, DeviceId(1), ChannelPlan { hear, talk: None });
    bench.seconds(2, &mut []);
    let sent = SoundEvent::Channel {
        device: DeviceId(1),
        event: ChannelEvent::Sent,
    };
    assert_eq!(bench.told, [SoundEvent::CardOpened { card: CardId(0) }, sent]);
}

#[test]
fn a_card_of_no_use_is_a_fault_and_not_a_panic() {
    for (rate_hz, channels) in [(0, 2), (48_000, 0), (48_000, 64), (1_000_000, 2)] {
        let odd = Shapes {
            capture: shape(rate_hz, channels),
            playback: shape(48_000, 2),
        };
        let card = FakeCard::new(odd, 0.0, &[]);
        let mut bench = Bench::new(vec![device("a", None)], &[("a", &card)]);
        bench.frame(&mut []);
        assert!(
            matches!(&bench.told[..], [SoundEvent::CardLost { .. }]),
            "{rate_hz}, {channels}: {:?}",
            bench.told
        );
    }
}
