//! Kamailio as the hosted PBX: registrar, digest, and calls that come back to the branch; rtpengine holds their sound
//! where wanted.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::namespace::Namespace;
use super::{HOSTED, is_installed};
use crate::{Fault, clock};

/// Whether the hosted PBX holds the sound of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Sound goes where the descriptions say.
    Passed,
    /// rtpengine is in the middle.
    Held,
}

/// The running hosted PBX.
pub struct Upstream {
    kamailio: Option<Child>,
    command: Command,
    /// rtpengine, where it holds the sound.
    media: Option<Child>,
    folder: PathBuf,
}

const TEMPLATE: &str = include_str!("../../files/kamailio.cfg");
const MODULE_FOLDERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/kamailio/modules",
    "/usr/lib/aarch64-linux-gnu/kamailio/modules",
    "/usr/lib/kamailio/modules",
];
const LOG: &str = "kamailio.log";
const PID: &str = "kamailio.pid";
const READY_WITHIN: Duration = Duration::from_secs(15);

/// Password of a line.
#[must_use]
pub(super) fn line_password(number: &str) -> String {
    format!("line-{number}")
}

impl Upstream {
    pub(super) fn start(
        namespace: &Namespace,
        folder: &Path,
        (numbers, media): (&[String], Media),
    ) -> Result<Upstream, Fault> {
        let media_program = match media {
            Media::Passed => None,
            Media::Held => Some(start_rtpengine(namespace, folder)?),
        };
        let configuration = folder.join("kamailio.cfg");
        let text = configuration_text(numbers, media);
        std::fs::write(&configuration, text).map_err(Fault::system("kamailio.cfg"))?;
        let log = std::fs::File::create(folder.join(LOG)).map_err(Fault::system(LOG))?;
        let mut command = namespace.command("kamailio");
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-f"])
            .arg(&configuration);
        command.arg("-Y").arg(folder).arg("-w").arg(folder);
        command.arg("-P").arg(folder.join(PID));
        command.stdout(Stdio::null()).stderr(log).stdin(Stdio::null());
        let mut upstream = Upstream {
            kamailio: None,
            command,
            media: media_program,
            folder: folder.to_owned(),
        };
        upstream.start_again()?;
        Ok(upstream)
    }

    /// It stops, and forgets its registrations; sound that it holds goes on.
    pub fn stop(&mut self) {
        if let Some(mut kamailio) = self.kamailio.take() {
            super::daemon::stop(&mut kamailio);
        }
    }

    /// It runs again.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self) -> Result<(), Fault> {
        let pid = self.folder.join(PID);
        // It leaves none behind when it ends well.
        let _ = std::fs::remove_file(&pid);
        self.kamailio = Some(self.command.spawn().map_err(Fault::system("kamailio"))?);
        let up = clock::try_for(READY_WITHIN, || pid.exists().then_some(()));
        up.ok_or_else(|| Fault::Late(format!("kamailio did not start: {}", self.log())))
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default()
    }

    /// When each REGISTER came, in seconds of the wall clock.
    #[must_use]
    pub fn registers(&self) -> Vec<f64> {
        let log = self.log();
        let times = log.lines().filter_map(|line| line.split("register at ").nth(1));
        times.filter_map(|time| time.trim().parse().ok()).collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
        if let Some(media) = &mut self.media {
            super::daemon::stop(media);
        }
    }
}

fn start_rtpengine(namespace: &Namespace, folder: &Path) -> Result<Child, Fault> {
    if !is_installed("rtpengine") {
        return Err(Fault::Late("rtpengine is not installed".to_owned()));
    }
    let log = std::fs::File::create(folder.join("rtpengine.log")).map_err(Fault::system("rtpengine.log"))?;
    let mut command = namespace.command("rtpengine");
    command.args([
        "--foreground",
        "--table=-1",
        "--log-stderr",
        "--listen-ng=127.0.0.1:2223",
    ]);
    command.arg(format!("--interface={HOSTED}"));
    command.args(["--port-min=30000", "--port-max=30999", "--num-threads=2"]);
    command.arg(format!("--pidfile={}", folder.join("rtpengine.pid").display()));
    let child = command.stdout(Stdio::null()).stderr(log).stdin(Stdio::null()).spawn();
    let mut child = child.map_err(Fault::system("rtpengine"))?;
    let up = clock::try_for(READY_WITHIN, || folder.join("rtpengine.pid").exists().then_some(()));
    if up.is_none() {
        super::daemon::stop(&mut child);
        return Err(Fault::Late("rtpengine did not start".to_owned()));
    }
    Ok(child)
}

fn configuration_text(numbers: &[String], media: Media) -> String {
    let modules = MODULE_FOLDERS.iter().find(|folder| Path::new(folder).exists());
    let mut users = String::new();
    for number in numbers {
        let password = line_password(number);
        // A string grows.
        let _ = writeln!(users, "    $sht(users=>{number}) = \"{password}\";");
    }
    let (load, manage) = match media {
        Media::Passed => ("", ""),
        Media::Held => (
            "loadmodule \"rtpengine.so\"\nmodparam(\"rtpengine\", \"rtpengine_sock\", \"udp:127.0.0.1:2223\")",
            "rtpengine_manage(\"replace-origin replace-session-connection\");",
        ),
    };
    TEMPLATE
        .replace("@IP@", &HOSTED.to_string())
        .replace("@MODULES@", modules.copied().unwrap_or(MODULE_FOLDERS[0]))
        .replace("@USERS@", &users)
        .replace("@LOAD@", load)
        .replace("@MANAGE@", manage)
}
