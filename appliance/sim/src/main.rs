//! The simulator: many random branches, or one of them again.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use branchline_sim::{Coverage, Outcome, run};

const USAGE: &str = "branchline-sim [--seeds COUNT] [--seed FIRST] [--verbose]\n\
    --seeds COUNT  runs, each with its own seed [default: 20000, or 1 with --seed]\n\
    --seed FIRST   the first seed [default: 1]\n\
    --verbose      print the whole trace of what fails, or of the one run\n";

/// Lines of the trace that a failure shows.
const SHOWN: usize = 60;
const FAILURES_SHOWN: usize = 5;
const SEEDS: u64 = 20_000;
/// So many runs go everywhere; with less, chance leaves gaps.
const SEEDS_THAT_COVER: u64 = 2000;

struct Wanted {
    first: u64,
    count: u64,
    verbose: bool,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let wanted = match wanted(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(fault) => {
            let _ = write!(std::io::stderr(), "branchline-sim: {fault}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let (failed, coverage) = play(&wanted, &mut out);
    let gaps = if wanted.count < SEEDS_THAT_COVER {
        Vec::new()
    } else {
        coverage.missing()
    };
    let _ = write!(out, "\n{coverage}");
    for (edge, situation) in &gaps {
        let _ = writeln!(out, "never walked with a call {situation:?}: {edge}");
    }
    let _ = writeln!(
        out,
        "{} passed, {failed} failed",
        wanted.count - failed.min(wanted.count)
    );
    if failed == 0 && gaps.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn wanted(mut args: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        first: 1,
        count: 0,
        verbose: false,
    };
    let mut seeded = false;
    while let Some(arg) = args.next() {
        let mut number = || -> Result<u64, String> {
            let text = args.next().ok_or_else(|| format!("{arg} wants a number"))?;
            text.parse().map_err(|_| format!("{arg} {text}: not a number"))
        };
        match arg.as_str() {
            "--seeds" => wanted.count = number()?,
            "--seed" => {
                wanted.first = number()?;
                seeded = true;
            }
            "--verbose" => wanted.verbose = true,
            other => return Err(format!("{other}: unknown")),
        }
    }
    if wanted.count == 0 {
        wanted.count = if seeded { 1 } else { SEEDS };
    }
    Ok(wanted)
}

fn play(wanted: &Wanted, out: &mut (impl Write + Send)) -> (u64, Coverage) {
    let (next, done, answered) = (AtomicU64::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let failed = AtomicU64::new(0);
    let out = Mutex::new(out);
    let coverage = Mutex::new(Coverage::default());
    let lines = if wanted.verbose { usize::MAX } else { SHOWN };
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= wanted.count {
                return;
            }
            let outcome = run(wanted.first.wrapping_add(at));
            answered.fetch_add(outcome.answered, Ordering::Relaxed);
            if let Ok(mut coverage) = coverage.lock() {
                coverage.add(&outcome.coverage);
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let Ok(mut out) = out.lock() else { return };
            let is_new = !outcome.faults.is_empty() && failed.fetch_add(1, Ordering::Relaxed) < FAILURES_SHOWN as u64;
            if !outcome.faults.is_empty() && !is_new {
                let first = outcome.faults.first().map_or("", String::as_str);
                let _ = writeln!(out, "seed {} failed {first}", outcome.seed);
            }
            if is_new || (wanted.verbose && wanted.count == 1) {
                // Nothing is left to do when standard output is gone.
                let _ = show(&mut **out, &outcome, lines);
            }
            if done.is_multiple_of(1000) {
                let answered = answered.load(Ordering::Relaxed);
                let _ = writeln!(out, "{done} of {} seeds, {answered} answered calls", wanted.count);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let coverage = coverage.into_inner().unwrap_or_default();
    (failed.load(Ordering::Relaxed), coverage)
}

fn show(out: &mut impl Write, outcome: &Outcome, lines: usize) -> std::io::Result<()> {
    let Outcome {
        seed, faults, trace, ..
    } = outcome;
    if faults.is_empty() {
        writeln!(out, "seed {seed} passed, trace {:016x}", outcome.trace_hash)?;
    } else {
        writeln!(out, "\nseed {seed} failed at commit {}:", commit())?;
    }
    for fault in faults {
        writeln!(out, "  {fault}")?;
    }
    let skipped = trace.len().saturating_sub(lines);
    for line in trace.iter().skip(skipped) {
        writeln!(out, "  | {line}")?;
    }
    writeln!(
        out,
        "again: cargo run --release --package branchline-sim -- --seed {seed} --verbose\n"
    )
}

fn commit() -> String {
    let asked = std::process::Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    let told = asked.ok().filter(|output| output.status.success());
    told.map_or("unknown".to_owned(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}
