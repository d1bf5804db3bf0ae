//! Where the store is, and how a transaction runs there.

mod postgres;
mod sqlite;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::StoreError;
use crate::tenants::TenantId;
use crate::value::{Row, Value};

/// Transactions that may wait; above it callers are told to try again.
pub(crate) const WAITING_MAX: usize = 4096;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, for one node: `sqlite:/var/lib/branchline-cloud/cloud.db`.
    Sqlite(PathBuf),
    /// A database for several nodes: `postgresql://user@host/name`.
    Postgres(String),
}

/// Why there can be no store in a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFault {
    /// It is no place of a store.
    #[error("store `{0}`: write sqlite:FILE or postgresql://USER@HOST/DATABASE")]
    Unknown(String),
    /// Its role may see the rows of every tenant.
    #[error("the role `{0}` of PostgreSQL is not bound by row-level security; use one without SUPERUSER and BYPASSRLS")]
    RoleSeesAll(String),
    /// A newer version made it.
    #[error("the store is of version {found}, this program knows {known}; install the newer program")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest of this program.
        known: i64,
    },
}

impl FromStr for Place {
    type Err = PlaceFault;

    fn from_str(text: &str) -> Result<Self, PlaceFault> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Place::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgresql://") || text.starts_with("postgres://") {
            return Ok(Place::Postgres(text.to_owned()));
        }
        Err(PlaceFault::Unknown(text.to_owned()))
    }
}

/// Whose rows a transaction may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Tenant(TenantId),
    /// Everybody's: to find out whose a claim or a key is, and to make tenants.
    System,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A transaction that is open. Values are `$1`, `$2`, ….
pub(crate) trait Session {
    /// How many rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError>;
    /// The rows of the answer.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;
}

impl dyn Session + '_ {
    /// The only row of the answer, if there is one.
    pub(crate) fn query_one(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }
}

/// Work for one transaction; run once at most.
pub(crate) trait Work: Send {
    /// In the transaction. What comes out is kept until it is known whether the transaction took effect.
    fn run(&mut self, session: &mut dyn Session) -> Result<(), StoreError>;
    /// The transaction took effect, or why not.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A database.
pub(crate) trait Engine: Send + Sync {
    /// Hands over; [`Work::finish`] is called in any case.
    fn submit(&self, access: Access, scope: Scope, work: Box<dyn Work>);
}

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Engine>, StoreError>> + Send>>;

/// Opens the engine of a place.
pub(crate) fn open(place: &Place) -> Opening {
    let (reply, opened) = oneshot::channel();
    let place = place.clone();
    // The engines block while they open.
    let spawned = std::thread::Builder::new()
        .name("store-open".to_owned())
        .spawn(move || {
            let engine: Result<Arc<dyn Engine>, StoreError> = match &place {
                Place::Sqlite(path) => sqlite::open(path).map(|engine| Arc::new(engine) as _),
                Place::Postgres(url) => postgres::open(url).map(|engine| Arc::new(engine) as _),
            };
            // Nobody may wait any more.
            let _ = reply.send(engine);
        });
    Box::pin(async move {
        if spawned.is_err() {
            return Err(StoreError::Busy);
        }
        opened.await.map_err(|_| StoreError::Closed)?
    })
}

/// Runs one transaction and waits until it has taken effect.
pub(crate) async fn run<T, F>(engine: &dyn Engine, access: Access, scope: Scope, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut dyn Session) -> Result<T, StoreError> + Send + 'static,
{
    let (reply, outcome) = oneshot::channel();
    engine.submit(
        access,
        scope,
        Box::new(Once {
            work: Some(work),
            result: None,
            reply,
        }),
    );
    outcome.await.map_err(|_| StoreError::Closed)?
}

struct Once<T, F> {
    work: Option<F>,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Once<T, F>
where
    T: Send,
    F: FnOnce(&mut dyn Session) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, session: &mut dyn Session) -> Result<(), StoreError> {
        let work = self.work.take().ok_or(StoreError::Conflict("transaction"))?;
        self.result = Some(work(session)?);
        Ok(())
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (committed, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(StoreError::Closed),
            (Err(error), _) => Err(error),
        };
        // The caller may have gone.
        let _ = self.reply.send(outcome);
    }
}

impl fmt::Debug for dyn Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}
