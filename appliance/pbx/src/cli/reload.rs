//! `branchline reload`, and the reload that follows an edit.

use std::io::{self, Write};
use std::process::ExitCode;

use super::Done;
use crate::control::client::{Client, Unreachable};
use crate::control::protocol::Request;
use crate::place::Place;

pub(crate) fn run(place: &Place, out: &mut dyn Write) -> Done {
    let text = Client::connect(&place.control_socket())?.command(&Request::Reload)?;
    writeln!(out, "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// Tells a running daemon that the file has changed; one that does not run reads it when it starts.
pub(crate) fn after_edit(place: &Place, out: &mut dyn Write) -> io::Result<()> {
    let told = Client::connect(&place.control_socket()).and_then(|mut client| client.command(&Request::Reload));
    match told {
        // What it could not take at once is as good to know as what it has taken.
        Ok(text) => writeln!(out, "The running branchline says: {text}"),
        Err(Unreachable::NotRunning) => writeln!(out, "branchline is not running; it counts from the next start."),
        Err(fault) => writeln!(
            out,
            "The file is written, but the running branchline has not taken it: {fault}"
        ),
    }
}
