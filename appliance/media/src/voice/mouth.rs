//! What is played to a device on the box's own account: tones, keys, callers' numbers.

use std::collections::VecDeque;

use branchline_config::country::{Analog, CallerIdSignal, Tone};

use super::SIGNALS_MAX;
use super::plan::{Hear, Signal};
use crate::tone::{
    ALERT, BELL_202, CallerId, CallerIdSender, DtmfPlayer, FskTones, KEYS, Presented, RATE_HZ, TonePlayer, V23,
};

/// Plays what one plan asks for.
#[derive(Clone, Debug)]
pub(super) struct Mouth {
    waiting: VecDeque<Sound>,
    now: Sound,
}

/// One sound; the ones with an end say when it is reached.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per channel, and a box would be allocated while it plays"
)]
enum Sound {
    Nothing,
    Tone(TonePlayer),
    ToneFor { player: TonePlayer, samples: usize },
    Pause { samples: usize },
    Keys(DtmfPlayer),
    Fsk(CallerIdSender),
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// More is to come, or there is nothing with an end.
    On,
    /// The last signal ended in it; told once.
    Ended,
}

impl Mouth {
    pub(super) fn new(hear: &Hear, analog: &Analog) -> Mouth {
        let (now, waiting) = match hear {
            Hear::Silence | Hear::Far => (Sound::Nothing, VecDeque::new()),
            Hear::Tone(tone) => (Sound::Tone(TonePlayer::new(*tone, level_dbm0(*tone))), VecDeque::new()),
            Hear::FarAnd(tone) => (Sound::Tone(TonePlayer::new(*tone, WAITING_DBM0)), VecDeque::new()),
            Hear::Send(signals) => {
                let signals = signals.iter().take(SIGNALS_MAX);
                let sounds = signals.flat_map(|signal| sounds(signal, analog));
                (Sound::Pause { samples: 0 }, sounds.collect())
            }
        };
        Mouth { waiting, now }
    }

    /// Whether keys are being played.
    pub(super) fn is_key(&self) -> bool {
        match self.now {
            Sound::Keys(_) => true,
            Sound::Nothing | Sound::Tone(_) | Sound::ToneFor { .. } | Sound::Pause { .. } | Sound::Fsk(_) => false,
        }
    }

    /// Fills a block; silence where nothing is to be heard.
    pub(super) fn fill(&mut self, block: &mut [i16]) -> Played {
        let mut filled = 0;
        while filled < block.len() {
            filled += self.now.fill(&mut block[filled..]);
            if filled < block.len() {
                match self.waiting.pop_front() {
                    Some(next) => self.now = next,
                    None => {
                        self.now = Sound::Nothing;
                        block[filled..].fill(0);
                        return Played::Ended;
                    }
                }
            }
        }
        Played::On
    }
}

impl Sound {
    /// How many samples belong to it; fewer than there is room for when it is over.
    fn fill(&mut self, block: &mut [i16]) -> usize {
        match self {
            Sound::Nothing => {
                block.fill(0);
                block.len()
            }
            Sound::Tone(player) => {
                player.fill(block);
                block.len()
            }
            Sound::ToneFor { player, samples } => {
                let used = block.len().min(*samples);
                player.fill(&mut block[..used]);
                *samples -= used;
                used
            }
            Sound::Pause { samples } => {
                let used = block.len().min(*samples);
                block[..used].fill(0);
                *samples -= used;
                used
            }
            Sound::Keys(player) => {
                // The last pause is rounded up to the end of the block.
                let used = if player.is_idle() { 0 } else { block.len() };
                player.fill(&mut block[..used]);
                used
            }
            Sound::Fsk(sender) => sender.fill(block),
        }
    }
}

fn sounds(signal: &Signal, analog: &Analog) -> Vec<Sound> {
    match signal {
        Signal::Keys(keys) => vec![self::keys(keys)],
        Signal::CallerId(caller) => caller_id(caller, analog.caller_id),
        Signal::Tone { tone, ms } => vec![Sound::ToneFor {
            player: TonePlayer::new(*tone, level_dbm0(*tone)),
            samples: samples(*ms),
        }],
        Signal::Pause { ms } => vec![pause(*ms)],
    }
}

fn caller_id(caller: &CallerId, manner: Option<CallerIdSignal>) -> Vec<Sound> {
    let fsk = |tones: FskTones| Sound::Fsk(CallerIdSender::new(caller, tones, FSK_DBM0));
    match manner {
        Some(CallerIdSignal::Bell202) => vec![fsk(BELL_202)],
        Some(CallerIdSignal::V23AfterRing) => vec![fsk(V23)],
        Some(CallerIdSignal::V23BeforeRing) => vec![
            Sound::ToneFor {
                player: TonePlayer::new(ALERT, FSK_DBM0),
                samples: samples(ALERT_MS),
            },
            pause(AFTER_ALERT_MS),
            fsk(V23),
        ],
        Some(CallerIdSignal::Dtmf) => vec![keys(&dtmf_caller(caller))],
        None => Vec::new(),
    }
}

/// Start, digits, end (ETSI EN 300 659-3 annex B); a number nobody may or can see is one digit.
fn dtmf_caller(caller: &CallerId) -> String {
    match &caller.number {
        Presented::Given(number) => format!("A{number}C"),
        Presented::Private => "D1C".to_owned(),
        Presented::Unavailable => "D0C".to_owned(),
    }
}

fn keys(keys: &str) -> Sound {
    let mut player = DtmfPlayer::new(KEY_DBM0);
    for key in keys.chars().filter(|key| KEYS.contains(&key.to_ascii_uppercase())) {
        player.push(key);
    }
    Sound::Keys(player)
}

fn pause(ms: u32) -> Sound {
    Sound::Pause { samples: samples(ms) }
}

fn samples(ms: u32) -> usize {
    ms as usize * RATE_HZ as usize / 1000
}

/// Two frequencies together are as loud as one alone.
fn level_dbm0(tone: Tone) -> f32 {
    if tone.hz.len() > 1 { TONE_DBM0 - 3.0 } else { TONE_DBM0 }
}

/// What exchanges send to a telephone (ITU-T E.180 section 5: -10 dBm0 ± 5 dB).
const TONE_DBM0: f32 = -12.0;
/// Over a conversation, not instead of it.
const WAITING_DBM0: f32 = -22.0;
/// Each frequency; the line loses some, and -9 dBm0 is the loudest for long on a trunk (ITU-T Q.23).
const KEY_DBM0: f32 = -10.0;
/// GR-30: -13.5 dBm ± 1.5 dB at the telephone.
const FSK_DBM0: f32 = -13.5;
const ALERT_MS: u32 = 100;
/// EN 300 659-1: 45 to 500 ms.
const AFTER_ALERT_MS: u32 = 100;
