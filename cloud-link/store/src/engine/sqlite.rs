//! SQLite: one thread writes and commits many transactions with one flush, a few read.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, ToSql};

use super::{Access, Engine, PlaceFault, Scope, Session, WAITING_MAX, Work};
use crate::StoreError;
use crate::schema::STEPS;
use crate::value::{Row, Value};

/// Threads that read; questions of people are few.
const READERS: usize = 2;
/// Transactions that share one flush.
const GROUP_MAX: usize = 256;
/// How long another program may hold the file.
const BUSY: Duration = Duration::from_secs(5);

pub(super) struct Sqlite {
    writes: SyncSender<Box<dyn Work>>,
    reads: SyncSender<Box<dyn Work>>,
}

pub(super) fn open(path: &Path) -> Result<Sqlite, StoreError> {
    let mut writer = connect(path)?;
    migrate(&mut writer)?;
    let (writes, write_jobs) = sync_channel::<Box<dyn Work>>(WAITING_MAX);
    spawn("store-write", move || write_all(&mut writer, &write_jobs))?;
    let (reads, read_jobs) = sync_channel::<Box<dyn Work>>(WAITING_MAX);
    let read_jobs = Arc::new(Mutex::new(read_jobs));
    for _ in 0..READERS {
        let reader = connect(path)?;
        reader.pragma_update(None, "query_only", true)?;
        let jobs = Arc::clone(&read_jobs);
        spawn("store-read", move || read_all(&reader, &jobs))?;
    }
    Ok(Sqlite { writes, reads })
}

impl Engine for Sqlite {
    fn submit(&self, access: Access, _scope: Scope, work: Box<dyn Work>) {
        let queue = match access {
            Access::Read => &self.reads,
            Access::Write => &self.writes,
        };
        match queue.try_send(work) {
            Ok(()) => {}
            Err(TrySendError::Full(work)) => work.finish(Err(StoreError::Busy)),
            Err(TrySendError::Disconnected(work)) => work.finish(Err(StoreError::Closed)),
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(|_| ()).map_err(|_| StoreError::Busy)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(PathBuf::from(path))?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What was answered survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = STEPS.len() as i64;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(PlaceFault::Newer { found, known }.into());
    }
    for (at, step) in STEPS.iter().enumerate().skip(found.max(0) as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", at as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

fn write_all(connection: &mut Connection, jobs: &Receiver<Box<dyn Work>>) {
    while let Ok(first) = jobs.recv() {
        let group = std::iter::once(first).chain(jobs.try_iter().take(GROUP_MAX - 1));
        write_group(connection, group.collect());
    }
}

/// Each in a savepoint of its own, all with one flush.
fn write_group(connection: &mut Connection, group: Vec<Box<dyn Work>>) {
    let mut transaction = match connection.transaction() {
        Ok(transaction) => transaction,
        Err(error) => return refuse(group, &error),
    };
    let mut done = Vec::with_capacity(group.len());
    for mut work in group {
        match in_savepoint(&mut transaction, &mut *work) {
            Ok(()) => done.push(work),
            Err(error) => work.finish(Err(error)),
        }
    }
    match transaction.commit() {
        Ok(()) => done.into_iter().for_each(|work| work.finish(Ok(()))),
        Err(error) => refuse(done, &error),
    }
}

fn in_savepoint(transaction: &mut rusqlite::Transaction<'_>, work: &mut dyn Work) -> Result<(), StoreError> {
    let savepoint = transaction.savepoint()?;
    // Dropped, it rolls back.
    work.run(&mut Open(&savepoint))?;
    Ok(savepoint.commit()?)
}

fn refuse(group: Vec<Box<dyn Work>>, error: &rusqlite::Error) {
    tracing::error!(%error, "the store cannot be written");
    for work in group {
        let again = rusqlite::Error::ToSqlConversionFailure(error.to_string().into());
        work.finish(Err(StoreError::Sqlite(again)));
    }
}

fn read_all(connection: &Connection, jobs: &Mutex<Receiver<Box<dyn Work>>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut work) = next else { return };
        let outcome = connection
            .unchecked_transaction()
            .map_err(StoreError::from)
            .and_then(|transaction| work.run(&mut Open(&transaction)));
        work.finish(outcome);
    }
}

struct Open<'a>(&'a Connection);

impl Session for Open<'_> {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()? as u64)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut answer = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..columns)
                .map(|at| row.get_ref(at).map(value))
                .collect::<Result<Vec<_>, _>>()?;
            answer.push(Row(values));
        }
        Ok(answer)
    }
}

/// By name: SQLite numbers `$2`, `$1` in the order in which it meets them.
fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), StoreError> {
    for (at, value) in values.iter().enumerate() {
        let name = format!("${}", at + 1);
        let index = statement
            .parameter_index(&name)?
            .ok_or(rusqlite::Error::InvalidParameterName(name))?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

fn value(read: ValueRef<'_>) -> Value {
    match read {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Uuid(uuid) => ValueRef::Blob(uuid.as_bytes()),
        }))
    }
}
