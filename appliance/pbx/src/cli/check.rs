//! `branchline check`

use std::io::Write;
use std::process::ExitCode;

use branchline_config::Config;

use super::{Done, read_text};
use crate::board;
use crate::invocation::Invocation;
use crate::place::Place;

pub(crate) fn run(place: &Place, out: &mut dyn Write) -> Done {
    let text = read_text(place)?;
    let name = place.config.display().to_string();
    let config = match Config::parse(&name, &text) {
        Ok(config) => config,
        Err(faults) => {
            let invocation = Invocation::of(place);
            for fault in &faults {
                writeln!(out, "{}", invocation.spell(&fault.to_string()))?;
            }
            let count = faults.len();
            writeln!(
                out,
                "{count} {} to correct",
                if count == 1 { "fault" } else { "faults" }
            )?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let missing: Vec<String> = [&config.sip.tls_certificate, &config.sip.tls_key]
        .into_iter()
        .flatten()
        .filter_map(|path| {
            std::fs::File::open(path)
                .err()
                .map(|error| format!("{}: {error}", path.display()))
        })
        .collect();
    if !missing.is_empty() {
        writeln!(
            out,
            "{name}: the text is right, but these files cannot be read:\n{}",
            missing.join("\n")
        )?;
        return Ok(ExitCode::FAILURE);
    }
    if let Some(Err(faults)) = config.board.as_ref().map(board::choose) {
        for fault in faults {
            writeln!(out, "{fault}")?;
        }
        return Ok(ExitCode::FAILURE);
    }
    let (extensions, trunks) = (config.extensions.len(), config.trunks.len());
    writeln!(out, "{name}: no faults ({extensions} extensions, {trunks} trunks)")?;
    Ok(ExitCode::SUCCESS)
}
