//! How late packets come, and how long sound must therefore wait.

/// Lateness of packets over the last seconds; all times are samples.
#[derive(Clone, Debug)]
pub(super) struct Lateness {
    /// Least transit in this window and in the one before: the packet that nothing held up.
    fastest: (i64, i64),
    window_ends: i64,
    /// How many packets were so late, the old ones forgotten by and by.
    counts: [f32; BUCKETS],
    /// Frames since something could be left out.
    patience: u32,
}

/// How late a packet could be and still be in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserve {
    /// For the next frame.
    pub(super) now: i64,
    /// For any frame: where frames and packets begin shifts against each other when something is left out.
    pub(super) least: i64,
}

/// Whether to change how long sound waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Even,
    /// By this much at most.
    Sooner(usize),
    /// By this much.
    Later(usize),
}

impl Lateness {
    /// Knows one packet.
    pub(super) fn new(now: i64, transit: i64) -> Lateness {
        let mut counts = [0.0; BUCKETS];
        counts[FIRST_BUCKET] = FIRST_WEIGHT;
        Lateness {
            fastest: (transit, transit),
            window_ends: now + WINDOW,
            counts,
            patience: 0,
        }
    }

    pub(super) fn handle_packet(&mut self, now: i64, transit: i64) {
        if now >= self.window_ends {
            self.fastest = (transit, self.fastest.0);
            self.window_ends = now + WINDOW;
        }
        self.fastest.0 = self.fastest.0.min(transit);
        let bucket = (self.of(transit).max(0) / BUCKET) as usize;
        for count in &mut self.counts {
            *count *= MEMORY;
        }
        self.counts[bucket.min(BUCKETS - 1)] += 1.0;
    }

    /// Compared with the fastest packet.
    pub(super) fn of(&self, transit: i64) -> i64 {
        transit - self.fastest.0.min(self.fastest.1)
    }

    pub(super) fn pace(&mut self, reserve: Reserve) -> Pace {
        let wanted = self.wanted();
        if reserve.now < wanted {
            self.patience = 0;
            return Pace::Later((wanted - reserve.now) as usize);
        }
        if reserve.least < wanted + SPARE_MIN {
            self.patience = 0;
            return Pace::Even;
        }
        self.patience += 1;
        if self.patience < PATIENCE {
            return Pace::Even;
        }
        self.patience = 0;
        Pace::Sooner((reserve.least - wanted) as usize)
    }

    /// Only one packet in a hundred is later.
    fn wanted(&self) -> i64 {
        let allowed = self.counts.iter().sum::<f32>() * LATE_SHARE;
        let mut later = 0.0;
        let needed = self.counts.iter().rposition(|count| {
            later += count;
            later > allowed
        });
        needed.map_or(0, |bucket| (bucket as i64 + 1) * BUCKET) + MARGIN
    }
}

/// 5 ms
const BUCKET: i64 = 40;
/// 400 ms
const BUCKETS: usize = 80;
/// Before anything is known: as if some packets had been 20 ms late.
const FIRST_BUCKET: usize = 4;
const FIRST_WEIGHT: f32 = 2.0;
/// 500 packets, 10 s
const MEMORY: f32 = 0.998;
const LATE_SHARE: f32 = 0.01;
/// 2.5 ms for a card that asks early.
const MARGIN: i64 = 20;
/// 5 s: a clock that is 200 ppm off moves by 1 ms in it.
const WINDOW: i64 = 40_000;
/// Frames: what is spare for 200 ms is left out.
const PATIENCE: u32 = 10;
/// 10 ms too much are left alone.
const SPARE_MIN: i64 = 80;
