//! What went wrong, as problem details (RFC 9457). The text is public: it never quotes a path or a secret.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An error reply.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str) -> Problem {
        Problem {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: String::new(),
            retry_after_s: None,
        }
    }

    pub(crate) fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "There is no such page")
    }

    pub(crate) fn method_not_allowed() -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This page cannot be asked that way")
    }

    pub(crate) fn login_needed() -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "Log in first")
    }

    pub(crate) fn foreign_origin() -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "The request came from another page")
    }

    pub(crate) fn foreign_host() -> Problem {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "This box does not go by that name")
            .with_detail("Open the page by the address shown at the start of the program.")
    }

    pub(crate) fn bad_query(detail: &str) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "The query is not understood").with_detail(detail)
    }

    pub(crate) fn unavailable(detail: &str) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Not available now").with_detail(detail);
        problem.retry_after_s = Some(5);
        problem
    }

    fn with_detail(mut self, detail: &str) -> Problem {
        detail.clone_into(&mut self.detail);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(retry_after_s) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        response
    }
}
