//! Logging in and out: one administrator, one password, few attempts.

use std::collections::VecDeque;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use branchline_config::Secret;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::connection::Peer;
use super::{Shared, assets, session};
use crate::{clock, password};

/// Wrong passwords from one address (IPv6: one /64) within [`WINDOW`].
const FAILURES_MAX: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// Attempts remembered; the oldest is forgotten first.
const ATTEMPTS_MAX: usize = 1024;
/// Hashing takes 19 MiB and tens of milliseconds: one at a time.
const HASHES_AT_ONCE: usize = 1;
/// Logins waiting for their hash; more are told to come again.
const WAITING_MAX: usize = 8;
const PASSWORD_BYTES_MAX: usize = 256;
// Hash of a password nobody knows, so that a box without a password takes as long to say no.
const NO_PASSWORD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The hash that counts: of the configuration in force, or else in the file that was made at the first start.
fn hash(configured: Option<Secret>, file: &Path) -> Secret {
    let from_file = || fs::read_to_string(file).ok().map(|text| Secret::new(text.trim()));
    configured
        .or_else(from_file)
        .unwrap_or_else(|| Secret::new(NO_PASSWORD))
}

/// Recent attempts, and how many may be checked at once.
#[derive(Debug)]
pub(crate) struct Attempts {
    recent: Mutex<VecDeque<(IpAddr, Instant)>>,
    waiting: Semaphore,
    hashing: Semaphore,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts {
            recent: Mutex::default(),
            waiting: Semaphore::new(WAITING_MAX),
            hashing: Semaphore::new(HASHES_AT_ONCE),
        }
    }
}

impl Attempts {
    // Counted before it is checked, so that attempts made at the same time count too.
    fn begin(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let from = source(from);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|(_, at)| now - *at < WINDOW);
        let mine: Vec<Instant> = recent
            .iter()
            .filter(|(who, _)| *who == from)
            .map(|(_, at)| *at)
            .collect();
        if mine.len() >= FAILURES_MAX {
            return Err(mine.first().map_or(WINDOW, |first| WINDOW - (now - *first)));
        }
        if recent.len() >= ATTEMPTS_MAX {
            recent.pop_front();
        }
        recent.push_back((from, now));
        Ok(())
    }

    fn succeeded(&self, from: IpAddr) {
        let from = source(from);
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(who, _)| *who != from);
    }
}

// One customer holds a whole /64 of IPv6.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
    }
}

#[derive(Deserialize)]
pub(crate) struct Offered {
    password: String,
}

pub(crate) async fn form(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if session::is_logged_in(&shared.sessions, &headers) {
        return Redirect::to("/").into_response();
    }
    assets::login_page("").into_response()
}

pub(crate) async fn log_in(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    offered: Result<Form<Offered>, FormRejection>,
) -> Response {
    let Ok(Form(Offered { password })) = offered else {
        return refused(StatusCode::BAD_REQUEST, "Enter the password.");
    };
    if let Err(wait) = shared.attempts.begin(peer, clock::now()) {
        let text = format!("Too many attempts. Try again in {} s.", wait.as_secs() + 1);
        let mut response = refused(StatusCode::TOO_MANY_REQUESTS, &text);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
        return response;
    }
    let Ok(_waiting) = shared.attempts.waiting.try_acquire() else {
        return refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many people are logging in. Try again.",
        );
    };
    let fits = fits(&shared, password).await;
    if !fits {
        tracing::warn!(%peer, "wrong password for the page");
        return refused(StatusCode::UNAUTHORIZED, "That is not the password.");
    }
    shared.attempts.succeeded(peer);
    tracing::info!(%peer, "logged in to the page");
    match shared.sessions.open(clock::now()) {
        Ok(token) => ([(header::SET_COOKIE, session::cookie(&token))], Redirect::to("/")).into_response(),
        Err(error) => {
            tracing::error!(%error, "no session");
            refused(StatusCode::SERVICE_UNAVAILABLE, "The box cannot log anybody in now.")
        }
    }
}

pub(crate) async fn log_out(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Some(token) = session::token(&headers) {
        shared.sessions.end(token, clock::now());
    }
    ([(header::SET_COOKIE, session::cookie_gone())], Redirect::to("/login")).into_response()
}

async fn fits(shared: &Shared, offered: String) -> bool {
    let Ok(_turn) = shared.attempts.hashing.acquire().await else {
        return false;
    };
    let (configured, file) = (shared.hub.page_hash(), shared.password_hash_file.clone());
    let check =
        move || offered.len() <= PASSWORD_BYTES_MAX && password::page_password_fits(&offered, &hash(configured, &file));
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, assets::login_page(message)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_is_held_back_and_others_are_not() {
        let attempts = Attempts::default();
        let start = clock::now();
        let guesser: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        let other: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        for n in 0..FAILURES_MAX {
            assert!(attempts.begin(guesser, start + Duration::from_secs(n as u64)).is_ok());
        }
        let now = start + Duration::from_secs(10);
        assert_eq!(attempts.begin(guesser, now), Err(Duration::from_secs(50)));
        assert!(attempts.begin(neighbour, now).is_err());
        assert!(attempts.begin(other, now).is_ok());
        assert!(attempts.begin(guesser, start + WINDOW).is_ok());
        attempts.succeeded(guesser);
        assert!(attempts.begin(guesser, now).is_ok());
    }

    #[test]
    fn attempts_are_bounded() {
        let attempts = Attempts::default();
        let now = clock::now();
        for n in 0..u32::try_from(ATTEMPTS_MAX).unwrap() + 10 {
            let from = IpAddr::V4((0x0a00_0000 + n).into());
            assert!(attempts.begin(from, now).is_ok());
        }
        assert_eq!(attempts.recent.lock().unwrap().len(), ATTEMPTS_MAX);
    }

    #[test]
    fn the_stand_in_hash_is_well_formed_and_fits_nothing() {
        assert!(NO_PASSWORD.starts_with("$argon2id$"));
        assert!(!password::page_password_fits("", &Secret::new(NO_PASSWORD)));
    }
}
