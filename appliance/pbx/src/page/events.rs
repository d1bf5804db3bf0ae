//! Live updates (server-sent events): the whole view first, then only what has changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::Event;
use branchline_branch::view::{
    BoardView, CallView, Counters, EmergencyView, HealthView, HostedView, PhoneView, TrunkView, UpdateView, View,
};
use futures_util::Stream;
use futures_util::stream;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::{Shared, session};
use crate::clock;
use crate::hub::Hub;

/// The page counts the connection as lost when it hears nothing for two and a half of these.
const BEAT: Duration = Duration::from_secs(10);
/// Shortest time between two updates of one browser.
const PACE: Duration = Duration::from_millis(250);

/// A view, or the parts of it that are news. Absent parts are as they were.
#[derive(Debug, Serialize)]
pub(crate) struct Update<'v> {
    version: u64,
    /// Time of the box when this was sent, UTC milliseconds.
    now_utc_ms: i64,
    /// Since the view was taken.
    age_ms: i64,
    up_ms: u64,
    site: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phones: Option<&'v [PhoneView]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<&'v [CallView]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trunks: Option<&'v [TrunkView]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergencies: Option<&'v [EmergencyView]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted: Option<&'v Option<HostedView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<&'v Option<BoardView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<&'v HealthView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<&'v UpdateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counters: Option<&'v Counters>,
}

impl<'v> Update<'v> {
    /// What `view` says that `before` did not; everything when there is no `before`.
    pub(crate) fn between(before: Option<&View>, view: &'v View, now_utc_ms: i64) -> Update<'v> {
        fn news<'v, T: PartialEq + ?Sized>(before: Option<&T>, now: &'v T) -> Option<&'v T> {
            (before != Some(now)).then_some(now)
        }
        // A view that was never published has no time.
        let age_ms = if view.utc_ms == 0 {
            0
        } else {
            now_utc_ms.saturating_sub(view.utc_ms).max(0)
        };
        Update {
            version: view.version,
            now_utc_ms,
            age_ms,
            up_ms: view.up_ms.saturating_add(age_ms.unsigned_abs()),
            site: &view.site,
            phones: news(before.map(|view| view.phones.as_slice()), &view.phones),
            calls: news(before.map(|view| view.calls.as_slice()), &view.calls),
            trunks: news(before.map(|view| view.trunks.as_slice()), &view.trunks),
            emergencies: news(before.map(|view| view.emergencies.as_slice()), &view.emergencies),
            hosted: news(before.map(|view| &view.hosted), &view.hosted),
            board: news(before.map(|view| &view.board), &view.board),
            health: news(before.map(|view| &view.health), &view.health),
            update: news(before.map(|view| &view.update), &view.update),
            counters: news(before.map(|view| &view.counters), &view.counters),
        }
    }
}

struct Follower {
    shared: Arc<Shared>,
    token: String,
    hub: Hub,
    before: Option<Arc<View>>,
}

pub(crate) async fn stream(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let token = session::token(&headers).unwrap_or_default().to_owned();
    let hub = shared.hub.clone();
    let follower = Follower {
        shared,
        token,
        hub,
        before: None,
    };
    Sse::new(stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        if self.before.is_some() {
            sleep(PACE).await;
        }
        match timeout(BEAT, self.hub.changed()).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => {
                return self
                    .is_allowed()
                    .then(|| Event::default().event("beat").data(clock::utc_ms().to_string()));
            }
        }
        if !self.is_allowed() {
            return None;
        }
        let view = self.hub.view();
        let update = Update::between(self.before.as_deref(), &view, clock::utc_ms());
        let json = serde_json::to_string(&update).ok()?;
        self.before = Some(view);
        Some(Event::default().event("view").data(json))
    }

    // A stream must not outlive its session.
    fn is_allowed(&self) -> bool {
        self.shared.sessions.is_live(&self.token, clock::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_holds_only_what_changed() {
        let before = View {
            version: 1,
            phones: vec![PhoneView::default()],
            ..View::default()
        };
        let now = View {
            version: 2,
            utc_ms: 1000,
            up_ms: 10,
            calls: vec![CallView::default()],
            ..before.clone()
        };
        let json = serde_json::to_value(Update::between(Some(&before), &now, 1500)).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["age_ms", "calls", "now_utc_ms", "site", "up_ms", "version"]);
        assert_eq!((&json["age_ms"], &json["up_ms"]), (&500.into(), &510.into()));
        let whole = serde_json::to_value(Update::between(None, &now, 1500)).unwrap();
        assert_eq!(whole.as_object().unwrap().len(), 14);
    }
}
