//! `branchline doctor`: looks at everything a call needs and says how to mend what is wrong.

mod files;
mod network;
mod running;

use std::io::{self, Write};
use std::process::ExitCode;

use branchline_branch::view::View;
use branchline_config::Config;

use super::{Done, printable};
use crate::clock;
use crate::control::client::{Client, Unreachable};
use crate::invocation::Invocation;
use crate::place::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    Warning,
    Failure,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    area: &'static str,
    grade: Grade,
    text: String,
    /// What to do; empty when nothing is.
    fix: String,
}

impl Finding {
    fn good(area: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            area,
            grade: Grade::Good,
            text: text.into(),
            fix: String::new(),
        }
    }

    fn warning(area: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            area,
            grade: Grade::Warning,
            text: text.into(),
            fix: fix.into(),
        }
    }

    fn failure(area: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            area,
            grade: Grade::Failure,
            text: text.into(),
            fix: fix.into(),
        }
    }
}

pub(crate) fn run(place: &Place, out: &mut dyn Write) -> Done {
    let (config, mut findings) = files::configuration(place);
    findings.extend(files::files(place));
    let answer = Client::connect(&place.control_socket()).and_then(|mut client| client.view());
    findings.push(daemon(&answer));
    let view = answer.as_ref().ok();
    findings.push(running::time(view, clock::utc_ms()));
    findings.push(files::disk(place));
    findings.push(files::version(place));
    if let Some(config) = &config {
        findings.extend(of_configuration(place, config, &answer));
    }
    if let Some(view) = view {
        findings.extend(running::running(view));
        if let (Some(config), None) = (&config, &view.board)
            && config.board.is_some()
        {
            let fix = "start its program: systemctl enable --now branchline-board";
            findings.push(Finding::warning(
                "board",
                "nobody serves the board that [board] names",
                fix,
            ));
        }
    }
    let invocation = Invocation::of(place);
    for finding in &mut findings {
        finding.text = invocation.spell(&finding.text);
        finding.fix = invocation.spell(&finding.fix);
    }
    write_findings(&findings, out)?;
    Ok(exit(&findings))
}

fn of_configuration(place: &Place, config: &Config, answer: &Result<View, Unreachable>) -> Vec<Finding> {
    let mut findings = vec![
        files::certificate(place, config, clock::utc_ms()),
        files::page_password(place, config),
    ];
    findings.extend(files::webhook_authorities(config));
    // A running daemon holds its own ports, so only a stopped one's can be tried.
    if let Err(Unreachable::NotRunning) = answer {
        findings.extend(network::ports(config));
    }
    findings.extend(network::names(config));
    findings
}

fn daemon(answer: &Result<View, Unreachable>) -> Finding {
    match answer {
        Ok(view) => Finding::good("daemon", format!("running for {}", clock::duration_text(view.up_ms))),
        Err(Unreachable::NotRunning) => {
            let fix = "start it: systemctl start branchline, or branchline run";
            Finding::warning("daemon", "branchline is not running", fix)
        }
        Err(fault @ Unreachable::Forbidden) => {
            Finding::failure("daemon", fault.to_string(), "run: sudo branchline doctor")
        }
        Err(fault @ (Unreachable::Silent(_) | Unreachable::Stranger | Unreachable::Refused(_))) => {
            Finding::failure("daemon", fault.to_string(), "restart it: systemctl restart branchline")
        }
    }
}

fn write_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let grade = match finding.grade {
            Grade::Good => "ok  ",
            Grade::Warning => "WARN",
            Grade::Failure => "FAIL",
        };
        writeln!(out, "{grade}  {:<12}  {}", finding.area, printable(&finding.text))?;
        if !finding.fix.is_empty() {
            writeln!(out, "      {:<12}  fix: {}", "", printable(&finding.fix))?;
        }
    }
    let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    match (count(Grade::Failure), count(Grade::Warning)) {
        (0, 0) => writeln!(out, "\nNothing is wrong."),
        (0, warnings) => writeln!(out, "\nNothing is broken; {warnings} to look at."),
        (failures, warnings) => writeln!(out, "\n{failures} to mend, {warnings} to look at."),
    }
}

fn exit(findings: &[Finding]) -> ExitCode {
    match findings.iter().any(|finding| finding.grade == Grade::Failure) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_that_is_not_good_comes_with_its_fix() {
        let findings = [
            Finding::good("disk", "much space"),
            Finding::warning("time", "not known", "install a time service"),
            Finding::failure("ports", "taken", "free it"),
        ];
        let mut out = Vec::new();
        write_findings(&findings, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "\
ok    disk          much space
WARN  time          not known
                    fix: install a time service
FAIL  ports         taken
                    fix: free it

1 to mend, 1 to look at.
";
        assert_eq!(text, expected);
    }
}
