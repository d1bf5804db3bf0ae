//! What every request passes: the name it asked for, where it came from, who is logged in; and the headers of every reply.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::problem::Problem;
use super::{Shared, session};

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With "no-referrer" a browser would send `Origin: null` with the login form.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Names the page goes by. An address is always good: a hostile site can point its own name here (DNS rebinding), but
/// it cannot make a browser send an address it did not open.
#[derive(Debug)]
pub(crate) struct HostNames(Vec<String>);

impl HostNames {
    pub(crate) fn new(names: Vec<String>) -> HostNames {
        HostNames(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// `authority` is a host with or without a port.
    pub(crate) fn include(&self, authority: &str) -> bool {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            Some(_) | None => authority,
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
        bare.parse::<IpAddr>().is_ok() || name == "localhost" || self.0.contains(&name)
    }
}

pub(crate) async fn protect(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&shared, &request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(shared: &Shared, request: &Request) -> Option<Problem> {
    let Some(host) = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
    else {
        return Some(Problem::foreign_host());
    };
    if !shared.host_names.include(host) {
        return Some(Problem::foreign_host());
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    (changes && !is_same_origin(request.headers(), host)).then(Problem::foreign_origin)
}

// Browsers send Origin with every POST; a request without one does not come from a page.
fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, authority)| authority);
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

pub(crate) async fn require_login(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if session::is_logged_in(&shared.sessions, request.headers()) {
        return next.run(request).await;
    }
    match request.uri().path() {
        "/" => Redirect::to("/login").into_response(),
        _ => Problem::login_needed().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_served_and_foreign_names_are_not() {
        let names = HostNames::new(vec!["Branch.local".into()]);
        for good in [
            "127.0.0.1:8080",
            "192.0.2.7",
            "[::1]:8080",
            "localhost:8080",
            "LOCALHOST",
            "branch.local",
            "BRANCH.local.:80",
        ] {
            assert!(names.include(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
            "[x]",
        ] {
            assert!(!names.include(bad), "{bad}");
        }
    }

    #[test]
    fn a_post_from_another_page_is_told_by_its_origin() {
        let mut headers = HeaderMap::new();
        assert!(is_same_origin(&headers, "192.0.2.7:8080"));
        for (origin, same) in [
            ("http://192.0.2.7:8080", true),
            ("http://192.0.2.7", false),
            ("http://evil.example", false),
            ("null", false),
        ] {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(is_same_origin(&headers, "192.0.2.7:8080"), same, "{origin}");
        }
    }
}
