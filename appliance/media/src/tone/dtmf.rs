//! DTMF keys as sound (ITU-T Q.23).

use super::player::{Sine, samples};
use super::{peak, to_sample};

/// Every key, row by row.
pub const KEYS: [char; 16] = [
    '1', '2', '3', 'A', '4', '5', '6', 'B', '7', '8', '9', 'C', '*', '0', '#', 'D',
];

pub(super) const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
pub(super) const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// Keys one player keeps waiting; further ones are refused.
const WAITING_MAX: usize = 64;

/// The two frequencies of a key; `None` for what is no key.
#[must_use]
pub fn key_hz(key: char) -> Option<(f32, f32)> {
    let at = KEYS.iter().position(|known| *known == key.to_ascii_uppercase())?;
    Some((ROWS_HZ[at / 4], COLUMNS_HZ[at % 4]))
}

/// Plays keys, each with a pause after it.
#[derive(Clone, Debug)]
pub struct DtmfPlayer {
    waiting: [char; WAITING_MAX],
    first: usize,
    count: usize,
    peaks: (f32, f32),
    row: Sine,
    column: Sine,
    on_left: u32,
    off_left: u32,
}

// 70 ms on and off pass every exchange (ITU-T Q.24 asks for 40 and 40, some countries for 65).
const ON_MS: u16 = 70;
const OFF_MS: u16 = 70;

impl DtmfPlayer {
    /// Rows at this level, columns 2 dB above it: lines lose more of the high ones.
    #[must_use]
    pub fn new(level_dbm0: f32) -> DtmfPlayer {
        DtmfPlayer {
            waiting: [' '; WAITING_MAX],
            first: 0,
            count: 0,
            peaks: (peak(level_dbm0), peak(level_dbm0 + 2.0)),
            row: Sine::default(),
            column: Sine::default(),
            on_left: 0,
            off_left: 0,
        }
    }

    /// One more key; false when it is no key, or too many wait.
    pub fn push(&mut self, key: char) -> bool {
        if key_hz(key).is_none() || self.count == WAITING_MAX {
            return false;
        }
        self.waiting[(self.first + self.count) % WAITING_MAX] = key;
        self.count += 1;
        true
    }

    /// Whether everything has been played, the last pause too.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.count == 0 && self.on_left == 0 && self.off_left == 0
    }

    /// The next samples; silence when there is no key.
    pub fn fill(&mut self, block: &mut [i16]) {
        for sample in block {
            if self.on_left == 0 && self.off_left == 0 {
                self.begin();
            }
            *sample = if self.on_left > 0 {
                self.on_left -= 1;
                to_sample(self.peaks.0 * self.row.next() + self.peaks.1 * self.column.next())
            } else {
                self.off_left = self.off_left.saturating_sub(1);
                0
            };
        }
    }

    fn begin(&mut self) {
        if self.count == 0 {
            return;
        }
        let key = self.waiting[self.first];
        self.first = (self.first + 1) % WAITING_MAX;
        self.count -= 1;
        if let Some((row, column)) = key_hz(key) {
            (self.row, self.column) = (Sine::new(row), Sine::new(column));
            (self.on_left, self.off_left) = (samples(ON_MS), samples(OFF_MS));
        }
    }
}
