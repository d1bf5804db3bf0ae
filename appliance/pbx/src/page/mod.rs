//! The local page: read-only, one administrator, live.
//!
//! In: views of the [`Hub`] and records of the call database. Out: HTML, JSON under `/api/`, server-sent events under
//! `/events`, Prometheus text under `/metrics`. It never touches a call.

mod api;
mod assets;
mod connection;
mod events;
mod guard;
mod login;
mod problem;
mod session;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use branchline_calldb::Records;
use branchline_config::Reach;

use crate::hub::Hub;
use crate::metrics;
pub use connection::CONNECTIONS_MAX;
use connection::{Connections, Peer};
use guard::HostNames;
use login::Attempts;
use problem::Problem;
pub use session::Sessions;

/// What the page needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names, besides addresses and `localhost`, under which a browser may ask for the page.
    pub host_names: Vec<String>,
    /// From where it may be asked.
    pub reach: Reach,
    /// File with the hash of the generated password, read at each login; a hash in the configuration wins over it.
    pub password_hash_file: PathBuf,
}

/// What every request sees.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) records: Records,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) attempts: Attempts,
    pub(crate) password_hash_file: PathBuf,
    pub(crate) host_names: HostNames,
}

/// A bound page.
#[derive(Debug)]
pub struct Page {
    listener: TcpListener,
    settings: Settings,
}

impl Page {
    /// Binds `address`; port 0 takes any.
    pub fn bind(address: SocketAddr, settings: Settings) -> io::Result<Page> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Page { listener, settings })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the future is dropped. Needs a tokio runtime.
    pub async fn serve(self, hub: Hub, sessions: Arc<Sessions>) -> io::Result<()> {
        let ended = log_out_at_new_password(hub.clone(), Arc::clone(&sessions));
        let Settings {
            host_names,
            reach,
            password_hash_file,
        } = self.settings;
        let shared = Arc::new(Shared {
            records: Records::open_read_only(hub.records()),
            hub,
            sessions,
            attempts: Attempts::default(),
            password_hash_file,
            host_names: HostNames::new(host_names),
        });
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let router = routes(shared).into_make_service_with_connect_info::<Peer>();
        tokio::select! {
            served = axum::serve(Connections::new(listener, reach), router) => served,
            never = ended => match never {},
        }
    }
}

/// Whoever logged in with another password has to log in again.
async fn log_out_at_new_password(mut hub: Hub, sessions: Arc<Sessions>) -> Infallible {
    while hub.page_hash_changed().await {
        sessions.end_all();
    }
    std::future::pending().await
}

fn routes(shared: Arc<Shared>) -> Router {
    let behind_login = Router::new()
        .route("/", get(assets::index))
        .route("/events", get(events::stream))
        .route("/api/view", get(api::view))
        .route("/api/records", get(api::records))
        .route("/api/emergency", get(api::emergency))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            guard::require_login,
        ));
    Router::new()
        .merge(behind_login)
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", axum::routing::post(login::log_out))
        .route("/metrics", get(show_metrics))
        .merge(assets::routes())
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard::protect))
        .with_state(shared)
}

// A scraper on the box needs no login; from elsewhere the page's session is asked for.
async fn show_metrics(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: axum::http::HeaderMap,
) -> Response {
    if !peer.is_loopback() && !session::is_logged_in(&shared.sessions, &headers) {
        return Problem::login_needed().into_response();
    }
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        metrics::render(&shared.hub.view()),
    )
        .into_response()
}
