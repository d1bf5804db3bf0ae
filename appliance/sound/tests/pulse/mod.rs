//! A PulseAudio of the test's own, whose only sink plays into its own monitor, as the ALSA card `loop`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a test of this program again, with the card there; ALSA reads where its configuration is once and from the
/// environment, which a program may not change while its threads run. What it told.
pub(crate) fn run_with_card(test: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let _pulse = Pulse::start(folder.path());
    let configuration = folder.path().join("asound.conf");
    std::fs::write(&configuration, card(&socket(folder.path()))).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("ALSA_CONFIG_PATH", &configuration)
        .env(HAS_CARD, "loop")
        // Or its sink works in pieces of up to two seconds.
        .env("PULSE_LATENCY_MSEC", "30")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let (success, more) = (output.status.success(), String::from_utf8_lossy(&output.stdout));
    assert!(success, "{told}{more}");
    told
}

/// The card, in a test that was run again.
pub(crate) fn loop_card() -> Option<String> {
    std::env::var(HAS_CARD).ok()
}

struct Pulse(Child);

impl Pulse {
    /// Started, and its socket there.
    fn start(folder: &Path) -> Pulse {
        let socket = socket(folder);
        let protocol = format!(
            "module-native-protocol-unix socket={} auth-anonymous=1",
            socket.display()
        );
        let daemon = Command::new("pulseaudio")
            .args([
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
                "-L",
                &protocol,
            ])
            .args(["--high-priority=yes", "--realtime=yes"])
            .args(["-L", "module-null-sink sink_name=loop rate=48000 channels=2"])
            .env("XDG_RUNTIME_DIR", folder)
            .env("HOME", folder)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("pulseaudio: {error}; `make test` installs what is missing"));
        let mut pulse = Pulse(daemon);
        let start = clock();
        while !socket.exists() {
            let ended = pulse.0.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < Duration::from_secs(20),
                "pulseaudio: {ended:?}"
            );
            std::thread::yield_now();
        }
        pulse
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn socket(folder: &Path) -> std::path::PathBuf {
    folder.join("pulse.sock")
}

/// What it plays, it records.
fn card(socket: &Path) -> String {
    let side = |device: &str| {
        format!(
            "{{ type pulse server \"unix:{}\" device \"{device}\" }}",
            socket.display()
        )
    };
    let (played, recorded) = (side("loop"), side("loop.monitor"));
    format!("pcm.loop {{ type asym playback.pcm {played} capture.pcm {recorded} }}\n")
}

const HAS_CARD: &str = "BRANCHLINE_TEST_CARD";

#[expect(clippy::disallowed_methods, reason = "the clock of the test")]
fn clock() -> Instant {
    Instant::now()
}
