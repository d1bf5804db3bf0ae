//! Keys seen in RTP events (RFC 4733): each told once, whatever is repeated or lost.

use crate::rtp::Rtp;
use std::time::{Duration, Instant};

/// A key that was pressed and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) digit: char,
    pub(crate) duration_ms: u32,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Dtmf {
    ssrc: u32,
    pressed: Option<Pressed>,
    /// Timestamp of the last key told; its repeated ends must not count again.
    told: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Pressed {
    timestamp: u32,
    event: u8,
    duration: u32,
    clock_hz: u32,
    last_at: Instant,
    /// Length of the segments before this one (RFC 4733 section 2.5.1.3).
    earlier: u32,
}

impl Dtmf {
    /// Takes an event packet; a key is told when its end arrives, or the next key begins.
    pub(crate) fn handle_packet(&mut self, now: Instant, rtp: &Rtp<'_>, clock_hz: u32) -> Option<Key> {
        let [event, flags, high, low] = *rtp.payload.first_chunk::<4>()?;
        if rtp.ssrc != self.ssrc {
            *self = Self {
                ssrc: rtp.ssrc,
                ..Self::default()
            };
        }
        if self.told.is_some_and(|told| !is_after(rtp.timestamp, told)) {
            return None;
        }
        let duration = u32::from(u16::from_be_bytes([high, low]));
        let mut unfinished = None;
        match &mut self.pressed {
            Some(pressed) if pressed.timestamp == rtp.timestamp => {
                pressed.duration = pressed.duration.max(duration);
                pressed.last_at = now;
            }
            Some(pressed) if pressed.is_continued_by(rtp.timestamp, event) => {
                pressed.earlier = pressed.earlier.saturating_add(pressed.duration);
                (pressed.timestamp, pressed.duration, pressed.last_at) = (rtp.timestamp, duration, now);
            }
            Some(pressed) if !is_after(rtp.timestamp, pressed.timestamp) => return None,
            Some(_) | None => {
                unfinished = self.finish();
                let timestamp = rtp.timestamp;
                self.pressed = Some(Pressed {
                    timestamp,
                    event,
                    duration,
                    clock_hz,
                    last_at: now,
                    earlier: 0,
                });
            }
        }
        // Of two keys at once, which needs a whole event to be lost but its last packet, the first is told now and the
        // second at its repeated end or after silence.
        if flags & END != 0 && unfinished.is_none() {
            return self.finish();
        }
        unfinished
    }

    /// A key whose end was lost is told once no packet of it has come for a while.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Key> {
        self.poll_timeout().filter(|due| *due <= now)?;
        self.finish()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.pressed.map(|pressed| pressed.last_at + END_LOST)
    }

    fn finish(&mut self) -> Option<Key> {
        let pressed = self.pressed.take()?;
        self.told = Some(pressed.timestamp);
        let digit = char::from(*KEYS.get(usize::from(pressed.event))?);
        let units = u64::from(pressed.duration) + u64::from(pressed.earlier);
        let duration_ms = u32::try_from(units * 1000 / u64::from(pressed.clock_hz.max(1))).unwrap_or(u32::MAX);
        Some(Key { digit, duration_ms })
    }
}

impl Pressed {
    fn is_continued_by(&self, timestamp: u32, event: u8) -> bool {
        self.event == event && self.duration == SEGMENT && timestamp == self.timestamp.wrapping_add(SEGMENT)
    }
}

fn is_after(timestamp: u32, other: u32) -> bool {
    timestamp.wrapping_sub(other).cast_signed() > 0
}

const KEYS: [u8; 16] = *b"0123456789*#ABCD";
const END: u8 = 0x80;
const SEGMENT: u32 = 0xffff;
/// Ten lost packets in a row at the usual 20 ms.
const END_LOST: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds, timestamp, event, whether it is an end, duration.
    type Sent = (u64, u32, u8, bool, u16);

    fn cases() -> Vec<(&'static str, Vec<Sent>, Vec<Key>)> {
        let five = Key {
            digit: '5',
            duration_ms: 100,
        };
        vec![
            (
                "end three times",
                vec![
                    (0, 9, 5, false, 160),
                    (20, 9, 5, true, 800),
                    (20, 9, 5, true, 800),
                    (20, 9, 5, true, 800),
                ],
                vec![five],
            ),
            ("only an end", vec![(0, 9, 5, true, 800)], vec![five]),
            (
                "ends lost",
                vec![(0, 9, 5, false, 160), (80, 9, 5, false, 800), (900, 9, 5, false, 0)],
                vec![five],
            ),
            (
                "next key instead of an end",
                vec![
                    (0, 9, 5, false, 800),
                    (150, 2000, 11, false, 1),
                    (160, 2000, 11, true, 160),
                ],
                vec![
                    five,
                    Key {
                        digit: '#',
                        duration_ms: 20,
                    },
                ],
            ),
            (
                "late packet of a told key",
                vec![(0, 9, 5, true, 800), (10, 9, 5, false, 640)],
                vec![five],
            ),
            (
                "timestamp wraps",
                vec![(0, u32::MAX, 5, true, 800), (500, 100, 5, true, 800)],
                vec![five, five],
            ),
            (
                "long key in segments",
                vec![(0, 9, 5, false, 0xffff), (20, 9 + 0xffff, 5, true, 801)],
                vec![Key {
                    digit: '5',
                    duration_ms: 8292,
                }],
            ),
            ("hook flash is no key", vec![(0, 9, 16, true, 800)], vec![]),
        ]
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by reading the clock"
    )]
    fn each_key_is_told_once() {
        let start = Instant::now();
        for (name, packets, expected) in cases() {
            let (mut dtmf, mut told) = (Dtmf::default(), Vec::new());
            for (ms, timestamp, event, is_end, duration) in packets {
                let now = start + Duration::from_millis(ms);
                told.extend(dtmf.handle_timeout(now));
                let [high, low] = duration.to_be_bytes();
                let payload = [event, if is_end { END } else { 0 }, high, low];
                let rtp = Rtp {
                    marker: false,
                    payload_type: 101,
                    sequence: 0,
                    timestamp,
                    ssrc: 1,
                    payload: &payload,
                };
                told.extend(dtmf.handle_packet(now, &rtp, 8000));
            }
            assert_eq!(told, expected, "{name}");
        }
    }
}
