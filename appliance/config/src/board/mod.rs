//! A board's description: which pin of which chip is what.
//!
//! In: the text of `boards/NAME.toml` and of the wirings it may name. Out: a [`Board`], or every [`Fault`] in it.

mod choice;
mod circuit;
mod pin;

use std::collections::BTreeMap;

pub use choice::Choice;
pub use circuit::{Button, Daa, Drive, Fxo, Fxs, Handset, Led, Lifeline, Shows, Slic, Sound, Watchdog};
pub use pin::{Active, Bias, Pin};

use crate::fault::{Fault, Wrong};
use crate::faults::Faults;
use crate::read::Reader;
use crate::text::Name;
use circuit::Circuits;

/// Pins one board may use; the largest header there is has a third of them.
pub const PINS_MAX: usize = 128;

/// A named text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'t> {
    /// The file as messages name it; a wiring is called by what stands before `.toml`.
    pub file: &'t str,
    /// What is in it.
    pub text: &'t str,
}

/// What a board has, and on which pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// One word, such as `rpi4`.
    pub name: String,
    /// For people, such as `Raspberry Pi 4 Model B`.
    pub model: String,
    /// GPIO chip of every pin that names none: its label, its name (`gpiochip0`) or its path.
    pub chip: Option<String>,
    /// `[[fxs]]`: telephones behind a SLIC.
    pub fxs: Vec<Fxs>,
    /// `[[fxo]]`: lines of an exchange behind a DAA.
    pub fxo: Vec<Fxo>,
    /// `[[handset]]`: a hook switch, perhaps a ringer.
    pub handsets: Vec<Handset>,
    /// `[[led]]`
    pub leds: Vec<Led>,
    /// `[[button]]`
    pub buttons: Vec<Button>,
    /// `[lifeline]`: the relay that joins a telephone with a line when the box is dead.
    pub lifeline: Option<Lifeline>,
    /// `[watchdog]`: one outside of the processor, that wants to see a pin move.
    pub watchdog: Option<Watchdog>,
}

impl Board {
    /// Reads a board and the wiring it names, out of `wirings`; on failure reports every fault, in file order.
    pub fn parse(board: Source<'_>, wirings: &[Source<'_>]) -> Result<Board, Vec<Fault>> {
        let (head, mut found) = read(board, |reader| Head::read(reader, wirings));
        let mut circuits = Circuits::default();
        if let Some(wiring) = head.as_ref().and_then(|head| head.wiring) {
            let (of_wiring, faults) = read(wiring, |mut reader| {
                let circuits = Circuits::read(&mut reader);
                reader.finish();
                Some(circuits)
            });
            found.extend(faults);
            circuits.add(of_wiring.unwrap_or_default());
        }
        let Some(head) = head.filter(|_| found.is_empty()) else {
            return Err(found);
        };
        circuits.add(head.circuits);
        let board = circuits.into_board(head.name, head.model, head.chip);
        let found = board.collisions();
        if found.is_empty() { Ok(board) } else { Err(found) }
    }

    /// The chip a pin is on; empty when neither the pin nor the board names one.
    pub fn chip_of<'b>(&'b self, pin: &'b Pin) -> &'b str {
        pin.chip.as_deref().or(self.chip.as_deref()).unwrap_or_default()
    }

    /// Every pin, with what it is for.
    pub fn pins(&self) -> Vec<&Pin> {
        let mut pins = Vec::new();
        for fxs in &self.fxs {
            pins.extend([&fxs.hook, &fxs.ring_mode, &fxs.forward]);
        }
        for fxo in &self.fxo {
            pins.extend([&fxo.ring, &fxo.off_hook]);
            pins.extend(fxo.line_voltage.iter().chain(&fxo.reversed));
        }
        for handset in &self.handsets {
            pins.push(&handset.hook);
            pins.extend(&handset.ringer);
        }
        pins.extend(self.leds.iter().map(|led| &led.pin));
        pins.extend(self.buttons.iter().map(|button| &button.pin));
        pins.extend(self.lifeline.iter().map(|lifeline| &lifeline.pin));
        pins.extend(self.watchdog.iter().map(|watchdog| &watchdog.pin));
        pins
    }

    /// Pins without a chip, pins and names used twice.
    fn collisions(&self) -> Vec<Fault> {
        let mut found = Vec::new();
        let mut users: BTreeMap<(&str, u32), &Pin> = BTreeMap::new();
        let pins = self.pins();
        for pin in &pins {
            let chip = self.chip_of(pin);
            if chip.is_empty() {
                let fix = "add chip = \"gpiochip0\" at the top of the board's file";
                found.push(pin.place.fault("no chip is named", fix));
                continue;
            }
            if let Some(other) = users.insert((chip, pin.offset), pin) {
                let problem = format!("pin {} of {chip} is taken by {}", pin.offset, other.place);
                found.push(pin.place.fault(problem, "give each its own pin"));
            }
        }
        if let Some(pin) = pins.get(PINS_MAX) {
            found.push(pin.place.fault(format!("more than {PINS_MAX} pins"), "use fewer"));
        }
        let mut names: BTreeMap<&str, &Pin> = BTreeMap::new();
        for (name, pin) in self.names() {
            if let Some(other) = names.insert(name, pin) {
                let problem = format!("\"{name}\" is also the name of {}", other.place);
                found.push(pin.place.fault(problem, "give each a name of its own"));
            }
        }
        found
    }

    fn names(&self) -> Vec<(&str, &Pin)> {
        let fxs = self.fxs.iter().map(|fxs| (fxs.name.as_str(), &fxs.hook));
        let fxo = self.fxo.iter().map(|fxo| (fxo.name.as_str(), &fxo.ring));
        let handsets = self.handsets.iter().map(|set| (set.name.as_str(), &set.hook));
        let leds = self.leds.iter().map(|led| (led.name.as_str(), &led.pin));
        let buttons = self.buttons.iter().map(|button| (button.name.as_str(), &button.pin));
        fxs.chain(fxo).chain(handsets).chain(leds).chain(buttons).collect()
    }
}

struct Head<'t> {
    name: String,
    model: String,
    chip: Option<String>,
    wiring: Option<Source<'t>>,
    circuits: Circuits,
}

impl<'t> Head<'t> {
    fn read(mut table: Reader<'_>, wirings: &[Source<'t>]) -> Option<Head<'t>> {
        let name = table.required::<Name>("name", "rpi4").map(|name| name.0);
        let model = table.required("model", "Raspberry Pi 4 Model B");
        let chip = table.optional("chip");
        let wiring = table.optional::<Name>("wiring").map(|name| name.0);
        let named = |name: &str| wirings.iter().find(|source| stem(source.file) == name).copied();
        let source = wiring.as_deref().and_then(named);
        if let (Some(wiring), None) = (&wiring, source) {
            let known: Vec<&str> = wirings.iter().map(|source| stem(source.file)).collect();
            let problem = format!("there is no wiring \"{wiring}\"");
            table.wrong("wiring", Wrong::new(problem, format!("known: {}", known.join(", "))));
        }
        let circuits = Circuits::read(&mut table);
        table.finish();
        Some(Head {
            name: name?,
            model: model?,
            chip,
            wiring: source,
            circuits,
        })
    }
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name)
}

fn read<T>(source: Source<'_>, walk: impl FnOnce(Reader<'_>) -> Option<T>) -> (Option<T>, Vec<Fault>) {
    let faults = Faults::new(source.file, source.text);
    let read = match faults.parse_document() {
        Some(table) => walk(Reader::root(&table, &faults)),
        None => None,
    };
    (read, faults.into_sorted())
}
