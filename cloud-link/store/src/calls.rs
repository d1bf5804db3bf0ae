//! Calls of all boxes of a tenant, newest first.

use branchline_journal::CallRecord;
use branchline_wire::v1::BoxId;
use uuid::Uuid;

use crate::boxes::unreadable;
use crate::engine::Scope;
use crate::tenants::TenantId;
use crate::value::{Row, Value};
use crate::{Store, StoreError};

/// Calls on one page.
pub const CALLS_PAGE_MAX: u32 = 200;

/// Which calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Of this box.
    pub of: Option<BoxId>,
    /// With this number at either end, as stored.
    pub number: Option<String>,
    /// Begun at or after; Unix time, ms.
    pub from_ms: Option<i64>,
    /// Begun before; Unix time, ms.
    pub before_ms: Option<i64>,
    /// Go on after this one.
    pub after: Option<Cursor>,
    /// At most [`CALLS_PAGE_MAX`].
    pub limit: u32,
}

/// A place among the calls that stays where it is while new ones come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Begin of the last call that was seen; Unix time, ms.
    pub started_ms: i64,
    /// Its id.
    pub call: Uuid,
}

/// A call as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCall {
    /// Whose.
    pub of: BoxId,
    /// What.
    pub record: CallRecord,
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundCalls {
    /// Newest first.
    pub calls: Vec<StoredCall>,
    /// Where the next page begins; none on the last.
    pub next: Option<Cursor>,
}

impl Store {
    /// A page of calls.
    pub async fn calls(&self, tenant: TenantId, filter: CallFilter) -> Result<FoundCalls, StoreError> {
        self.read(Scope::Tenant(tenant), move |session| {
            let limit = filter.limit.clamp(1, CALLS_PAGE_MAX);
            let (sql, values) = question(tenant, &filter, limit);
            let rows = session.query(&sql, &values)?;
            let mut calls = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
            let more = calls.len() > limit as usize;
            calls.truncate(limit as usize);
            let next = calls.last().filter(|_| more).map(|last| Cursor {
                started_ms: last.record.started.utc_ms,
                call: last.record.id,
            });
            Ok(FoundCalls { calls, next })
        })
        .await
    }
}

fn question(tenant: TenantId, filter: &CallFilter, limit: u32) -> (String, Vec<Value>) {
    let mut sql = "SELECT box, body FROM call WHERE tenant = $1".to_owned();
    let mut values: Vec<Value> = vec![tenant.0.into()];
    let mut with = |text: &str, mut more: Vec<Value>| {
        let mut text = text.to_owned();
        for at in 0..more.len() {
            text = text.replacen('?', &format!("${}", values.len() + at + 1), 1);
        }
        values.append(&mut more);
        sql.push_str(&text);
    };
    if let Some(of) = filter.of {
        with(" AND box = ?", vec![of.0.into()]);
    }
    if let Some(number) = &filter.number {
        with(
            " AND (caller = ? OR callee = ?)",
            vec![number.as_str().into(), number.as_str().into()],
        );
    }
    if let Some(from_ms) = filter.from_ms {
        with(" AND started_ms >= ?", vec![from_ms.into()]);
    }
    if let Some(before_ms) = filter.before_ms {
        with(" AND started_ms < ?", vec![before_ms.into()]);
    }
    if let Some(after) = filter.after {
        with(
            " AND (started_ms, call) < (?, ?)",
            vec![after.started_ms.into(), after.call.into()],
        );
    }
    with(
        " ORDER BY started_ms DESC, call DESC LIMIT ?",
        vec![i64::from(limit + 1).into()],
    );
    (sql, values)
}

fn stored(row: &Row) -> Result<StoredCall, StoreError> {
    Ok(StoredCall {
        of: BoxId(row.uuid(0)?),
        record: serde_json::from_str(&row.text(1)?).map_err(|error| unreadable(&error))?,
    })
}
