use super::{Board, Pin};
use crate::read::{Reader, Word, without_paths};
use crate::text::Name;

/// A telephone behind a SLIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fxs {
    /// What the rest of the box calls it.
    pub name: String,
    /// The part.
    pub slic: Slic,
    /// SHK, in: the loop is closed.
    pub hook: Pin,
    /// RM, out: ringing voltage instead of the battery.
    pub ring_mode: Pin,
    /// F/R, out: the loop's polarity; toggled, the ringing current.
    pub forward: Pin,
    /// Where it is heard; without, it makes no calls.
    pub sound: Option<Sound>,
}

/// Where a device is on the sound cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// As the system calls it, such as `hw:CARD=Headset`.
    pub card: String,
    /// Left is 0. Default none: the first is recorded, and all play.
    pub channel: Option<u8>,
    /// Louder or softer what comes from it, in dB. Default 0.
    pub microphone_db: i8,
    /// Louder or softer what goes to it, in dB. Default 0.
    pub speaker_db: i8,
    /// How long its echo is looked for. Default 32: a hybrid's own takes a tenth of it.
    pub echo_tail_ms: u16,
}

/// Subscriber line interface circuits that there is a driver for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slic {
    /// Silvertel Ag1171 and its pin-compatible neighbours.
    Ag1171,
}

/// A line of an exchange behind a DAA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fxo {
    /// What the rest of the box calls it.
    pub name: String,
    /// The part.
    pub daa: Daa,
    /// RI, in: pulses in time with the ringing current.
    pub ring: Pin,
    /// OH, out: closes the loop.
    pub off_hook: Pin,
    /// In: there is a voltage on the line. Without it a dead line is found by the missing dial tone.
    pub line_voltage: Option<Pin>,
    /// In: the line's polarity is reversed.
    pub reversed: Option<Pin>,
    /// Where it is heard; without, it carries no calls.
    pub sound: Option<Sound>,
}

/// Data access arrangements that there is a driver for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daa {
    /// Cermetek CH1817
    Ch1817,
}

/// A hook switch, and perhaps a ringer that makes its own melody while it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handset {
    /// What the rest of the box calls it.
    pub name: String,
    /// In: the handset is lifted.
    pub hook: Pin,
    /// Out
    pub ringer: Option<Pin>,
    /// Where it is heard; without, it makes no calls.
    pub sound: Option<Sound>,
}

/// A light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// What it is called on the case.
    pub name: String,
    /// What it tells.
    pub shows: Shows,
    /// Out
    pub pin: Pin,
}

/// What a light tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// How the box is.
    State,
    /// Whether there are calls.
    Calls,
    /// That somebody called for help: on until it is seen to, never blinking, so that a relay can follow it.
    Emergency,
}

/// A push button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it is called on the case.
    pub name: String,
    /// In: it is pressed.
    pub pin: Pin,
}

/// The relay that joins a telephone with a line when the box is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifeline {
    /// Out
    pub pin: Pin,
    /// What holds the relay.
    pub drive: Drive,
}

/// What holds a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// A voltage: it falls when the box loses power, restarts, or its program stops feeding it.
    Level,
    /// A voltage that changes all the time, through a capacitor: it falls also when the processor stands still.
    Pulse,
}

/// A watchdog outside of the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// Out
    pub pin: Pin,
    /// Between two changes of the pin. Default 250: a quarter of the shortest time-out of common parts.
    pub kick_ms: u64,
}

#[derive(Default)]
pub(super) struct Circuits {
    fxs: Vec<Fxs>,
    fxo: Vec<Fxo>,
    handsets: Vec<Handset>,
    leds: Vec<Led>,
    buttons: Vec<Button>,
    lifeline: Option<Lifeline>,
    watchdog: Option<Watchdog>,
}

impl Circuits {
    pub(super) fn read(table: &mut Reader<'_>) -> Circuits {
        Circuits {
            fxs: without_paths(table.tables("fxs", Fxs::read)),
            fxo: without_paths(table.tables("fxo", Fxo::read)),
            handsets: without_paths(table.tables("handset", Handset::read)),
            leds: without_paths(table.tables("led", Led::read)),
            buttons: without_paths(table.tables("button", Button::read)),
            lifeline: table.optional_table("lifeline", Lifeline::read),
            watchdog: table.optional_table("watchdog", Watchdog::read),
        }
    }

    /// What a board has besides its wiring; its own relay and watchdog replace the wiring's.
    pub(super) fn add(&mut self, other: Circuits) {
        self.fxs.extend(other.fxs);
        self.fxo.extend(other.fxo);
        self.handsets.extend(other.handsets);
        self.leds.extend(other.leds);
        self.buttons.extend(other.buttons);
        self.lifeline = other.lifeline.or(self.lifeline.take());
        self.watchdog = other.watchdog.or(self.watchdog.take());
    }

    pub(super) fn into_board(self, name: String, model: String, chip: Option<String>) -> Board {
        Board {
            name,
            model,
            chip,
            fxs: self.fxs,
            fxo: self.fxo,
            handsets: self.handsets,
            leds: self.leds,
            buttons: self.buttons,
            lifeline: self.lifeline,
            watchdog: self.watchdog,
        }
    }
}

impl Fxs {
    fn read(mut table: Reader<'_>) -> Option<Fxs> {
        let name = table.required::<Name>("name", "phone-1");
        let slic = table.word("slic", Slic::Ag1171);
        let hook = Pin::read(table.table("hook"));
        let ring_mode = Pin::read(table.table("ring_mode"));
        let forward = Pin::read(table.table("forward"));
        let sound = table.optional_table("sound", Sound::read);
        table.finish();
        Some(Fxs {
            name: name?.0,
            slic,
            hook: hook?,
            ring_mode: ring_mode?,
            forward: forward?,
            sound,
        })
    }
}

impl Sound {
    fn read(mut table: Reader<'_>) -> Option<Sound> {
        let card = table.required::<String>("card", "hw:0");
        let channel = table.optional_number("channel", 0..=31);
        let microphone_db = table.number("microphone_db", -30..=30, 0);
        let speaker_db = table.number("speaker_db", -30..=30, 0);
        let echo_tail_ms = table.number("echo_tail_ms", 0..=128, 32);
        table.finish();
        Some(Sound {
            card: card?,
            channel,
            microphone_db,
            speaker_db,
            echo_tail_ms,
        })
    }
}

impl Fxo {
    fn read(mut table: Reader<'_>) -> Option<Fxo> {
        let name = table.required::<Name>("name", "line-1");
        let daa = table.word("daa", Daa::Ch1817);
        let ring = Pin::read(table.table("ring"));
        let off_hook = Pin::read(table.table("off_hook"));
        let line_voltage = table.optional_table("line_voltage", Pin::read);
        let reversed = table.optional_table("reversed", Pin::read);
        let sound = table.optional_table("sound", Sound::read);
        table.finish();
        Some(Fxo {
            name: name?.0,
            daa,
            ring: ring?,
            off_hook: off_hook?,
            line_voltage,
            reversed,
            sound,
        })
    }
}

impl Handset {
    fn read(mut table: Reader<'_>) -> Option<Handset> {
        let name = table.required::<Name>("name", "handset-1");
        let hook = Pin::read(table.table("hook"));
        let ringer = table.optional_table("ringer", Pin::read);
        let sound = table.optional_table("sound", Sound::read);
        table.finish();
        Some(Handset {
            name: name?.0,
            hook: hook?,
            ringer,
            sound,
        })
    }
}

impl Led {
    fn read(mut table: Reader<'_>) -> Option<Led> {
        let name = table.required::<Name>("name", "status");
        let shows = table.word("shows", Shows::State);
        let pin = Pin::read(table.table("at"));
        table.finish();
        Some(Led {
            name: name?.0,
            shows,
            pin: pin?,
        })
    }
}

impl Button {
    fn read(mut table: Reader<'_>) -> Option<Button> {
        let name = table.required::<Name>("name", "reset");
        let pin = Pin::read(table.table("at"));
        table.finish();
        Some(Button {
            name: name?.0,
            pin: pin?,
        })
    }
}

impl Lifeline {
    fn read(mut table: Reader<'_>) -> Option<Lifeline> {
        let drive = table.word("drive", Drive::Level);
        let pin = Pin::read(table.table("at"));
        table.finish();
        Some(Lifeline { pin: pin?, drive })
    }
}

impl Watchdog {
    fn read(mut table: Reader<'_>) -> Option<Watchdog> {
        let kick_ms = table.number("kick_ms", 10..=10_000, 250);
        let pin = Pin::read(table.table("at"));
        table.finish();
        Some(Watchdog { pin: pin?, kick_ms })
    }
}

impl Word for Slic {
    const WORDS: &'static [(&'static str, Slic)] = &[("ag1171", Slic::Ag1171)];
}

impl Word for Daa {
    const WORDS: &'static [(&'static str, Daa)] = &[("ch1817", Daa::Ch1817)];
}

impl Word for Shows {
    const WORDS: &'static [(&'static str, Shows)] = &[
        ("state", Shows::State),
        ("calls", Shows::Calls),
        ("emergency", Shows::Emergency),
    ];
}

impl Word for Drive {
    const WORDS: &'static [(&'static str, Drive)] = &[("level", Drive::Level), ("pulse", Drive::Pulse)];
}
