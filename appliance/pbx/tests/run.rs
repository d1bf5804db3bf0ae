//! The daemon loop: every transport answers, registrations outlive it, a configuration is taken while it runs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers are test code: a step that fails ends the test with its cause"
)]

mod rig;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use branchline_calldb::{CallDb, Limits, Paths, Setup};
use branchline_journal::{BootId, Entry, Event, Stamp, uuid_v7};
use md5::{Digest, Md5};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::daemon::{Daemon, REALM, Site};
use rig::sip::Probe;
use rig::{Rig, clock, digest, tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const EXTENSIONS: [(&str, &str); 1] = [("201", "alpha-secret")];
const WITHIN: Duration = Duration::from_secs(5);
static NEXT: AtomicU32 = AtomicU32::new(1);

fn start(rig: &Rig) -> Daemon {
    Daemon::start(rig, &Site::with(&EXTENSIONS))
}

/// A request that a stream may carry.
fn request(method: &str, to: SocketAddr, us: SocketAddr, transport: &str, more: &str) -> String {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/{transport} {us};rport;branch=z9hG4bKrun{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:201@{to}>;tag=t{n}\r\nTo: <sip:201@{to}>\r\nCall-ID: run-{us}\r\nCSeq: {n} {method}\r\n\
         Contact: <sip:201@{us}>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// Sends a request on a stream and reads the head of the answer.
fn ask(stream: &mut (impl Read + Write), request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    head(stream)
}

/// Reads the head of a message.
fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    stream
}

fn authorization(challenge: &str, method: &str, to: SocketAddr) -> String {
    let (user, password) = EXTENSIONS[0];
    let line = challenge
        .lines()
        .find(|line| line.starts_with("WWW-Authenticate:") && line.contains("MD5"));
    let nonce = line
        .and_then(|line| line.split("nonce=\"").nth(1)?.split('"').next())
        .unwrap_or_else(|| panic!("no MD5 challenge: {challenge}"));
    let uri = format!("sip:{to}");
    let ha1 = digest::ha1_md5(user, REALM, password);
    let ha2 = md5(&format!("{method}:{uri}"));
    let response = md5(&format!("{ha1}:{nonce}:00000001:c:auth:{ha2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\", response=\"{response}\"\r\nExpires: 600\r\n"
    )
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Registers extension 201 over TCP; gives the connection.
fn register(to: SocketAddr) -> TcpStream {
    let stream = connect(to);
    let us = stream.local_addr().unwrap();
    register_as(stream, to, us)
}

/// The same on a connection, with another address in the Contact.
fn register_as(mut stream: TcpStream, to: SocketAddr, us: SocketAddr) -> TcpStream {
    let challenge = ask(&mut stream, &request("REGISTER", to, us, "TCP", ""));
    assert!(challenge.starts_with("SIP/2.0 401 "), "{challenge}");
    let answer = ask(
        &mut stream,
        &request("REGISTER", to, us, "TCP", &authorization(&challenge, "REGISTER", to)),
    );
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    stream
}

fn wait_for_registration(daemon: &Daemon, when: &str) {
    let what = format!("registration {when}");
    daemon.wait_in_view(&what, WITHIN, |view| {
        (view["phones"][0]["contacts"].as_array()?.len() == 1).then_some(())
    });
}

#[test]
fn options_are_answered_over_udp_tcp_and_tls() {
    let rig = Rig::new("run-options");
    let files = tls::self_signed(rig.folder(), rig.box_ip());
    let mut sip = String::new();
    for (key, path) in [("tls_certificate", &files.certificate), ("tls_key", &files.key)] {
        writeln!(sip, "{key} = \"{}\"", path.display()).unwrap();
    }
    let daemon = Daemon::start(
        &rig,
        &Site {
            sip: &sip,
            ..Site::with(&EXTENSIONS)
        },
    );

    let probe = Probe::new(rig.phone_ip(1));
    assert_eq!(
        probe.status_of(&probe.options(daemon.address()), daemon.address()),
        Some(200)
    );

    let mut tcp = connect(daemon.address());
    let us = tcp.local_addr().unwrap();
    let answer = ask(&mut tcp, &request("OPTIONS", daemon.address(), us, "TCP", ""));
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");

    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&files.certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let name = ServerName::IpAddress(std::net::IpAddr::V4(rig.box_ip()).into());
        let tcp = connect(daemon.tls_address());
        let us = tcp.local_addr().unwrap();
        let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp);
        let answer = ask(&mut tls, &request("OPTIONS", daemon.tls_address(), us, "TLS", ""));
        assert!(answer.starts_with("SIP/2.0 200 "), "{version:?}: {answer}");
    }
}

#[test]
fn a_registration_outlives_an_orderly_restart_and_a_kill() {
    let rig = Rig::new("run-register");
    let mut daemon = start(&rig);
    let phone = register(daemon.address());
    wait_for_registration(&daemon, "after it was made");
    daemon.kill9();
    daemon.start_again();
    wait_for_registration(&daemon, "after the kill");
    drop(phone);
    let began = clock::now();
    daemon.stop();
    assert!(
        clock::now() - began < Duration::from_secs(2),
        "it ends within two seconds"
    );
    daemon.start_again();
    wait_for_registration(&daemon, "after the stop");
}

#[test]
fn a_phone_that_listens_is_reached_after_its_connection_or_the_box_is_lost() {
    let rig = Rig::new("run-reached");
    let mut daemon = start(&rig);
    let to = daemon.address();
    let phone = connect(to);
    let listener = TcpListener::bind((phone.local_addr().unwrap().ip(), 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let us = listener.local_addr().unwrap();
    drop(register_as(phone, to, us));
    for lost in ["connection", "box"] {
        if lost == "box" {
            daemon.kill9();
            daemon.start_again();
        }
        daemon.wait_in_view(&format!("where it listens, without its {lost}"), WITHIN, |view| {
            (view["phones"][0]["contacts"][0]["address"] == us.to_string()).then_some(())
        });
        let mut sender = connect(to);
        let challenge = ask(&mut sender, &message_to_201(to, us, ""));
        let text = message_to_201(to, us, &authorization(&challenge, "MESSAGE", to));
        sender.write_all(text.as_bytes()).unwrap();
        let (mut reached, _) = clock::wait_for("connection from the box", WITHIN, || listener.accept().ok());
        reached.set_nonblocking(false).unwrap();
        reached.set_read_timeout(Some(WITHIN)).unwrap();
        let heard = head(&mut reached);
        assert!(heard.starts_with(&format!("MESSAGE sip:201@{us} ")), "{lost}: {heard}");
    }
}

fn message_to_201(to: SocketAddr, us: SocketAddr, more: &str) -> String {
    request("MESSAGE", to, us, "TCP", more).replacen(" sip:", " sip:201@", 1)
}

#[test]
fn a_hang_up_signal_takes_the_new_configuration_and_a_faulty_one_changes_nothing() {
    let rig = Rig::new("run-reload");
    let mut daemon = start(&rig);
    let file = rig.subfolder("box").join("branchline.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
    let phones = |daemon: &Daemon| daemon.view()["phones"].as_array().map_or(0, Vec::len);

    let ha1 = digest::ha1_sha256("202", REALM, "bravo-secret");
    let more = format!("{text}\n[[extension]]\nnumber = \"202\"\nha1_sha256 = \"{ha1}\"\n");
    std::fs::write(&file, &more).unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    daemon.wait_in_view("second phone", WITHIN, |view| {
        (view["phones"].as_array()?.len() == 2).then_some(())
    });

    std::fs::write(&file, format!("{more}\n[nonsense]\n")).unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    clock::wait_for("line in the log", WITHIN, || {
        daemon.log().contains("the configuration in force stays").then_some(())
    });
    assert_eq!(phones(&daemon), 2);
    daemon.assert_running();
}

#[test]
fn a_place_that_is_taken_ends_the_start_with_its_name_and_the_fix() {
    let rig = Rig::new("run-taken");
    let taken = std::net::UdpSocket::bind((rig.box_ip(), 5060)).unwrap();
    let folder = rig.subfolder("box");
    let file = folder.join("branchline.toml");
    let ip = rig.box_ip();
    let text = format!("[site]\ncountry = \"DE\"\n[sip]\nlisten = [\"udp:{ip}\"]\n[page]\nlisten = \"{ip}:8080\"\n");
    std::fs::write(&file, text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_branchline"))
        .arg("run")
        .arg("--config")
        .arg(&file)
        .arg("--state")
        .arg(folder.join("state"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        errors.contains(&format!(
            "sip.listen: udp {}: the port is in use",
            taken.local_addr().unwrap()
        )),
        "{errors}"
    );
}

/// Adds an entry to the journal of a stopped daemon, made at this time.
fn journal_at(daemon: &Daemon, utc_ms: i64) {
    let at = Stamp {
        utc_ms,
        clock_trusted: true,
        mono_ms: 0,
        boot: BootId(uuid_v7(utc_ms, &[7; 10])),
    };
    let setup = Setup {
        paths: Paths::under(daemon.state()),
        limits: Limits::default(),
        now: at,
    };
    let (mut call_db, report) = CallDb::open(&setup, |_| {}).unwrap();
    let entry = Entry {
        id: uuid_v7(utc_ms, &[8; 10]),
        seq: report.last_seq + 1,
        stamp: at,
        event: Event::Heartbeat { live_calls: 0 },
    };
    call_db.append(vec![entry]).unwrap();
    call_db.close();
}

#[test]
fn a_clock_behind_the_journal_goes_on_from_the_last_entry() {
    const YEAR_MS: i64 = 365 * 86_400_000;
    let rig = Rig::new("run-clock");
    let mut daemon = start(&rig);
    daemon.stop();
    let last = branchline_pbx::clock::utc_ms() + 3 * YEAR_MS;
    journal_at(&daemon, last);
    for _ in 0..2 {
        daemon.start_again();
        let view = daemon.view();
        let utc_ms = view["utc_ms"].as_i64().unwrap();
        if view["health"]["clock_trusted"] == true {
            // A machine that is told the time goes by that.
            assert!(utc_ms < last, "{utc_ms}");
        } else {
            assert!((last..last + YEAR_MS).contains(&utc_ms), "{utc_ms} after {last}");
        }
        daemon.kill9();
    }
}
