use std::time::Duration;

use branchline_config::Fault;
use branchline_config::board::{self, Board, Daa, Drive, Pin, Slic};
use branchline_config::country::Analog;
use embedded_hal::digital::OutputPin;

use super::{Device, Equipment, Line, Owner, Phone};
use crate::ag1171::Ag1171;
use crate::button::Button;
use crate::ch1817::{Ch1817, LineInputs};
use crate::fxo::FxoInput;
use crate::gpio::{Gpio, InputId, Level};
use crate::handset::Handset;
use crate::heartbeat::{Beat, Heartbeat};
use crate::hook::{Hook, HookTiming};
use crate::light::Light;

/// A board on its way to be [`Equipment`]: every pin is tried, so that every fault is told at once.
pub(super) struct Opening<'o, G> {
    board: &'o Board,
    timing: HookTiming,
    gpio: &'o mut G,
    owners: Vec<Owner>,
    faults: Vec<Fault>,
}

type Input = (InputId, Level);

impl<'o, P, G> Opening<'o, G>
where
    P: OutputPin + 'static,
    G: Gpio<Output = P>,
{
    pub(super) fn new(board: &'o Board, analog: &Analog, gpio: &'o mut G) -> Opening<'o, G> {
        Opening {
            board,
            timing: HookTiming::of(analog),
            gpio,
            owners: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub(super) fn open(mut self) -> Equipment<P> {
        let board = self.board;
        let mut phones = Vec::new();
        for fxs in &board.fxs {
            phones.extend(self.fxs(phones.len(), fxs));
        }
        for handset in &board.handsets {
            phones.extend(self.handset(phones.len(), handset));
        }
        let mut lines = Vec::new();
        for fxo in &board.fxo {
            lines.extend(self.fxo(lines.len(), fxo));
        }
        let mut buttons = Vec::new();
        for button in &board.buttons {
            buttons.extend(self.button(buttons.len(), button));
        }
        let mut lights = Vec::new();
        for led in &board.leds {
            let pin = self.output(&led.pin, Level::Inactive);
            lights.extend(pin.map(|pin| Device::new(&led.name, &led.pin, (led.shows, Light::new(pin)))));
        }
        let (lifeline, watchdog) = (self.lifeline(), self.watchdog());
        Equipment {
            phones,
            lines,
            buttons,
            lights,
            lifeline,
            watchdog,
            owners: self.owners,
            told: self.faults.len(),
            faults: self.faults,
        }
    }

    fn fxs(&mut self, index: usize, fxs: &board::Fxs) -> Option<Device<Phone<P>>> {
        let hook = self.input(&fxs.hook);
        let ring_mode = self.output(&fxs.ring_mode, Level::Inactive);
        let forward = self.output(&fxs.forward, Level::Active);
        let (input, level) = hook?;
        let driver: Phone<P> = match fxs.slic {
            Slic::Ag1171 => Box::new(Ag1171::new(ring_mode?, forward?, Hook::new(level, self.timing))),
        };
        self.owners[input.0] = Owner::Phone(index);
        Some(Device::new(&fxs.name, &fxs.hook, driver))
    }

    fn handset(&mut self, index: usize, handset: &board::Handset) -> Option<Device<Phone<P>>> {
        let hook = self.input(&handset.hook);
        // A handset whose ringer cannot be had still makes calls.
        let ringer = handset
            .ringer
            .as_ref()
            .and_then(|pin| self.output(pin, Level::Inactive));
        let (input, level) = hook?;
        self.owners[input.0] = Owner::Phone(index);
        let driver = Box::new(Handset::new(ringer, Hook::new(level, self.timing)));
        Some(Device::new(&handset.name, &handset.hook, driver))
    }

    fn fxo(&mut self, index: usize, fxo: &board::Fxo) -> Option<Device<Line<P>>> {
        let ring = self.input(&fxo.ring);
        let off_hook = self.output(&fxo.off_hook, Level::Inactive);
        let voltage = fxo.line_voltage.as_ref().and_then(|pin| self.input(pin));
        let reversed = fxo.reversed.as_ref().and_then(|pin| self.input(pin));
        let (off_hook, (ring, _)) = (off_hook?, ring?);
        self.owners[ring.0] = Owner::Line(index, FxoInput::Ring);
        for (input, what) in [(voltage, FxoInput::Voltage), (reversed, FxoInput::Reversed)] {
            if let Some((input, _)) = input {
                self.owners[input.0] = Owner::Line(index, what);
            }
        }
        let inputs = LineInputs {
            voltage: voltage.map(|(_, level)| level),
            reversed: reversed.map(|(_, level)| level),
        };
        let driver: Line<P> = match fxo.daa {
            Daa::Ch1817 => Box::new(Ch1817::new(off_hook, inputs)),
        };
        Some(Device::new(&fxo.name, &fxo.ring, driver))
    }

    fn button(&mut self, index: usize, button: &board::Button) -> Option<Device<Button>> {
        let (input, level) = self.input(&button.pin)?;
        self.owners[input.0] = Owner::Button(index);
        Some(Device::new(&button.name, &button.pin, Button::new(level)))
    }

    fn lifeline(&mut self) -> Option<Device<Heartbeat<P>>> {
        let lifeline = self.board.lifeline.as_ref()?;
        let beat = match lifeline.drive {
            Drive::Level => Beat::Level,
            Drive::Pulse => Beat::Pulse { every: PULSE },
        };
        self.heartbeat("lifeline", &lifeline.pin, beat)
    }

    fn watchdog(&mut self) -> Option<Device<Heartbeat<P>>> {
        let watchdog = self.board.watchdog.as_ref()?;
        let every = Duration::from_millis(watchdog.kick_ms);
        self.heartbeat("watchdog", &watchdog.pin, Beat::Pulse { every })
    }

    fn heartbeat(&mut self, name: &str, pin: &Pin, beat: Beat) -> Option<Device<Heartbeat<P>>> {
        let output = self.output(pin, Level::Inactive)?;
        Some(Device::new(name, pin, Heartbeat::new(output, beat)))
    }

    fn input(&mut self, pin: &Pin) -> Option<Input> {
        let id = InputId(self.owners.len());
        let level = self.gpio.input(self.board.chip_of(pin), pin, id);
        let level = level
            .map_err(|error| self.faults.push(error.fault(self.board, pin)))
            .ok()?;
        self.owners.push(Owner::Nobody);
        Some((id, level))
    }

    fn output(&mut self, pin: &Pin, initial: Level) -> Option<P> {
        let output = self.gpio.output(self.board.chip_of(pin), pin, initial);
        output
            .map_err(|error| self.faults.push(error.fault(self.board, pin)))
            .ok()
    }
}

/// Several changes in the time that a usual capacitor holds a relay (100 µF into 200 Ω).
const PULSE: Duration = Duration::from_millis(10);
