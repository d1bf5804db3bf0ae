//! On a machine without these pins: every device says what it misses, and nothing fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use branchline_board::Equipment;
use branchline_config::board::{Board, Source};
use branchline_config::country;
use branchline_gpio::Gpiochip;

const BOARD: &str = "name = \"test\"\nmodel = \"m\"\nchip = \"no-such-chip\"\n[[led]]\nname = \"status\"\nat = { pin = 6 }\n\
                     [[button]]\nname = \"reset\"\nat = { pin = 7 }\n";

#[test]
fn a_chip_that_is_not_there_is_named_with_file_line_and_pin() {
    let source = Source {
        file: "test.toml",
        text: BOARD,
    };
    let board = Board::parse(source, &[]).unwrap();
    let mut gpio = Gpiochip::new().unwrap();
    let equipment = Equipment::open(&board, country::by_code("DE").unwrap().analog, &mut gpio);
    let faults: Vec<String> = equipment.faults().iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].starts_with("test.toml:9: button[0].at: chip \"no-such-chip\" pin 7: "),
        "{faults:?}"
    );
    assert!(
        faults[1].starts_with("test.toml:6: led[0].at: chip \"no-such-chip\" pin 6: "),
        "{faults:?}"
    );
}

#[test]
fn waiting_ends_when_somebody_wakes_it_or_the_time_is_up() {
    let mut gpio = Gpiochip::new().unwrap();
    assert_eq!(gpio.wait(Some(Duration::from_millis(1))).unwrap(), []);
    gpio.waker().wake().unwrap();
    // Without the wake this would never return.
    assert_eq!(gpio.wait(None).unwrap(), []);
    assert_eq!(gpio.wait(Some(Duration::ZERO)).unwrap(), []);
}
