//! Past calls, read beside the running daemon or without it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use branchline_journal::{CallRecord, Uuid};
use rusqlite::types::Value;
use rusqlite::{Connection, InterruptHandle, OptionalExtension, params_from_iter};

use crate::sealed::{readable, unseal};
use crate::tables::seq_of;
use crate::{Lookup, Reason, schema};

/// Which records are wanted; all of the given conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A number or extension that took part, as dialled or in E.164.
    pub number: Option<String>,
    /// Started at or after, milliseconds since 1970-01-01T00:00:00Z.
    pub since_utc_ms: Option<i64>,
    /// Started before, milliseconds since 1970-01-01T00:00:00Z.
    pub until_utc_ms: Option<i64>,
    /// Records wanted; at most [`PAGE_RECORDS_MAX`], 0 stands for that many.
    pub limit: usize,
    /// Goes on after a page: its [`Page::next`].
    pub after: Option<u64>,
}

/// Records, the latest first, in the order of the box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The records.
    pub records: Vec<Listed>,
    /// For [`Filter::after`]; `None` on the last page.
    pub next: Option<u64>,
    /// How far SQLite is: later entries are in the journal only.
    pub applied_seq: u64,
}

/// A record and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Place of its entry in the order of the box.
    pub seq: u64,
    /// The record.
    pub record: CallRecord,
}

/// Most records of one page.
pub const PAGE_RECORDS_MAX: usize = 500;
/// Lookups at once; a disk that hangs must not pile up threads.
const LOOKUPS_MAX: usize = 4;

/// Reader of past calls.
#[derive(Clone, Debug)]
pub struct Records {
    path: PathBuf,
    running: Arc<AtomicUsize>,
}

impl Records {
    /// A reader of the SQLite file at `path`, which is opened anew for each lookup: it may be replaced at any time.
    pub fn open_read_only(path: &Path) -> Records {
        Records {
            path: path.to_owned(),
            running: Arc::default(),
        }
    }

    /// The records that pass `filter`, by `deadline` from now; an empty page is `Found`. Waits; not for the call path.
    pub fn query(&self, filter: Filter, deadline: Duration) -> Lookup<Page> {
        self.ask(deadline, move |connection| page(connection, &filter).map(Lookup::Found))
    }

    /// The record of one call, by `deadline` from now. Waits; not for the call path.
    pub fn get(&self, call: Uuid, deadline: Duration) -> Lookup<CallRecord> {
        self.ask(deadline, move |connection| {
            let found = connection
                .query_row(
                    "SELECT body, crc FROM call_record WHERE id = ?1",
                    [call.as_bytes()],
                    |row| unseal(row, 0),
                )
                .optional()?;
            Ok(found.map_or(Lookup::NotFound, Lookup::Found))
        })
    }

    fn ask<T: Send + 'static>(
        &self,
        deadline: Duration,
        question: impl FnOnce(&Connection) -> rusqlite::Result<Lookup<T>> + Send + 'static,
    ) -> Lookup<T> {
        let ticket = Ticket(Arc::clone(&self.running));
        if ticket.0.fetch_add(1, Ordering::AcqRel) >= LOOKUPS_MAX {
            return Lookup::Unavailable(Reason::TooManyLookups);
        }
        let stop: Arc<OnceLock<InterruptHandle>> = Arc::default();
        let (answer, answered) = mpsc::sync_channel(1);
        let (path, started) = (self.path.clone(), Arc::clone(&stop));
        let asked = thread::Builder::new().name("calldb-read".into()).spawn(move || {
            let _ticket = ticket;
            let found = schema::open_read_only(&path).and_then(|connection| {
                let _ = started.set(connection.get_interrupt_handle());
                question(&connection).map_err(Reason::from)
            });
            // Nobody waits any more once the deadline has passed.
            let _ = answer.send(found.unwrap_or_else(Lookup::Unavailable));
        });
        if let Err(error) = asked {
            return Lookup::Unavailable(Reason::Failed(error.to_string()));
        }
        answered.recv_timeout(deadline).unwrap_or_else(|_| {
            if let Some(stop) = stop.get() {
                stop.interrupt();
            }
            Lookup::Unavailable(Reason::Deadline)
        })
    }
}

struct Ticket(Arc<AtomicUsize>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn page(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let limit = if filter.limit == 0 {
        PAGE_RECORDS_MAX
    } else {
        filter.limit.min(PAGE_RECORDS_MAX)
    };
    let (sql, values) = select(filter, limit);
    let mut statement = connection.prepare(&sql)?;
    let mut page = Page {
        applied_seq: applied_seq(connection)?,
        ..Page::default()
    };
    let mut last_seq = None;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut met = 0;
    while let Some(row) = rows.next()? {
        met += 1;
        if met > limit {
            page.next = last_seq;
            break;
        }
        let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        last_seq = Some(seq);
        if let Some(record) = readable(unseal(row, 1))? {
            page.records.push(Listed { seq, record });
        }
    }
    Ok(page)
}

fn select(filter: &Filter, limit: usize) -> (String, Vec<Value>) {
    let mut sql = String::from("SELECT record.seq, record.body, record.crc FROM ");
    let mut values = Vec::new();
    match &filter.number {
        Some(number) => {
            sql.push_str(
                "call_number AS number CROSS JOIN call_record AS record ON record.seq = number.seq WHERE number.number = ?",
            );
            values.push(Value::from(number.clone()));
        }
        None => sql.push_str("call_record AS record WHERE 1"),
    }
    let order = if filter.number.is_some() {
        "number.seq"
    } else {
        "record.seq"
    };
    let conditions = [
        ("record.started_utc_ms >= ?".to_owned(), filter.since_utc_ms),
        ("record.started_utc_ms < ?".to_owned(), filter.until_utc_ms),
        (format!("{order} < ?"), filter.after.map(seq_of)),
    ];
    for (condition, value) in conditions {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(&condition);
            values.push(Value::from(value));
        }
    }
    sql.push_str(&format!(" ORDER BY {order} DESC LIMIT {}", limit + 1));
    (sql, values)
}

fn applied_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let seq: i64 = connection.query_row("SELECT value FROM meta WHERE key = 'applied_seq'", [], |row| row.get(0))?;
    Ok(u64::try_from(seq).unwrap_or(0))
}
