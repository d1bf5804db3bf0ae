//! `branchline ladder`

use std::cmp::Reverse;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::{Done, Fault};
use crate::file;
use crate::ladder::Play;

/// Longest file of a flow.
const BYTES_MAX: u64 = 256 * 1024;
/// Flows played side by side, each with a daemon of its own; they mostly wait.
const AT_ONCE: usize = 16;

/// `ladder`
#[derive(Debug, Args)]
pub(crate) struct Ladder {
    /// Leave out flows that wait longer than this, in seconds
    #[arg(long, value_name = "SECONDS")]
    longest: Option<u64>,
    /// Files with a flow each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(command: &Ladder, out: &mut dyn Write) -> Done {
    let longest = command.longest.map_or(Duration::MAX, Duration::from_secs);
    let mut plays = Vec::new();
    let mut failed = 0;
    for path in &command.files {
        let name = path.display().to_string();
        match Play::read(&name, &file::read_text(path, BYTES_MAX)?) {
            Ok(play) if play.lasts() > longest => {
                writeln!(out, "left out: {name} lasts {} s", play.lasts().as_secs())?;
            }
            Ok(play) => plays.push(play),
            Err(fault) => {
                failed += 1;
                writeln!(out, "failed: {fault}")?;
            }
        }
    }
    failed += play_all(&plays, out)?;
    match failed {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Fault::Other(format!(
            "{failed} of {} flows went otherwise",
            command.files.len()
        ))),
    }
}

/// Plays them, the longest first, and tells of each when it ends; how many failed.
fn play_all(plays: &[Play], out: &mut dyn Write) -> io::Result<usize> {
    let mut plays: Vec<&Play> = plays.iter().collect();
    plays.sort_by_key(|play| Reverse(play.lasts()));
    let next = AtomicUsize::new(0);
    let (told, ended) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(plays.len()) {
            let (told, next, plays) = (told.clone(), &next, &plays);
            scope.spawn(move || {
                while let Some(play) = plays.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more when the terminal is gone.
                    let _ = told.send((play.file(), play.run()));
                }
            });
        }
        drop(told);
        let mut failed = 0;
        for (file, played) in ended {
            match played {
                Ok(()) => writeln!(out, "passed: {file}")?,
                Err(fault) => {
                    failed += 1;
                    writeln!(out, "failed: {fault}")?;
                }
            }
            out.flush()?;
        }
        Ok(failed)
    })
}
