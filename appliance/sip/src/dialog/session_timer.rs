//! Session timers (RFC 4028): who refreshes, how often, and when a silent session is over.

use std::time::{Duration, Instant};

use crate::agent::AgentSettings;
use crate::message::{Builder, Message, Name};

/// Who sends the refreshes, seen from the request that set the timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Uac,
    Uas,
}

/// Who sends the refreshes, seen from us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refresher {
    Us,
    Peer,
}

/// A running session timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionTimer {
    interval_s: u32,
    pub(crate) refresher: Refresher,
    /// When we refresh; `None` once that is under way or is the peer's part.
    refresh_at: Option<Instant>,
    expires_at: Instant,
}

/// What a timer asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    Nothing,
    Refresh,
    Expired,
}

// RFC 4028 section 4: no interval below this is ever right.
const FLOOR_S: u32 = 90;

struct Asked {
    interval_s: u32,
    role: Option<Role>,
}

fn asked(message: &Message) -> Option<Asked> {
    let text = message.text(Name::SessionExpires)?;
    let mut parts = text.split(';').map(str::trim);
    let interval_s = parts.next()?.parse().ok()?;
    let role = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("refresher");
        match value.trim() {
            role if named && role.eq_ignore_ascii_case("uac") => Some(Role::Uac),
            role if named && role.eq_ignore_ascii_case("uas") => Some(Role::Uas),
            _ => None,
        }
    });
    Some(Asked { interval_s, role })
}

fn speaks_timer(message: &Message) -> bool {
    message.has_token(Name::Supported, "timer") || message.has_token(Name::Require, "timer")
}

fn is_on(settings: &AgentSettings) -> bool {
    settings.session_expires_s > 0
}

fn min_se_s(settings: &AgentSettings) -> u32 {
    settings.min_se_s.max(FLOOR_S)
}

/// True if `request` must be answered 422 with our Min-SE (RFC 4028 section 9).
pub(crate) fn too_brief(request: &Message, settings: &AgentSettings) -> bool {
    is_on(settings)
        && speaks_timer(request)
        && asked(request).is_some_and(|asked| asked.interval_s < min_se_s(settings))
}

impl SessionTimer {
    fn start(now: Instant, interval_s: u32, refresher: Refresher) -> SessionTimer {
        let interval_s = interval_s.max(FLOOR_S);
        let early = (interval_s / 3).min(32);
        SessionTimer {
            interval_s,
            refresher,
            refresh_at: match refresher {
                Refresher::Us => Some(now + Duration::from_secs(u64::from(interval_s / 2))),
                Refresher::Peer => None,
            },
            expires_at: now + Duration::from_secs(u64::from(interval_s - early)),
        }
    }

    /// What we grant in the 2xx to `request`, and the timer that starts with it; `None` leaves the session without one.
    pub(crate) fn grant(now: Instant, request: &Message, settings: &AgentSettings) -> Option<SessionTimer> {
        let asked = asked(request);
        let peer_speaks = speaks_timer(request);
        if !is_on(settings) || (asked.is_none() && !peer_speaks) {
            return None;
        }
        let least_s = request.number(Name::MinSe).unwrap_or(0);
        let ours_s = settings.session_expires_s.max(least_s);
        let interval_s = asked.as_ref().map_or(ours_s, |asked| asked.interval_s.min(ours_s));
        let role = match asked.and_then(|asked| asked.role) {
            // Whoever does not know the extension cannot be asked to refresh.
            _ if !peer_speaks => Role::Uas,
            Some(role) => role,
            None => Role::Uac,
        };
        let refresher = match role {
            Role::Uac => Refresher::Peer,
            Role::Uas => Refresher::Us,
        };
        Some(SessionTimer::start(now, interval_s, refresher))
    }

    /// Writes the grant into our 2xx.
    pub(crate) fn write_grant(&self, builder: Builder) -> Builder {
        match self.refresher {
            Refresher::Peer => builder
                .header(Name::Require, "timer")
                .header(Name::SessionExpires, format_args!("{};refresher=uac", self.interval_s)),
            Refresher::Us => builder.header(Name::SessionExpires, format_args!("{};refresher=uas", self.interval_s)),
        }
    }

    /// The timer that the 2xx to our INVITE or UPDATE sets.
    pub(crate) fn granted(now: Instant, response: &Message, settings: &AgentSettings) -> Option<SessionTimer> {
        let asked = asked(response).filter(|_| is_on(settings))?;
        let refresher = match asked.role {
            Some(Role::Uas) => Refresher::Peer,
            Some(Role::Uac) | None => Refresher::Us,
        };
        Some(SessionTimer::start(now, asked.interval_s, refresher))
    }

    /// Writes the wish for a timer into our INVITE or UPDATE; `least_s` is what a 422 demanded.
    pub(crate) fn write_wish(builder: Builder, settings: &AgentSettings, least_s: u32) -> Builder {
        if !is_on(settings) {
            return builder;
        }
        let least_s = min_se_s(settings).max(least_s);
        builder
            .header(Name::SessionExpires, settings.session_expires_s.max(least_s))
            .header(Name::MinSe, least_s)
    }

    /// Writes the running terms into our re-INVITE or UPDATE: the roles stay as they are.
    pub(crate) fn write_refresh(&self, builder: Builder, settings: &AgentSettings, least_s: u32) -> Builder {
        let role = match self.refresher {
            Refresher::Us => "uac",
            Refresher::Peer => "uas",
        };
        let least_s = min_se_s(settings).max(least_s);
        builder
            .header(
                Name::SessionExpires,
                format_args!("{};refresher={role}", self.interval_s.max(least_s)),
            )
            .header(Name::MinSe, least_s)
    }

    pub(crate) fn due_at(&self) -> Instant {
        self.refresh_at
            .map_or(self.expires_at, |refresh_at| refresh_at.min(self.expires_at))
    }

    pub(crate) fn fire(&mut self, now: Instant) -> Due {
        if now >= self.expires_at {
            return Due::Expired;
        }
        if self.refresh_at.is_some_and(|refresh_at| now >= refresh_at) {
            self.refresh_at = None;
            return Due::Refresh;
        }
        Due::Nothing
    }
}
