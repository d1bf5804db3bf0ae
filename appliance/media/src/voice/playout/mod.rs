//! From packets to an even stream of sound: as late as the network's jitter asks, gaps concealed, the far clock followed.
//!
//! Samples wait by their timestamps, so loss, order, duplicates and the length of a packet need no rules of their own.
//! What is to be played sooner or later is spliced where the sound repeats itself.

mod conceal;
mod splice;
mod timing;

use std::time::{Duration, Instant};

use conceal::Concealer;
use timing::{Lateness, Pace, Reserve};

use super::{FRAME_SAMPLES, Frame};

/// The receiver of one call's sound.
#[derive(Clone, Debug)]
pub(super) struct Playout {
    epoch: Instant,
    stream: Option<Stream>,
    concealer: Concealer,
    /// At the last frame, in samples.
    delay: i64,
    counts: Counts,
}

/// What became of the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Played as they came.
    pub(super) played: u64,
    /// Made up for lost or late ones.
    pub(super) concealed: u64,
    /// Came after their turn.
    pub(super) late: u64,
    /// Left out or put in to change the delay.
    pub(super) spliced: u64,
    /// The stream began anew: another source, or a jump in time.
    pub(super) restarts: u64,
}

/// Sound of one packet, decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Samples<'a> {
    pub(super) ssrc: u32,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) samples: &'a [i16],
}

#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    /// Extended timestamp of the newest packet.
    newest: i64,
    /// Samples of the newest packet.
    packet: i64,
    /// Extended timestamp of what is played next.
    cursor: i64,
    ring: Box<[Option<i16>; RING]>,
    lateness: Lateness,
    /// Packets in a row that fit nowhere.
    strays: u32,
}

impl Playout {
    pub(super) fn new(now: Instant) -> Playout {
        Playout {
            epoch: now,
            stream: None,
            concealer: Concealer::new(),
            delay: 0,
            counts: Counts::default(),
        }
    }

    pub(super) fn handle_samples(&mut self, now: Instant, packet: Samples<'_>) {
        let now = self.samples(now);
        let known = self.stream.take().filter(|stream| stream.ssrc == packet.ssrc);
        let mut stream = match known {
            Some(stream) => stream,
            None => self.begin(now, &packet),
        };
        let at = stream.extend(packet.timestamp);
        if stream.fits(now - at, at + packet.samples.len() as i64) {
            stream.strays = 0;
        } else {
            stream.strays += 1;
            if !packet.marker && stream.strays < STRAYS_MAX {
                self.stream = Some(stream);
                return;
            }
            stream = self.begin(now, &packet);
        }
        let at = stream.extend(packet.timestamp);
        stream.lateness.handle_packet(now, now - at);
        self.counts.late += stream.store(at, packet.samples);
        self.stream = Some(stream);
    }

    /// The next 20 ms.
    pub(super) fn fill(&mut self, now: Instant, frame: &mut Frame) {
        let now = self.samples(now);
        let Some(stream) = &mut self.stream else {
            self.concealer.fill_gap(frame);
            return;
        };
        self.delay = stream.delay(now);
        match stream.pace(self.delay) {
            Pace::Even => {}
            Pace::Sooner(most) => {
                if let Some(left_out) = splice::shorten(frame, &stream.ahead(), most) {
                    self.concealer.handle_played(frame);
                    self.counts.spliced += left_out as u64;
                    self.counts.played += FRAME_SAMPLES as u64;
                    return stream.advance(FRAME_SAMPLES + left_out);
                }
            }
            Pace::Later(most) if stream.is_empty() => {
                self.concealer.fill_gap(frame);
                self.counts.concealed += FRAME_SAMPLES as u64;
                stream.cursor += FRAME_SAMPLES.saturating_sub(most) as i64;
                return;
            }
            Pace::Later(_) => {
                if let Some(put_in) = splice::lengthen(frame, self.concealer.history(), &stream.ahead()) {
                    self.concealer.handle_played(frame);
                    self.counts.spliced += put_in as u64;
                    self.counts.played += (FRAME_SAMPLES - put_in) as u64;
                    return stream.advance(FRAME_SAMPLES - put_in);
                }
            }
        }
        self.play(frame);
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// How long a sample waited at the last frame, compared with the fastest packet's.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_micros(self.delay.max(0) as u64 * 125)
    }

    fn begin(&mut self, now: i64, packet: &Samples<'_>) -> Stream {
        let timestamp = i64::from(packet.timestamp);
        self.counts.restarts += u64::from(self.counts.played > 0);
        Stream {
            ssrc: packet.ssrc,
            newest: timestamp,
            packet: packet.samples.len() as i64,
            cursor: timestamp - FIRST_DELAY,
            ring: Box::new([None; RING]),
            lateness: Lateness::new(now, now - timestamp),
            strays: 0,
        }
    }

    fn play(&mut self, frame: &mut Frame) {
        let Some(stream) = &mut self.stream else { return };
        let mut done = 0;
        while done < FRAME_SAMPLES {
            let (is_there, length) = stream.run(FRAME_SAMPLES - done);
            let part = &mut frame[done..done + length];
            if is_there {
                stream.read(part);
                self.concealer.fill_played(part);
                self.counts.played += length as u64;
            } else {
                self.concealer.fill_gap(part);
                self.counts.concealed += length as u64;
                stream.cursor += length as i64;
            }
            done += length;
        }
    }

    fn samples(&self, now: Instant) -> i64 {
        (now.saturating_duration_since(self.epoch).as_micros() / 125) as i64
    }
}

impl Stream {
    fn extend(&self, timestamp: u32) -> i64 {
        self.newest + i64::from(timestamp.wrapping_sub(self.newest as u32).cast_signed())
    }

    /// Neither a jump of the far end's clock nor too much for the ring.
    fn fits(&self, transit: i64, end: i64) -> bool {
        self.lateness.of(transit).abs() < JUMP && end <= self.cursor + RING as i64
    }

    /// Keeps what is not late; how many samples were.
    fn store(&mut self, at: i64, samples: &[i16]) -> u64 {
        if at >= self.newest {
            (self.newest, self.packet) = (at, (samples.len() as i64).max(1));
        }
        let late = (self.cursor - at).clamp(0, samples.len() as i64);
        for (number, sample) in samples.iter().enumerate().skip(late as usize) {
            self.ring[place(at + number as i64)] = Some(*sample);
        }
        late as u64
    }

    fn delay(&self, now: i64) -> i64 {
        self.lateness.of(now - self.cursor)
    }

    /// Whether to play sooner or later than now.
    fn pace(&mut self, delay: i64) -> Pace {
        // The last packet that the next frame needs begins so many samples after the cursor.
        let last = FRAME_SAMPLES as i64 - 1;
        let begins = last - (last - (self.newest - self.cursor)).rem_euclid(self.packet);
        self.lateness.pace(Reserve {
            now: delay - begins,
            least: delay - last.min(self.packet),
        })
    }

    fn is_empty(&self) -> bool {
        self.cursor >= self.newest + self.packet
    }

    /// What is there without a gap, as far as a splice looks.
    fn ahead(&self) -> Ahead {
        let mut ahead = Ahead::default();
        for sample in &mut ahead.samples {
            match self.ring[place(self.cursor + ahead.length as i64)] {
                Some(there) => *sample = there,
                None => break,
            }
            ahead.length += 1;
        }
        ahead
    }

    /// How many of the next samples are alike in being there or not.
    fn run(&self, most: usize) -> (bool, usize) {
        let is_there = |number: usize| self.ring[place(self.cursor + number as i64)].is_some();
        let first = is_there(0);
        let length = (1..most).take_while(|number| is_there(*number) == first).count();
        (first, length + 1)
    }

    fn read(&mut self, part: &mut [i16]) {
        for sample in part {
            *sample = self.ring[place(self.cursor)].take().unwrap_or(0);
            self.cursor += 1;
        }
    }

    /// Goes on after what has been played from [`Self::ahead`].
    fn advance(&mut self, samples: usize) {
        for number in 0..samples as i64 {
            self.ring[place(self.cursor + number)] = None;
        }
        self.cursor += samples as i64;
    }
}

/// The next samples of a stream.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    samples: [i16; AHEAD],
    length: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Ahead {
            samples: [0; AHEAD],
            length: 0,
        }
    }
}

impl std::ops::Deref for Ahead {
    type Target = [i16];

    fn deref(&self) -> &[i16] {
        &self.samples[..self.length]
    }
}

fn place(at: i64) -> usize {
    at.rem_euclid(RING as i64) as usize
}

/// A second of sound; what would wait longer is dropped.
const RING: usize = 8192;
/// 40 ms until the jitter is known.
const FIRST_DELAY: i64 = 320;
/// 400 ms off is another clock, not jitter.
const JUMP: i64 = 3200;
const STRAYS_MAX: u32 = 2;
/// A frame and the longest splice.
const AHEAD: usize = FRAME_SAMPLES + splice::REACH;
