use std::path::{Path, PathBuf};

use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::Name;
use crate::{Class, Kind, Rule};

/// `[storage]`: where the journal goes first, and what may be dialled while the call database fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// First home of the journal, best on a disk of its own. Default none: the state directory alone.
    pub spool: Option<PathBuf>,
    /// Class of service that every extension is held to besides its own while the call database fails. Default none:
    /// everything but premium and international numbers.
    pub class_while_degraded: Option<String>,
}

impl Storage {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Storage> {
        let storage = Storage {
            spool: table.optional::<String>("spool").map(PathBuf::from),
            class_while_degraded: table.optional::<Name>("class_while_degraded").map(|name| name.0),
        };
        if storage.spool.as_deref().is_some_and(Path::is_relative) {
            let fix = "write the whole path, such as \"/media/spool/branchline\"";
            table.wrong("spool", Wrong::new("is not a path from the root", fix));
        }
        table.finish();
        Some(storage)
    }

    /// The class of boxes that name none: fraud is not noticed as soon as otherwise, so what costs most waits.
    pub(crate) fn built_in_class() -> Class {
        let allow = Kind::ALL.into_iter().filter(|kind| match kind {
            Kind::Internal
            | Kind::Local
            | Kind::National
            | Kind::Mobile
            | Kind::TollFree
            | Kind::SharedCost
            | Kind::Service => true,
            Kind::International | Kind::Premium => false,
        });
        Class {
            name: String::new(),
            allow: allow.map(Rule::Kind).collect(),
            deny: Vec::new(),
        }
    }
}
