//! Two clocks that are a little apart: how much faster to take samples so that a buffer stays as full as it should.

/// Follows the level of a buffer that one clock fills and the other empties.
#[derive(Clone, Copy, Debug)]
pub struct Drift {
    target_ms: f64,
    /// Level with the jitter of both sides taken out.
    level_ms: Option<f64>,
    /// What the clocks are apart in the long run, in parts of one.
    apart: f64,
    faster: f64,
}

impl Drift {
    /// Keeps a buffer at this level.
    #[must_use]
    pub fn new(target_ms: f64) -> Drift {
        Drift {
            target_ms,
            level_ms: None,
            apart: 0.0,
            faster: 0.0,
        }
    }

    /// The level of the buffer, once every 20 ms. How much faster than the rates say it should be emptied, in parts of one.
    pub fn handle_level(&mut self, level_ms: f64) -> f64 {
        let level = self.level_ms.get_or_insert(level_ms);
        *level += (level_ms - *level) * SMOOTHING;
        let error = *level - self.target_ms;
        self.apart = (self.apart + error * INTEGRAL).clamp(-APART_MAX, APART_MAX);
        self.faster = (self.apart + error * PROPORTIONAL).clamp(-FASTER_MAX, FASTER_MAX);
        self.faster
    }

    /// The level that is kept.
    #[must_use]
    pub fn target_ms(&self) -> f64 {
        self.target_ms
    }

    /// Keeps another level from now on.
    pub fn set_target(&mut self, target_ms: f64) {
        self.target_ms = target_ms;
    }

    /// The buffer began anew; what is known of the clocks stays.
    pub fn restart(&mut self) {
        self.level_ms = None;
    }

    /// How much faster the filling clock is than the emptying one, in millionths.
    #[must_use]
    pub fn ppm(&self) -> f64 {
        self.apart * 1e6
    }

    /// What the last level led to, in parts of one.
    #[must_use]
    pub fn faster(&self) -> f64 {
        self.faster
    }
}

/// Of each level: a memory of a second.
const SMOOTHING: f64 = 0.02;
/// Per millisecond of error: 1 ms is taken back in 10 s.
const PROPORTIONAL: f64 = 1e-4;
/// Per millisecond and 20 ms: critically damped with the above.
const INTEGRAL: f64 = 5e-8;
/// Crystals are within 100 ppm, cheap oscillators within 500.
const APART_MAX: f64 = 1e-3;
/// A tone goes up or down by less than what an ear notices (3 in 1000).
const FASTER_MAX: f64 = 2e-3;
