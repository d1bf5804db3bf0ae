//! Cards by ALSA.

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};
use nix::errno::Errno;

use crate::card::{Card, CardError, Cards, Shape, Shapes};

/// The cards that ALSA knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlsaCards;

impl Cards for AlsaCards {
    fn open(&mut self, name: &str) -> Result<Box<dyn Card>, CardError> {
        // The fault is told by what is returned; ALSA would write it to the standard error each time as well.
        let _told = alsa::Output::local_error_handler();
        AlsaCard::open(name)
            .map(|card| Box::new(card) as Box<dyn Card>)
            .map_err(gone)
    }
}

struct AlsaCard {
    capture: PCM,
    playback: PCM,
    shapes: Shapes,
    /// Samples of each channel that the playback buffer has room for.
    buffer: i64,
}

impl AlsaCard {
    fn open(name: &str) -> Result<AlsaCard, alsa::Error> {
        let capture = PCM::new(name, Direction::Capture, true)?;
        let playback = PCM::new(name, Direction::Playback, true)?;
        let shapes = Shapes {
            capture: prepare(&capture)?,
            playback: prepare(&playback)?,
        };
        let buffer = playback.hw_params_current()?.get_buffer_size()?;
        let settings = playback.sw_params_current()?;
        // The first samples start it; how much silence goes before them is the engine's.
        settings.set_start_threshold(1)?;
        playback.sw_params(&settings)?;
        drop(settings);
        capture.start()?;
        Ok(AlsaCard {
            capture,
            playback,
            shapes,
            buffer,
        })
    }
}

impl Card for AlsaCard {
    fn shapes(&self) -> Shapes {
        self.shapes
    }

    fn read(&mut self, room: &mut [i16]) -> Result<usize, CardError> {
        let read = self.capture.io_i16().and_then(|io| io.readi(room));
        let channels = self.shapes.capture.channels;
        match read.or_else(|error| recovered(&self.capture, error)) {
            Ok(frames) => Ok(frames * channels),
            Err(CardError::Xrun) => {
                self.capture.start().map_err(gone)?;
                Err(CardError::Xrun)
            }
            Err(error @ CardError::Gone(_)) => Err(error),
        }
    }

    fn write(&mut self, samples: &[i16]) -> Result<usize, CardError> {
        let written = self.playback.io_i16().and_then(|io| io.writei(samples));
        let frames = written.or_else(|error| recovered(&self.playback, error))?;
        Ok(frames * self.shapes.playback.channels)
    }

    fn queued(&mut self) -> Result<usize, CardError> {
        let free = self.playback.avail_update();
        let free = free.or_else(|error| recovered(&self.playback, error).map(|_| self.buffer))?;
        Ok((self.buffer - free).max(0) as usize)
    }
}

/// The first rate that the card has by itself, 16 bit, one period 10 ms.
fn prepare(pcm: &PCM) -> Result<Shape, alsa::Error> {
    let wanted = HwParams::any(pcm)?;
    wanted.set_access(Access::RWInterleaved)?;
    wanted.set_format(Format::s16())?;
    let rate = RATES_HZ.into_iter().find(|rate| wanted.test_rate(*rate).is_ok());
    match rate {
        Some(rate) => wanted.set_rate(rate, ValueOr::Nearest)?,
        None => {
            wanted.set_rate_near(RATES_HZ[0], ValueOr::Nearest)?;
        }
    }
    wanted.set_channels_near(CHANNELS)?;
    wanted.set_period_time_near(PERIOD_US, ValueOr::Nearest)?;
    wanted.set_buffer_time_near(BUFFER_US, ValueOr::Nearest)?;
    pcm.hw_params(&wanted)?;
    drop(wanted);
    let taken = pcm.hw_params_current()?;
    Ok(Shape {
        rate_hz: taken.get_rate()?,
        channels: taken.get_channels()? as usize,
    })
}

/// Nothing to do yet is no error; a buffer that ran empty or over begins anew.
fn recovered(pcm: &PCM, error: alsa::Error) -> Result<usize, CardError> {
    match Errno::from_raw(error.errno()) {
        Errno::EAGAIN => Ok(0),
        Errno::EPIPE | Errno::ESTRPIPE => {
            pcm.try_recover(error, true).map_err(gone)?;
            Err(CardError::Xrun)
        }
        _ => Err(gone(error)),
    }
}

fn gone(error: alsa::Error) -> CardError {
    let why = Errno::from_raw(error.errno()).desc();
    CardError::Gone(format!("{}: {why}", error.func()))
}

/// What telephones need is made of any; the first are what cards do best.
const RATES_HZ: [u32; 5] = [48_000, 16_000, 8_000, 44_100, 32_000];
/// Headsets record one and play two.
const CHANNELS: u32 = 2;
const PERIOD_US: u32 = 10_000;
/// Of both directions; how much of it is used is the engine's.
const BUFFER_US: u32 = 200_000;
