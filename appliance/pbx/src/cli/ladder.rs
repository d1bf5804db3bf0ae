//! `branchline ladder`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Done, Fault};
use crate::file;
use crate::ladder;

/// Longest file of a flow.
const BYTES_MAX: u64 = 256 * 1024;

/// `ladder`
#[derive(Debug, Args)]
pub(crate) struct Ladder {
    /// Files with a flow each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(command: &Ladder, out: &mut dyn Write) -> Done {
    let mut failed = 0;
    for path in &command.files {
        let name = path.display().to_string();
        let text = file::read_text(path, BYTES_MAX)?;
        match ladder::play(&name, &text) {
            Ok(()) => writeln!(out, "passed: {name}")?,
            Err(fault) => {
                failed += 1;
                writeln!(out, "failed: {fault}")?;
            }
        }
        out.flush()?;
    }
    match failed {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Fault::Other(format!(
            "{failed} of {} flows went otherwise",
            command.files.len()
        ))),
    }
}
