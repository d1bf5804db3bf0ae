//! Kamailio: the upstream with its registrar, and the stand-in for the daemon when the rig tests itself.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::program::Program;
use super::tls::{self, Certificate};
use super::{Rig, phone_file, sip};

/// Realm of its digest challenges.
pub const REALM: &str = "upstream.test";

const READY_WITHIN: Duration = Duration::from_secs(15);
const MODULE_FOLDERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/kamailio/modules",
    "/usr/lib/aarch64-linux-gnu/kamailio/modules",
    "/usr/lib/kamailio/modules",
];

/// Algorithm of its challenges.
#[derive(Clone, Copy)]
pub enum Algorithm {
    /// RFC 2617
    Md5,
    /// RFC 8760
    Sha256,
}

/// What it is told.
pub struct Upstream<'a> {
    /// Where it listens.
    pub ip: Ipv4Addr,
    /// User names and passwords.
    pub users: &'a [(&'a str, &'a str)],
    /// Outside numbers and the user whose line they ring.
    pub numbers: &'a [(&'a str, &'a str)],
    /// Of its challenges.
    pub algorithm: Algorithm,
}

/// A running Kamailio.
pub struct Kamailio {
    program: Program,
    address: SocketAddr,
    start: Start,
}

struct Start {
    configuration: PathBuf,
    folder: PathBuf,
}

impl Kamailio {
    /// Starts it in the foreground, with UDP, TCP and TLS, and waits until it answers OPTIONS.
    pub fn start(rig: &Rig, upstream: &Upstream) -> Kamailio {
        let folder = rig.subfolder("kamailio");
        let certificate = tls::self_signed(&folder, upstream.ip);
        let configuration = folder.join("kamailio.cfg");
        std::fs::write(&configuration, configuration_text(&folder, upstream, &certificate)).expect("a writable folder");
        let start = Start { configuration, folder };
        let address = SocketAddr::from((upstream.ip, sip::PORT));
        let mut kamailio = Kamailio {
            program: start.program(),
            address,
            start,
        };
        kamailio.wait_until_ready(rig.phone_ip(190));
        kamailio
    }

    /// Its address for UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for TLS.
    pub fn tls_address(&self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), sip::TLS_PORT)
    }

    /// Its log: one line `route <method> <user>` for each request that starts something.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Stops it: the upstream is down.
    pub fn stop(&mut self) {
        self.program.stop();
    }

    /// Starts it again after [`Kamailio::stop`], without its registrations.
    pub fn start_again(&mut self, rig: &Rig) {
        self.program = self.start.program();
        self.wait_until_ready(rig.phone_ip(190));
    }

    fn wait_until_ready(&mut self, from: Ipv4Addr) {
        let answers = sip::wait_until_answering(from, self.address, READY_WITHIN);
        assert!(
            answers,
            "kamailio did not start: {:?}\n{}",
            self.program.ended(),
            self.program.log_tail()
        );
    }
}

impl Start {
    fn program(&self) -> Program {
        let mut command = Command::new("kamailio");
        // -DD: the parent stays in the foreground, and SIGTERM to it ends its workers.
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-f"])
            .arg(&self.configuration);
        command
            .arg("-Y")
            .arg(&self.folder)
            .arg("-w")
            .arg(&self.folder)
            .arg("-P")
            .arg(self.folder.join("pid"));
        Program::start("kamailio", &mut command, &self.folder.join("log"))
    }
}

fn configuration_text(folder: &Path, upstream: &Upstream, certificate: &Certificate) -> String {
    let modules = MODULE_FOLDERS
        .iter()
        .find(|folder| Path::new(folder).exists())
        .expect("kamailio is installed");
    let mut tables = String::new();
    for (user, password) in upstream.users {
        writeln!(tables, "    $sht(users=>{user}) = \"{password}\";").expect("a string grows");
    }
    for (number, user) in upstream.numbers {
        writeln!(tables, "    $sht(numbers=>{number}) = \"{user}\";").expect("a string grows");
    }
    let tls_path = folder.join("tls.cfg");
    let tls = format!(
        "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n\
         certificate = {}\nprivate_key = {}\n[client:default]\nmethod = TLSv1.2+\nverify_certificate = no\n",
        certificate.certificate.display(),
        certificate.key.display()
    );
    std::fs::write(&tls_path, tls).expect("the test's folder is writable");
    let algorithm = match upstream.algorithm {
        Algorithm::Md5 => "MD5",
        Algorithm::Sha256 => "SHA-256",
    };
    let template = std::fs::read_to_string(phone_file("kamailio.cfg")).expect("the template is part of the tests");
    template
        .replace("@IP@", &upstream.ip.to_string())
        .replace("@MODULES@", modules)
        .replace("@TLS@", &tls_path.display().to_string())
        .replace("@REALM@", REALM)
        .replace("@ALGORITHM@", algorithm)
        .replace("@TABLES@", &tables)
}
