//! What the daemon says of itself, where it runs, and the clock.

use std::path::Path;

use branchline_branch::view::{BoardView, HostedView, View};

use super::Finding;

/// 2025-01-01: no box of ours is older, so an earlier clock is wrong.
const OLDEST_UTC_MS: i64 = 1_735_689_600_000;

pub(super) fn time(view: Option<&View>, utc_ms: i64) -> Finding {
    let fix = "install a time service (apt install systemd-timesyncd) and let the box reach it";
    if utc_ms < OLDEST_UTC_MS {
        return Finding::failure("time", "the clock is years behind; TLS and records need the time", fix);
    }
    match view {
        Some(view) if !view.health.clock_trusted => {
            Finding::warning("time", "the clock has not been set from a time source yet", fix)
        }
        Some(_) => Finding::good("time", "the clock is trusted"),
        None if Path::new("/run/systemd/timesync/synchronized").exists() => {
            Finding::good("time", "the clock is set from a time source")
        }
        None => Finding::good(
            "time",
            "the clock is plausible; a running branchline knows whether it is trusted",
        ),
    }
}

pub(super) fn running(view: &View) -> Vec<Finding> {
    let mut findings = Vec::new();
    let health = &view.health;
    if !matches!(health.database.as_str(), "normal" | "") {
        let text = match view.storage.reason.as_str() {
            "" => format!("{}: records wait in the journal", health.database),
            reason => format!("{}: {reason}; the journal keeps every call", health.database),
        };
        findings.push(Finding::warning(
            "database",
            text,
            "check the disk and the log: journalctl -u branchline; then branchline database status",
        ));
    }
    for home in view.storage.homes.iter().filter(|home| !home.fault.is_empty()) {
        let text = format!("{} is not used: {}", home.directory, home.fault);
        findings.push(Finding::warning(
            "journal",
            text,
            "mend or free that disk; the box tries it again by itself",
        ));
    }
    if let Some(percent) = view.storage.filling_percent() {
        findings.push(Finding::warning(
            "journal",
            format!(
                "{percent} % full of what the call database has not taken; beyond that, records are in memory only"
            ),
            "see to the call database: branchline database status",
        ));
    }
    findings.extend(configuration(view));
    if health.ports_free == 0 && view.up_ms > 0 {
        let fix = "widen media.port_min to media.port_max";
        findings.push(Finding::failure(
            "media",
            "no media port is free: new calls have no audio",
            fix,
        ));
    }
    if health.overloaded {
        let fix = "look for a phone or a scanner that sends too much: branchline trace";
        findings.push(Finding::warning("load", "new calls are being shed", fix));
    }
    if !health.banned.is_empty() {
        let text = format!("{} addresses are shut out for guessing passwords", health.banned.len());
        findings.push(Finding::good("security", text));
    }
    findings.extend(view.board.iter().flat_map(board));
    findings.extend(view.hosted.as_ref().map(hosted));
    for trunk in &view.trunks {
        findings.push(match trunk.state.as_str() {
            "up" => Finding::good("trunk", format!("{} is up", trunk.name)),
            state => {
                let text = format!("{} is {state}: {}", trunk.name, trunk.reason);
                let fix = "check host, user name and password in the configuration, then: branchline trace";
                Finding::failure("trunk", text, fix)
            }
        });
    }
    let ready = view.phones.iter().filter(|phone| !phone.contacts.is_empty()).count();
    findings.push(match (ready, view.phones.len()) {
        (0, 1..) => Finding::warning(
            "phones",
            "no phone is registered",
            "compare its server and password; branchline trace shows its attempts",
        ),
        (ready, all) => Finding::good("phones", format!("{ready} of {all} registered")),
    });
    findings
}

/// The configuration in force, and where what it makes is kept.
fn configuration(view: &View) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !view.storage.configuration.is_empty() {
        let fix = "mend the file and run: branchline check, then branchline reload";
        findings.push(Finding::failure(
            "configuration",
            view.storage.configuration.clone(),
            fix,
        ));
    }
    if !view.health.awaits_restart.is_empty() {
        let text = format!(
            "changes of {} wait for a restart",
            view.health.awaits_restart.join(", ")
        );
        let fix = "restart when few calls are up: systemctl restart branchline";
        findings.push(Finding::warning("configuration", text, fix));
    }
    if !view.storage.state_directory.is_empty() {
        findings.push(Finding::failure(
            "state",
            view.storage.state_directory.clone(),
            "mend that disk or name another directory with --state, then restart: what the box learns is in memory until then",
        ));
    }
    findings
}

fn board(board: &BoardView) -> Vec<Finding> {
    if !board.is_running {
        let text = format!("{}: its program has stopped; lights and buttons are dead", board.model);
        let fix = "look at its log: journalctl -u branchline-board; then systemctl restart branchline-board";
        return vec![Finding::failure("board", text, fix)];
    }
    let faults = board.faults.iter();
    let faults = faults.map(|fault| Finding::failure("board", &*fault.text, &*fault.fix));
    let works = match board.devices.as_slice() {
        [] => format!("{}: nothing is wired to it", board.model),
        devices => format!("{}: {} work", board.model, devices.join(", ")),
    };
    let works = board.faults.is_empty().then(|| Finding::good("board", works));
    works.into_iter().chain(faults).collect()
}

fn hosted(hosted: &HostedView) -> Finding {
    let lines = format!("{} of {} lines confirmed", hosted.lines_confirmed, hosted.lines);
    let text = format!("{} is {}, {}: {lines}", hosted.host, hosted.mode, hosted.reason);
    match hosted.mode.as_str() {
        "online" | "suspect" if hosted.problems.is_empty() => Finding::good("hosted PBX", text),
        "online" | "suspect" => {
            let text = format!("{text}; {}", hosted.problems.join("; "));
            Finding::warning("hosted PBX", text, "check user names and passwords of these lines")
        }
        _ => {
            let fix = "the branch routes its calls itself; look at the line to the outside, then: branchline trace";
            Finding::warning("hosted PBX", text, fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use branchline_branch::view::{BoardView, FaultView, HealthView, PhoneView, TrunkView};

    use super::super::Grade;
    use super::*;

    #[test]
    fn a_running_box_in_trouble_shows_each_trouble() {
        let trunk = TrunkView {
            name: "isp".into(),
            state: "refused".into(),
            reason: "403".into(),
            ..TrunkView::default()
        };
        let health = HealthView {
            database: "degraded".into(),
            overloaded: true,
            awaits_restart: vec!["sip.listen".into()],
            ..HealthView::default()
        };
        let view = View {
            up_ms: 1,
            trunks: vec![trunk],
            board: Some(BoardView {
                is_running: true,
                faults: vec![FaultView {
                    text: "b.toml:3: led[0].at: no such chip".into(),
                    fix: "choose the board that fits".into(),
                }],
                ..BoardView::default()
            }),
            phones: vec![PhoneView::default()],
            health,
            ..View::default()
        };
        let findings = running(&view);
        let bad: Vec<&str> = findings
            .iter()
            .filter(|f| f.grade != Grade::Good)
            .map(|f| f.area)
            .collect();
        assert_eq!(
            bad,
            ["database", "configuration", "media", "load", "board", "trunk", "phones"]
        );
        let fault = findings.iter().find(|finding| finding.area == "board");
        assert_eq!(
            fault.map(|fault| fault.fix.as_str()),
            Some("choose the board that fits")
        );
        let stopped = board(&BoardView::default());
        assert_eq!(stopped[0].grade, Grade::Failure);
        assert_eq!(time(Some(&view), OLDEST_UTC_MS).grade, Grade::Warning);
        assert_eq!(time(None, 0).grade, Grade::Failure);
    }
}
