//! What the disk has: the configuration, whose files can be read by whom, space, the certificate, the page's password.

use std::fs;
use std::path::Path;

use branchline_config::Config;

use super::Finding;
use crate::cli::{Fault, read_config};
use crate::io::tls::authorities;
use crate::place::Place;
use crate::{certificate, file, update};

const DAY_MS: i64 = 86_400_000;
/// A certificate is renewed before its last month.
const CERTIFICATE_DAYS_MIN: i64 = 30;
/// The journal of a busy branch grows by some 20 MB a day.
const FREE_BYTES_WARN: u64 = 1 << 30;
const FREE_BYTES_FAIL: u64 = 100 << 20;

pub(super) fn configuration(place: &Place) -> (Option<Config>, Vec<Finding>) {
    let name = place.config.display();
    match read_config(place) {
        Ok(config) => {
            let text = format!(
                "{name}: {} extensions, {} trunks",
                config.extensions.len(),
                config.trunks.len()
            );
            let empty = config.extensions.is_empty();
            let finding = match empty {
                true => Finding::warning("config", text, "add a phone: branchline extension add 201"),
                false => Finding::good("config", text),
            };
            (Some(config), vec![finding])
        }
        Err(Fault::Config(faults)) => {
            let each = |fault: &branchline_config::Fault| {
                let place = format!("{}:{}: {} {}", fault.file, fault.line, fault.field, fault.problem);
                Finding::failure("config", place, fault.fix.clone())
            };
            (None, faults.iter().map(each).collect())
        }
        Err(fault) => {
            let fix = "name the right file with --config or --state, or run: branchline run";
            (None, vec![Finding::failure("config", fault.to_string(), fix)])
        }
    }
}

pub(super) fn files(place: &Place) -> Vec<Finding> {
    let secret = [
        place.state.clone(),
        place.config.clone(),
        place.page_hash(),
        place.certificate_key(),
    ];
    let open: Vec<_> = secret
        .iter()
        .filter(|path| file::foreign_mode_bits(path).is_ok_and(|bits| bits != 0))
        .collect();
    let mut findings: Vec<Finding> = open
        .iter()
        .map(|path| {
            let fix = format!("run: chmod go= {}", path.display());
            Finding::failure(
                "files",
                format!("{} can be used by other users of this box", path.display()),
                fix,
            )
        })
        .collect();
    if !place.state.is_dir() {
        let text = format!("there is no state directory {}", place.state.display());
        findings.push(Finding::warning("files", text, "branchline run makes it"));
    } else if findings.is_empty() {
        findings.push(Finding::good(
            "files",
            format!("{}: only its owner can read it", place.state.display()),
        ));
    }
    findings
}

pub(super) fn disk(place: &Place) -> Finding {
    let path = if place.state.is_dir() {
        place.state.as_path()
    } else {
        Path::new("/")
    };
    let fix = format!("free some space on the file system of {}", path.display());
    let free = match nix::sys::statvfs::statvfs(path) {
        Ok(found) => wide(found.fragment_size()).saturating_mul(wide(found.blocks_available())),
        Err(error) => return Finding::warning("disk", format!("{}: {error}", path.display()), "check the disk"),
    };
    let text = format!("{} MB free for journal and records", free >> 20);
    match free {
        0..FREE_BYTES_FAIL => Finding::failure("disk", text, fix),
        FREE_BYTES_FAIL..FREE_BYTES_WARN => Finding::warning("disk", text, fix),
        FREE_BYTES_WARN.. => Finding::good("disk", text),
    }
}

/// The version, and why the last update was not made or taken back.
pub(super) fn version(place: &Place) -> Finding {
    let shown = update::shown_at(place);
    if !shown.fault.is_empty() {
        let fix = "see branchline update status; install another with branchline update install";
        return Finding::warning("update", shown.fault, fix);
    }
    if !shown.trial.is_empty() {
        let fix = "wait for the verdict, or run: branchline update auto";
        return Finding::warning("update", format!("version {} is on trial", shown.trial), fix);
    }
    match shown.last.is_empty() {
        true => Finding::good("update", format!("version {}", shown.version)),
        false => Finding::good("update", shown.last),
    }
}

// These counts have the width of the processor.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}

pub(super) fn certificate(place: &Place, config: &Config, utc_ms: i64) -> Finding {
    let own = config.sip.tls_certificate.is_none();
    let path = config
        .sip
        .tls_certificate
        .clone()
        .unwrap_or_else(|| place.certificate());
    let fix = match own {
        true => format!(
            "remove {} and start branchline again: it makes a new one",
            path.display()
        ),
        false => format!("put a valid certificate at {}", path.display()),
    };
    if own && !path.exists() {
        return Finding::warning("certificate", "none yet, so no TLS", "branchline run makes one");
    }
    let Some(expires_utc_ms) = certificate::expires_utc_ms(&path) else {
        return Finding::failure(
            "certificate",
            format!("{} is not a PEM certificate", path.display()),
            fix,
        );
    };
    match expires_utc_ms.saturating_sub(utc_ms) / DAY_MS {
        ..=0 => Finding::failure("certificate", format!("{} has expired", path.display()), fix),
        1..CERTIFICATE_DAYS_MIN => Finding::warning("certificate", format!("{} expires soon", path.display()), fix),
        days @ CERTIFICATE_DAYS_MIN.. => Finding::good("certificate", format!("good for {days} days")),
    }
}

/// Without its authorities, nobody is told of a call for help by the webhook.
pub(super) fn webhook_authorities(config: &Config) -> Option<Finding> {
    let path = config.emergency.webhook_ca.as_deref()?;
    Some(match authorities(Some(path)) {
        Ok(found) => Finding::good(
            "emergency",
            format!("{}: {} authorities for the webhook", path.display(), found.len()),
        ),
        Err(fault) => {
            let fix = format!(
                "put the PEM certificate of the web server's authority at {}",
                path.display()
            );
            Finding::failure("emergency", format!("[emergency] webhook_ca: {fault}"), fix)
        }
    })
}

pub(super) fn page_password(place: &Place, config: &Config) -> Finding {
    let kept = config.page.password_hash.is_some() || fs::metadata(place.page_hash()).is_ok();
    match kept {
        true => Finding::good("page", format!("http://{}/ has a password", config.page.bind_address())),
        false => Finding::warning(
            "page",
            "the local page has no password",
            "run: branchline page-password",
        ),
    }
}
