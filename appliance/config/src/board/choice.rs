use std::path::{Path, PathBuf};

use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::Name;

/// `[board]`: what is wired to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `name`: one of the boards that the program knows.
    BuiltIn(String),
    /// `file`: a description of the site's own.
    File(PathBuf),
}

impl Choice {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Choice> {
        let name = table.optional::<Name>("name").map(|name| name.0);
        let file = table.optional::<String>("file").map(PathBuf::from);
        if file.as_deref().is_some_and(Path::is_relative) {
            let fix = "write the whole path, such as \"/etc/branchline/board.toml\"";
            table.wrong("file", Wrong::new("is not a path from the root", fix));
        }
        let choice = match (name, file) {
            (Some(name), None) => Some(Choice::BuiltIn(name)),
            (None, Some(file)) => Some(Choice::File(file)),
            (Some(_), Some(_)) => {
                let problem = "says the same as name";
                table.wrong("file", Wrong::new(problem, "leave one of the two out"));
                None
            }
            (None, None) => {
                if !table.has("name") && !table.has("file") {
                    table.wrong("name", Wrong::new("is missing", "add name = \"rpi4\", or file = \"…\""));
                }
                None
            }
        };
        table.finish();
        choice
    }
}
