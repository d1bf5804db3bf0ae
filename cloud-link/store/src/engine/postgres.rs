//! PostgreSQL: a few connections, each with a thread; the server shares the flushes.

use std::collections::HashMap;
use std::error::Error;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type};
use postgres::{Client, Config, NoTls, Statement, Transaction};

use super::{Access, Engine, PlaceFault, Scope, Session, WAITING_MAX, Work};
use crate::StoreError;
use crate::schema::{STEPS, TENANT_TABLES};
use crate::value::{Row, Value};

/// Connections of one node.
const CONNECTIONS: usize = 8;
/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before a lost connection is made again.
const PAUSE: Duration = Duration::from_millis(500);
/// Two nodes that start at once bring the tables up to date one after the other.
const MIGRATION_LOCK: i64 = 0x6272_616e_6368;

struct Job {
    access: Access,
    scope: Scope,
    work: Box<dyn Work>,
}

pub(super) struct Postgres {
    jobs: SyncSender<Job>,
}

pub(super) fn open(url: &str) -> Result<Postgres, StoreError> {
    let mut config: Config = url.parse()?;
    config.connect_timeout(PATIENCE).application_name("branchline-cloud");
    migrate(&mut config.connect(NoTls)?)?;
    let (jobs, waiting) = sync_channel::<Job>(WAITING_MAX);
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..CONNECTIONS {
        let (config, waiting) = (config.clone(), Arc::clone(&waiting));
        let spawned = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work_all(&config, &waiting));
        spawned.map_err(|_| StoreError::Busy)?;
    }
    Ok(Postgres { jobs })
}

impl Engine for Postgres {
    fn submit(&self, access: Access, scope: Scope, work: Box<dyn Work>) {
        match self.jobs.try_send(Job { access, scope, work }) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job.work.finish(Err(StoreError::Busy)),
            Err(TrySendError::Disconnected(job)) => job.work.finish(Err(StoreError::Closed)),
        }
    }
}

fn migrate(client: &mut Client) -> Result<(), StoreError> {
    let role = client.query_one(
        "SELECT rolname::text, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user",
        &[],
    )?;
    if role.get::<_, bool>(1) {
        return Err(PlaceFault::RoleSeesAll(role.get(0)).into());
    }
    let known = STEPS.len() as i64;
    let mut transaction = client.transaction()?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])?;
    transaction.batch_execute("CREATE TABLE IF NOT EXISTS store_version (version BIGINT NOT NULL)")?;
    let found: i64 = transaction
        .query_opt("SELECT max(version) FROM store_version", &[])?
        .and_then(|row| row.get(0))
        .unwrap_or(0);
    if found > known {
        return Err(PlaceFault::Newer { found, known }.into());
    }
    for (at, step) in STEPS.iter().enumerate().skip(found.max(0) as usize) {
        transaction.batch_execute(step)?;
        transaction.execute("INSERT INTO store_version VALUES ($1)", &[&(at as i64 + 1)])?;
    }
    if found < known {
        for table in TENANT_TABLES {
            transaction.batch_execute(&bound_to_tenant(table))?;
        }
    }
    Ok(transaction.commit()?)
}

/// Forced: the owner of the table is bound as well. Without a setting nothing is seen.
fn bound_to_tenant(table: &str) -> String {
    format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
         DROP POLICY IF EXISTS of_tenant ON {table};
         CREATE POLICY of_tenant ON {table} USING (
            tenant::text = current_setting('branchline.tenant', true)
            OR current_setting('branchline.tenant', true) = 'every');"
    )
}

fn work_all(config: &Config, waiting: &Mutex<Receiver<Job>>) {
    let mut connection: Option<Connection> = None;
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let open = match connection.take() {
            Some(open) if !open.client.is_closed() => Ok(open),
            _ => Connection::make(config),
        };
        match open {
            Ok(mut open) => {
                let Job {
                    access,
                    scope,
                    mut work,
                } = job;
                let outcome = open.run(access, scope, &mut *work);
                work.finish(outcome);
                connection = Some(open);
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be reached");
                job.work.finish(Err(error));
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a server that is away is not asked in a tight circle"
                )]
                thread::sleep(PAUSE);
            }
        }
    }
}

struct Connection {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Connection {
    fn make(config: &Config) -> Result<Connection, StoreError> {
        Ok(Connection {
            client: config.connect(NoTls)?,
            prepared: HashMap::new(),
        })
    }

    fn run(&mut self, access: Access, scope: Scope, work: &mut dyn Work) -> Result<(), StoreError> {
        let mut transaction = self
            .client
            .build_transaction()
            .read_only(access == Access::Read)
            .start()?;
        let tenant = match scope {
            Scope::Tenant(tenant) => tenant.0.to_string(),
            Scope::System => "every".to_owned(),
        };
        // Local to the transaction, so that a pool between here and the server does no harm.
        transaction.execute("SELECT set_config('branchline.tenant', $1, true)", &[&tenant])?;
        work.run(&mut Open {
            transaction: &mut transaction,
            prepared: &mut self.prepared,
        })?;
        Ok(transaction.commit()?)
    }
}

struct Open<'a, 'c> {
    transaction: &'a mut Transaction<'c>,
    prepared: &'a mut HashMap<String, Statement>,
}

impl Open<'_, '_> {
    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.transaction.prepare(sql)?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Session for Open<'_, '_> {
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        Ok(self.transaction.execute(&statement, &as_parameters(values))?)
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let rows = self.transaction.query(&statement, &as_parameters(values))?;
        rows.iter()
            .map(|row| {
                (0..row.len())
                    .map(|at| read(row, at))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Row)
            })
            .collect()
    }
}

fn as_parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn read(row: &postgres::Row, at: usize) -> Result<Value, StoreError> {
    let kind = row.columns()[at].type_();
    Ok(match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(i64::from).into(),
        Type::TEXT | Type::VARCHAR | Type::NAME => row.try_get::<_, Option<String>>(at)?.into(),
        Type::BYTEA => row.try_get::<_, Option<&[u8]>>(at)?.into(),
        Type::UUID => row.try_get::<_, Option<uuid::Uuid>>(at)?.into(),
        _ => {
            return Err(StoreError::Unreadable {
                what: "column",
                problem: format!("its type is {kind}"),
            });
        }
    })
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Number(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql_checked(kind, out),
            Value::Number(number) => number.to_sql_checked(kind, out),
            Value::Text(text) => text.to_sql_checked(kind, out),
            Value::Bytes(bytes) => bytes.to_sql_checked(kind, out),
            Value::Uuid(uuid) => uuid.to_sql_checked(kind, out),
        }
    }

    fn accepts(_kind: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(kind, out)
    }
}
