//! Files that describe boards: what is taken, and what each fault says.

use branchline_config::board::{Active, Bias, Board, Drive, Shows, Source};

const GOOD: &str = r#"name = "bench"
model = "A bench"
chip = "gpiochip0"
[[fxs]]
name = "phone-1"
slic = "ag1171"
hook = { pin = 1, active = "low", bias = "pull-up" }
ring_mode = { pin = 2 }
forward = { pin = 3, chip = "other" }
[[led]]
name = "calls"
shows = "calls"
at = { pin = 4 }
[lifeline]
at = { pin = 5 }
drive = "pulse"
"#;

#[test]
fn a_board_is_read_with_the_place_of_every_pin() {
    let board = parse(GOOD).unwrap();
    let hook = &board.fxs[0].hook;
    assert_eq!((hook.offset, hook.active, hook.bias), (1, Active::Low, Bias::PullUp));
    assert_eq!((hook.place.line, hook.place.field.as_str()), (7, "fxs[0].hook"));
    assert_eq!(board.chip_of(hook), "gpiochip0");
    assert_eq!(board.chip_of(&board.fxs[0].forward), "other");
    assert_eq!(board.leds[0].shows, Shows::Calls);
    assert_eq!(board.lifeline.as_ref().unwrap().drive, Drive::Pulse);
    assert_eq!(board.pins().len(), 5);
}

#[test]
fn every_fault_names_file_line_field_and_fix() {
    let cases = [
        (
            "chip = \"gpiochip0\"",
            "chips = \"gpiochip0\"",
            "bench.toml:3: chips: unknown key; did you mean \"chip\"?",
        ),
        (
            "model = \"A bench\"\n",
            "",
            "bench.toml:1: model: is missing; add model = \"Raspberry Pi 4 Model B\"",
        ),
        (
            "slic = \"ag1171\"",
            "slic = \"xyz\"",
            "bench.toml:6: fxs[0].slic: \"xyz\" is not known here; write \"ag1171\"",
        ),
        (
            "hook = { pin = 1,",
            "hook = { pins = 1,",
            "bench.toml:7: fxs[0].hook.pin: is missing; write { pin = 17 }",
        ),
        (
            "{ pin = 2 }",
            "{ pin = 5000 }",
            "bench.toml:8: fxs[0].ring_mode.pin: 5000 is out of range; write a whole number from 0 to 1023",
        ),
        (
            "{ pin = 2 }",
            "2",
            "bench.toml:8: fxs[0].ring_mode: expected a table, found a whole number; write [fxs[0].ring_mode] on a line of its own",
        ),
        (
            "ring_mode = { pin = 2 }\n",
            "",
            "bench.toml:4: fxs[0].ring_mode.pin: is missing; write { pin = 17 }",
        ),
        (
            "{ pin = 4 }",
            "{ pin = 2 }",
            "bench.toml:13: led[0].at: pin 2 of gpiochip0 is taken by fxs[0].ring_mode (bench.toml:8); give each its own pin",
        ),
        (
            "name = \"calls\"",
            "name = \"phone-1\"",
            "bench.toml:13: led[0].at: \"phone-1\" is also the name of fxs[0].hook (bench.toml:7); give each a name of its own",
        ),
        (
            "chip = \"gpiochip0\"\n",
            "",
            "bench.toml:6: fxs[0].hook: no chip is named; add chip = \"gpiochip0\" at the top of the board's file",
        ),
        (
            "model = \"A bench\"",
            "model = \"A bench\"\nwiring = \"header9\"",
            "bench.toml:3: wiring: there is no wiring \"header9\"; known: header40",
        ),
        (
            "active = \"low\"",
            "active = \"loud\"",
            "bench.toml:7: fxs[0].hook.active: \"loud\" is not known here; write \"high\" or \"low\"",
        ),
    ];
    for (good, bad, expected) in cases {
        assert!(GOOD.contains(good), "{good}");
        let faults = parse(&GOOD.replacen(good, bad, 1)).unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|fault| fault == expected), "{expected}\n{told:#?}");
    }
}

#[test]
fn a_fault_of_a_wiring_is_told_with_the_wiring_s_own_file_and_line() {
    let wiring = Source {
        file: "boards/wiring/header40.toml",
        text: "[[led]]\nname = \"status\"\nat = { pin = \"x\" }\n",
    };
    let board = Source {
        file: "bench.toml",
        text: "name = \"b\"\nmodel = \"m\"\nchip = \"c\"\nwiring = \"header40\"\n",
    };
    let faults = Board::parse(board, &[wiring]).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "boards/wiring/header40.toml:3: led[0].at.pin: expected a whole number, found text; write a whole number from 0 to 1023"
    );
}

#[test]
fn cut_and_changed_files_are_refused_or_read_but_never_panic() {
    for cut in 0..GOOD.len() {
        let _ = parse(&GOOD[..cut]);
        for byte in ["\"", "[", "=", "\n", "9"] {
            let mut text = GOOD.to_owned();
            text.replace_range(cut..=cut, byte);
            let _ = parse(&text);
        }
    }
}

fn parse(text: &str) -> Result<Board, Vec<branchline_config::Fault>> {
    let wiring = Source {
        file: "boards/wiring/header40.toml",
        text: "",
    };
    Board::parse(
        Source {
            file: "bench.toml",
            text,
        },
        &[wiring],
    )
}
