//! When a number that is dialled digit by digit is whole.

use crate::dialled::Dialled;
use crate::emergency::emergency_number;
use crate::tables::Tables;

/// How much of a number has been dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialling {
    /// All of it: nothing that begins so is longer.
    Complete,
    /// Perhaps all, perhaps not: only a pause tells.
    Open,
}

/// Whether digits dialled so far are a whole number. An emergency number is, whatever else begins like it.
pub fn dialling(digits: &str, tables: &Tables) -> Dialling {
    let is_ended = digits.len() > 1 && digits.ends_with('#') && !digits.starts_with('*');
    if is_ended || emergency_number(digits, tables).is_some() {
        return Dialling::Complete;
    }
    let Some(dialled) = Dialled::new(digits) else {
        return Dialling::Open;
    };
    let number = dialled.bare();
    let is_test = tables.emergency().test_number.as_deref() == Some(number);
    let leads_outside = tables.outside_prefix().is_some_and(|prefix| number.starts_with(prefix));
    match (is_test || tables.extension(number).is_some(), leads_outside) {
        (true, false) if !tables.has_longer_extension(number) => Dialling::Complete,
        (true | false, true | false) => Dialling::Open,
    }
}
