//! The files of the page, part of the program.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::Shared;

const INDEX: &str = include_str!("web/index.html");
const LOGIN: &str = include_str!("web/login.html");
const STYLE: &str = include_str!("web/app.css");
const SCRIPT: &str = include_str!("web/app.js");
const ICON: &str = include_str!("web/icon.svg");

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/app.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route(
            "/app.js",
            get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route("/icon.svg", get(|| async { asset("image/svg+xml", ICON) }))
}

pub(crate) async fn index() -> Html<&'static str> {
    Html(INDEX)
}

/// The login page; `message` is one of our own texts.
pub(crate) fn login_page(message: &str) -> Html<String> {
    let alert = match message {
        "" => String::new(),
        text => format!("<p class=\"alert\" role=\"alert\">{text}</p>"),
    };
    Html(LOGIN.replace("<!--message-->", &alert))
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
