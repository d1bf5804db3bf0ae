//! RTP towards the far end: sound, and keys as events (RFC 4733); numbers and timestamps go on without a gap.

use std::collections::VecDeque;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use super::plan::Talk;
use super::{FRAME_SAMPLES, Frame};
use crate::tone::{DtmfPlayer, KEYS};

/// A packet on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoicePacket {
    bytes: [u8; PACKET_BYTES_MAX],
    length: usize,
}

impl AsRef<[u8]> for VoicePacket {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The sender of one call.
#[derive(Clone, Debug)]
pub(super) struct Talker {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// The next packet of sound is the first after none.
    is_start: bool,
    event: Option<Event>,
    /// The end of the last event, to be said so many times more.
    ending: Option<(Event, u8)>,
    dialled: VecDeque<char>,
    /// Keys as sound, where the far end knows no events.
    tones: DtmfPlayer,
    packets: VecDeque<VoicePacket>,
}

/// A key as an event.
#[derive(Clone, Copy, Debug)]
struct Event {
    code: u8,
    /// Of its beginning, or of its present segment.
    timestamp: u32,
    /// Samples so far.
    duration: u32,
    held: Held,
}

/// Who decides when a key is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    ByDevice,
    ForFrames(u8),
}

/// What a device says in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// Its sound.
    Sound,
    /// A key, or what may become one; its sound must not be sent beside the event.
    Key,
}

impl Talker {
    pub(super) fn new(rng: &mut ChaCha12Rng) -> Talker {
        Talker {
            ssrc: rng.next_u32(),
            sequence: rng.next_u32() as u16,
            timestamp: rng.next_u32(),
            is_start: true,
            event: None,
            ending: None,
            dialled: VecDeque::with_capacity(DIALLED_MAX),
            tones: DtmfPlayer::new(KEY_DBM0),
            packets: VecDeque::with_capacity(PACKETS_MAX),
        }
    }

    /// A key of the device is down.
    pub(super) fn press(&mut self, key: char) {
        self.begin(key, Held::ByDevice);
    }

    /// It was let go.
    pub(super) fn release(&mut self) {
        if let Some(event) = self.event.take_if(|event| event.held == Held::ByDevice) {
            self.ending = Some((event, ENDS));
        }
    }

    /// A key that the device has no sound for.
    pub(super) fn dial(&mut self, key: char) {
        if self.dialled.len() < DIALLED_MAX {
            self.dialled.push_back(key);
        }
    }

    /// The next 20 ms, whether they are sent or not.
    pub(super) fn handle_frame(&mut self, talk: &Talk, (frame, speech): (&Frame, Speech)) {
        if talk.direction.sends() {
            self.send(talk, (frame, speech));
        } else {
            (self.event, self.ending, self.is_start) = (None, None, true);
        }
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
    }

    pub(super) fn poll_packet(&mut self) -> Option<VoicePacket> {
        self.packets.pop_front()
    }

    fn send(&mut self, talk: &Talk, (frame, speech): (&Frame, Speech)) {
        let Some(payload_type) = talk.telephone_event else {
            let mut frame = *frame;
            self.add_dialled(&mut frame);
            return self.send_sound(talk, &frame);
        };
        if self.event.is_none()
            && let Some(key) = self.dialled.pop_front()
        {
            self.begin(key, Held::ForFrames(DIALLED_FRAMES));
        }
        self.send_end(payload_type);
        if self.event.is_some() {
            return self.send_event(payload_type);
        }
        match speech {
            Speech::Sound => self.send_sound(talk, frame),
            Speech::Key => self.send_sound(talk, &[0; FRAME_SAMPLES]),
        }
    }

    fn add_dialled(&mut self, frame: &mut Frame) {
        while self.dialled.front().is_some_and(|key| self.tones.push(*key)) {
            self.dialled.pop_front();
        }
        if !self.tones.is_idle() {
            self.tones.fill(frame);
        }
    }

    fn send_sound(&mut self, talk: &Talk, frame: &Frame) {
        let marker = std::mem::take(&mut self.is_start);
        let codes = frame.map(|sample| talk.law.encode(sample));
        self.push((marker, talk.law.payload_type(), self.timestamp), &codes);
    }

    fn send_event(&mut self, payload_type: u8) {
        let Some(event) = &mut self.event else { return };
        let is_first = event.duration == 0;
        event.duration += FRAME_SAMPLES as u32;
        let mut reported = *event;
        if event.duration > SEGMENT {
            // A longer key goes on in another segment (RFC 4733 section 2.5.1.3).
            event.duration -= SEGMENT;
            event.timestamp = event.timestamp.wrapping_add(SEGMENT);
            reported.duration = SEGMENT;
        }
        let is_over = match &mut event.held {
            Held::ByDevice => false,
            Held::ForFrames(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
        };
        if is_over {
            self.ending = self.event.take().map(|event| (event, ENDS));
            self.send_end(payload_type);
        } else {
            self.push((is_first, payload_type, reported.timestamp), &reported.payload(0));
        }
    }

    fn send_end(&mut self, payload_type: u8) {
        let Some((event, left)) = &mut self.ending else { return };
        let payload = event.payload(END);
        let timestamp = event.timestamp;
        *left -= 1;
        if *left == 0 {
            self.ending = None;
        }
        self.push((false, payload_type, timestamp), &payload);
    }

    fn begin(&mut self, key: char, held: Held) {
        let Some(code) = EVENTS.iter().position(|known| *known == key) else {
            return;
        };
        self.ending = None;
        self.event = Some(Event {
            code: code as u8,
            timestamp: self.timestamp,
            duration: 0,
            held,
        });
    }

    fn push(&mut self, (marker, payload_type, timestamp): (bool, u8, u32), payload: &[u8]) {
        if self.packets.len() >= PACKETS_MAX {
            self.packets.pop_front();
        }
        let mut bytes = [0; PACKET_BYTES_MAX];
        bytes[0] = 0x80;
        bytes[1] = u8::from(marker) << 7 | payload_type & 0x7f;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        let length = HEADER_BYTES + payload.len();
        bytes[HEADER_BYTES..length].copy_from_slice(payload);
        self.packets.push_back(VoicePacket { bytes, length });
        self.sequence = self.sequence.wrapping_add(1);
    }
}

impl Event {
    fn payload(&self, flags: u8) -> [u8; 4] {
        let [high, low] = (self.duration as u16).to_be_bytes();
        [self.code, flags | VOLUME, high, low]
    }
}

/// Codes of RFC 4733 section 3.2 by their place; the same keys as [`KEYS`].
const EVENTS: [char; KEYS.len()] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];
const END: u8 = 0x80;
/// In -dBm0
const VOLUME: u8 = 10;
const KEY_DBM0: f32 = -10.0;
/// The end of an event is said three times (RFC 4733 section 2.5.1.4).
const ENDS: u8 = 3;
const SEGMENT: u32 = 0xffff;
/// 100 ms
const DIALLED_FRAMES: u8 = 5;
/// Keys that wait for their turn; further ones are left out.
const DIALLED_MAX: usize = 32;
/// Packets nobody polled; the oldest goes when there are more.
const PACKETS_MAX: usize = 8;
const HEADER_BYTES: usize = 12;
const PACKET_BYTES_MAX: usize = HEADER_BYTES + FRAME_SAMPLES;
