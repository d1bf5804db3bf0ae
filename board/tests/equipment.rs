//! Whole boards: what is built in, what cannot be had, lights, buttons, and the relay.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use branchline_board::fake::{self, FakeGpio, FakePin, Waveform};
use branchline_board::{BOARDS, BoxState, ButtonEvent, Equipment, Event, FxsEvent, Held, InputId, Level};
use branchline_config::board::{Board, Source};
use branchline_config::country;

#[test]
fn every_built_in_board_is_read_and_every_one_of_its_pins_is_its_own() {
    let names: Vec<&str> = BOARDS.iter().map(|source| source.file).collect();
    assert_eq!(names.len(), 5);
    for source in BOARDS {
        let board = branchline_board::parse(*source).unwrap_or_else(|faults| panic!("{}: {faults:?}", source.file));
        assert_eq!(source.file, format!("boards/{}.toml", board.name));
        assert_eq!(branchline_board::built_in(&board.name).unwrap().unwrap(), board);
        let mut gpio = FakeGpio::new(board.chip.as_deref().unwrap_or_default(), 58);
        let equipment = Equipment::open(&board, germany(), &mut gpio);
        assert_eq!(equipment.faults(), [], "{}", board.name);
    }
    assert_eq!(branchline_board::built_in("rpi9"), None);
}

#[test]
fn the_header_of_a_raspberry_pi_leaves_its_buses_free() {
    for name in ["rpi3", "rpi4", "rpi5"] {
        let board = branchline_board::built_in(name).unwrap().unwrap();
        assert!(!board.pins().is_empty());
        for pin in board.pins() {
            let reserved = [2..=3, 7..=11, 14..=15, 18..=21]
                .iter()
                .any(|bus| bus.contains(&pin.offset));
            assert!(!reserved && (2..=27).contains(&pin.offset), "{name}: {pin:?}");
        }
    }
}

#[test]
fn a_pin_that_cannot_be_had_names_file_line_chip_pin_and_fix_and_the_rest_works() {
    let text = r#"
name = "test"
model = "a bench"
chip = "bench"
[[fxs]]
name = "phone-1"
hook = { pin = 40 }
ring_mode = { pin = 1, chip = "other" }
forward = { pin = 2 }
[[fxs]]
name = "phone-2"
hook = { pin = 3 }
ring_mode = { pin = 4 }
forward = { pin = 5 }
[[led]]
name = "status"
at = { pin = 6 }
"#;
    let (mut equipment, gpio) = open(text, FakeGpio::new("bench", 16));
    let faults: Vec<String> = equipment.faults().iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "test.toml:7: fxs[0].hook: chip \"bench\" pin 40: the chip has pins 0 to 15; correct the pin, or choose the \
             board that fits",
            "test.toml:8: fxs[0].ring_mode: chip \"other\" pin 1: there is no such chip on this machine; choose the \
             board that fits; chips here: bench",
        ]
    );
    assert_eq!(equipment.phones().collect::<Vec<_>>(), ["phone-2"]);
    let start = start();
    let wave = Waveform::new(gpio.input_of(3).unwrap(), start).active_ms(100);
    let happened = events(fake::play(
        &mut equipment,
        &wave.edges(),
        start + Duration::from_secs(1),
    ));
    let name = "phone-2".to_owned();
    let event = FxsEvent::OffHook;
    assert_eq!(happened, [Event::Phone { name, event }]);
    equipment.show(start, BoxState::InService);
    assert_eq!(gpio.output_of(6).unwrap().level(), Level::Active);
}

#[test]
fn a_machine_without_any_chip_says_so() {
    let text = "name = \"test\"\nmodel = \"m\"\nchip = \"none\"\n[[led]]\nname = \"status\"\nat = { pin = 6 }\n";
    let (equipment, _) = open(text, FakeGpio::new("bench", 0));
    assert!(
        equipment.faults()[0].to_string().contains("there is no such chip"),
        "{:?}",
        equipment.faults()
    );
}

#[test]
fn a_device_that_fails_in_service_is_told_once_and_left_alone() {
    let text = "name = \"test\"\nmodel = \"m\"\nchip = \"bench\"\n[[led]]\nname = \"status\"\nat = { pin = 6 }\n";
    let (mut equipment, gpio) = open(text, FakeGpio::new("bench", 8));
    let start = start();
    equipment.show(start, BoxState::Starting);
    gpio.output_of(6).unwrap().break_down();
    let happened = events(fake::play(&mut equipment, &[], start + Duration::from_secs(10)));
    let [Event::Failed(fault)] = happened.as_slice() else {
        panic!("{happened:?}")
    };
    assert_eq!(fault.line, 6);
    assert!(fault.to_string().contains("status stopped working"), "{fault}");
    assert_eq!(equipment.poll_timeout(), None);
    assert_eq!(equipment.faults(), std::slice::from_ref(fault));
}

#[test]
fn lights_say_how_the_box_is() {
    // Changes of the light in ten seconds.
    let cases = [
        (BoxState::Starting, 10),
        (BoxState::InService, 1),
        (BoxState::Survival, 20),
        (BoxState::Attention, 30),
        (BoxState::Recovering, 10),
        (BoxState::Failed, 80),
        (BoxState::ResetArmed, 200),
    ];
    for (state, changes) in cases {
        let text = "name = \"test\"\nmodel = \"m\"\nchip = \"bench\"\n[[led]]\nname = \"status\"\nat = { pin = 6 }\n\
                    [[led]]\nname = \"calls\"\nshows = \"calls\"\nat = { pin = 7 }\n";
        let (mut equipment, gpio) = open(text, FakeGpio::new("bench", 8));
        let start = start();
        equipment.show(start, state);
        equipment.show_calls(start, 2);
        fake::play(&mut equipment, &[], start + Duration::from_millis(9_990));
        equipment.show(start, state);
        let levels = gpio.output_of(6).unwrap().levels();
        assert_eq!(levels.len() - 1, changes, "{state:?}");
        assert!(levels.windows(2).all(|pair| pair[0] != pair[1]), "{state:?}");
        assert_eq!(gpio.output_of(7).unwrap().levels(), [Level::Inactive, Level::Active]);
    }
}

#[test]
fn a_button_tells_short_from_long_from_very_long() {
    use ButtonEvent::{Reached, Released};
    use Held::{Long, Short, VeryLong};
    let cases: [(u64, Vec<ButtonEvent>); 7] = [
        (8, vec![]),
        (60, vec![Released(Short)]),
        (2_990, vec![Released(Short)]),
        (3_010, vec![Reached(Long), Released(Long)]),
        (9_990, vec![Reached(Long), Released(Long)]),
        (10_010, vec![Reached(Long), Reached(VeryLong), Released(VeryLong)]),
        (60_000, vec![Reached(Long), Reached(VeryLong), Released(VeryLong)]),
    ];
    let text = "name = \"test\"\nmodel = \"m\"\nchip = \"bench\"\n[[button]]\nname = \"reset\"\nat = { pin = 0 }\n";
    for (held_ms, expected) in cases {
        for seed in 0..20 {
            let (mut equipment, gpio) = open(text, FakeGpio::new("bench", 1));
            let start = start();
            let wave = Waveform::new(gpio.input_of(0).unwrap(), start).with_bounce(seed, Duration::from_millis(5));
            let edges = wave.wait_ms(100).active_ms(held_ms).inactive_ms(1000).edges();
            let happened = events(fake::play(&mut equipment, &edges, start + Duration::from_secs(90)));
            assert_eq!(pressed(&happened), expected, "{held_ms} ms, seed {seed}");
            // The same, when nobody looks until it is over.
            let (mut equipment, _) = open(text, FakeGpio::new("bench", 1));
            edges.iter().for_each(|edge| equipment.handle_edge(*edge));
            equipment.handle_timeout(start + Duration::from_secs(90));
            let late: Vec<Event> = std::iter::from_fn(|| equipment.poll_event()).collect();
            assert_eq!(pressed(&late), expected, "{held_ms} ms, seed {seed}, late");
        }
    }
}

#[test]
fn a_button_that_is_down_at_the_start_resets_nothing_until_it_was_let_go() {
    let text = "name = \"test\"\nmodel = \"m\"\nchip = \"bench\"\n[[button]]\nname = \"reset\"\nat = { pin = 0 }\n";
    let mut gpio = FakeGpio::new("bench", 1);
    gpio.set_initial(0, Level::Active);
    let (mut equipment, _) = open(text, gpio);
    let start = start();
    let stuck = fake::play(&mut equipment, &[], start + Duration::from_secs(60));
    assert_eq!(stuck, []);
    let wave = Waveform::new(InputId(0), start + Duration::from_secs(60))
        .active_ms(10)
        .inactive_ms(100)
        .active_ms(200);
    let wave = wave.inactive_ms(100);
    let happened = events(fake::play(
        &mut equipment,
        &wave.edges(),
        start + Duration::from_secs(70),
    ));
    assert_eq!(pressed(&happened), [ButtonEvent::Released(Held::Short)]);
}

#[test]
fn the_relay_falls_when_nobody_says_that_the_box_lives() {
    // What holds it, and how often the pin changes in a second of life.
    for (drive, changes) in [("level", 0), ("pulse", 100)] {
        let text = format!(
            "name = \"test\"\nmodel = \"m\"\nchip = \"bench\"\n[lifeline]\nat = {{ pin = 5 }}\ndrive = \"{drive}\"\n\
             [watchdog]\nat = {{ pin = 6 }}\nkick_ms = 200\n"
        );
        let (mut equipment, gpio) = open(&text, FakeGpio::new("bench", 8));
        let (relay, watchdog) = (gpio.output_of(5).unwrap(), gpio.output_of(6).unwrap());
        assert_eq!(relay.level(), Level::Inactive, "dead until told otherwise");
        let mut now = start();
        for _ in 0..60 {
            equipment.handle_alive(now);
            equipment.handle_served(now);
            let (before, kicked) = (relay.levels().len(), watchdog.levels().len());
            now += Duration::from_secs(1);
            fake::play(&mut equipment, &[], now);
            assert_eq!(relay.levels().len() - before, changes, "{drive}");
            assert_eq!(watchdog.levels().len() - kicked, 5);
        }
        fake::play(&mut equipment, &[], now + Duration::from_millis(3_900));
        assert!(equipment.poll_timeout().is_some(), "the grace is not over");
        fake::play(&mut equipment, &[], now + Duration::from_secs(60));
        assert_eq!(
            (relay.level(), watchdog.level()),
            (Level::Inactive, Level::Inactive),
            "{drive}"
        );
        assert_eq!(equipment.poll_timeout(), None);
        equipment.handle_alive(now + Duration::from_secs(61));
        assert_eq!(relay.level(), Level::Inactive, "{drive}: alive, but nobody is served");
        equipment.handle_served(now + Duration::from_secs(61));
        assert_eq!(relay.level(), Level::Active, "{drive}: it comes back");
    }
}

fn open(text: &str, mut gpio: FakeGpio) -> (Equipment<FakePin>, FakeGpio) {
    let source = Source {
        file: "test.toml",
        text,
    };
    let board = Board::parse(source, &[]).unwrap();
    let equipment = Equipment::open(&board, germany(), &mut gpio);
    (equipment, gpio)
}

fn events(happened: Vec<(Instant, Event)>) -> Vec<Event> {
    happened.into_iter().map(|(_, event)| event).collect()
}

fn pressed(happened: &[Event]) -> Vec<ButtonEvent> {
    let events = happened.iter().map(|event| match event {
        Event::Button { event, .. } => *event,
        other => panic!("{other:?}"),
    });
    events.collect()
}

fn germany() -> &'static country::Analog {
    country::by_code("DE").unwrap().analog
}

#[expect(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]
fn start() -> Instant {
    Instant::now()
}
