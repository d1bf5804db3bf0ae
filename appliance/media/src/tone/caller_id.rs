//! Who calls, as it is told to a telephone on hook (GR-30, ETSI EN 300 659-3).
//!
//! Seizure (bits in turn) and mark, then a message: type, length, parameters, checksum. The same bytes in both worlds; the
//! tones differ.

use branchline_config::country::Tone;

use super::fsk::{FskTones, Keyed};
use super::fsk_receiver::{Found, FskReceiver};
use super::{peak, to_sample};

/// The alerting tone before a message to a telephone that has not rung (DT-AS of EN 300 659-1): 100 ms of it.
pub const ALERT: Tone = Tone {
    hz: &[2130, 2750],
    cadence_ms: &[100, 60_000],
};

/// What a telephone is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerId {
    /// When, by the clock of the exchange.
    pub when: Option<Moment>,
    /// Digits, perhaps after a plus.
    pub number: Presented,
    /// A name, where one is known.
    pub name: Presented,
}

/// Local time, without a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// 1 to 12
    pub month: u8,
    /// 1 to 31
    pub day: u8,
    /// 0 to 23
    pub hour: u8,
    /// 0 to 59
    pub minute: u8,
}

/// What is told of a number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// This
    Given(String),
    /// The caller does not want it shown.
    Private,
    /// Nobody knows.
    Unavailable,
}

/// Why a message was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerIdError {
    /// Not a call.
    #[error("the message is of type {0}")]
    Type(u8),
    /// Bits went wrong on the line.
    #[error("the checksum does not fit")]
    Checksum,
    /// A parameter that ends after the message.
    #[error("the message is cut off")]
    Cut,
    /// The sound stopped in the middle.
    #[error("the line broke off")]
    Broken,
}

impl CallerId {
    /// The message, checksum included. What is too long is cut, what is not printable is left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut message = vec![CALL_SETUP, 0];
        if let Some(when) = self.when {
            let digits = [when.month, when.day, when.hour, when.minute];
            let text: String = digits.iter().map(|part| format!("{:02}", part % 100)).collect();
            push(&mut message, DATE_AND_TIME, text.as_bytes());
        }
        for (presented, given, absent, most) in [
            (&self.number, NUMBER, NUMBER_ABSENT, NUMBER_MAX),
            (&self.name, NAME, NAME_ABSENT, NAME_MAX),
        ] {
            match presented {
                Presented::Given(text) => {
                    let printable = text.bytes().filter(|byte| (0x20..0x7f).contains(byte));
                    push(&mut message, given, &printable.take(most).collect::<Vec<u8>>());
                }
                Presented::Private => push(&mut message, absent, b"P"),
                Presented::Unavailable => push(&mut message, absent, b"O"),
            }
        }
        message[1] = (message.len() - 2) as u8;
        message.push(checksum(&message));
        message
    }

    /// Reads a message, checksum included: of a call, with or without parameters (MDMF, SDMF).
    pub fn decode(message: &[u8]) -> Result<CallerId, CallerIdError> {
        let (&[kind, length], rest) = message.split_first_chunk::<2>().ok_or(CallerIdError::Cut)?;
        let body = rest.get(..usize::from(length)).ok_or(CallerIdError::Cut)?;
        let sum = *rest.get(usize::from(length)).ok_or(CallerIdError::Cut)?;
        if checksum(&message[..body.len() + 2]) != sum {
            return Err(CallerIdError::Checksum);
        }
        match kind {
            CALL_SETUP => CallerId::decode_parameters(body),
            SINGLE_DATA => Ok(CallerId {
                when: body.get(..8).and_then(Moment::decode),
                number: body.get(8..).map_or(Presented::Unavailable, presented),
                name: Presented::Unavailable,
            }),
            other => Err(CallerIdError::Type(other)),
        }
    }

    fn decode_parameters(mut body: &[u8]) -> Result<CallerId, CallerIdError> {
        let mut caller = CallerId {
            when: None,
            number: Presented::Unavailable,
            name: Presented::Unavailable,
        };
        while !body.is_empty() {
            let (&[kind, length], rest) = body.split_first_chunk::<2>().ok_or(CallerIdError::Cut)?;
            let (value, rest) = rest.split_at_checked(usize::from(length)).ok_or(CallerIdError::Cut)?;
            body = rest;
            match kind {
                DATE_AND_TIME => caller.when = Moment::decode(value),
                NUMBER => caller.number = text(value),
                NUMBER_ABSENT => caller.number = absent(value),
                NAME => caller.name = text(value),
                NAME_ABSENT => caller.name = absent(value),
                // Of networks and features that a branch does not know.
                _ => {}
            }
        }
        Ok(caller)
    }
}

impl Moment {
    fn decode(digits: &[u8]) -> Option<Moment> {
        let part = |at: usize| -> Option<u8> { std::str::from_utf8(digits.get(at..at + 2)?).ok()?.parse().ok() };
        let moment = Moment {
            month: part(0)?,
            day: part(2)?,
            hour: part(4)?,
            minute: part(6)?,
        };
        let is_real = (1..=12).contains(&moment.month)
            && (1..=31).contains(&moment.day)
            && moment.hour < 24
            && moment.minute < 60;
        is_real.then_some(moment)
    }
}

/// Sends one message as sound: seizure, mark, bytes.
#[derive(Clone, Debug)]
pub struct CallerIdSender {
    keyed: Keyed,
    message: Vec<u8>,
    /// Bits sent.
    sent: usize,
}

impl CallerIdSender {
    /// At this level; exchanges use about -13.5 dBm0.
    #[must_use]
    pub fn new(caller: &CallerId, tones: FskTones, level_dbm0: f32) -> CallerIdSender {
        CallerIdSender {
            keyed: Keyed::new(tones, peak(level_dbm0)),
            message: caller.encode(),
            sent: 0,
        }
    }

    /// The next samples; how many of them belong to the message, the rest is silence.
    pub fn fill(&mut self, block: &mut [i16]) -> usize {
        let mut filled = 0;
        for sample in block.iter_mut() {
            let (message, sent) = (&self.message, &mut self.sent);
            let value = self.keyed.next(|| {
                let bit = bit_of(message, *sent);
                *sent += 1;
                bit
            });
            filled += usize::from(value.is_some());
            *sample = value.map_or(0, to_sample);
        }
        filled
    }
}

/// The bit of this number, from the first of the seizure to the last mark.
fn bit_of(message: &[u8], at: usize) -> Option<bool> {
    if at < SEIZURE_BITS {
        return Some(at % 2 == 1);
    }
    let at = at - SEIZURE_BITS;
    if at < MARK_BITS {
        return Some(true);
    }
    let at = at - MARK_BITS;
    match message.get(at / 10) {
        Some(byte) => Some(match at % 10 {
            0 => false,
            9 => true,
            data => byte >> (data - 1) & 1 == 1,
        }),
        // Some receivers want to see the line rest.
        None => (at < message.len() * 10 + MARKS_AFTER).then_some(true),
    }
}

/// Listens for messages.
///
/// Input: [`handle_block`](Self::handle_block), which answers with a message when one is complete.
#[derive(Clone, Debug)]
pub struct CallerIdReceiver {
    receiver: FskReceiver,
    message: Vec<u8>,
}

impl CallerIdReceiver {
    /// For one pair of tones.
    #[must_use]
    pub fn new(tones: FskTones) -> CallerIdReceiver {
        CallerIdReceiver {
            receiver: FskReceiver::new(tones),
            message: Vec::with_capacity(MESSAGE_BYTES_MAX),
        }
    }

    /// The next samples. Of two messages in one block the last is told.
    pub fn handle_block(&mut self, block: &[i16]) -> Option<Result<CallerId, CallerIdError>> {
        let mut told = None;
        for sample in block {
            if let Some(found) = self.receiver.handle_sample(*sample) {
                told = self.handle(found).or(told);
            }
        }
        told
    }

    fn handle(&mut self, found: Found) -> Option<Result<CallerId, CallerIdError>> {
        match found {
            Found::Byte { byte, marks_before } => {
                if self.message.is_empty() && !is_start(byte, marks_before) {
                    return None;
                }
                self.message.push(byte);
                let length = self.message.get(1).map(|length| usize::from(*length) + 3);
                if length.is_none_or(|length| self.message.len() < length) {
                    return None;
                }
                let told = CallerId::decode(&self.message);
                self.message.clear();
                Some(told)
            }
            Found::Broken => {
                // A type byte alone may be noise; a message that got further was one.
                let was_message = self.message.len() > 2;
                self.message.clear();
                was_message.then_some(Err(CallerIdError::Broken))
            }
        }
    }
}

fn is_start(byte: u8, marks_before: u32) -> bool {
    matches!(byte, CALL_SETUP | SINGLE_DATA) && marks_before >= MARKS_MIN
}

fn push(message: &mut Vec<u8>, kind: u8, value: &[u8]) {
    message.extend([kind, value.len() as u8]);
    message.extend(value);
}

/// The sum of all bytes and the checksum is 0.
fn checksum(message: &[u8]) -> u8 {
    message
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

fn text(value: &[u8]) -> Presented {
    let printable = value.iter().filter(|byte| (0x20..0x7f).contains(*byte));
    Presented::Given(printable.map(|byte| char::from(*byte)).collect())
}

fn absent(value: &[u8]) -> Presented {
    match value.first() {
        Some(b'P') => Presented::Private,
        Some(_) | None => Presented::Unavailable,
    }
}

/// In a message without parameters a letter stands for the number.
fn presented(value: &[u8]) -> Presented {
    match value {
        [b'P' | b'O'] | [] => absent(value),
        _ => text(value),
    }
}

const CALL_SETUP: u8 = 0x80;
const SINGLE_DATA: u8 = 0x04;
const DATE_AND_TIME: u8 = 0x01;
const NUMBER: u8 = 0x02;
const NUMBER_ABSENT: u8 = 0x04;
const NAME: u8 = 0x07;
const NAME_ABSENT: u8 = 0x08;
/// As telephones show them (EN 300 659-3).
const NUMBER_MAX: usize = 20;
const NAME_MAX: usize = 50;
/// Type, length, 255 bytes, checksum.
const MESSAGE_BYTES_MAX: usize = 258;
const SEIZURE_BITS: usize = 300;
const MARK_BITS: usize = 180;
const MARKS_AFTER: usize = 10;
/// An exchange sends 80 bits at least; a receiver may wake up late.
const MARKS_MIN: u32 = 20;
