//! The commands, one file each. They print for people; `--json` where a program may want to read along.

mod board;
mod calls;
mod check;
mod database;
mod doctor;
mod drill;
mod emergency;
mod extension;
mod ladder;
mod page_password;
mod phones;
mod release;
mod reload;
mod run;
mod table;
mod trace;
mod unban;
mod update;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use branchline_config::Config;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::control::client::Unreachable;
use crate::file::{self, FileFault};
use crate::first_start::SetUpFault;
use crate::invocation::Invocation;
use crate::place::Place;
use crate::version;

/// Telephone system of a branch office.
#[derive(Debug, Parser)]
#[command(name = "branchline", version = version::own(), arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// Configuration file [default: branchline.toml in the state directory]
    #[arg(long, global = true, value_name = "FILE", env = "BRANCHLINE_CONFIG")]
    config: Option<PathBuf>,
    /// State directory [default: /var/lib/branchline for root, ~/.local/state/branchline for others]
    #[arg(long, global = true, value_name = "DIR", env = "BRANCHLINE_STATE")]
    state: Option<PathBuf>,
    /// First home of the journal and of copies of the configuration, unless the configuration names one
    #[arg(long, global = true, value_name = "DIR", env = "BRANCHLINE_SPOOL")]
    spool: Option<PathBuf>,
    /// Versions of this program [default: beside the state directory, its name with -versions]
    #[arg(long, global = true, value_name = "DIR", env = "BRANCHLINE_VERSIONS")]
    versions: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the box; the first start sets everything up and shows the passwords once
    Run,
    /// Serve what is wired to the box: lights, buttons, analog telephones and lines
    Board(board::Board),
    /// Check the configuration: every fault with its line, field and fix
    Check,
    /// Add, list or remove extensions, or give one a new password
    #[command(subcommand)]
    Extension(extension::Extension),
    /// Emergency calls: what each phone would do
    #[command(subcommand)]
    Emergency(emergency::Emergency),
    /// Who is registered, and from where
    Phones(phones::Phones),
    /// Calls in progress, or past ones
    Calls(calls::Calls),
    /// Watch SIP messages as they pass
    Trace(trace::Trace),
    /// How the call database is; bypass it, or use it again
    Database {
        #[command(subcommand)]
        command: Option<database::Database>,
    },
    /// Make a part of the running box fail for a while, and see what becomes of its calls
    #[command(subcommand)]
    Drill(drill::Drill),
    /// Look for what is wrong with this box, and how to fix it
    Doctor,
    /// Play call flows against a box of their own, with telephones on the loopback
    Ladder(ladder::Ladder),
    /// Let an address in that was shut out; without one, list who is
    Unban(unban::Unban),
    /// Make the running box read its configuration again; calls go on
    Reload,
    /// Make a new password for the local page
    PagePassword,
    /// Look for, install or take back new versions
    Update {
        #[command(subcommand)]
        command: Option<update::Update>,
    },
    /// For makers of releases: keys, archives and signed manifests
    #[command(subcommand)]
    Release(release::Release),
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    File(#[from] FileFault),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    SetUp(#[from] SetUpFault),
    #[error(transparent)]
    Update(#[from] crate::update::UpdateFault),
    #[error(transparent)]
    Run(#[from] crate::run::RunFault),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<branchline_config::Fault>),
    #[error("{0}")]
    Other(String),
}

/// What a command leaves for the shell.
type Done = Result<ExitCode, Fault>;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let place = Place::new(cli.place.config, cli.place.state)
        .with_spool(cli.place.spool)
        .with_versions(cli.place.versions);
    // What changes versions is never the version on trial.
    if !matches!(cli.command, Command::Update { .. } | Command::Release(_)) {
        crate::update::start_current(&place);
    }
    let mut out = io::stdout().lock();
    let done = match cli.command {
        Command::Run => {
            drop(out);
            return report(&place, run::run(&place));
        }
        Command::Board(command) => {
            drop(out);
            return report(&place, board::run(&place, command));
        }
        Command::Check => check::run(&place, &mut out),
        Command::Extension(command) => extension::run(&place, &command, &mut out),
        Command::Emergency(command) => emergency::run(&place, &command, &mut out),
        Command::Phones(command) => phones::run(&place, &command, &mut out),
        Command::Calls(command) => calls::run(&place, &command, &mut out),
        Command::Trace(command) => trace::run(&place, &command, &mut out),
        Command::Database { command } => database::run(&place, &command.unwrap_or_default(), &mut out),
        Command::Drill(command) => drill::run(&place, &command, &mut out),
        Command::Doctor => doctor::run(&place, &mut out),
        Command::Ladder(command) => ladder::run(&command, &mut out),
        Command::Unban(command) => unban::run(&place, &command, &mut out),
        Command::Reload => reload::run(&place, &mut out),
        Command::PagePassword => page_password::run(&place, &mut out),
        Command::Update { command } => update::run(&place, &command.unwrap_or_default(), &mut out),
        Command::Release(command) => release::run(&command, &mut out),
    };
    let done = done.and_then(|code| out.flush().map(|()| code).map_err(Fault::from));
    drop(out);
    report(&place, done)
}

/// The words that may follow the program's name.
pub(crate) fn commands() -> Vec<String> {
    let command = Cli::command();
    command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect()
}

fn report(place: &Place, done: Done) -> ExitCode {
    match done {
        Ok(code) => code,
        // `branchline phones | head` is no fault.
        Err(Fault::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => {
            // Nothing is left to do when standard error is gone.
            let text = Invocation::of(place).spell(&fault.to_string());
            let _ = writeln!(io::stderr(), "branchline: {text}");
            ExitCode::FAILURE
        }
    }
}

fn read_text(place: &Place) -> Result<String, Fault> {
    let bytes_max = u64::try_from(branchline_config::TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    file::read_text(&place.config, bytes_max).map_err(|fault| match fault.is_absent() {
        true => Fault::Other(format!(
            "there is no configuration at {}; `branchline run` makes one, --config or --state names another",
            place.config.display()
        )),
        false => Fault::File(fault),
    })
}

fn read_config(place: &Place) -> Result<Config, Fault> {
    let text = read_text(place)?;
    Config::parse(&place.config.display().to_string(), &text).map_err(Fault::Config)
}

/// Text that came from the network or a file, made safe for a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
