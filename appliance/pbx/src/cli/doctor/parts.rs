//! What the doctor looks at, one function each.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use branchline_branch::view::{HostedView, View};
use branchline_config::{Config, Transport, Trunk};
use hickory_resolver::Resolver;

use super::Finding;
use crate::cli::{Fault, read_config};
use crate::place::Place;
use crate::{certificate, file};

const DAY_MS: i64 = 86_400_000;
/// A certificate is renewed before its last month.
const CERTIFICATE_DAYS_MIN: i64 = 30;
/// The journal of a busy branch grows by some 20 MB a day.
const FREE_BYTES_WARN: u64 = 1 << 30;
const FREE_BYTES_FAIL: u64 = 100 << 20;
/// 2025-01-01: no box of ours is older, so an earlier clock is wrong.
const OLDEST_UTC_MS: i64 = 1_735_689_600_000;
const DNS_WITHIN: Duration = Duration::from_secs(5);

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

pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listen in &config.sip.listen {
        let word = listen.transport.as_str();
        let tried = match listen.transport {
            Transport::Udp => UdpSocket::bind(listen.address).map(drop),
            Transport::Tcp | Transport::Tls => try_tcp(listen.address),
        };
        findings.extend(port_fault(word, listen.address, tried));
    }
    findings.extend(port_fault(
        "page",
        config.page.bind_address(),
        try_tcp(config.page.bind_address()),
    ));
    if findings.is_empty() {
        findings.push(Finding::good("ports", "all free for branchline"));
    }
    findings
}

fn try_tcp(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

fn port_fault(what: &str, address: SocketAddr, tried: io::Result<()>) -> Option<Finding> {
    let error = tried.err()?;
    let (text, fix) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            format!("{what} {address} is used by another program"),
            format!("find it: ss -lunpt 'sport = {}'", address.port()),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("{what} {address}: no permission"),
            "use the systemd unit, which grants low ports, or a port from 1024".to_owned(),
        ),
        io::ErrorKind::AddrNotAvailable => (
            format!("{what} {address}: the box has no such address"),
            "correct the listen line, or write 0.0.0.0".to_owned(),
        ),
        _ => (
            format!("{what} {address}: {error}"),
            "correct the listen line".to_owned(),
        ),
    };
    Some(Finding::failure("ports", text, fix))
}

pub(super) fn names(config: &Config) -> Vec<Finding> {
    config
        .trunks
        .iter()
        .filter(|trunk| trunk.host.parse::<std::net::IpAddr>().is_err())
        .map(name)
        .collect()
}

fn name(trunk: &Trunk) -> Finding {
    let host = &trunk.host;
    match resolve(trunk) {
        Ok(()) => Finding::good("DNS", format!("trunk {}: {host} is known", trunk.name)),
        Err(why) => {
            let fix = "check the spelling of host and the box's name server (/etc/resolv.conf)";
            Finding::failure("DNS", format!("trunk {}: {host}: {why}", trunk.name), fix)
        }
    }
}

// A provider's domain may have only SRV records (RFC 3263 section 4.2).
fn resolve(trunk: &Trunk) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let resolver = Resolver::builder_tokio()
            .and_then(|builder| builder.build())
            .map_err(|e| e.to_string())?;
        let service = match trunk.transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        let found = async {
            let address = resolver.lookup_ip(trunk.host.as_str()).await;
            match (address, trunk.port) {
                (Ok(_), _) => Ok(()),
                (Err(error), Some(_)) => Err(error.to_string()),
                (Err(error), None) => {
                    let records = resolver.srv_lookup(format!("{service}.{}", trunk.host)).await;
                    records.map(drop).map_err(|_| error.to_string())
                }
            }
        };
        tokio::time::timeout(DNS_WITHIN, found)
            .await
            .unwrap_or_else(|_| Err("no answer from the name server".into()))
    })
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
    if !view.storage.configuration.is_empty() {
        let fix = "mend the file and run: branchline check, then branchline reload";
        findings.push(Finding::failure(
            "configuration",
            view.storage.configuration.clone(),
            fix,
        ));
    }
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
    use branchline_branch::view::{HealthView, PhoneView, TrunkView};

    use super::super::Grade;
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_found() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let finding = port_fault("tcp", address, try_tcp(address)).unwrap();
        assert_eq!(finding.grade, Grade::Failure);
        assert!(finding.text.contains("used by another program"), "{}", finding.text);
    }

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
            ..HealthView::default()
        };
        let view = View {
            up_ms: 1,
            trunks: vec![trunk],
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
        assert_eq!(bad, ["database", "media", "load", "trunk", "phones"]);
        assert_eq!(time(Some(&view), OLDEST_UTC_MS).grade, Grade::Warning);
        assert_eq!(time(None, 0).grade, Grade::Failure);
    }
}
