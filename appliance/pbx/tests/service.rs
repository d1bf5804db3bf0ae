//! The box as a service of systemd: what it tells, and what its unit lets it do.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod rig;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::Rig;

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
/// And the exposure that each may have. The updater is root, for the versions and for what belongs to the daemon's user.
const UNITS: [(&str, f64); 3] = [
    ("branchline.service", 2.0),
    ("branchline-board.service", 2.0),
    ("branchline-update.service", 3.0),
];
const WITHIN: Duration = Duration::from_secs(20);

/// Killed when the test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended as asked.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(rig: &Rig, notify: &Path) -> Running {
    let folder = rig.subfolder("box");
    let ip = rig.box_ip();
    let configuration = format!(
        "[site]\ncountry = \"DE\"\n[sip]\nlisten = [\"udp:{ip}:5060\"]\n[page]\nlisten = \"{ip}:8080\"\n\
         [[extension]]\nnumber = \"201\"\nha1_md5 = \"{}\"\n",
        "0".repeat(32)
    );
    std::fs::write(folder.join("branchline.toml"), configuration).unwrap();
    let child = Command::new(BINARY)
        .arg("run")
        .arg("--state")
        .arg(&folder)
        .env("NOTIFY_SOCKET", notify)
        .env("WATCHDOG_USEC", "400000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

/// Waits for a word to systemd; what came before is passed over.
fn wait_for(socket: &UnixDatagram, wanted: &str) {
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length) = socket.recv(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.lines().any(|line| line == wanted) {
            return;
        }
        heard.push(text);
    }
    panic!("no {wanted} within {WITHIN:?}: {heard:?}");
}

#[test]
fn systemd_hears_when_the_box_is_ready_alive_and_stopping() {
    let rig = Rig::new("service");
    let path = rig.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(WITHIN)).unwrap();
    let mut running = start(&rig, &path);
    wait_for(&socket, "READY=1");
    wait_for(&socket, "WATCHDOG=1");
    wait_for(&socket, "WATCHDOG=1");
    kill(Pid::from_raw(running.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    wait_for(&socket, "STOPPING=1");
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn the_units_are_sound_and_expose_little() {
    let rig = Rig::new("unit");
    for (name, _) in UNITS {
        let copy = rig.folder().join(name);
        let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        std::fs::write(&copy, unit.replace("/usr/local/bin/branchline", BINARY)).unwrap();
    }
    let analyze = |arguments: &[&str], file: &Path| {
        let run = Command::new("systemd-analyze").args(arguments).arg(file).output();
        let run = run.expect("systemd-analyze starts; `make test` installs what is missing");
        let told = [run.stdout, run.stderr].concat();
        (run.status.success(), String::from_utf8_lossy(&told).into_owned())
    };
    for (name, exposure_max) in UNITS {
        let copy = rig.folder().join(name);
        let (sound, told) = analyze(&["verify"], &copy);
        assert!(sound && !told.contains(name), "{told}");
        let (_, told) = analyze(&["security", "--offline=true"], &copy);
        let level = told
            .lines()
            .find_map(|line| line.split_once("Overall exposure level for "));
        let level = level
            .and_then(|(_, rest)| rest.split_whitespace().nth(1))
            .unwrap_or_else(|| panic!("{told}"));
        assert!(level.parse::<f64>().unwrap() <= exposure_max, "{name}: {told}");
    }
}
