//! Sound for what did not come: the last period of the voice again and again, fading (as ITU-T G.711 appendix I).

use super::splice::likeness;

/// Remembers what was played and goes on from there.
#[derive(Clone, Debug)]
pub(super) struct Concealer {
    history: [i16; HISTORY],
    gap: Option<Gap>,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The period that is repeated.
    cycle: [f32; PERIOD_MAX],
    length: usize,
    /// Samples made up so far.
    filled: usize,
}

impl Concealer {
    pub(super) fn new() -> Concealer {
        Concealer {
            history: [0; HISTORY],
            gap: None,
        }
    }

    /// What was played last.
    pub(super) fn history(&self) -> &[i16] {
        &self.history
    }

    /// Sound for a gap.
    pub(super) fn fill_gap(&mut self, part: &mut [i16]) {
        let mut gap = self.gap.unwrap_or_else(|| Gap::new(&self.history));
        for sample in part.iter_mut() {
            *sample = gap.next() as i16;
        }
        self.gap = Some(gap);
        self.remember(part);
    }

    /// Sound that came; after a gap it is faded in.
    pub(super) fn fill_played(&mut self, part: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let length = part.len().min(FADE);
            for (at, sample) in part[..length].iter_mut().enumerate() {
                let share = (at as f32 + 0.5) / length as f32;
                *sample = (f32::from(*sample) * share + gap.next() * (1.0 - share)) as i16;
            }
        }
        self.remember(part);
    }

    /// Sound that was played without a gap before it.
    pub(super) fn handle_played(&mut self, part: &[i16]) {
        self.gap = None;
        self.remember(part);
    }

    fn remember(&mut self, part: &[i16]) {
        let kept = HISTORY.saturating_sub(part.len());
        self.history.copy_within(HISTORY - kept.., 0);
        self.history[kept..].copy_from_slice(&part[part.len() - (HISTORY - kept)..]);
    }
}

impl Gap {
    fn new(history: &[i16; HISTORY]) -> Gap {
        let last = &history[HISTORY - TEMPLATE..];
        let likenesses = (PERIOD_MIN..=PERIOD_MAX).map(|lag| {
            let before = &history[HISTORY - TEMPLATE - lag..HISTORY - lag];
            (lag, likeness((last, before)))
        });
        let length = likenesses
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(PERIOD_MAX, |best| best.0);
        let mut cycle = [0.0; PERIOD_MAX];
        let smooth = length / 4;
        for (at, value) in cycle[..length].iter_mut().enumerate() {
            let own = f32::from(history[HISTORY - length + at]);
            // The end of a period leads to its beginning, as the end of the one before did.
            let share = (at + smooth + 1).saturating_sub(length) as f32 / (smooth + 1) as f32;
            let before = f32::from(history[HISTORY - 2 * length + at]);
            *value = own * (1.0 - share) + before * share;
        }
        Gap {
            cycle,
            length,
            filled: 0,
        }
    }

    fn next(&mut self) -> f32 {
        let faded = self.filled.saturating_sub(FULL) as f32 / (SILENT - FULL) as f32;
        let value = self.cycle[self.filled % self.length] * (1.0 - faded.min(1.0));
        self.filled = self.filled.saturating_add(1);
        value
    }
}

/// 5 to 15 ms: voices from 200 down to 66 Hz; higher ones repeat several periods.
const PERIOD_MIN: usize = 40;
const PERIOD_MAX: usize = 120;
/// 20 ms are compared.
const TEMPLATE: usize = 160;
const HISTORY: usize = TEMPLATE + PERIOD_MAX;
/// 4 ms
const FADE: usize = 32;
/// 10 ms at full level, silence after 60.
const FULL: usize = 80;
const SILENT: usize = 480;
