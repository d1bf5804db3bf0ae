//! The `branchline` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    branchline_pbx::cli::main()
}
