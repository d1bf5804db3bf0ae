//! The commands as a user gives them, on a folder of their own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails ends the test with its cause"
)]

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command as Program, Output, Stdio};

use branchline_branch::view::{CallView, ContactView, PhoneView, TraceLine, View};
use branchline_config::{Config, Secret};
use branchline_pbx::certificate::self_signed;
use branchline_pbx::first_start::Identity;
use branchline_pbx::front::{Front, Serving, Told};
use branchline_pbx::hub::{Command, Feed};
use branchline_pbx::password;
use branchline_pbx::place::Place;

const CONFIG: &str = "\
# The branch at the harbour.
[site]
country = \"US\"

[sip]
listen = [\"udp:127.0.0.1:0\"]

[page]
listen = \"127.0.0.1:0\" # only here

[[extension]]
number = \"201\" # reception
name = \"Reception\"
ha1_md5 = \"00000000000000000000000000000000\"
ha1_sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"
";

/// A state directory with a configuration.
struct Folder(PathBuf);

impl Folder {
    fn new(config: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("branchline-cli-{}", password::random_hex().unwrap()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let folder = Folder(path);
        if !config.is_empty() {
            fs::write(folder.config(), config).unwrap();
            fs::set_permissions(folder.config(), fs::Permissions::from_mode(0o600)).unwrap();
        }
        folder
    }

    fn config(&self) -> PathBuf {
        self.0.join("branchline.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    fn command(&self, words: &[&str]) -> Program {
        let mut command = Program::new(env!("CARGO_BIN_EXE_branchline"));
        command
            .args(words)
            .arg("--state")
            .arg(&self.0)
            .env_remove("BRANCHLINE_CONFIG")
            .env_remove("RUST_LOG");
        command
    }

    /// Exit code, standard output, standard error.
    fn give(&self, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(words).output().unwrap();
        (
            status.code().unwrap(),
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn check_names_every_fault_with_its_line_field_and_fix() {
    let folder = Folder::new(CONFIG);
    let (code, out, _) = folder.give(&["check"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("no faults"), "{out}");

    let folder = Folder::new(&format!("{CONFIG}colour = \"red\"\nmax_calls = 0\n"));
    let (code, out, _) = folder.give(&["check"]);
    assert_eq!(code, 1);
    let name = folder.config().display().to_string();
    assert!(
        out.contains(&format!("{name}:16: extension[0].colour: unknown key")),
        "{out}"
    );
    assert!(out.contains(&format!("{name}:17: extension[0].max_calls: ")), "{out}");
    assert!(out.ends_with("2 faults to correct\n"), "{out}");

    let (code, _, err) = Folder::new("").give(&["check"]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no configuration at"), "{err}");
}

#[test]
fn extensions_are_edited_with_comments_kept_and_only_hashes_written() {
    let folder = Folder::new(CONFIG);
    let (code, out, err) = folder.give(&["extension", "add", "205", "--name", "Lab"]);
    assert_eq!(code, 0, "{err}");
    let first = shown_password(&out);
    assert!(out.contains("not running"), "{out}");
    assert!(folder.text().starts_with("# The branch at the harbour.") && folder.text().contains("# reception"));
    assert!(!folder.text().contains(&first) && !folder.text().contains("password"));
    assert_eq!(
        fs::metadata(folder.config()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(fits(&folder, "205", &first));

    let (code, out, _) = folder.give(&["extension", "password", "205"]);
    assert_eq!(code, 0);
    assert!(fits(&folder, "205", &shown_password(&out)) && !fits(&folder, "205", &first));

    let (_, out, _) = folder.give(&["extension", "list"]);
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[1..],
        [["201", "Reception", "default", "2"], ["205", "Lab", "default", "2"]]
    );

    let before = folder.text();
    for (words, why) in [
        (["extension", "add", "201"], "201"),
        (["extension", "add", "20x"], "20x"),
        (["extension", "remove", "999"], "999"),
        (["extension", "password", "999"], "999"),
    ] {
        let (code, _, err) = folder.give(&words);
        assert!(code == 1 && err.contains(why), "{words:?}: {err}");
    }
    assert_eq!(folder.text(), before, "a refused edit changes nothing");

    let (code, ..) = folder.give(&["extension", "remove", "205"]);
    assert_eq!(code, 0);
    assert_eq!(folder.text().trim_end(), CONFIG.trim_end());
}

#[test]
fn the_doctor_finds_open_files_taken_ports_and_a_missing_password() {
    let folder = Folder::new(CONFIG);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    fs::write(
        folder.config(),
        CONFIG.replace("udp:127.0.0.1:0", &format!("tcp:127.0.0.1:{port}")),
    )
    .unwrap();
    fs::set_permissions(folder.config(), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, out, _) = folder.give(&["doctor"]);
    assert_eq!(code, 1, "{out}");
    for found in [
        format!(
            "FAIL  files         {} can be used by other users",
            folder.config().display()
        ),
        format!("fix: chmod go= {}", folder.config().display()).replace("fix: ", "fix: run: "),
        format!("FAIL  ports         tcp 127.0.0.1:{port} is used by another program"),
        "WARN  page          the local page has no password".to_owned(),
        "WARN  daemon        branchline is not running".to_owned(),
    ] {
        assert!(out.contains(&found), "{found}\n{out}");
    }

    drop(taken);
    fs::set_permissions(folder.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let (code, out, _) = folder.give(&["page-password"]);
    assert!(code == 0 && out.contains("New password"), "{out}");
    let (code, out, _) = folder.give(&["doctor"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("ok    ports") && out.contains("has a password"), "{out}");
}

#[test]
fn the_doctor_reads_the_authorities_of_the_webhook() {
    let folder = Folder::new(CONFIG);
    let ca = folder.config().with_file_name("ca.pem");
    let emergency = format!(
        "[emergency]\nwebhook = \"https://alarm.example/\"\nwebhook_ca = \"{}\"\n",
        ca.display()
    );
    fs::write(folder.config(), format!("{CONFIG}\n{emergency}")).unwrap();
    let own = self_signed(&["alarm.example".to_owned()], &[], 1_767_225_600_000).unwrap();
    let cases = [
        (None, "FAIL  emergency     [emergency] webhook_ca: "),
        (Some("no certificate"), "there is no certificate in it"),
        (Some(own.certificate.as_str()), "1 authorities for the webhook"),
    ];
    for (content, found) in cases {
        if let Some(content) = content {
            fs::write(&ca, content).unwrap();
        }
        let (_, out, _) = folder.give(&["doctor"]);
        assert!(out.contains(found), "{content:?}: {out}");
    }
}

#[test]
fn what_needs_a_running_box_says_so() {
    let folder = Folder::new(CONFIG);
    for words in [vec!["calls"], vec!["trace"], vec!["reload"], vec!["phones", "--json"]] {
        let (code, _, err) = folder.give(&words);
        assert_eq!(
            (code, err.as_str()),
            (1, "branchline: branchline is not running\n"),
            "{words:?}"
        );
    }
    let (_, out, _) = folder.give(&["phones"]);
    assert!(out.contains("not running") && out.contains("Reception"), "{out}");
    let (code, out, _) = folder.give(&["calls", "--past"]);
    assert!(code == 0 && out.contains("No calls yet"), "{out}");
    let (code, _, err) = folder.give(&["calls", "--past", "--since", "yesterday"]);
    assert!(code == 1 && err.contains("2026-01-31"), "{err}");
}

/// Page and control socket of a box whose daemon loop is the test.
struct Running {
    folder: Folder,
    feed: Option<Feed>,
    serving: Option<Serving>,
}

impl Running {
    fn start() -> Running {
        let folder = Folder::new(CONFIG);
        let place = Place::new(None, Some(folder.0.clone()));
        let config = Config::parse("f", CONFIG).unwrap();
        let identity = Identity {
            names: vec!["box".into()],
            addresses: vec![],
            utc_ms: 0,
        };
        let told = Told {
            place: &place,
            config: &config,
            identity: &identity,
        };
        let (front, feed) = Front::bind(told).unwrap();
        let second = Front::bind(told).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse, "one daemon for one state");
        let serving = front.serve().unwrap();
        Running {
            folder,
            feed: Some(feed),
            serving: Some(serving),
        }
    }

    fn feed(&self) -> &Feed {
        self.feed.as_ref().unwrap()
    }
}

#[test]
fn a_running_box_shows_its_state() {
    let mut running = Running::start();
    let socket = running.folder.0.join("control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let contact = ContactView {
        address: "192.0.2.9:5060".into(),
        transport: "udp".into(),
        ..ContactView::default()
    };
    let phone = PhoneView {
        extension: "201".into(),
        contacts: vec![contact],
        ..PhoneView::default()
    };
    let call = CallView {
        id: "c1".into(),
        from: "201".into(),
        to: "205".into(),
        ..CallView::default()
    };
    running.feed().publish(View {
        phones: vec![phone],
        calls: vec![call],
        ..View::default()
    });
    let (code, out, _) = running.folder.give(&["phones"]);
    assert!(
        code == 0 && out.contains("192.0.2.9:5060 udp") && out.contains("1 of 1 registered"),
        "{out}"
    );
    let (_, out, _) = running.folder.give(&["calls", "--json", "--number", "205"]);
    assert!(out.starts_with("[{\"id\":\"c1\""), "{out}");
    let (_, out, _) = running.folder.give(&["calls", "--number", "777"]);
    assert_eq!(out, "No calls.\n");
    drop(running.serving.take());
    assert!(!socket.exists(), "nothing is left for the next start");
}

#[test]
fn a_running_box_takes_commands() {
    let mut running = Running::start();
    let mut feed = running.feed.take().unwrap();
    let answering = std::thread::spawn(move || {
        let hang_up = Command::HangUp { call: "c9".into() };
        for (command, outcome) in [
            (Command::Reload, Ok("in force".into())),
            (hang_up, Err("no call c9".into())),
        ] {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let request = runtime.block_on(feed.command()).unwrap();
            assert_eq!(request.command, command);
            request.reply.send(outcome).unwrap();
        }
    });
    let (code, out, _) = running.folder.give(&["extension", "add", "205"]);
    assert!(
        code == 0 && out.contains("The running branchline says: in force\n"),
        "{out}"
    );
    let (code, _, err) = running.folder.give(&["calls", "--hang-up", "c9"]);
    assert_eq!((code, err.as_str()), (1, "branchline: refused: no call c9\n"));
    answering.join().unwrap();
}

#[test]
fn a_trace_follows_a_number_until_the_box_stops() {
    let mut running = Running::start();
    let mut command = running.folder.command(&["trace", "--number", "205"]);
    let mut tracing = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !running.feed().trace_wanted() {
        assert_eq!(tracing.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    running
        .feed()
        .trace(line("other", ["301", "302"], "BYE sip:302@box SIP/2.0"));
    running
        .feed()
        .trace(line("wanted", ["201", "205"], "INVITE sip:205@box SIP/2.0"));
    running.feed().trace(line("wanted", ["", ""], "SIP/2.0 180 Ringing"));
    drop(running.feed.take());
    let mut text = String::new();
    tracing.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(tracing.wait().unwrap().code(), Some(1));
    let shown: Vec<&str> = text.lines().filter_map(|line| line.split("box  ").nth(1)).collect();
    assert_eq!(shown, ["INVITE 205", "180 Ringing"], "{text}");
}

fn line(call: &str, numbers: [&str; 2], summary: &str) -> TraceLine {
    TraceLine {
        utc_ms: 0,
        local: "192.0.2.1:5060".into(),
        remote: "192.0.2.9:5060".into(),
        transport: "udp".into(),
        arrived: true,
        summary: summary.into(),
        sip_call_id: call.into(),
        numbers: numbers.map(str::to_owned),
        text: String::new(),
    }
}

fn shown_password(out: &str) -> String {
    let line = out.lines().find_map(|line| line.trim_start().strip_prefix("Password"));
    line.expect("a password is shown").trim().to_owned()
}

fn fits(folder: &Folder, number: &str, password: &str) -> bool {
    let config = Config::parse("f", &folder.text()).unwrap();
    config.extension(number).unwrap().hashes
        == password::phone_hashes(number, &config.site.realm, &Secret::new(password))
}
