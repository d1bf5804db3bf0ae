use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::{DialString, Name};
use crate::{Kind, Pattern};

/// `[[route]]`: which trunks an outside number takes. The first that fits is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Numbers meant. Default none: all.
    pub pattern: Option<Pattern>,
    /// Kinds meant. Default empty: all.
    pub kinds: Vec<Kind>,
    /// Trunks by name in the order they are tried. Default empty: all, by priority and weight.
    pub trunks: Vec<String>,
    /// Digits cut off the front of the number in the trunk's form, a + not counted. Default 0.
    pub strip: u8,
    /// Put in front after `strip`. Default empty.
    pub prefix: String,
}

impl Route {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Route> {
        let named = table.list::<Name>("trunks");
        if table.is_empty_list("trunks") {
            table.wrong(
                "trunks",
                Wrong::new("is empty", "name a trunk, or remove the line to use all"),
            );
        }
        let route = Route {
            pattern: table.optional("pattern"),
            kinds: table.list("kinds").unwrap_or_default(),
            trunks: named.unwrap_or_default().into_iter().map(|name| name.0).collect(),
            strip: table.number("strip", 0..=15, 0),
            prefix: table.or("prefix", DialString(String::new())).0,
        };
        if let Some(at) = route.kinds.iter().position(|kind| *kind == Kind::Internal) {
            table.wrong(
                &format!("kinds[{at}]"),
                Wrong::new("internal calls take no trunk", "remove it"),
            );
        }
        table.finish();
        Some(route)
    }
}
