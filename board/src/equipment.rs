//! All that is wired to one box. What cannot be had is a fault to show; the rest works.

mod open;

use std::fmt::Debug;
use std::time::Instant;

use branchline_config::board::{Board, Pin, Shows};
use branchline_config::country::Analog;
use branchline_config::{Fault, Place};
use embedded_hal::digital::OutputPin;

use crate::button::{Button, ButtonEvent};
use crate::fxo::{FxoEvent, FxoInput, FxoLine};
use crate::fxs::{FxsEvent, FxsLine, LineError};
use crate::gpio::{Edge, Gpio, Level};
use crate::heartbeat::Heartbeat;
use crate::light::{BoxState, Light, Pattern};

/// Something happened at a device, named as in the board's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// At a telephone
    Phone {
        /// `phone-1`
        name: String,
        /// What
        event: FxsEvent,
    },
    /// On a line of an exchange
    Line {
        /// `line-1`
        name: String,
        /// What
        event: FxoEvent,
    },
    /// At a button
    Button {
        /// `reset`
        name: String,
        /// What
        event: ButtonEvent,
    },
    /// A device stopped working; it is also among the [`faults`](Equipment::faults).
    Failed(Fault),
}

/// A telephone's driver.
pub type Phone<P> = Box<dyn FxsLine<Error = <P as embedded_hal::digital::ErrorType>::Error>>;
/// A line's driver.
pub type Line<P> = Box<dyn FxoLine<Error = <P as embedded_hal::digital::ErrorType>::Error>>;

/// All devices of a board.
///
/// Inputs: [`handle_edge`](Self::handle_edge), [`handle_timeout`](Self::handle_timeout),
/// [`handle_alive`](Self::handle_alive), [`handle_served`](Self::handle_served). Commands: [`phone`](Self::phone),
/// [`line`](Self::line), [`show`](Self::show), [`show_calls`](Self::show_calls),
/// [`show_emergency`](Self::show_emergency). Outputs: [`poll_event`](Self::poll_event), [`poll_timeout`](Self::poll_timeout).
pub struct Equipment<P: OutputPin> {
    phones: Vec<Device<Phone<P>>>,
    lines: Vec<Device<Line<P>>>,
    buttons: Vec<Device<Button>>,
    lights: Vec<Device<(Shows, Light<P>)>>,
    lifeline: Option<Device<Heartbeat<P>>>,
    watchdog: Option<Device<Heartbeat<P>>>,
    /// By input.
    owners: Vec<Owner>,
    faults: Vec<Fault>,
    /// Faults already told as events, or known from the start.
    told: usize,
}

struct Device<D> {
    name: String,
    place: Place,
    driver: D,
    works: bool,
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    /// A device that could not be had whole.
    Nobody,
    Phone(usize),
    Line(usize, FxoInput),
    Button(usize),
}

impl<P: OutputPin + 'static> Equipment<P> {
    /// Claims every pin of the board. Devices whose pins cannot be had are left out, each with its fault.
    pub fn open<G: Gpio<Output = P>>(board: &Board, analog: &Analog, gpio: &mut G) -> Equipment<P> {
        open::Opening::new(board, analog, gpio).open()
    }

    /// What does not work, and what to do about it.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The telephones that work, by name.
    pub fn phones(&self) -> impl Iterator<Item = &str> {
        names(&self.phones)
    }

    /// The lines that work, by name.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        names(&self.lines)
    }

    /// The buttons, by name.
    pub fn buttons(&self) -> impl Iterator<Item = &str> {
        names(&self.buttons)
    }

    /// A telephone that works.
    pub fn phone(&mut self, name: &str) -> Option<&mut Phone<P>> {
        find(&mut self.phones, name)
    }

    /// A line that works.
    pub fn line(&mut self, name: &str) -> Option<&mut Line<P>> {
        find(&mut self.lines, name)
    }

    /// An input changed.
    pub fn handle_edge(&mut self, edge: Edge) {
        let (at, level) = (edge.at, edge.level);
        match self.owners.get(edge.input.0).copied().unwrap_or(Owner::Nobody) {
            Owner::Nobody => {}
            Owner::Phone(index) => {
                self.phones[index].run(&mut self.faults, |phone| pin_fault(phone.handle_edge(at, level)));
            }
            Owner::Line(index, input) => {
                self.lines[index].run(&mut self.faults, |line| pin_fault(line.handle_edge(at, (input, level))));
            }
            Owner::Button(index) => self.buttons[index].driver.handle_edge(at, level),
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for phone in &mut self.phones {
            phone.run(&mut self.faults, |phone| pin_fault(phone.handle_timeout(now)));
        }
        for line in &mut self.lines {
            line.run(&mut self.faults, |line| pin_fault(line.handle_timeout(now)));
        }
        for button in &mut self.buttons {
            button.driver.handle_timeout(now);
        }
        for light in &mut self.lights {
            light.run(&mut self.faults, |(_, light)| light.handle_timeout(now));
        }
        for beat in self.lifeline.iter_mut().chain(&mut self.watchdog) {
            beat.run(&mut self.faults, |beat| beat.handle_timeout(now));
        }
    }

    /// The box lives: its watchdog may know. To be said every second.
    pub fn handle_alive(&mut self, now: Instant) {
        if let Some(beat) = &mut self.watchdog {
            beat.run(&mut self.faults, |beat| beat.handle_alive(now));
        }
    }

    /// The telephones and lines of the board are served, so that its lifeline need not join them. To be said every second.
    pub fn handle_served(&mut self, now: Instant) {
        if let Some(beat) = &mut self.lifeline {
            beat.run(&mut self.faults, |beat| beat.handle_alive(now));
        }
    }

    /// How the box is.
    pub fn show(&mut self, now: Instant, state: BoxState) {
        self.light_up(now, (Shows::State, state.pattern()));
    }

    /// How many calls there are.
    pub fn show_calls(&mut self, now: Instant, calls: usize) {
        let pattern = match calls {
            0 => Pattern::Off,
            _ => Pattern::On,
        };
        self.light_up(now, (Shows::Calls, pattern));
    }

    /// Nobody looks after the board any longer: no ringing, lines on hook, lights out, the relay fallen. What fails at that
    /// is not told.
    pub fn rest(&mut self, now: Instant) {
        for phone in &mut self.phones {
            phone.run(&mut self.faults, |phone| pin_fault(phone.stop_ringing(now)));
        }
        for line in &mut self.lines {
            line.run(&mut self.faults, |line| pin_fault(line.release(now)));
        }
        for light in &mut self.lights {
            light.run(&mut self.faults, |(_, light)| light.show(now, Pattern::Off));
        }
        for beat in self.lifeline.iter_mut().chain(&mut self.watchdog) {
            beat.run(&mut self.faults, Heartbeat::rest);
        }
    }

    /// Whether somebody called for help, and nobody has seen to it yet.
    pub fn show_emergency(&mut self, now: Instant, level: Level) {
        let pattern = match level {
            Level::Inactive => Pattern::Off,
            Level::Active => Pattern::On,
        };
        self.light_up(now, (Shows::Emergency, pattern));
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let phones = working(&self.phones).filter_map(|device| device.driver.poll_timeout());
        let lines = working(&self.lines).filter_map(|device| device.driver.poll_timeout());
        let buttons = working(&self.buttons).filter_map(|device| device.driver.poll_timeout());
        let lights = working(&self.lights).filter_map(|device| device.driver.1.poll_timeout());
        let beats = self.lifeline.iter().chain(&self.watchdog).filter(|device| device.works);
        let beats = beats.filter_map(|device| device.driver.poll_timeout());
        phones.chain(lines).chain(buttons).chain(lights).chain(beats).min()
    }

    /// What happened, until there is nothing left.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(fault) = self.faults.get(self.told) {
            self.told += 1;
            return Some(Event::Failed(fault.clone()));
        }
        for phone in &mut self.phones {
            if let Some(event) = phone.driver.poll_event() {
                let name = phone.name.clone();
                return Some(Event::Phone { name, event });
            }
        }
        for line in &mut self.lines {
            if let Some(event) = line.driver.poll_event() {
                let name = line.name.clone();
                return Some(Event::Line { name, event });
            }
        }
        for button in &mut self.buttons {
            if let Some(event) = button.driver.poll_event() {
                let name = button.name.clone();
                return Some(Event::Button { name, event });
            }
        }
        None
    }

    /// How many events nobody asked for in time.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        let phones = self.phones.iter().map(|phone| phone.driver.events_dropped());
        let lines = self.lines.iter().map(|line| line.driver.events_dropped());
        let buttons = self.buttons.iter().map(|button| button.driver.events_dropped());
        phones.chain(lines).chain(buttons).sum()
    }

    fn light_up(&mut self, now: Instant, (what, pattern): (Shows, Pattern)) {
        let lights = self.lights.iter_mut().filter(|light| light.driver.0 == what);
        for light in lights {
            light.run(&mut self.faults, |(_, light)| light.show(now, pattern));
        }
    }
}

impl<D> Device<D> {
    fn new(name: &str, pin: &Pin, driver: D) -> Device<D> {
        Device {
            name: name.to_owned(),
            place: pin.place.clone(),
            driver,
            works: true,
        }
    }

    /// A device whose pin fails is left alone from then on: it was pulled out, or its chip is gone.
    fn run<E: Debug>(&mut self, faults: &mut Vec<Fault>, work: impl FnOnce(&mut D) -> Result<(), E>) {
        if !self.works {
            return;
        }
        if let Err(error) = work(&mut self.driver) {
            self.works = false;
            let problem = format!("{} stopped working: {error:?}", self.name);
            let fix = "look at its cable, then start the box again";
            faults.push(self.place.fault(problem, fix));
        }
    }
}

/// What is no fault of the hardware is no fault.
fn pin_fault<E>(result: Result<(), LineError<E>>) -> Result<(), E> {
    match result {
        Ok(()) | Err(LineError::OffHook | LineError::Unable) => Ok(()),
        Err(LineError::Pin(error)) => Err(error),
    }
}

fn working<D>(devices: &[Device<D>]) -> impl Iterator<Item = &Device<D>> {
    devices.iter().filter(|device| device.works)
}

fn names<D>(devices: &[Device<D>]) -> impl Iterator<Item = &str> {
    working(devices).map(|device| device.name.as_str())
}

fn find<'d, D>(devices: &'d mut [Device<D>], name: &str) -> Option<&'d mut D> {
    let mut working = devices.iter_mut().filter(|device| device.works);
    working
        .find(|device| device.name == name)
        .map(|device| &mut device.driver)
}
