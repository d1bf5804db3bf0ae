//! The registers of a Raspberry Pi by `rppal`: pins are BCM numbers, and there is one chip.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use branchline_board::{Edge, Gpio, GpioError, InputId, Level};
use branchline_config::board::{self, Active, Bias};
use embedded_hal::digital::{ErrorType, OutputPin};
use rppal::gpio::{self, Trigger};

use crate::kernel_time::KernelTime;

/// The header of a Raspberry Pi. Chip names of the board's file are not looked at: there is one.
#[derive(Debug)]
pub struct RaspberryPi {
    gpio: gpio::Gpio,
    time: KernelTime,
    /// Kept, because an input that is dropped reports nothing any more.
    inputs: Vec<gpio::InputPin>,
    edges: (Sender<Option<Edge>>, Receiver<Option<Edge>>),
}

/// Wakes a [`RaspberryPi`] from another thread.
#[derive(Clone, Debug)]
pub struct PiWaker(Sender<Option<Edge>>);

impl PiWaker {
    /// The next, or the running, [`wait`](RaspberryPi::wait) returns at once.
    pub fn wake(&self) {
        // Nobody waits any more when the other end is gone.
        let _ = self.0.send(None);
    }
}

impl RaspberryPi {
    /// Fails on every other machine, and without the right to its registers.
    pub fn new() -> Result<RaspberryPi, GpioError> {
        Ok(RaspberryPi {
            gpio: gpio::Gpio::new().map_err(|error| refused(&error))?,
            time: KernelTime::now(),
            inputs: Vec::new(),
            edges: channel(),
        })
    }

    /// For other threads.
    #[must_use]
    pub fn waker(&self) -> PiWaker {
        PiWaker(self.edges.0.clone())
    }

    /// Sleeps until something happens, for `timeout` at most (`None`: as long as it takes). Edges come in the order in
    /// which they happened; none when the time is up or somebody woke it.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Vec<Edge> {
        let first = match timeout {
            Some(timeout) => self.edges.1.recv_timeout(timeout),
            None => self.edges.1.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let mut edges: Vec<Edge> = first.into_iter().chain(self.edges.1.try_iter()).flatten().collect();
        edges.sort_by_key(|edge| edge.at);
        edges
    }

    fn take(&self, pin: &board::Pin) -> Result<gpio::Pin, GpioError> {
        let number = u8::try_from(pin.offset).map_err(|_| GpioError::NoPin { pins: PINS })?;
        self.gpio.get(number).map_err(|error| refused(&error))
    }
}

impl Gpio for RaspberryPi {
    type Output = Pin;

    fn output(&mut self, _chip: &str, pin: &board::Pin, initial: Level) -> Result<Pin, GpioError> {
        let taken = self.take(pin)?;
        let active = pin.active;
        let output = match voltage(initial, active) {
            gpio::Level::High => taken.into_output_high(),
            gpio::Level::Low => taken.into_output_low(),
        };
        Ok(Pin { output, active })
    }

    fn input(&mut self, _chip: &str, pin: &board::Pin, id: InputId) -> Result<Level, GpioError> {
        let taken = self.take(pin)?;
        let mut input = match pin.bias {
            Bias::AsIs | Bias::Off => taken.into_input(),
            Bias::PullUp => taken.into_input_pullup(),
            Bias::PullDown => taken.into_input_pulldown(),
        };
        let (sender, time, active) = (self.edges.0.clone(), self.time, pin.active);
        let tell = move |event: gpio::Event| {
            let level = match event.trigger {
                Trigger::RisingEdge => meaning(gpio::Level::High, active),
                Trigger::FallingEdge => meaning(gpio::Level::Low, active),
                Trigger::Disabled | Trigger::Both => return,
            };
            let at = time.instant(event.timestamp);
            let _ = sender.send(Some(Edge { at, input: id, level }));
        };
        input
            .set_async_interrupt(Trigger::Both, None, tell)
            .map_err(|error| refused(&error))?;
        let level = meaning(input.read(), active);
        self.inputs.push(input);
        Ok(level)
    }
}

/// One output; an input again when it is dropped.
#[derive(Debug)]
pub struct Pin {
    output: gpio::OutputPin,
    active: Active,
}

impl ErrorType for Pin {
    type Error = Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.output.write(voltage(Level::Inactive, self.active));
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.output.write(voltage(Level::Active, self.active));
        Ok(())
    }
}

fn voltage(level: Level, active: Active) -> gpio::Level {
    match (level, active) {
        (Level::Active, Active::High) | (Level::Inactive, Active::Low) => gpio::Level::High,
        (Level::Inactive, Active::High) | (Level::Active, Active::Low) => gpio::Level::Low,
    }
}

fn meaning(voltage: gpio::Level, active: Active) -> Level {
    match (voltage, active) {
        (gpio::Level::High, Active::High) | (gpio::Level::Low, Active::Low) => Level::Active,
        (gpio::Level::Low, Active::High) | (gpio::Level::High, Active::Low) => Level::Inactive,
    }
}

fn refused(error: &gpio::Error) -> GpioError {
    match error {
        gpio::Error::UnknownModel => GpioError::NoChip { known: Vec::new() },
        gpio::Error::PinUsed(_) => GpioError::Taken {
            by: "branchline".to_owned(),
        },
        gpio::Error::PinNotAvailable(_) => GpioError::NoPin { pins: PINS },
        gpio::Error::PermissionDenied(path) => GpioError::Denied { reason: path.clone() },
        gpio::Error::Io(_) | gpio::Error::ThreadPanic => GpioError::Refused {
            reason: error.to_string(),
        },
    }
}

/// BCM numbers of every model.
const PINS: u32 = 58;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_survives_the_pin_s_polarity() {
        for active in [Active::High, Active::Low] {
            for level in [Level::Active, Level::Inactive] {
                assert_eq!(meaning(voltage(level, active), active), level, "{active:?}");
            }
        }
        assert_eq!(voltage(Level::Active, Active::Low), gpio::Level::Low);
    }

    #[test]
    fn another_machine_is_told_that_it_has_no_such_chip() {
        if let Err(error) = RaspberryPi::new() {
            assert!(
                matches!(error, GpioError::NoChip { .. } | GpioError::Denied { .. }),
                "{error}"
            );
            assert!(!error.fix().is_empty());
        }
    }

    #[test]
    fn every_fault_of_the_library_has_a_fix() {
        let faults = [
            gpio::Error::UnknownModel,
            gpio::Error::PinUsed(4),
            gpio::Error::PinNotAvailable(99),
            gpio::Error::PermissionDenied("/dev/gpiomem".to_owned()),
            gpio::Error::ThreadPanic,
        ];
        for fault in faults {
            let told = refused(&fault);
            assert!(!told.fix().is_empty(), "{told}");
        }
    }
}
