//! Who is logged in: random tokens in a cookie, kept here only as digests.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{clock, password};

/// Browsers logged in at once; the one unused longest is logged out first.
const SESSIONS_MAX: usize = 32;
/// Without a request for this long, a session ends.
const IDLE_MAX: Duration = Duration::from_secs(12 * 3600);
/// After this long, everybody logs in again.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
const COOKIE: &str = "branchline_session";

/// The live sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    live: Mutex<Vec<Session>>,
}

#[derive(Debug)]
struct Session {
    digest: [u8; 32],
    since: Instant,
    seen: Instant,
}

impl Sessions {
    /// Logs a browser in and gives its token, 256 random bits as hexadecimal.
    pub(crate) fn open(&self, now: Instant) -> io::Result<String> {
        let mut random = [0_u8; 32];
        password::fill_random(&mut random)?;
        let token = password::hex(&random);
        let mut live = self.live(now);
        if live.len() >= SESSIONS_MAX {
            let oldest = live
                .iter()
                .enumerate()
                .min_by_key(|(_, session)| session.seen)
                .map(|(at, _)| at);
            oldest.map(|at| live.swap_remove(at));
        }
        live.push(Session {
            digest: Sha256::digest(&token).into(),
            since: now,
            seen: now,
        });
        Ok(token)
    }

    /// Whether the token belongs to a live session, which counts as used now.
    pub(crate) fn is_live(&self, token: &str, now: Instant) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut live = self.live(now);
        let found = live
            .iter_mut()
            .find(|session| bool::from(session.digest.ct_eq(&digest)));
        found.is_some_and(|session| {
            session.seen = now;
            true
        })
    }

    /// Logs one browser out.
    pub(crate) fn end(&self, token: &str, now: Instant) {
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.live(now).retain(|session| session.digest != digest);
    }

    /// Logs everybody out: the password has changed.
    pub fn end_all(&self) {
        self.lock().clear();
    }

    fn live(&self, now: Instant) -> MutexGuard<'_, Vec<Session>> {
        let mut live = self.lock();
        live.retain(|session| now - session.seen < IDLE_MAX && now - session.since < AGE_MAX);
        live
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `Set-Cookie` value that starts a session.
pub(crate) fn cookie(token: &str) -> String {
    format!(
        "{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
        AGE_MAX.as_secs()
    )
}

/// The `Set-Cookie` value that ends it.
pub(crate) fn cookie_gone() -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

/// The session token a request carries.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .filter(|token| token.len() == 64)
}

/// Whether a request carries a live session.
pub(crate) fn is_logged_in(sessions: &Sessions, headers: &HeaderMap) -> bool {
    token(headers).is_some_and(|token| sessions.is_live(token, clock::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_logout_by_idling_by_age_and_by_a_new_password() {
        let sessions = Sessions::default();
        let start = clock::now();
        let token = sessions.open(start).unwrap();
        assert!(sessions.is_live(&token, start));
        assert!(!sessions.is_live(&token.replace(char::is_numeric, "0"), start));
        sessions.end(&token, start);
        assert!(!sessions.is_live(&token, start));

        let token = sessions.open(start).unwrap();
        assert!(!sessions.is_live(&token, start + IDLE_MAX));

        let token = sessions.open(start).unwrap();
        let step = Duration::from_secs(11 * 3600);
        let mut used = (1..).map(|n| start + step * n).take_while(|now| *now - start < AGE_MAX);
        assert!(used.all(|now| sessions.is_live(&token, now)));
        assert!(!sessions.is_live(&token, start + AGE_MAX));

        let token = sessions.open(start).unwrap();
        sessions.end_all();
        assert!(!sessions.is_live(&token, start));
    }

    #[test]
    fn sessions_are_bounded_and_the_one_unused_longest_goes_first() {
        let sessions = Sessions::default();
        let start = clock::now();
        let tokens: Vec<String> = (0..SESSIONS_MAX)
            .map(|n| sessions.open(start + Duration::from_secs(n as u64)).unwrap())
            .collect();
        let later = start + Duration::from_secs(100);
        assert!(sessions.is_live(&tokens[0], later));
        sessions.open(later).unwrap();
        assert!(sessions.is_live(&tokens[0], later));
        assert!(!sessions.is_live(&tokens[1], later));
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        let value = "ab".repeat(32);
        headers.insert(
            header::COOKIE,
            format!("theme=dark; {COOKIE}={value}; x=y").parse().unwrap(),
        );
        assert_eq!(token(&headers), Some(value.as_str()));
        headers.insert(header::COOKIE, format!("x{COOKIE}={value}").parse().unwrap());
        assert_eq!(token(&headers), None);
    }
}
