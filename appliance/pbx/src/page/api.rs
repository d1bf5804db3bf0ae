//! JSON for the page: the view, and past calls.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use branchline_calldb::{Filter, Lookup, Reason};
use branchline_journal::CallRecord;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::events::Update;
use super::problem::Problem;
use crate::clock;

const RECORDS_SHOWN: usize = 50;
const RECORDS_WITHIN: Duration = Duration::from_secs(3);
const NUMBER_CHARS_MAX: usize = 64;

pub(crate) async fn view(State(shared): State<Arc<Shared>>) -> Response {
    let view = shared.hub.view();
    Json(Update::between(None, &view, clock::utc_ms())).into_response()
}

/// What a call for help would do now, phone by phone.
pub(crate) async fn emergency(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let outlook = shared.hub.outlook().await;
    let outlook = outlook.map_err(|_| Problem::unavailable("The box is busy or stopping; try again."))?;
    Ok(Json(outlook).into_response())
}

/// What is asked of the records; all optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    number: Option<String>,
    since_utc_ms: Option<i64>,
    until_utc_ms: Option<i64>,
    after: Option<u64>,
}

/// One page of records, the latest first.
#[derive(Debug, Default, Serialize)]
struct RecordsPage {
    records: Vec<CallRecord>,
    /// For `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

pub(crate) async fn records(
    State(shared): State<Arc<Shared>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|_| Problem::bad_query("Known: number, since_utc_ms, until_utc_ms, after."))?;
    let number = wanted
        .number
        .map(|number| number.trim().to_owned())
        .filter(|number| !number.is_empty());
    if number
        .as_ref()
        .is_some_and(|number| number.chars().count() > NUMBER_CHARS_MAX)
    {
        return Err(Problem::bad_query("The number is too long."));
    }
    let filter = Filter {
        number,
        since_utc_ms: wanted.since_utc_ms,
        until_utc_ms: wanted.until_utc_ms,
        limit: RECORDS_SHOWN,
        after: wanted.after,
    };
    let reader = shared.records.clone();
    let lookup = tokio::task::spawn_blocking(move || reader.query(filter, RECORDS_WITHIN)).await;
    let page = match lookup {
        Ok(Lookup::Found(page)) => RecordsPage {
            records: page.records.into_iter().map(|listed| listed.record).collect(),
            next: page.next,
        },
        Ok(Lookup::NotFound) => RecordsPage::default(),
        // A box that is well and has no database has had no call yet.
        Ok(Lookup::Unavailable(Reason::Missing)) if shared.hub.view().health.database == "normal" => {
            RecordsPage::default()
        }
        Ok(Lookup::Unavailable(reason)) => {
            tracing::warn!(%reason, "records cannot be shown");
            return Err(Problem::unavailable(
                "The call database does not answer; calls go on and are still recorded.",
            ));
        }
        Err(error) => {
            tracing::error!(%error, "lookup of records ended");
            return Err(Problem::unavailable("The call database does not answer."));
        }
    };
    Ok(Json(page).into_response())
}
