//! The GPIO character device, second version of its interface: levels, and edges with the kernel's time stamps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use branchline_board::{Edge, Gpio, GpioError, InputId, Level};
use branchline_config::board::{Active, Bias, Pin};
use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin};
use gpiocdev::Request;
use gpiocdev::chip::{Chip, chips};
use gpiocdev::line::{EdgeDetection, EdgeKind, EventClock, Value};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::kernel_time::KernelTime;

/// Edges taken from one input at a time; the rest waits in the kernel, which keeps 16 for each line.
const EDGES_AT_ONCE_MAX: usize = 64;
/// What the kernel shows as the owner of a pin.
const CONSUMER: &str = "branchline";

/// Every chip of this machine.
///
/// As a [`Gpio`] it claims pins. Then [`wait`](Self::wait) sleeps until an input changes, the time is up, or a [`Waker`] wakes it.
#[derive(Debug)]
pub struct Gpiochip {
    inputs: Vec<Input>,
    time: KernelTime,
    waker: Waker,
}

#[derive(Debug)]
struct Input {
    id: InputId,
    request: Request,
}

/// Wakes a [`Gpiochip`] from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    /// The next, or the running, [`wait`](Gpiochip::wait) returns at once.
    pub fn wake(&self) -> io::Result<()> {
        self.0.write(1)?;
        Ok(())
    }
}

impl Gpiochip {
    /// No pin claimed yet. Fails when the process has no file descriptor left.
    pub fn new() -> io::Result<Gpiochip> {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Gpiochip {
            inputs: Vec::new(),
            time: KernelTime::now(),
            waker: Waker(Arc::new(event)),
        })
    }

    /// For other threads.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Sleeps until something happens, for `timeout` at most (`None`: as long as it takes). Edges come in the order in
    /// which they happened; none when the time is up or somebody woke it.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Edge>> {
        let mut waiting: Vec<PollFd<'_>> = vec![readable(self.waker.0.as_fd())];
        waiting.extend(self.inputs.iter().map(|input| readable(input.request.as_fd())));
        // Up to a millisecond more, so that what is due is due when it returns.
        let timeout = timeout.map(|timeout| timeout.as_millis().saturating_add(1));
        let timeout = timeout.map_or(PollTimeout::NONE, |ms| {
            PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut waiting, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        // It holds nothing when nobody woke it.
        let _ = self.waker.0.read();
        let mut edges = Vec::new();
        for input in &self.inputs {
            input.read(self.time, &mut edges)?;
        }
        edges.sort_by_key(|edge| edge.at);
        Ok(edges)
    }
}

impl Input {
    fn read(&self, time: KernelTime, edges: &mut Vec<Edge>) -> io::Result<()> {
        for _ in 0..EDGES_AT_ONCE_MAX {
            if !self.request.has_edge_event().map_err(io::Error::other)? {
                break;
            }
            let event = self.request.read_edge_event().map_err(io::Error::other)?;
            edges.push(Edge {
                at: time.instant(Duration::from_nanos(event.timestamp_ns)),
                input: self.id,
                // The kernel turns edges round for pins that are active low.
                level: match event.kind {
                    EdgeKind::Rising => Level::Active,
                    EdgeKind::Falling => Level::Inactive,
                },
            });
        }
        Ok(())
    }
}

impl Gpio for Gpiochip {
    type Output = Output;

    fn output(&mut self, chip: &str, pin: &Pin, initial: Level) -> Result<Output, GpioError> {
        let chip = find(chip)?;
        check(&chip, pin)?;
        let mut builder = request(&chip, pin);
        builder.as_output(match initial {
            Level::Active => Value::Active,
            Level::Inactive => Value::Inactive,
        });
        let request = builder.request().map_err(|error| refused(&error))?;
        Ok(Output { request })
    }

    fn input(&mut self, chip: &str, pin: &Pin, id: InputId) -> Result<Level, GpioError> {
        let chip = find(chip)?;
        check(&chip, pin)?;
        let mut builder = request(&chip, pin);
        builder
            .as_input()
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_event_clock(EventClock::Monotonic);
        let request = builder.request().map_err(|error| refused(&error))?;
        let value = request.value(pin.offset).map_err(|error| refused(&error))?;
        self.inputs.push(Input { id, request });
        Ok(match value {
            Value::Active => Level::Active,
            Value::Inactive => Level::Inactive,
        })
    }
}

/// One output of a chip; released when it is dropped.
#[derive(Debug)]
pub struct Output {
    request: Request,
}

/// A write that the kernel refused: the chip was pulled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError(String);

impl Error for WriteError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Output {
    type Error = WriteError;
}

impl OutputPin for Output {
    fn set_low(&mut self) -> Result<(), WriteError> {
        self.write(Value::Inactive)
    }

    fn set_high(&mut self) -> Result<(), WriteError> {
        self.write(Value::Active)
    }
}

impl Output {
    fn write(&mut self, value: Value) -> Result<(), WriteError> {
        let written = self.request.set_lone_value(value);
        written.map(|_| ()).map_err(|error| WriteError(error.to_string()))
    }
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// By label, which stays the same however many chips there are, or by name, or by path.
fn find(wanted: &str) -> Result<Chip, GpioError> {
    let mut known = Vec::new();
    let mut denied = None;
    let paths: Vec<PathBuf> = chips().unwrap_or_default();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_named = name == wanted || path.to_string_lossy() == wanted;
        match Chip::from_path(&path).and_then(|chip| chip.info().map(|info| (chip, info))) {
            Ok((chip, info)) if is_named || info.label == wanted => return Ok(chip),
            Ok((_, info)) => known.push(info.label),
            Err(error) => {
                denied = Some(format!("{}: {error}", path.display()));
                known.push(name);
            }
        }
    }
    // Which chip it is can only be read from an open one.
    match denied {
        Some(reason) => Err(GpioError::Denied { reason }),
        None => Err(GpioError::NoChip { known }),
    }
}

fn check(chip: &Chip, pin: &Pin) -> Result<(), GpioError> {
    let pins = chip.info().map_err(|error| refused(&error))?.num_lines;
    if pin.offset >= pins {
        return Err(GpioError::NoPin { pins });
    }
    let info = chip.line_info(pin.offset).map_err(|error| refused(&error))?;
    match info.used {
        true => Err(GpioError::Taken { by: info.consumer }),
        false => Ok(()),
    }
}

fn request(chip: &Chip, pin: &Pin) -> gpiocdev::request::Builder {
    let mut builder = Request::builder();
    builder
        .on_chip(chip.path())
        .with_consumer(CONSUMER)
        .with_line(pin.offset);
    match pin.active {
        Active::High => builder.as_active_high(),
        Active::Low => builder.as_active_low(),
    };
    let bias = match pin.bias {
        Bias::AsIs => None,
        Bias::Off => Some(gpiocdev::line::Bias::Disabled),
        Bias::PullUp => Some(gpiocdev::line::Bias::PullUp),
        Bias::PullDown => Some(gpiocdev::line::Bias::PullDown),
    };
    builder.with_bias(bias);
    builder
}

fn refused(error: &gpiocdev::Error) -> GpioError {
    let reason = error.to_string();
    GpioError::Refused { reason }
}
