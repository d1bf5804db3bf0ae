//! A box whose daemon is started again and again, as its unit does it: `update settle`, then `run`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use branchline_branch::view::View;
use branchline_pbx::control::client::Client;
use branchline_pbx::place::Place;

use super::{Rig, clock, digest};

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
const WITHIN: Duration = Duration::from_secs(30);
const RESTART_AFTER: Duration = Duration::from_millis(100);

/// A box and its folders.
pub struct Supervised {
    pub place: Place,
    ip: Ipv4Addr,
    stopping: Arc<AtomicBool>,
    supervisor: Option<JoinHandle<()>>,
}

impl Supervised {
    /// Writes the configuration, with `more` in the end; nothing runs.
    pub fn new(rig: &Rig, more: &str) -> Supervised {
        let folder = rig.subfolder("box");
        let place = Place::new(None, Some(folder.join("state")));
        fs::create_dir_all(&place.state).expect("the test's folder is writable");
        let ip = rig.box_ip();
        let mut text = format!(
            "[site]\ncountry = \"DE\"\n[sip]\nlisten = [\"udp:{ip}:5060\"]\n[media]\naddresses = [\"{ip}\"]\n\
             [page]\nlisten = \"{ip}:8080\"\n"
        );
        for number in ["201", "202"] {
            let hash = digest::ha1_md5(number, "branchline", number);
            text.push_str(&format!("[[extension]]\nnumber = \"{number}\"\nha1_md5 = \"{hash}\"\n"));
        }
        fs::write(&place.config, text + more).expect("the test's folder is writable");
        Supervised {
            place,
            ip,
            stopping: Arc::default(),
            supervisor: None,
        }
    }

    /// Starts the daemon, and again whenever it ends.
    pub fn start(&mut self) {
        let (state, log, stopping) = (self.place.state.clone(), self.log(), Arc::clone(&self.stopping));
        self.supervisor = Some(std::thread::spawn(move || supervise(&state, &log, &stopping)));
        self.wait_for_version("0.1.0");
    }

    /// Where telephones find it.
    pub fn address(&self) -> SocketAddr {
        (self.ip, 5060).into()
    }

    /// What it shows, if it answers.
    pub fn view(&self) -> Option<View> {
        Client::connect(&self.place.control_socket())
            .and_then(|mut client| client.view())
            .ok()
    }

    /// Waits until this version answers.
    pub fn wait_for_version(&self, version: &str) -> View {
        let what = format!(
            "version {version}; {}",
            fs::read_to_string(self.log()).unwrap_or_default()
        );
        clock::wait_for(&what, WITHIN, || {
            self.view().filter(|view| view.update.version == version)
        })
    }

    /// Runs a command of the system's version.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.prepared(arguments)
            .output()
            .expect("the binary was built for this test")
    }

    /// Starts one, with its output in a file.
    pub fn begin(&self, arguments: &[&str], output: &Path) -> Child {
        let output = fs::File::create(output).expect("the test's folder is writable");
        let mut command = self.prepared(arguments);
        command
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output);
        command.spawn().expect("the binary was built for this test")
    }

    /// Both outputs of a command.
    pub fn said(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .arg("--state")
            .arg(&self.place.state)
            .stdin(Stdio::null());
        command
    }

    fn log(&self) -> PathBuf {
        self.place.state.with_file_name("log")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
        if std::thread::panicking() {
            eprintln!(
                "---- log of the box ----\n{}",
                fs::read_to_string(self.log()).unwrap_or_default()
            );
        }
    }
}

fn supervise(state: &Path, log: &Path, stopping: &AtomicBool) {
    let start = |arguments: &[&str]| {
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log is writable");
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--state").arg(state).stdin(Stdio::null());
        command
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output);
        command.spawn().expect("the binary was built for this test")
    };
    while !stopping.load(Ordering::Relaxed) {
        let _ = start(&["update", "settle"]).wait();
        let mut daemon = start(&["run"]);
        while daemon.try_wait().expect("our own child").is_none() {
            if stopping.load(Ordering::Relaxed) {
                let _ = daemon.kill();
                let _ = daemon.wait();
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        std::thread::park_timeout(RESTART_AFTER);
    }
}
