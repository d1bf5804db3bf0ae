//! What a back end gives: outputs to write, and inputs whose edges it reports.

use std::time::Instant;

use branchline_config::Fault;
use branchline_config::board::{Board, Pin};
use embedded_hal::digital::OutputPin;

/// A pin as the board means it, whatever the voltage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// No
    Inactive,
    /// Yes
    Active,
}

impl Level {
    /// The other one.
    #[must_use]
    pub fn toggled(self) -> Level {
        match self {
            Level::Inactive => Level::Active,
            Level::Active => Level::Inactive,
        }
    }
}

/// An input, as [`Equipment`](crate::Equipment) numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(pub usize);

/// A change of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When, as the kernel saw it.
    pub at: Instant,
    /// Which
    pub input: InputId,
    /// The level after it.
    pub level: Level,
}

/// A back end. Outputs are `high` when active; polarity and bias are its business.
pub trait Gpio {
    /// One output.
    type Output: OutputPin;

    /// Claims a pin and drives it.
    fn output(&mut self, chip: &str, pin: &Pin, initial: Level) -> Result<Self::Output, GpioError>;

    /// Claims a pin, reports its level, and from now on its edges under `id`.
    fn input(&mut self, chip: &str, pin: &Pin, id: InputId) -> Result<Level, GpioError>;
}

/// Why a pin cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpioError {
    /// The chips that there are, as they call themselves.
    #[error("there is no such chip on this machine")]
    NoChip {
        /// Labels
        known: Vec<String>,
    },
    /// How many pins there are.
    #[error("the chip has pins 0 to {}", .pins.saturating_sub(1))]
    NoPin {
        /// Of the chip
        pins: u32,
    },
    /// Something else has it.
    #[error("the pin is in use by \"{by}\"")]
    Taken {
        /// The consumer that the kernel names.
        by: String,
    },
    /// The device may not be opened.
    #[error("the chip may not be opened: {reason}")]
    Denied {
        /// From the operating system.
        reason: String,
    },
    /// The hardware cannot do what the file asks for.
    #[error("the chip refuses: {reason}")]
    Refused {
        /// From the operating system.
        reason: String,
    },
}

impl GpioError {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            GpioError::NoChip { known } if known.is_empty() => {
                "no GPIO chip is known to the kernel; choose the board \"generic\", or load the driver".to_owned()
            }
            GpioError::NoChip { known } => format!("choose the board that fits; chips here: {}", known.join(", ")),
            GpioError::NoPin { .. } => "correct the pin, or choose the board that fits".to_owned(),
            GpioError::Taken { by } => format!("stop \"{by}\", or use another pin"),
            GpioError::Denied { .. } => "let the user of the service into the group gpio".to_owned(),
            GpioError::Refused { .. } => "correct active, bias or pin".to_owned(),
        }
    }

    /// The fault to show: file, line, field, chip, pin, problem and fix.
    #[must_use]
    pub fn fault(&self, board: &Board, pin: &Pin) -> Fault {
        let problem = format!("chip \"{}\" pin {}: {self}", board.chip_of(pin), pin.offset);
        pin.place.fault(problem, self.fix())
    }
}
