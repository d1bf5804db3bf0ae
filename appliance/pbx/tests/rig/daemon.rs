//! The daemon under test: its configuration, its start, its end, and what its command line says.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::program::Program;
use super::sip::Probe;
use super::{Rig, clock, digest, sip};

/// Realm of the box's digest challenges.
pub const REALM: &str = "branchline";
/// Port of the local page and the metrics.
pub const PAGE_PORT: u16 = 8080;

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
/// A debug build on a busy machine; a release build answers within a tenth of it.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// One page of the command line.
const RECORDS_MAX: &str = "500";
const CONTROL_WITHIN: Duration = Duration::from_secs(10);
/// Below the phones' RTP ports, which baresip binds on every address.
const RTP_PORT_MIN: u16 = 10_000;
const RTP_PORT_MAX: u16 = 12_099;

/// Which hashes of a password the configuration holds. baresip 1.0.0 gives up when SHA-256 is among the challenges,
/// SIPp and sipsak when it is the first.
#[derive(Clone, Copy)]
pub enum Hashes {
    /// For any phone.
    Md5,
    /// For phones that follow RFC 8760.
    Sha256,
}

/// What the box is told.
pub struct Site<'a> {
    /// Extensions and their passwords.
    pub extensions: &'a [(&'a str, &'a str)],
    /// What is known of the passwords.
    pub hashes: Hashes,
    /// The line to the outside.
    pub trunk: Option<Trunk<'a>>,
    /// Appended to the file: sections of its own.
    pub more: &'a str,
    /// Lines of `[sip]`.
    pub sip: &'a str,
    /// SIP on the IPv6 loopback as well: UDP and TCP on this port, TLS on the next.
    pub ipv6_port: Option<u16>,
}

impl<'a> Site<'a> {
    /// Extensions alone, for any phone.
    pub fn with(extensions: &'a [(&'a str, &'a str)]) -> Site<'a> {
        Site {
            extensions,
            hashes: Hashes::Md5,
            trunk: None,
            more: "",
            sip: "",
            ipv6_port: None,
        }
    }
}

/// A trunk that registers.
pub struct Trunk<'a> {
    /// The upstream.
    pub host: SocketAddr,
    /// Its account.
    pub username: &'a str,
    /// And password.
    pub password: &'a str,
    /// Our number at the upstream, without +.
    pub number: &'a str,
    /// The extension it rings.
    pub rings: &'a str,
    /// Further lines of it.
    pub more: &'a str,
}

/// A running daemon.
pub struct Daemon {
    program: Program,
    place: Place,
}

/// Where a daemon lives; what is left when it is killed.
struct Place {
    ip: Ipv4Addr,
    /// 0 without IPv6.
    ipv6_port: u16,
    /// Where the rig asks from whether it answers.
    asking_ip: Ipv4Addr,
    configuration: PathBuf,
    state: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Writes the configuration, starts `branchline run`, and waits until it answers OPTIONS.
    pub fn start(rig: &Rig, site: &Site) -> Daemon {
        let folder = rig.subfolder("box");
        let place = Place {
            ip: rig.box_ip(),
            ipv6_port: site.ipv6_port.unwrap_or(0),
            asking_ip: rig.phone_ip(191),
            configuration: folder.join("branchline.toml"),
            state: folder.join("state"),
            log: folder.join("log"),
        };
        std::fs::create_dir_all(&place.state).expect("the test's folder is writable");
        std::fs::write(&place.configuration, configuration(place.ip, site)).expect("the test's folder is writable");
        Daemon {
            program: place.started(),
            place,
        }
    }

    /// SIP over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        (self.place.ip, sip::PORT).into()
    }

    /// SIP over TLS.
    pub fn tls_address(&self) -> SocketAddr {
        (self.place.ip, sip::TLS_PORT).into()
    }

    /// SIP over UDP and TCP on IPv6.
    pub fn ipv6_address(&self) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, self.place.ipv6_port).into()
    }

    /// SIP over TLS on IPv6.
    pub fn ipv6_tls_address(&self) -> SocketAddr {
        (Ipv6Addr::LOCALHOST, self.place.ipv6_port + 1).into()
    }

    /// The local page and the metrics.
    pub fn page_address(&self) -> SocketAddr {
        (self.place.ip, PAGE_PORT).into()
    }

    /// Its state folder: journal and database.
    pub fn state(&self) -> &Path {
        &self.place.state
    }

    /// Its process, for `/proc`.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Its configuration file.
    pub fn configuration(&self) -> &Path {
        &self.place.configuration
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        let status = self.program.stop();
        assert!(
            status.success(),
            "the daemon ended with {status}\n{}",
            self.program.log_tail()
        );
    }

    /// Kills it: the power is cut.
    pub fn kill9(&mut self) {
        self.program.kill9();
    }

    /// Starts it again with what it left behind.
    pub fn start_again(&mut self) {
        assert!(self.program.ended().is_some(), "it still runs");
        self.program = self.place.started();
    }

    /// Stops and starts it.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Fails the test if it has ended.
    pub fn assert_running(&mut self) {
        let ended = self.program.ended();
        assert!(
            ended.is_none(),
            "the daemon ended: {ended:?}\n{}",
            self.program.log_tail()
        );
    }

    /// Its log so far, all starts.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Runs the command line beside it and returns what it prints; fails the test when it fails.
    pub fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .arg("--config")
            .arg(&self.place.configuration)
            .arg("--state")
            .arg(&self.place.state);
        let output = command.output().expect("the binary was built for this test");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "branchline {arguments:?}: {}\n{errors}",
            output.status
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the command line beside it, which finds something wrong, and returns what it prints.
    pub fn complaint(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--config").arg(&self.place.configuration);
        let output = command.arg("--state").arg(&self.place.state).output();
        let output = output.expect("the binary was built for this test");
        assert!(!output.status.success(), "branchline {arguments:?} finds nothing wrong");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the command line, with the configuration named in `arguments`, and returns why it refuses.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--state").arg(&self.place.state);
        let output = command.output().expect("the binary was built for this test");
        assert!(!output.status.success(), "branchline {arguments:?} was done");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// What the control socket says of the box: phones, calls, trunks, health, counters.
    pub fn view(&self) -> Value {
        let socket = self.place.state.join("control.sock");
        let mut stream = UnixStream::connect(&socket).expect("the control socket is there once the box answers");
        stream
            .set_read_timeout(Some(CONTROL_WITHIN))
            .expect("a span above zero");
        stream
            .write_all(b"{\"op\":\"view\"}\n")
            .expect("the daemon reads its control socket");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("the daemon answers");
        let mut reply: Value = serde_json::from_str(&line).expect("a reply is one line of JSON");
        reply["view"].take()
    }

    /// Waits until `look` finds something in the view; fails the test with the view after `within`.
    pub fn wait_in_view<T>(&self, what: &str, within: Duration, look: impl Fn(&Value) -> Option<T>) -> T {
        let found = clock::try_for(within, || look(&self.view()));
        found.unwrap_or_else(|| panic!("no {what} within {within:?}: {:#}", self.view()))
    }

    /// The ended calls on record, the latest first, once there are `count` of them; fails the test after `within`.
    pub fn wait_for_records(&self, count: usize, within: Duration) -> Vec<Value> {
        let mut records = Vec::new();
        let enough = clock::try_for(within, || {
            records = self.records();
            (records.len() >= count).then_some(())
        });
        assert!(enough.is_some(), "{} records of {count}: {records:#?}", records.len());
        records
    }

    /// The ended calls on record, the latest first, 500 at most.
    pub fn records(&self) -> Vec<Value> {
        let printed = self.command(&["calls", "--past", "--json", "--limit", RECORDS_MAX]);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("calls --past --json: {error}: {printed}"))
    }
}

impl Place {
    fn started(&self) -> Program {
        let mut command = Command::new(BINARY);
        command
            .arg("run")
            .arg("--config")
            .arg(&self.configuration)
            .arg("--state")
            .arg(&self.state);
        // As a service does: root only where root owns its files.
        let owner = std::fs::metadata(&self.state).map_or(0, |state| state.uid());
        if owner != 0 {
            command.uid(owner).gid(owner);
        }
        let mut program = Program::start("the daemon", &mut command, &self.log);
        let probe = Probe::new(self.asking_ip);
        let answered = clock::try_for(READY_WITHIN, || match program.ended() {
            Some(_) => Some(false),
            None => probe.answers((self.ip, sip::PORT).into()).then_some(true),
        });
        if answered != Some(true) {
            panic!(
                "the daemon did not start: {:?}: {}",
                program.ended(),
                program.log_tail()
            );
        }
        program
    }
}

fn configuration(ip: Ipv4Addr, site: &Site) -> String {
    let (listen, media) = match site.ipv6_port {
        Some(port) => (
            format!(
                ", \"udp:[::1]:{port}\", \"tcp:[::1]:{port}\", \"tls:[::1]:{}\"",
                port + 1
            ),
            ", \"::1\"",
        ),
        None => (String::new(), ""),
    };
    let mut text = format!(
        "[site]\ncountry = \"DE\"\nrealm = \"{REALM}\"\n\n\
         [sip]\nlisten = [\"udp:{ip}:5060\", \"tcp:{ip}:5060\", \"tls:{ip}:5061\"{listen}]\n{}\n\
         [media]\naddresses = [\"{ip}\"{media}]\nport_min = {RTP_PORT_MIN}\nport_max = {RTP_PORT_MAX}\n\n\
         [page]\nlisten = \"{ip}:{PAGE_PORT}\"\n\n[log]\nlevel = \"debug\"\n",
        site.sip
    );
    for (number, password) in site.extensions {
        let (key, hash) = match site.hashes {
            Hashes::Md5 => ("ha1_md5", digest::ha1_md5(number, REALM, password)),
            Hashes::Sha256 => ("ha1_sha256", digest::ha1_sha256(number, REALM, password)),
        };
        write!(text, "\n[[extension]]\nnumber = \"{number}\"\n{key} = \"{hash}\"\n").expect("a string grows");
    }
    if let Some(trunk) = &site.trunk {
        write!(
            text,
            "\n[[trunk]]\nname = \"upstream\"\nhost = \"{}\"\nport = {}\nusername = \"{}\"\npassword = \"{}\"\n\
             number = \"+{}\"\ninbound = [{{ number = \"+{}\", to = \"{}\" }}]\nsend = \"digits\"\n\
             options_s = 2\n{}",
            trunk.host.ip(),
            trunk.host.port(),
            trunk.username,
            trunk.password,
            trunk.number,
            trunk.number,
            trunk.rings,
            trunk.more
        )
        .expect("a string grows");
    }
    text.push_str(site.more);
    text
}
