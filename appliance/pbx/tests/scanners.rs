//! SIPVicious: it learns of no user and is shut out within seconds, while the phones keep working.

mod rig;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rig::daemon::{Daemon, Site};
use rig::kamailio::{Algorithm, Kamailio, Upstream};
use rig::office::{self, EXTENSIONS};
use rig::sip::Probe;
use rig::{Rig, clock};

const SHUT_OUT_WITHIN: Duration = Duration::from_secs(10);
/// SIPVicious lets the system choose where it sends from; -b is without effect in the version of Debian 12.
const SCANNER: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Runs one of SIPVicious' programs; what it prints.
fn sipvicious(rig: &Rig, program: &str, arguments: &[&str]) -> String {
    let home = rig.subfolder("sipvicious");
    let mut command = Command::new(program);
    // It keeps its sessions in the home folder, and gives up on a silent server after --maximumtime.
    command
        .env("HOME", &home)
        .current_dir(&home)
        // It listens on every address.
        .args(["-P", &rig.own_port().to_string()])
        .args(arguments);
    let output = command.output().expect("sipvicious is installed");
    [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat()
}

/// The rows of its tables: first column to second.
fn rows(printed: &str) -> BTreeMap<String, String> {
    let cells = |line: &str| -> Option<(String, String)> {
        let mut cells = line.strip_prefix('|')?.split('|').map(|cell| cell.trim().to_owned());
        Some((cells.next()?, cells.next()?))
    };
    let titles = ["Extension", "SIP Device"];
    printed
        .lines()
        .filter_map(cells)
        .filter(|(first, _)| !titles.contains(&&**first))
        .collect()
}

fn write_passwords(path: &Path, right: &str, wrong_before: usize) {
    let wrong = (0..wrong_before).map(|n| format!("guess{n}\n"));
    std::fs::write(path, wrong.chain([format!("{right}\n")]).collect::<String>())
        .expect("the test's folder is writable");
}

/// The scanner gets no more answers, the daemon says so, and a phone still works.
fn assert_shut_out(rig: &Rig, daemon: &Daemon) {
    daemon.wait_in_view("ban of the scanner", SHUT_OUT_WITHIN, |view| {
        view["health"]["banned"]
            .as_array()?
            .iter()
            .any(|ban| *ban == SCANNER.to_string())
            .then_some(())
    });
    let probe = Probe::new(SCANNER);
    let polite = probe.options(daemon.address());
    assert_eq!(
        probe.status_of(&polite, daemon.address()),
        None,
        "the scanner is still answered"
    );
    office::baresip(rig, daemon, 0);
}

#[test]
fn svmap_learns_no_user() {
    let rig = Rig::new("svmap");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let target = daemon.address().ip().to_string();
    for (asked, method) in (1..).zip(["OPTIONS", "REGISTER", "INVITE"]) {
        let printed = sipvicious(&rig, "svmap", &["-m", method, &target]);
        daemon.wait_in_view("request of svmap", SHUT_OUT_WITHIN, |view| {
            let refused = view["counters"]["banned_requests"].as_u64()?;
            (refused >= asked).then_some(())
        });
        for (extension, _) in EXTENSIONS {
            assert!(!printed.contains(extension), "{method}: {printed}");
        }
    }
    assert_shut_out(&rig, &daemon);
}

#[test]
fn svwar_cannot_tell_extensions_from_other_numbers_and_is_shut_out() {
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let rig = Rig::new(&format!("svwar-{method}"));
        let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
        let target = daemon.address().ip().to_string();
        let scan = ["-m", method, "-e", "195-260", "--force", "--maximumtime=3", &target];
        let found = rows(&sipvicious(&rig, "svwar", &scan));
        let known: Vec<&String> = found
            .iter()
            .filter(|(name, _)| is_extension(name))
            .map(|(_, says)| says)
            .collect();
        let unknown: Vec<&String> = found
            .iter()
            .filter(|(name, _)| !is_extension(name))
            .map(|(_, says)| says)
            .collect();
        assert!(
            known.iter().all(|says| unknown.contains(says)),
            "{method} tells them apart: {found:#?}"
        );
        assert!(found.len() < 60, "{method} is answered to the end");
        assert_shut_out(&rig, &daemon);
    }
}

#[test]
fn svcrack_is_shut_out_before_it_reaches_the_password() {
    let rig = Rig::new("svcrack");
    let daemon = Daemon::start(&rig, &Site::with(&EXTENSIONS));
    let passwords = rig.folder().join("passwords");
    write_passwords(&passwords, "alpha-secret", 300);
    let target = daemon.address().ip().to_string();
    let list = passwords.to_str().unwrap();
    let printed = sipvicious(&rig, "svcrack", &["-u", "201", "-d", list, "--maximumtime=3", &target]);
    assert!(!printed.contains("alpha-secret"), "{printed}");
    assert_shut_out(&rig, &daemon);
}

#[test]
fn svcrack_finds_a_password_where_nobody_stops_it() {
    let rig = Rig::new("selftest-svcrack");
    let upstream = Upstream {
        ip: rig.box_ip(),
        users: &EXTENSIONS,
        numbers: &[],
        algorithm: Algorithm::Md5,
    };
    let kamailio = Kamailio::start(&rig, &upstream);
    let passwords = rig.folder().join("passwords");
    write_passwords(&passwords, "alpha-secret", 300);
    let target = kamailio.address().ip().to_string();
    let started = clock::now();
    let printed = sipvicious(
        &rig,
        "svcrack",
        &["-u", "201", "-d", passwords.to_str().unwrap(), &target],
    );
    assert_eq!(
        rows(&printed).get("201").map(String::as_str),
        Some("alpha-secret"),
        "{printed}"
    );
    assert!(started.elapsed() < Duration::from_secs(60));
}

fn is_extension(name: &str) -> bool {
    EXTENSIONS.iter().any(|(extension, _)| *extension == name)
}
