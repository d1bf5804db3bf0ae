use crate::read::Reader;
use crate::text::{Digits, Name};

/// `[emergency]`: besides the numbers of the country, which are always there.
#[derive(Clone, Debug, PartialEq)]
pub struct Emergency {
    /// Further numbers, sent as they are. Default none.
    pub numbers: Vec<String>,
    /// Trunks by name in the order they are tried; the others follow. Default empty: all, by priority.
    pub trunks: Vec<String>,
    /// Number that the operator can call back. Default none: the caller's own or the trunk's.
    pub callback: Option<String>,
    /// Number that plays back what is said, to test the path without calling an operator. Default none.
    pub test_number: Option<String>,
}

impl Emergency {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Emergency> {
        let digits = |list: Vec<Digits>| list.into_iter().map(|digits| digits.0).collect();
        let emergency = Emergency {
            numbers: table.list("numbers").map(digits).unwrap_or_default(),
            trunks: table
                .list::<Name>("trunks")
                .unwrap_or_default()
                .into_iter()
                .map(|name| name.0)
                .collect(),
            callback: table.optional::<Digits>("callback").map(|digits| digits.0),
            test_number: table.optional::<Digits>("test_number").map(|digits| digits.0),
        };
        table.finish();
        Some(emergency)
    }
}
