//! The boards that are built in, one file each.

use branchline_config::Fault;
use branchline_config::board::{Board, Source};

/// Every built-in board.
pub const BOARDS: &[Source<'_>] = &[
    source("boards/generic.toml", include_str!("../boards/generic.toml")),
    source("boards/qemu-virt.toml", include_str!("../boards/qemu-virt.toml")),
    source("boards/rpi3.toml", include_str!("../boards/rpi3.toml")),
    source("boards/rpi4.toml", include_str!("../boards/rpi4.toml")),
    source("boards/rpi5.toml", include_str!("../boards/rpi5.toml")),
];

const WIRINGS: &[Source<'_>] = &[source(
    "boards/wiring/header40.toml",
    include_str!("../boards/wiring/header40.toml"),
)];

const fn source(file: &'static str, text: &'static str) -> Source<'static> {
    Source { file, text }
}

/// The built-in board of this name; `None` when there is none.
#[must_use]
pub fn built_in(name: &str) -> Option<Result<Board, Vec<Fault>>> {
    let path = format!("boards/{name}.toml");
    let source = BOARDS.iter().find(|source| source.file == path)?;
    Some(parse(*source))
}

/// A board's file of the site's own; it may name a built-in wiring.
pub fn parse(source: Source<'_>) -> Result<Board, Vec<Fault>> {
    Board::parse(source, WIRINGS)
}
