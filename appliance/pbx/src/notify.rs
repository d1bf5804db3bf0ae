//! What systemd is told (`sd_notify(3)`); nothing happens outside of it.

use std::time::Duration;

use sd_notify::NotifyState;

/// The box answers calls now.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The loop is alive; to be called by the loop itself, so that a stuck one is restarted.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// The box is going down as asked.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How often [`alive`] is due: half the time systemd waits. `None` without a watchdog.
pub fn alive_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|wait| wait / 2)
}

fn tell(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd does not listen");
    }
}
