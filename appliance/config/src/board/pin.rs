use crate::fault::{Place, Wrong};
use crate::read::{Reader, Word};

/// One line of a GPIO chip, `{ pin = 17, active = "low", bias = "pull-up" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Label, name or path of its chip; default the board's.
    pub chip: Option<String>,
    /// Its number on the chip, from 0.
    pub offset: u32,
    /// Which voltage means yes. Default high.
    pub active: Active,
    /// Resistor to switch on. Default as the hardware has it.
    pub bias: Bias,
    /// Where it is written.
    pub place: Place,
}

/// The voltage that means yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// Supply
    High,
    /// Ground
    Low,
}

/// A resistor in the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Left alone
    AsIs,
    /// None
    Off,
    /// To the supply
    PullUp,
    /// To ground
    PullDown,
}

/// No chip has more; the largest of a Raspberry Pi has 58.
const OFFSET_MAX: u32 = 1023;

impl Pin {
    pub(super) fn read(mut table: Reader<'_>) -> Option<Pin> {
        let offset = table.optional_number("pin", 0..=OFFSET_MAX);
        if !table.has("pin") {
            table.wrong("pin", Wrong::new("is missing", "write { pin = 17 }"));
        }
        let chip = table.optional("chip");
        let active = table.word("active", Active::High);
        let bias = table.word("bias", Bias::AsIs);
        let place = table.place();
        table.finish();
        Some(Pin {
            chip,
            offset: offset?,
            active,
            bias,
            place,
        })
    }
}

impl Word for Active {
    const WORDS: &'static [(&'static str, Active)] = &[("high", Active::High), ("low", Active::Low)];
}

impl Word for Bias {
    const WORDS: &'static [(&'static str, Bias)] = &[
        ("as-is", Bias::AsIs),
        ("off", Bias::Off),
        ("pull-up", Bias::PullUp),
        ("pull-down", Bias::PullDown),
    ];
}
