//! Sound made shorter or longer by a period of its own, where two stretches of it are alike.

use crate::voice::{FRAME_SAMPLES, Frame};

/// Longest stretch left out or put in: 15 ms, a deep voice's period.
pub(super) const REACH: usize = 120;

/// Fills a frame from `ahead`, leaving some out of it, at most `most`; how much, or `None` where it would be heard.
pub(super) fn shorten(frame: &mut Frame, ahead: &[i16], most: usize) -> Option<usize> {
    let longest = ahead.len().checked_sub(FRAME_SAMPLES)?.min(most).min(REACH);
    let lag = best_lag(longest, |lag| (&ahead[..OVERLAP], &ahead[lag..lag + OVERLAP]))?;
    for (at, sample) in frame.iter_mut().enumerate() {
        *sample = faded(at, ahead[at], ahead[at + lag]);
    }
    Some(lag)
}

/// Fills a frame from `ahead`, with some of `history` put in again before it; how much, or `None` where it would be heard.
pub(super) fn lengthen(frame: &mut Frame, history: &[i16], ahead: &[i16]) -> Option<usize> {
    let ahead = ahead.get(..FRAME_SAMPLES)?;
    let longest = history.len().min(REACH);
    let mut both = [0; REACH + FRAME_SAMPLES];
    both[REACH - longest..REACH].copy_from_slice(&history[history.len() - longest..]);
    both[REACH..].copy_from_slice(ahead);
    let lag = best_lag(longest, |lag| {
        (&ahead[..OVERLAP], &both[REACH - lag..REACH - lag + OVERLAP])
    })?;
    for (at, sample) in frame.iter_mut().enumerate() {
        *sample = faded(at, ahead[at], both[REACH + at - lag]);
    }
    Some(lag)
}

/// The lag at which two stretches are most alike; the longest where there is hardly a sound.
fn best_lag<'a>(longest: usize, pair: impl Fn(usize) -> (&'a [i16], &'a [i16])) -> Option<usize> {
    if longest < SHORTEST {
        return None;
    }
    let quiet = |part: &[i16]| part.iter().all(|sample| sample.unsigned_abs() < QUIET);
    let (here, there) = pair(longest);
    if quiet(here) && quiet(there) {
        return Some(longest);
    }
    let likenesses = (SHORTEST..=longest).map(|lag| (lag, likeness(pair(lag))));
    let (lag, best) = likenesses.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (best >= LIKENESS_MIN).then_some(lag)
}

/// Correlation of two stretches: 1 is the same but for loudness.
pub(super) fn likeness((a, b): (&[i16], &[i16])) -> f32 {
    let (mut product, mut a_power, mut b_power) = (0.0, 1.0, 1.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f32::from(*a), f32::from(*b));
        product += a * b;
        a_power += a * a;
        b_power += b * b;
    }
    product / f32::sqrt(a_power * b_power)
}

fn faded(at: usize, from: i16, to: i16) -> i16 {
    let share = (at as f32 + 0.5) / OVERLAP as f32;
    match at {
        ..OVERLAP => (f32::from(from) * (1.0 - share) + f32::from(to) * share) as i16,
        _ => to,
    }
}

/// 10 ms
const OVERLAP: usize = 80;
/// 2.5 ms
const SHORTEST: usize = 20;
const LIKENESS_MIN: f32 = 0.8;
/// About -45 dBm0: a room without a voice.
const QUIET: u16 = 128;
