//! A card that is open, in frames of 20 ms at 8 kHz by the clock of the system.

use std::time::Duration;

use branchline_media::tone::RATE_HZ;
use branchline_media::voice::{Drift, FRAME_SAMPLES, Frame, Rates, Resampler};

use crate::card::{Card, CardError, Shape};
use crate::figures::CardFigures;

/// One card's buffers and clocks.
pub(crate) struct Deck {
    card: Box<dyn Card>,
    capture: Capture,
    playback: Playback,
    room: Vec<i16>,
}

struct Capture {
    shape: Shape,
    channels: Vec<Resampler>,
    drift: Drift,
    is_running: bool,
    settling: Settling,
    underruns: u64,
    overruns: u64,
}

struct Playback {
    shape: Shape,
    channels: Vec<Resampler>,
    drift: Drift,
    is_running: bool,
    settling: Settling,
    /// Level at the last frame.
    queued_ms: f64,
    xruns: u64,
}

impl Deck {
    /// Refuses what has no channel or too many.
    pub(crate) fn new(card: Box<dyn Card>) -> Result<Deck, CardError> {
        let shapes = card.shapes();
        for shape in [shapes.capture, shapes.playback] {
            if !(1..=CHANNELS_MAX).contains(&shape.channels) || !(RATE_HZ..=RATE_MAX_HZ).contains(&shape.rate_hz) {
                let problem = format!("{} channels at {} Hz", shape.channels, shape.rate_hz);
                return Err(CardError::Gone(problem));
            }
        }
        let (from_card, to_card) = (shapes.capture, shapes.playback);
        let down = Rates {
            from_hz: from_card.rate_hz,
            to_hz: RATE_HZ,
        };
        let up = Rates {
            from_hz: RATE_HZ,
            to_hz: to_card.rate_hz,
        };
        Ok(Deck {
            card,
            capture: Capture {
                shape: from_card,
                channels: vec![Resampler::new(down); from_card.channels],
                drift: Drift::new(CAPTURE_MS),
                is_running: false,
                settling: Settling::new(),
                underruns: 0,
                overruns: 0,
            },
            playback: Playback {
                shape: to_card,
                channels: vec![Resampler::new(up); to_card.channels],
                drift: Drift::new(PLAYBACK_MS),
                is_running: false,
                settling: Settling::new(),
                queued_ms: 0.0,
                xruns: 0,
            },
            room: vec![0; ROOM],
        })
    }

    pub(crate) fn capture_channels(&self) -> usize {
        self.capture.channels.len()
    }

    pub(crate) fn playback_channels(&self) -> usize {
        self.playback.channels.len()
    }

    /// Takes what the card has recorded, and one frame of it for each channel; silence where too little came.
    pub(crate) fn record(&mut self, frames: &mut [Frame]) -> Result<(), CardError> {
        let most = ROOM - ROOM % self.capture.shape.channels;
        let read = loop {
            match self.card.read(&mut self.room[..most]) {
                Ok(0) => break Ok(()),
                Ok(values) => self.capture.push(&self.room[..values]),
                Err(CardError::Xrun) => {
                    self.capture.overruns += 1;
                    break Ok(());
                }
                Err(gone @ CardError::Gone(_)) => break Err(gone),
            }
        };
        self.capture.pull(frames);
        read
    }

    /// Gives the card a frame for each channel.
    pub(crate) fn play(&mut self, frames: &[Frame]) -> Result<(), CardError> {
        match self.card.queued() {
            Ok(queued) => self.playback.measure(queued),
            Err(CardError::Xrun) => self.playback.restart(),
            Err(gone @ CardError::Gone(_)) => return Err(gone),
        }
        let values = self.playback.interleave(frames, &mut self.room);
        match self.card.write(&self.room[..values]) {
            // A full buffer is a clock that was not followed yet; the level of the next frame tells.
            Ok(_) => Ok(()),
            Err(CardError::Xrun) => {
                self.playback.restart();
                Ok(())
            }
            Err(gone @ CardError::Gone(_)) => Err(gone),
        }
    }

    pub(crate) fn into_card(self) -> Box<dyn Card> {
        self.card
    }

    pub(crate) fn figures(&self) -> CardFigures {
        let (capture, playback) = (&self.capture, &self.playback);
        let waiting_ms = capture.level_ms() + playback.queued_ms;
        CardFigures {
            is_open: true,
            xruns: capture.overruns + capture.underruns + playback.xruns,
            capture_ppm: capture.drift.ppm(),
            playback_ppm: -playback.drift.ppm(),
            latency: Duration::from_secs_f64((waiting_ms.max(0.0) + FRAME_MS + 2.0 * SINC_MS) / 1000.0),
            ..CardFigures::default()
        }
    }
}

impl Capture {
    fn push(&mut self, values: &[i16]) {
        let step = self.channels.len();
        for (number, channel) in self.channels.iter_mut().enumerate() {
            channel.push(values.iter().skip(number).step_by(step).copied());
        }
    }

    fn level_ms(&self) -> f64 {
        let waiting = self.channels.first().map_or(0.0, Resampler::waiting);
        waiting * 1000.0 / f64::from(self.shape.rate_hz)
    }

    fn pull(&mut self, frames: &mut [Frame]) {
        frames.iter_mut().for_each(|frame| frame.fill(0));
        self.is_running |= self.level_ms() >= self.drift.target_ms() + FRAME_MS;
        if !self.is_running {
            return;
        }
        let excess_ms = self.level_ms() - FRAME_MS - self.drift.target_ms();
        if excess_ms > self.settling.excess_ms() {
            self.overruns += u64::from(self.settling.is_over());
            let excess = (excess_ms * f64::from(self.shape.rate_hz) / 1000.0) as usize;
            self.channels.iter_mut().for_each(|channel| channel.skip(excess));
        }
        let faster = self.drift.faster();
        let mut channels = self.channels.iter_mut().zip(frames);
        if !channels.all(|(channel, frame)| channel.pull(frame, faster)) {
            self.is_running = false;
            self.underruns += 1;
            self.settling = Settling::new();
            deepen(&mut self.drift);
            return;
        }
        if self.settling.handle_frame() {
            self.drift.handle_level(self.level_ms());
        }
    }
}

impl Playback {
    fn measure(&mut self, queued: usize) {
        self.queued_ms = queued as f64 * 1000.0 / f64::from(self.shape.rate_hz);
        if self.is_running && self.settling.handle_frame() {
            self.drift.handle_level(self.queued_ms);
        }
    }

    fn restart(&mut self) {
        self.xruns += 1;
        self.is_running = false;
        self.queued_ms = 0.0;
        self.settling = Settling::new();
        deepen(&mut self.drift);
    }

    /// The samples that a frame becomes, after some silence when the card begins; how many values.
    fn interleave(&mut self, frames: &[Frame], room: &mut [i16]) -> usize {
        let step = self.channels.len();
        let lead_ms = if self.is_running { 0.0 } else { self.drift.target_ms() };
        let lead = (lead_ms * f64::from(self.shape.rate_hz) / 1000.0) as usize * step;
        self.is_running = true;
        room[..lead].fill(0);
        let faster = self.drift.faster();
        let excess = self.excess();
        let mut mono = [0; MONO];
        let mut values = lead;
        for (number, (channel, frame)) in self.channels.iter_mut().zip(frames).enumerate() {
            channel.push(frame.iter().copied());
            let count = channel.ready(faster).min(MONO);
            channel.pull(&mut mono[..count], faster);
            let kept = &mono[excess.min(count)..count];
            let places = room[lead..].iter_mut().skip(number).step_by(step);
            for (place, sample) in places.zip(kept) {
                *place = *sample;
            }
            values = lead + kept.len() * step;
        }
        values
    }

    /// Samples to leave out because far too many wait.
    fn excess(&mut self) -> usize {
        let excess_ms = self.queued_ms - self.drift.target_ms();
        if excess_ms <= self.settling.excess_ms() {
            return 0;
        }
        self.xruns += u64::from(self.settling.is_over());
        (excess_ms * f64::from(self.shape.rate_hz) / 1000.0) as usize
    }
}

/// The first frames of a card: it may begin late and with too much; what is left out then nobody misses.
struct Settling {
    frames: u32,
}

impl Settling {
    fn new() -> Settling {
        Settling {
            frames: SETTLING_FRAMES,
        }
    }

    /// Whether the level says something of the clocks by now.
    fn handle_frame(&mut self) -> bool {
        self.frames = self.frames.saturating_sub(1);
        self.is_over()
    }

    fn is_over(&self) -> bool {
        self.frames == 0
    }

    /// What is more than this above the level is left out.
    fn excess_ms(&self) -> f64 {
        if self.is_over() { EXCESS_MS } else { SETTLING_EXCESS_MS }
    }
}

/// A card whose buffer ran empty moves its sound in larger pieces than was thought.
fn deepen(drift: &mut Drift) {
    drift.set_target((drift.target_ms() + DEEPER_MS).min(DEEPEST_MS));
    drift.restart();
}

/// What waits when a frame has been taken: for cards that tell of what they recorded late, and a thread that wakes late.
const CAPTURE_MS: f64 = 15.0;
/// What waits when a frame is given.
const PLAYBACK_MS: f64 = 20.0;
const DEEPER_MS: f64 = 10.0;
const DEEPEST_MS: f64 = 120.0;
/// The clocks cannot have done that: somebody stood still.
const EXCESS_MS: f64 = 60.0;
const SETTLING_EXCESS_MS: f64 = 8.0;
/// 2 s
const SETTLING_FRAMES: u32 = 100;
const FRAME_MS: f64 = 20.0;
/// Half of a sinc.
const SINC_MS: f64 = 3.0;
const CHANNELS_MAX: usize = 8;
const RATE_MAX_HZ: u32 = 192_000;
/// A frame at the highest rate, and a little more.
const MONO: usize = FRAME_SAMPLES * 25;
/// A frame and the silence before the first one, for every channel.
const ROOM: usize = MONO * 8 * CHANNELS_MAX;
