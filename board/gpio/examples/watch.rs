//! Prints what happens at the devices of a board: to see whether it is wired as its file says.
//!
//! `cargo run -p branchline-gpio --example watch -- rpi4 DE`. The state light flashes slowly while it runs; a short press of a
//! button rings every telephone, a long one seizes every line, and lets it go again.

#![expect(clippy::print_stdout, reason = "it is all it does")]

use std::error::Error;
use std::time::Instant;

use branchline_board::{BoxState, ButtonEvent, Equipment, Event, Held};
use branchline_config::country::{self, Analog};
use branchline_gpio::{Gpiochip, Output};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (name, code) = (
        arguments.next().unwrap_or_default(),
        arguments.next().unwrap_or_default(),
    );
    let board = branchline_board::built_in(&name).ok_or("usage: watch BOARD COUNTRY, such as rpi4 DE")?;
    let board = board.map_err(|faults| faults.iter().map(|fault| format!("{fault}\n")).collect::<String>())?;
    let analog = country::by_code(&code)
        .ok_or("usage: watch BOARD COUNTRY, such as rpi4 DE")?
        .analog;
    let mut gpio = Gpiochip::new()?;
    let mut equipment = Equipment::open(&board, analog, &mut gpio);
    for fault in equipment.faults() {
        println!("fault: {fault}");
    }
    let start = now();
    println!("watching {}", board.model);
    equipment.show(start, BoxState::Starting);
    loop {
        let timeout = equipment.poll_timeout().map(|due| due.saturating_duration_since(now()));
        for edge in gpio.wait(timeout)? {
            equipment.handle_edge(edge);
        }
        equipment.handle_timeout(now());
        while let Some(event) = equipment.poll_event() {
            println!("{:>8} ms  {event:?}", now().duration_since(start).as_millis());
            if let Event::Button { event, .. } = event {
                answer(&mut equipment, event, analog);
            }
        }
    }
}

fn answer(equipment: &mut Equipment<Output>, event: ButtonEvent, analog: &Analog) {
    let phones: Vec<String> = equipment.phones().map(str::to_owned).collect();
    let lines: Vec<String> = equipment.lines().map(str::to_owned).collect();
    match event {
        ButtonEvent::Released(Held::Short) => {
            for name in phones {
                let rung = equipment.phone(&name).map(|phone| phone.ring(now(), analog.ring));
                println!("ringing {name}: {rung:?}");
            }
        }
        ButtonEvent::Reached(Held::Long) => {
            for name in lines {
                let seized = equipment.line(&name).map(|line| line.seize(now()));
                println!("seizing {name}: {seized:?}");
            }
        }
        ButtonEvent::Released(Held::Long | Held::VeryLong) => {
            for name in lines {
                let released = equipment.line(&name).map(|line| line.release(now()));
                println!("releasing {name}: {released:?}");
            }
        }
        ButtonEvent::Reached(Held::Short | Held::VeryLong) => {}
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of a program")]
fn now() -> Instant {
    Instant::now()
}
