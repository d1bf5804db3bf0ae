//! `branchline-bench`: what the box costs, side by side with other programs, in one run.
//!
//! `branchline-bench [--only register,calls,relay,memory,parse,flood] [--runs N] [--page FILE]` prints one table, and
//! writes it with machine, versions and command to the page when all of it was measured.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod accounts;
mod clock;
mod load;
mod loopback;
mod machine;
mod measure;
mod program;
mod report;
mod servers;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use loopback::Loopback;
use measure::{Bench, Kind};
use report::Row;

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("branchline-bench: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Done<()> {
    let wanted = Wanted::read(std::env::args().skip(1))?;
    program::keep_off_the_server_core()?;
    let folder = std::env::temp_dir().join(format!("branchline-bench-{}", std::process::id()));
    let bench = Bench {
        loopback: Loopback::claim()?,
        folder: folder.clone(),
        runs: wanted.runs,
    };
    let load_before = machine::load_average();
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for (name, kind) in &wanted.kinds {
        eprintln!("measuring: {name}");
        match kind.measure(&bench) {
            Ok(measured) => rows.extend(measured),
            Err(fault) => {
                eprintln!("{name}: {fault}");
                faults.push(format!("{name}: {fault}"));
            }
        }
    }
    // By letter; measured in another order.
    rows.sort_by_key(|row: &Row| row.what.chars().nth(1));
    let table = report::table(&rows);
    println!("\n{table}");
    if !faults.is_empty() {
        return Err(format!("not measured, logs are in {}:\n{}", folder.display(), faults.join("\n")).into());
    }
    std::fs::remove_dir_all(&folder).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    if wanted.kinds.len() == Kind::ALL.len() {
        let page = page(&table, &rows, (wanted.runs, &load_before));
        std::fs::create_dir_all(wanted.page.parent().unwrap_or(&PathBuf::new()))?;
        std::fs::write(&wanted.page, page)?;
        println!("written to {}", wanted.page.display());
    }
    Ok(())
}

struct Wanted {
    kinds: Vec<(&'static str, Kind)>,
    runs: usize,
    page: PathBuf,
}

impl Wanted {
    fn read(mut arguments: impl Iterator<Item = String>) -> Done<Wanted> {
        let mut wanted = Wanted {
            kinds: Kind::ALL.to_vec(),
            runs: 5,
            page: "docs/benchmarks.md".into(),
        };
        while let Some(option) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{option} needs a value; {USAGE}"))?;
            match option.as_str() {
                "--only" => wanted.kinds = kinds(&value)?,
                "--runs" => wanted.runs = value.parse()?,
                "--page" => wanted.page = value.into(),
                _ => return Err(format!("{option} is unknown; {USAGE}").into()),
            }
        }
        Ok(wanted)
    }
}

fn kinds(names: &str) -> Done<Vec<(&'static str, Kind)>> {
    let of = |name: &str| {
        let known = Kind::ALL.iter().find(|(known, _)| *known == name);
        known
            .copied()
            .ok_or_else(|| format!("{name} is unknown; {USAGE}").into())
    };
    names.split(',').map(of).collect()
}

fn page(table: &str, rows: &[Row], (runs, load): (usize, &str)) -> String {
    let versions = [
        servers::version("branchline", "--version"),
        servers::version("kamailio", "-v"),
        format!("rtpengine {}", servers::version("rtpengine", "--version")),
        format!("rsip {}", machine::crate_version("rsip")),
        format!("rsipstack {}", machine::crate_version("rsipstack")),
        format!("ezk-sip-types {}", machine::crate_version("ezk-sip-types")),
    ];
    format!(
        "# Benchmarks\n\nWritten by `make bench`: {} figures, each the median of {runs} runs where more than one is taken.\n\n\
         - Machine: {}; load average at the start {load}\n- Versions: {}\n\n{table}\n{}",
        rows.len(),
        machine::description(),
        versions.join("; "),
        include_str!("notes.md")
    )
}

const USAGE: &str = "usage: branchline-bench [--only register,calls,relay,memory,parse,flood] [--runs N] [--page FILE]";
