//! Analog lines and telephones as data: call-progress tones, ringing, caller id, impedance and the recall key.
//!
//! Sources: ITU-T E.180 with its supplement 2, ITU-T Q.552, ETSI EN 300 659-1, ETSI TBR 21, BT SIN 227, Telcordia GR-30.
//! Networks within a country differ in detail; what most of them do is listed.

/// How analog lines and telephones of a country sound and ring.
#[derive(Debug, PartialEq)]
pub struct Analog {
    /// Dial now.
    pub dial: Tone,
    /// The other end rings.
    pub ringback: Tone,
    /// The other end is busy.
    pub busy: Tone,
    /// No way through the network.
    pub congestion: Tone,
    /// Another call waits; played over a conversation.
    pub waiting: Tone,
    /// How a telephone rings.
    pub ring: Ring,
    /// How the number of a caller reaches a telephone; none where it is not known here (Japan has a protocol of its own).
    pub caller_id: Option<CallerIdSignal>,
    /// What a line and a telephone are matched to.
    pub impedance: Impedance,
    /// Shortest and longest break of the loop that is a recall (hook flash).
    pub flash_ms: (u16, u16),
}

/// Frequencies that sound together, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    /// One or two; the two of a modulated tone are its side bands.
    pub hz: &'static [u16],
    /// Sound, silence, sound, …, from the start again; empty is without end.
    pub cadence_ms: &'static [u16],
}

/// Ringing current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Of the current.
    pub hz: u16,
    /// Current, silence, current, silence, …, from the start again.
    pub cadence_ms: &'static [u16],
}

/// How the number of a caller is sent to a telephone on hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerIdSignal {
    /// Bell 202 tones in the first long silence between rings (GR-30).
    Bell202,
    /// V.23 tones in the first long silence between rings (EN 300 659-1).
    V23AfterRing,
    /// Reversal of the line, an alerting tone, V.23 tones, then ringing (SIN 227).
    V23BeforeRing,
    /// DTMF digits before the first ring.
    Dtmf,
}

/// A line's impedance: a resistance, or a resistance and a parallel circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impedance {
    /// 600 Ω
    R600,
    /// 900 Ω
    R900,
    /// 270 Ω + 750 Ω ∥ 150 nF, the European reference (TBR 21).
    Harmonised,
    /// 370 Ω + 620 Ω ∥ 310 nF
    British,
    /// 220 Ω + 820 Ω ∥ 115 nF
    German,
    /// 220 Ω + 820 Ω ∥ 120 nF
    Australian,
    /// 200 Ω + 680 Ω ∥ 100 nF
    Chinese,
}

impl Impedance {
    /// As data sheets write it.
    pub fn name(self) -> &'static str {
        match self {
            Impedance::R600 => "600",
            Impedance::R900 => "900",
            Impedance::Harmonised => "270+750||150n",
            Impedance::British => "370+620||310n",
            Impedance::German => "220+820||115n",
            Impedance::Australian => "220+820||120n",
            Impedance::Chinese => "200+680||100n",
        }
    }
}

const fn steady(hz: &'static [u16]) -> Tone {
    Tone { hz, cadence_ms: &[] }
}

const fn tone(hz: &'static [u16], cadence_ms: &'static [u16]) -> Tone {
    Tone { hz, cadence_ms }
}

const fn ring(hz: u16, cadence_ms: &'static [u16]) -> Ring {
    Ring { hz, cadence_ms }
}

const DOUBLE_RING: &[u16] = &[400, 200, 400, 2000];
// A timed break of 100 ms is the recall key's; longer ones are made by hand. Shorter ones are dialling pulses.
const EUROPEAN_FLASH: (u16, u16) = (90, 600);
const AMERICAN_FLASH: (u16, u16) = (250, 1000);

/// What ETSI recommends; most of the world has it with small changes.
pub(super) const ETSI: Analog = Analog {
    dial: steady(&[425]),
    ringback: tone(&[425], &[1000, 4000]),
    busy: tone(&[425], &[500, 500]),
    congestion: tone(&[425], &[250, 250]),
    waiting: tone(&[425], &[200, 600, 200, 3000]),
    ring: ring(25, &[1000, 4000]),
    caller_id: Some(CallerIdSignal::V23AfterRing),
    impedance: Impedance::Harmonised,
    flash_ms: EUROPEAN_FLASH,
};

pub(super) const NORTH_AMERICA: Analog = Analog {
    dial: steady(&[350, 440]),
    ringback: tone(&[440, 480], &[2000, 4000]),
    busy: tone(&[480, 620], &[500, 500]),
    congestion: tone(&[480, 620], &[250, 250]),
    waiting: tone(&[440], &[300, 10_000]),
    ring: ring(20, &[2000, 4000]),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::R600,
    flash_ms: AMERICAN_FLASH,
};

pub(super) const GB: Analog = Analog {
    dial: steady(&[350, 440]),
    ringback: tone(&[400, 450], DOUBLE_RING),
    busy: tone(&[400], &[375, 375]),
    congestion: tone(&[400], &[400, 350, 225, 525]),
    waiting: tone(&[400], &[100, 2000]),
    ring: ring(25, DOUBLE_RING),
    caller_id: Some(CallerIdSignal::V23BeforeRing),
    impedance: Impedance::British,
    flash_ms: EUROPEAN_FLASH,
};

pub(super) const AE: Analog = Analog {
    caller_id: Some(CallerIdSignal::V23AfterRing),
    impedance: Impedance::R600,
    ..GB
};

pub(super) const AR: Analog = Analog {
    busy: tone(&[425], &[300, 200]),
    congestion: tone(&[425], &[300, 400]),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::R600,
    ..ETSI
};

pub(super) const AT: Analog = Analog {
    dial: steady(&[420]),
    ringback: tone(&[420], &[1000, 5000]),
    busy: tone(&[420], &[400, 400]),
    congestion: tone(&[420], &[200, 200]),
    ring: ring(50, &[1000, 5000]),
    ..ETSI
};

pub(super) const AU: Analog = Analog {
    dial: steady(&[413, 438]),
    ringback: tone(&[400, 450], DOUBLE_RING),
    busy: tone(&[425], &[375, 375]),
    congestion: tone(&[425], &[375, 375]),
    waiting: tone(&[425], &[200, 200, 200, 4400]),
    ring: ring(25, DOUBLE_RING),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::Australian,
    flash_ms: EUROPEAN_FLASH,
};

pub(super) const BE: Analog = Analog {
    ringback: tone(&[425], &[1000, 3000]),
    congestion: tone(&[425], &[167, 167]),
    ring: ring(25, &[1000, 3000]),
    ..ETSI
};

pub(super) const BR: Analog = Analog {
    busy: tone(&[425], &[250, 250]),
    congestion: tone(&[425], &[250, 250, 750, 250]),
    waiting: tone(&[425], &[50, 1000]),
    caller_id: Some(CallerIdSignal::Dtmf),
    impedance: Impedance::R900,
    ..ETSI
};

pub(super) const CL: Analog = Analog {
    dial: steady(&[400]),
    ringback: tone(&[400], &[1000, 3000]),
    busy: tone(&[400], &[500, 500]),
    congestion: tone(&[400], &[200, 200]),
    waiting: tone(&[400], &[250, 8750]),
    ring: ring(25, &[1000, 3000]),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::R600,
    flash_ms: AMERICAN_FLASH,
};

pub(super) const CN: Analog = Analog {
    dial: steady(&[450]),
    ringback: tone(&[450], &[1000, 4000]),
    busy: tone(&[450], &[350, 350]),
    congestion: tone(&[450], &[700, 700]),
    waiting: tone(&[450], &[400, 4000]),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::Chinese,
    ..ETSI
};

pub(super) const CZ: Analog = Analog {
    dial: tone(&[425], &[330, 330, 660, 660]),
    busy: tone(&[425], &[330, 330]),
    congestion: tone(&[425], &[165, 165]),
    ..ETSI
};

pub(super) const DE: Analog = Analog {
    busy: tone(&[425], &[480, 480]),
    congestion: tone(&[425], &[240, 240]),
    waiting: tone(&[425], &[200, 200, 200, 5000]),
    impedance: Impedance::German,
    ..ETSI
};

pub(super) const ES: Analog = Analog {
    ringback: tone(&[425], &[1500, 3000]),
    busy: tone(&[425], &[200, 200]),
    congestion: tone(&[425], &[200, 200, 200, 600]),
    ring: ring(25, &[1500, 3000]),
    ..ETSI
};

pub(super) const FR: Analog = Analog {
    dial: steady(&[440]),
    ringback: tone(&[440], &[1500, 3500]),
    busy: tone(&[440], &[500, 500]),
    congestion: tone(&[440], &[250, 250]),
    waiting: tone(&[440], &[300, 10_000]),
    ring: ring(50, &[1500, 3500]),
    ..ETSI
};

pub(super) const GR: Analog = Analog {
    dial: tone(&[425], &[200, 300, 700, 800]),
    busy: tone(&[425], &[300, 300]),
    congestion: tone(&[425], &[200, 200]),
    ..ETSI
};

pub(super) const HK: Analog = Analog {
    ringback: tone(&[440, 480], &[400, 200, 400, 3000]),
    ring: ring(25, &[400, 200, 400, 3000]),
    ..NORTH_AMERICA
};

pub(super) const HR: Analog = Analog {
    dial: tone(&[425], &[200, 300, 700, 800]),
    ..ETSI
};

pub(super) const HU: Analog = Analog {
    ringback: tone(&[425], &[1250, 3750]),
    busy: tone(&[425], &[300, 300]),
    congestion: tone(&[425], &[300, 300]),
    ring: ring(25, &[1250, 3750]),
    ..ETSI
};

pub(super) const IE: Analog = Analog {
    ringback: tone(&[400, 450], DOUBLE_RING),
    ring: ring(25, DOUBLE_RING),
    ..ETSI
};

pub(super) const IL: Analog = Analog {
    dial: steady(&[400]),
    ringback: tone(&[400], &[1000, 3000]),
    busy: tone(&[400], &[500, 500]),
    congestion: tone(&[400], &[250, 250]),
    waiting: tone(&[400], &[500, 10_000]),
    ring: ring(25, &[1000, 3000]),
    impedance: Impedance::R600,
    ..ETSI
};

pub(super) const IN: Analog = Analog {
    dial: steady(&[375, 425]),
    ringback: tone(&[375, 425], DOUBLE_RING),
    busy: tone(&[400], &[750, 750]),
    congestion: tone(&[400], &[250, 250]),
    waiting: tone(&[400], &[200, 100, 200, 7500]),
    ring: ring(25, DOUBLE_RING),
    caller_id: Some(CallerIdSignal::Dtmf),
    impedance: Impedance::R600,
    flash_ms: EUROPEAN_FLASH,
};

pub(super) const IS: Analog = Analog {
    ringback: tone(&[425], &[1200, 4700]),
    busy: tone(&[425], &[250, 250]),
    ring: ring(25, &[1200, 4700]),
    ..DTMF_CALLER_ID
};

pub(super) const IT: Analog = Analog {
    dial: tone(&[425], &[200, 200, 600, 1000]),
    congestion: tone(&[425], &[200, 200]),
    waiting: tone(&[425], &[400, 100, 250, 100, 150, 14_000]),
    ..ETSI
};

pub(super) const JP: Analog = Analog {
    dial: steady(&[400]),
    ringback: tone(&[384, 416], &[1000, 2000]),
    busy: tone(&[400], &[500, 500]),
    congestion: tone(&[400], &[500, 500]),
    waiting: tone(&[400], &[64, 436, 64, 3500]),
    ring: ring(16, &[1000, 2000]),
    caller_id: None,
    impedance: Impedance::R600,
    flash_ms: AMERICAN_FLASH,
};

pub(super) const KR: Analog = Analog {
    ringback: tone(&[440, 480], &[1000, 2000]),
    congestion: tone(&[480, 620], &[300, 200]),
    ring: ring(20, &[1000, 2000]),
    ..NORTH_AMERICA
};

pub(super) const LT: Analog = Analog {
    busy: tone(&[425], &[350, 350]),
    congestion: tone(&[425], &[200, 200]),
    ..ETSI
};

pub(super) const MX: Analog = Analog {
    busy: tone(&[425], &[250, 250]),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::R600,
    flash_ms: AMERICAN_FLASH,
    ..ETSI
};

pub(super) const MY: Analog = Analog {
    ringback: tone(&[425], DOUBLE_RING),
    ring: ring(20, DOUBLE_RING),
    impedance: Impedance::R600,
    ..ETSI
};

/// Northern countries that send the caller's number as digits; Denmark, the Netherlands.
pub(super) const DTMF_CALLER_ID: Analog = Analog {
    caller_id: Some(CallerIdSignal::Dtmf),
    ..ETSI
};

pub(super) const NO: Analog = Analog {
    congestion: tone(&[425], &[200, 200]),
    ..ETSI
};

pub(super) const NZ: Analog = Analog {
    dial: steady(&[400]),
    ringback: tone(&[400, 450], DOUBLE_RING),
    busy: tone(&[400], &[500, 500]),
    congestion: tone(&[400], &[250, 250]),
    waiting: tone(&[400], &[200, 3000]),
    ring: ring(20, DOUBLE_RING),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::British,
    flash_ms: EUROPEAN_FLASH,
};

pub(super) const PT: Analog = Analog {
    ringback: tone(&[425], &[1000, 5000]),
    congestion: tone(&[425], &[200, 200]),
    ring: ring(25, &[1000, 5000]),
    ..ETSI
};

pub(super) const RO: Analog = Analog {
    ringback: tone(&[425], &[1850, 4150]),
    congestion: tone(&[425], &[200, 200]),
    ring: ring(25, &[1850, 4150]),
    ..ETSI
};

pub(super) const SA: Analog = Analog {
    ringback: tone(&[425], &[1200, 4600]),
    ring: ring(25, &[1200, 4600]),
    impedance: Impedance::R600,
    ..ETSI
};

pub(super) const SE: Analog = Analog {
    ringback: tone(&[425], &[1000, 5000]),
    busy: tone(&[425], &[250, 250]),
    congestion: tone(&[425], &[250, 750]),
    ring: ring(25, &[1000, 5000]),
    ..DTMF_CALLER_ID
};

pub(super) const SG: Analog = Analog {
    ringback: tone(&[401, 449], DOUBLE_RING),
    busy: tone(&[425], &[750, 750]),
    ring: ring(24, DOUBLE_RING),
    impedance: Impedance::R600,
    ..ETSI
};

pub(super) const TH: Analog = Analog {
    dial: steady(&[400]),
    ringback: tone(&[400], &[1000, 4000]),
    busy: tone(&[400], &[500, 500]),
    congestion: tone(&[400], &[300, 300]),
    waiting: tone(&[400], &[200, 600, 200, 3000]),
    caller_id: Some(CallerIdSignal::Bell202),
    impedance: Impedance::R600,
    ..ETSI
};

pub(super) const TR: Analog = Analog {
    dial: steady(&[450]),
    ringback: tone(&[450], &[2000, 4000]),
    busy: tone(&[450], &[500, 500]),
    congestion: tone(&[450], &[200, 200, 200, 200, 200, 200, 600, 200]),
    waiting: tone(&[450], &[200, 600, 200, 8000]),
    ring: ring(25, &[2000, 4000]),
    ..ETSI
};

pub(super) const ZA: Analog = Analog {
    dial: steady(&[383, 417]),
    ringback: tone(&[383, 417], DOUBLE_RING),
    busy: tone(&[400], &[500, 500]),
    congestion: tone(&[400], &[250, 250]),
    waiting: tone(&[400], &[500, 4000]),
    ring: ring(25, DOUBLE_RING),
    impedance: Impedance::German,
    ..ETSI
};

#[cfg(test)]
mod tests {
    use crate::country::ALL;

    #[test]
    fn every_tone_can_be_played_and_told_from_the_others() {
        for country in ALL {
            let analog = country.analog;
            let named = [analog.dial, analog.ringback, analog.busy, analog.waiting];
            for (at, tone) in named.iter().chain([&analog.congestion]).enumerate() {
                assert!((1..=2).contains(&tone.hz.len()), "{}: tone {at}", country.code);
                assert!(tone.hz.iter().all(|hz| (300..700).contains(hz)), "{}", country.code);
                assert!(tone.cadence_ms.len().is_multiple_of(2), "{}: tone {at}", country.code);
                assert!(
                    tone.cadence_ms.iter().all(|ms| *ms >= 50),
                    "{}: tone {at}",
                    country.code
                );
            }
            for (at, tone) in named.iter().enumerate() {
                assert!(
                    !named[at + 1..].contains(tone),
                    "{}: tone {at} has a double",
                    country.code
                );
            }
        }
    }

    #[test]
    fn every_telephone_rings_and_every_recall_is_longer_than_a_dialling_pulse() {
        for country in ALL {
            let analog = country.analog;
            assert!((15..=50).contains(&analog.ring.hz), "{}", country.code);
            assert!(analog.ring.cadence_ms.len() >= 2, "{}", country.code);
            assert!(analog.ring.cadence_ms.len().is_multiple_of(2), "{}", country.code);
            let (least, most) = analog.flash_ms;
            assert!(90 <= least && least < most && most <= 1000, "{}", country.code);
        }
    }
}
